//! MobileNetV2 (Sandler et al. 2018) and ShuffleNetV2 (Ma et al. 2018): networks for phones.

use super::{
    VisionError,
    layers::{
        Activation::{self, None, Relu, Relu6},
        Layer,
    },
    residual::POOL,
    weights::{Shape, Weights},
};

/// `name.a` and its batch norm `name.b`.
fn conv_norm(
    w: &mut Weights,
    name: &str,
    (conv, norm): (&str, &str),
    shape: Shape,
    activation: Activation,
) -> Result<Layer, VisionError> {
    w.conv_norm((&format!("{name}.{conv}"), &format!("{name}.{norm}")), shape, activation)
}

pub(super) fn mobilenet_v2(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    let mut layers = vec![conv_norm(w, "features.0", ("0", "1"), Shape::same(3, 32, 3, 2), Relu6)?];
    let (mut channels, mut index) = (32, 1);
    // The paper's table 2: expansion, channels, repeats, stride of the first.
    let table = [
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ];
    for (expansion, output, repeats, first_stride) in table {
        for repeat in 0..repeats {
            let stride = if repeat == 0 { first_stride } else { 1 };
            let name = format!("features.{index}.conv");
            layers.push(inverted_residual(w, &name, channels, output, stride, expansion)?);
            channels = output;
            index += 1;
        }
    }
    let last = Shape::same(channels, 1280, 1, 1);
    layers.push(conv_norm(w, "features.18", ("0", "1"), last, Relu6)?);
    layers.extend([Layer::GlobalAvgPool, w.linear("classifier.1", 1280, classes, None)?]);
    Ok(Layer::Sequence(layers))
}

fn inverted_residual(
    w: &mut Weights,
    name: &str,
    input: usize,
    output: usize,
    stride: usize,
    expansion: usize,
) -> Result<Layer, VisionError> {
    let width = input * expansion;
    let mut path = Vec::new();
    let mut at = 0;
    if expansion > 1 {
        let shape = Shape::same(input, width, 1, 1);
        path.push(conv_norm(w, &format!("{name}.0"), ("0", "1"), shape, Relu6)?);
        at = 1;
    }
    let depthwise = Shape::depthwise(width, 3, stride);
    path.push(conv_norm(w, &format!("{name}.{at}"), ("0", "1"), depthwise, Relu6)?);
    let parts = (&*format!("{}", at + 1), &*format!("{}", at + 2));
    path.push(conv_norm(w, name, parts, Shape::same(width, output, 1, 1), None)?);
    let path = Layer::Sequence(path);
    if stride > 1 || input != output {
        return Ok(path);
    }
    Ok(Layer::Residual { path: Box::new(path), shortcut: Option::None, relu: false })
}

/// `channels` of the stem, the three stages and the last convolution (the paper's table 5).
pub(super) fn shufflenet_v2(
    w: &mut Weights,
    classes: usize,
    channels: [usize; 5],
) -> Result<Layer, VisionError> {
    let mut layers =
        vec![conv_norm(w, "conv1", ("0", "1"), Shape::same(3, channels[0], 3, 2), Relu)?, POOL];
    for (stage, repeats) in [4, 8, 4].into_iter().enumerate() {
        let (input, output) = (channels[stage], channels[stage + 1]);
        let half = output / 2;
        for repeat in 0..repeats {
            let name = format!("stage{}.{repeat}", stage + 2);
            let branch2 = format!("{name}.branch2");
            if repeat > 0 {
                layers.push(Layer::HalfAndShuffle(Box::new(unit(w, &branch2, half, half, 1)?)));
                continue;
            }
            let branch1 = format!("{name}.branch1");
            let depthwise = Shape::depthwise(input, 3, 2);
            let shortcut = Layer::Sequence(vec![
                conv_norm(w, &branch1, ("0", "1"), depthwise, None)?,
                conv_norm(w, &branch1, ("2", "3"), Shape::same(input, half, 1, 1), Relu)?,
            ]);
            let path = unit(w, &branch2, input, half, 2)?;
            layers.push(Layer::BranchesAndShuffle(Box::new(shortcut), Box::new(path)));
        }
    }
    let last = Shape::same(channels[3], channels[4], 1, 1);
    layers.push(conv_norm(w, "conv5", ("0", "1"), last, Relu)?);
    layers.extend([Layer::GlobalAvgPool, w.linear("fc", channels[4], classes, None)?]);
    Ok(Layer::Sequence(layers))
}

/// 1×1, depthwise 3×3, 1×1.
fn unit(
    w: &mut Weights,
    name: &str,
    input: usize,
    output: usize,
    stride: usize,
) -> Result<Layer, VisionError> {
    Ok(Layer::Sequence(vec![
        conv_norm(w, name, ("0", "1"), Shape::same(input, output, 1, 1), Relu)?,
        conv_norm(w, name, ("3", "4"), Shape::depthwise(output, 3, stride), None)?,
        conv_norm(w, name, ("5", "6"), Shape::same(output, output, 1, 1), Relu)?,
    ]))
}
