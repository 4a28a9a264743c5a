//! DenseNet (Huang et al. 2016).

use super::{
    error::VisionError,
    layers::{
        Activation::{None, Relu},
        Layer,
    },
    residual::POOL,
    weights::{Shape, Weights},
};
use crate::kernels::image::AveragePool;

/// Channels that each layer adds.
const GROWTH: usize = 32;
/// Channels of a bottleneck, as a multiple of the growth.
const BOTTLENECK: usize = 4;

const HALF: AveragePool = AveragePool::Windows { kernel: 2, stride: 2, padding: 0 };

pub(super) fn densenet121(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    densenet(w, classes, [6, 12, 24, 16])
}

/// `depths` are the numbers of layers in each dense block.
pub(super) fn densenet(
    w: &mut Weights,
    classes: usize,
    depths: [usize; 4],
) -> Result<Layer, VisionError> {
    let stem = Shape::same(3, 64, 7, 2);
    let mut layers = vec![w.conv_norm(("features.conv0", "features.norm0"), stem, Relu)?, POOL];
    let mut channels = 64;
    for (block, depth) in depths.into_iter().enumerate() {
        for layer in 0..depth {
            let name = format!("features.denseblock{}.denselayer{}", block + 1, layer + 1);
            layers.push(Layer::Grow(Box::new(dense_layer(w, &name, channels)?)));
            channels += GROWTH;
        }
        if block < 3 {
            let name = format!("features.transition{}", block + 1);
            layers.push(w.norm_relu(&format!("{name}.norm"), channels)?);
            let shape = Shape::same(channels, channels / 2, 1, 1);
            layers.push(w.bare_conv(&format!("{name}.conv"), shape)?);
            layers.push(Layer::AveragePool(HALF));
            channels /= 2;
        }
    }
    layers.extend([
        w.norm_relu("features.norm5", channels)?,
        Layer::GlobalAvgPool,
        w.linear("classifier", channels, classes, None)?,
    ]);
    Ok(Layer::Sequence(layers))
}

/// A dense layer. The second batch norm directly follows the first convolution and is folded into it.
fn dense_layer(w: &mut Weights, name: &str, channels: usize) -> Result<Layer, VisionError> {
    let width = GROWTH * BOTTLENECK;
    let (conv1, norm2) = (format!("{name}.conv1"), format!("{name}.norm2"));
    Ok(Layer::Sequence(vec![
        w.norm_relu(&format!("{name}.norm1"), channels)?,
        w.conv_norm((&conv1, &norm2), Shape::same(channels, width, 1, 1), Relu)?,
        w.bare_conv(&format!("{name}.conv2"), Shape::same(width, GROWTH, 3, 1))?,
    ]))
}
