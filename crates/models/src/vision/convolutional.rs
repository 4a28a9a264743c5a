//! AlexNet, VGG and SqueezeNet: plain sequences of convolutions.

use super::{
    error::VisionError,
    layers::{
        Activation::{None, Relu},
        Layer,
    },
    weights::{Shape, Weights},
};
use crate::kernels::image::{AveragePool, MaxPool};

/// A max-pool of `kernel` × `kernel` pixels with stride 2.
const fn pool(kernel: usize, ceil: bool) -> Layer {
    Layer::MaxPool(MaxPool { kernel, stride: 2, padding: 0, ceil })
}

/// AlexNet as in Krizhevsky 2014 ("One weird trick for parallelizing convolutional neural networks").
pub(super) fn alexnet(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    let stem = Shape { padding: [2, 2], ..Shape::same(3, 64, 11, 4) };
    let mut layers = vec![
        w.conv("features.0", stem, Relu)?,
        pool(3, false),
        w.conv("features.3", Shape::same(64, 192, 5, 1), Relu)?,
        pool(3, false),
        w.conv("features.6", Shape::same(192, 384, 3, 1), Relu)?,
        w.conv("features.8", Shape::same(384, 256, 3, 1), Relu)?,
        w.conv("features.10", Shape::same(256, 256, 3, 1), Relu)?,
        pool(3, false),
        Layer::AveragePool(AveragePool::Adaptive(6)),
        Layer::Flatten,
    ];
    layers.extend(w.dropout(0.5));
    layers.push(w.linear("classifier.1", 256 * 36, 4096, Relu)?);
    layers.extend(w.dropout(0.5));
    layers.push(w.linear("classifier.4", 4096, 4096, Relu)?);
    layers.push(w.linear("classifier.6", 4096, classes, None)?);
    Ok(Layer::Sequence(layers))
}

/// VGG (Simonyan and Zisserman 2014); `stages` are the numbers of convolutions before each pool.
pub(super) fn vgg(w: &mut Weights, classes: usize, stages: &[usize]) -> Result<Layer, VisionError> {
    let mut layers = Vec::new();
    let (mut index, mut channels) = (0, 3);
    for (convolutions, width) in stages.iter().zip([64, 128, 256, 512, 512]) {
        for _ in 0..*convolutions {
            let shape = Shape::same(channels, width, 3, 1);
            layers.push(w.conv(&format!("features.{index}"), shape, Relu)?);
            // The convolution and its ReLU are two modules.
            index += 2;
            channels = width;
        }
        layers.push(pool(2, false));
        index += 1;
    }
    layers.extend([
        Layer::AveragePool(AveragePool::Adaptive(7)),
        Layer::Flatten,
        w.linear("classifier.0", 512 * 49, 4096, Relu)?,
    ]);
    layers.extend(w.dropout(0.5));
    layers.push(w.linear("classifier.3", 4096, 4096, Relu)?);
    layers.extend(w.dropout(0.5));
    layers.push(w.linear("classifier.6", 4096, classes, None)?);
    Ok(Layer::Sequence(layers))
}

/// SqueezeNet 1.1 (Iandola et al. 2016).
pub(super) fn squeezenet1_1(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    let stem = Shape { padding: [0, 0], ..Shape::same(3, 64, 3, 2) };
    let mut layers = vec![
        w.conv("features.0", stem, Relu)?,
        pool(3, true),
        fire(w, 3, 64, 16, 64)?,
        fire(w, 4, 128, 16, 64)?,
        pool(3, true),
        fire(w, 6, 128, 32, 128)?,
        fire(w, 7, 256, 32, 128)?,
        pool(3, true),
        fire(w, 9, 256, 48, 192)?,
        fire(w, 10, 384, 48, 192)?,
        fire(w, 11, 384, 64, 256)?,
        fire(w, 12, 512, 64, 256)?,
    ];
    layers.extend(w.dropout(0.5));
    layers.push(w.conv("classifier.1", Shape::same(512, classes, 1, 1), Relu)?);
    layers.push(Layer::GlobalAvgPool);
    Ok(Layer::Sequence(layers))
}

/// A fire module: a 1×1 convolution to few channels, then a 1×1 and a 3×3 convolution side by side.
fn fire(
    w: &mut Weights,
    index: usize,
    input: usize,
    squeeze: usize,
    expand: usize,
) -> Result<Layer, VisionError> {
    let name = |part: &str| format!("features.{index}.{part}");
    let shape = Shape::same(squeeze, expand, 3, 1);
    Ok(Layer::Sequence(vec![
        w.conv(&name("squeeze"), Shape::same(input, squeeze, 1, 1), Relu)?,
        Layer::Branches(vec![
            w.conv(&name("expand1x1"), Shape::same(squeeze, expand, 1, 1), Relu)?,
            w.conv(&name("expand3x3"), shape, Relu)?,
        ]),
    ]))
}
