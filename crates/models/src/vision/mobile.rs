//! MobileNetV2 (Sandler et al. 2018), ShuffleNetV2 (Ma et al. 2018) and MnasNet (Tan et al. 2018):
//! networks for mobile devices.

use super::{
    error::VisionError,
    layers::{
        Activation::{None, Relu, Relu6},
        Layer,
    },
    residual::POOL,
    weights::{Shape, Weights},
};

pub(super) fn mobilenet_v2(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    let mut layers = vec![w.unit("features.0", Shape::same(3, 32, 3, 2), Relu6)?];
    let (mut channels, mut index) = (32, 1);
    // Table 2 of the paper: expansion, channels, number of blocks, stride of the first block.
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
    layers.push(w.unit("features.18", last, Relu6)?);
    layers.push(Layer::GlobalAvgPool);
    layers.extend(w.dropout(0.2));
    layers.push(w.linear("classifier.1", 1280, classes, None)?);
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
        path.push(w.unit(&format!("{name}.0"), shape, Relu6)?);
        at = 1;
    }
    let depthwise = Shape::depthwise(width, 3, stride);
    path.push(w.unit(&format!("{name}.{at}"), depthwise, Relu6)?);
    let parts = (&*format!("{}", at + 1), &*format!("{}", at + 2));
    path.push(w.conv_norm_in(name, parts, Shape::same(width, output, 1, 1), None)?);
    Ok(narrow_residual(Layer::Sequence(path), stride == 1 && input == output))
}

/// A path between narrow layers; `adds` says whether its input is added to its output.
pub(super) fn narrow_residual(path: Layer, adds: bool) -> Layer {
    if !adds {
        return path;
    }
    Layer::Residual { path: Box::new(path), shortcut: Option::None, relu: false }
}

/// ShuffleNetV2; `channels` are those of the first convolution, the three stages and the last convolution
/// (table 5 of the paper).
pub(super) fn shufflenet_v2(
    w: &mut Weights,
    classes: usize,
    channels: [usize; 5],
) -> Result<Layer, VisionError> {
    let mut layers = vec![w.unit("conv1", Shape::same(3, channels[0], 3, 2), Relu)?, POOL];
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
                w.unit(&branch1, depthwise, None)?,
                w.conv_norm_in(&branch1, ("2", "3"), Shape::same(input, half, 1, 1), Relu)?,
            ]);
            let path = unit(w, &branch2, input, half, 2)?;
            layers.push(Layer::BranchesAndShuffle(Box::new(shortcut), Box::new(path)));
        }
    }
    let last = Shape::same(channels[3], channels[4], 1, 1);
    layers.push(w.unit("conv5", last, Relu)?);
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
        w.unit(name, Shape::same(input, output, 1, 1), Relu)?,
        w.conv_norm_in(name, ("3", "4"), Shape::depthwise(output, 3, stride), None)?,
        w.conv_norm_in(name, ("5", "6"), Shape::same(output, output, 1, 1), Relu)?,
    ]))
}

/// MnasNet-B1.
pub(super) fn mnasnet1_0(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    w.batch_norm_momentum(1.0 - 0.9997);
    let mut layers = vec![
        w.conv_norm_in("layers", ("0", "1"), Shape::same(3, 32, 3, 2), Relu)?,
        w.conv_norm_in("layers", ("3", "4"), Shape::depthwise(32, 3, 1), Relu)?,
        w.conv_norm_in("layers", ("6", "7"), Shape::same(32, 16, 1, 1), None)?,
    ];
    // Expansion, kernel, stride of the first block, channels, number of blocks.
    let table = [
        (3, 3, 2, 24, 3),
        (3, 5, 2, 40, 3),
        (6, 5, 2, 80, 3),
        (6, 3, 1, 96, 2),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ];
    let mut channels = 16;
    for (stack, (expansion, kernel, first_stride, output, repeats)) in table.into_iter().enumerate()
    {
        for repeat in 0..repeats {
            let name = format!("layers.{}.{repeat}.layers", stack + 8);
            let stride = if repeat == 0 { first_stride } else { 1 };
            let width = channels * expansion;
            let point = Shape::same(channels, width, 1, 1);
            let depthwise = Shape::depthwise(width, kernel, stride);
            let path = Layer::Sequence(vec![
                w.conv_norm_in(&name, ("0", "1"), point, Relu)?,
                w.conv_norm_in(&name, ("3", "4"), depthwise, Relu)?,
                w.conv_norm_in(&name, ("6", "7"), Shape::same(width, output, 1, 1), None)?,
            ]);
            layers.push(narrow_residual(path, stride == 1 && channels == output));
            channels = output;
        }
    }
    layers.extend([
        w.conv_norm_in("layers", ("14", "15"), Shape::same(320, 1280, 1, 1), Relu)?,
        Layer::GlobalAvgPool,
    ]);
    layers.extend(w.dropout(0.2));
    layers.push(w.linear("classifier.1", 1280, classes, None)?);
    Ok(Layer::Sequence(layers))
}
