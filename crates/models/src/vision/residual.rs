//! ResNet (He et al. 2015).

use super::{
    error::VisionError,
    layers::{
        Activation::{None, Relu},
        Layer,
    },
    weights::{Shape, Weights},
};
use crate::kernels::image::MaxPool;

/// The max-pool after the first convolution.
pub(super) const POOL: Layer =
    Layer::MaxPool(MaxPool { kernel: 3, stride: 2, padding: 1, ceil: false });

pub(super) fn resnet18(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    resnet(w, classes, [2, 2, 2, 2], 1)
}

pub(super) fn resnet50(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    resnet(w, classes, [3, 4, 6, 3], 4)
}

pub(super) fn resnet152(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    resnet(w, classes, [3, 8, 36, 3], 4)
}

/// `expansion` is 1 for basic blocks of two 3×3 convolutions, and 4 for bottlenecks.
fn resnet(
    w: &mut Weights,
    classes: usize,
    stages: [usize; 4],
    expansion: usize,
) -> Result<Layer, VisionError> {
    let stem = Shape::same(3, 64, 7, 2);
    let mut layers = vec![w.conv_norm(("conv1", "bn1"), stem, Relu)?, POOL];
    let mut channels = 64;
    for (stage, blocks) in stages.into_iter().enumerate() {
        let width = 64 << stage;
        for block in 0..blocks {
            let stride = if block == 0 && stage > 0 { 2 } else { 1 };
            let name = format!("layer{}.{block}", stage + 1);
            layers.push(residual(w, &name, channels, width, stride, expansion)?);
            channels = width * expansion;
        }
    }
    layers.extend([Layer::GlobalAvgPool, w.linear("fc", channels, classes, None)?]);
    Ok(Layer::Sequence(layers))
}

fn residual(
    w: &mut Weights,
    name: &str,
    input: usize,
    width: usize,
    stride: usize,
    expansion: usize,
) -> Result<Layer, VisionError> {
    let output = width * expansion;
    let shapes = if expansion == 1 {
        vec![Shape::same(input, width, 3, stride), Shape::same(width, width, 3, 1)]
    } else {
        vec![
            Shape::same(input, width, 1, 1),
            Shape::same(width, width, 3, stride),
            Shape::same(width, output, 1, 1),
        ]
    };
    let mut path = Vec::new();
    for (index, shape) in shapes.into_iter().enumerate() {
        let (conv, norm) = (format!("{name}.conv{}", index + 1), format!("{name}.bn{}", index + 1));
        // The last ReLU is applied after the shortcut is added.
        path.push(w.conv_norm((&conv, &norm), shape, Relu)?);
    }
    let shortcut = if stride > 1 || input != output {
        let (conv, norm) = (format!("{name}.downsample.0"), format!("{name}.downsample.1"));
        let shape = Shape::same(input, output, 1, stride);
        Some(Box::new(w.conv_norm((&conv, &norm), shape, None)?))
    } else {
        Option::None
    };
    Ok(Layer::Residual { path: Box::new(Layer::Sequence(path)), shortcut, relu: true })
}
