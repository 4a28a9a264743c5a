//! MobileNetV3 (Howard et al. 2019), EfficientNet (Tan and Le 2019) and EfficientNetV2 (Tan and Le 2021):
//! networks found by search, built of inverted residual blocks with squeeze and excitation.

use super::{
    error::VisionError,
    layers::{
        Activation::{self, HardSigmoid, HardSwish, None, Relu, Sigmoid, Silu},
        Layer,
    },
    mobile::narrow_residual,
    weights::{Shape, Weights},
};

/// Epsilon of batch norm in MobileNetV3, EfficientNetV2, and EfficientNet from B5 on.
const EPSILON: f64 = 1e-3;

/// Share of images that would skip a block after the last one in training.
const DEPTH: f64 = 0.2;

/// An inverted residual block with squeeze and excitation.
struct Block {
    input: usize,
    /// Channels of the depthwise convolution.
    width: usize,
    output: usize,
    kernel: usize,
    stride: usize,
    /// Channels of the squeeze, its activation and that of the excitation; `None` without squeeze and
    /// excitation.
    squeeze: Option<(usize, [Activation; 2])>,
    activation: Activation,
    /// Share of images that skip the block in training, if it has a shortcut.
    drop: f64,
}

impl Block {
    /// Builds the block from the weights `name.0`, `name.1`, ….
    fn build(&self, w: &mut Weights, name: &str) -> Result<Layer, VisionError> {
        let mut path = Vec::new();
        if self.width != self.input {
            let shape = Shape::same(self.input, self.width, 1, 1);
            path.push(w.unit(&format!("{name}.0"), shape, self.activation)?);
        }
        let depthwise = Shape::depthwise(self.width, self.kernel, self.stride);
        path.push(w.unit(&format!("{name}.{}", path.len()), depthwise, self.activation)?);
        if let Some((squeezed, activations)) = self.squeeze {
            let name = format!("{name}.{}", path.len());
            path.push(w.squeeze_excitation(&name, self.width, squeezed, activations)?);
        }
        let shape = Shape::same(self.width, self.output, 1, 1);
        path.push(w.unit(&format!("{name}.{}", path.len()), shape, None)?);
        let adds = self.stride == 1 && self.input == self.output;
        Ok(narrow_residual(dropped(w, Layer::Sequence(path), adds, self.drop), adds))
    }
}

/// A block's path that some images skip in training. Without a shortcut, none does.
fn dropped(w: &mut Weights, path: Layer, adds: bool, share: f64) -> Layer {
    if adds && share > 0.0 { w.stochastic_depth(path, share) } else { path }
}

/// The multiple of 8 nearest to `count`, or the next larger one if that is below 0.9 · `count`.
fn channels(count: f64) -> usize {
    let rounded = ((count + 4.0) / 8.0) as usize * 8;
    let rounded = rounded.max(8);
    if (rounded as f64) < 0.9 * count { rounded + 8 } else { rounded }
}

/// MobileNetV3-Large, table 1 of the paper.
pub(super) fn mobilenet_v3_large(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    w.batch_norm_epsilon(EPSILON);
    w.batch_norm_momentum(0.01);
    let mut layers = vec![w.unit("features.0", Shape::same(3, 16, 3, 2), HardSwish)?];
    // Kernel, width, output, squeeze and excitation, activation, stride.
    let table = [
        (3, 16, 16, false, Relu, 1),
        (3, 64, 24, false, Relu, 2),
        (3, 72, 24, false, Relu, 1),
        (5, 72, 40, true, Relu, 2),
        (5, 120, 40, true, Relu, 1),
        (5, 120, 40, true, Relu, 1),
        (3, 240, 80, false, HardSwish, 2),
        (3, 200, 80, false, HardSwish, 1),
        (3, 184, 80, false, HardSwish, 1),
        (3, 184, 80, false, HardSwish, 1),
        (3, 480, 112, true, HardSwish, 1),
        (3, 672, 112, true, HardSwish, 1),
        (5, 672, 160, true, HardSwish, 2),
        (5, 960, 160, true, HardSwish, 1),
        (5, 960, 160, true, HardSwish, 1),
    ];
    let mut input = 16;
    for (index, (kernel, width, output, squeezed, activation, stride)) in
        table.into_iter().enumerate()
    {
        let squeeze = squeezed.then(|| (channels(width as f64 / 4.0), [Relu, HardSigmoid]));
        let drop = 0.0;
        let block = Block { input, width, output, kernel, stride, squeeze, activation, drop };
        layers.push(block.build(w, &format!("features.{}.block", index + 1))?);
        input = output;
    }
    layers.extend([
        w.unit("features.16", Shape::same(160, 960, 1, 1), HardSwish)?,
        Layer::GlobalAvgPool,
        w.linear("classifier.0", 960, 1280, HardSwish)?,
    ]);
    layers.extend(w.dropout(0.2));
    layers.push(w.linear("classifier.3", 1280, classes, None)?);
    Ok(Layer::Sequence(layers))
}

/// A stage of an EfficientNet.
struct Stage {
    /// Whether one 3×3 convolution replaces the 1×1 and the depthwise convolution.
    fused: bool,
    expansion: usize,
    kernel: usize,
    stride: usize,
    output: usize,
    blocks: usize,
}

impl Stage {
    const fn new(
        expansion: usize,
        kernel: usize,
        stride: usize,
        output: usize,
        blocks: usize,
    ) -> Self {
        Self { fused: false, expansion, kernel, stride, output, blocks }
    }

    const fn fused(expansion: usize, stride: usize, output: usize, blocks: usize) -> Self {
        Self { fused: true, expansion, kernel: 3, stride, output, blocks }
    }
}

/// EfficientNet-B0 (table 1 of the paper), with its width and depth scaled.
pub(super) fn efficientnet(
    w: &mut Weights,
    classes: usize,
    width: f64,
    depth: f64,
) -> Result<Layer, VisionError> {
    let table = [
        Stage::new(1, 3, 1, 16, 1),
        Stage::new(6, 3, 2, 24, 2),
        Stage::new(6, 5, 2, 40, 2),
        Stage::new(6, 3, 2, 80, 3),
        Stage::new(6, 5, 1, 112, 3),
        Stage::new(6, 5, 2, 192, 4),
        Stage::new(6, 3, 1, 320, 1),
    ];
    let scaled = table.map(|stage| Stage {
        output: channels(stage.output as f64 * width),
        blocks: (stage.blocks as f64 * depth).ceil() as usize,
        ..stage
    });
    let last = 4 * scaled[6].output;
    // Of the published sizes, B7 alone is as wide as this.
    let dropout = if width >= 2.0 { 0.5 } else { 0.2 };
    stages(w, classes, channels(32.0 * width), &scaled, (last, dropout))
}

/// EfficientNet-B7: twice as wide, 3.1 times as deep.
pub(super) fn efficientnet_b7(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    w.batch_norm_epsilon(EPSILON);
    w.batch_norm_momentum(0.01);
    efficientnet(w, classes, 2.0, 3.1)
}

/// EfficientNetV2-S, table 4 of the paper.
pub(super) fn efficientnet_v2_s(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    w.batch_norm_epsilon(EPSILON);
    let table = [
        Stage::fused(1, 1, 24, 2),
        Stage::fused(4, 2, 48, 4),
        Stage::fused(4, 2, 64, 4),
        Stage::new(4, 3, 2, 128, 6),
        Stage::new(6, 3, 1, 160, 9),
        Stage::new(6, 3, 2, 256, 15),
    ];
    stages(w, classes, 24, &table, (1280, 0.2))
}

fn stages(
    w: &mut Weights,
    classes: usize,
    stem: usize,
    table: &[Stage],
    (last, dropout): (usize, f64),
) -> Result<Layer, VisionError> {
    // Stochastic depth increases from block to block.
    let total = table.iter().map(|stage| stage.blocks).sum::<usize>();
    let mut before = 0;
    let mut layers = vec![w.unit("features.0", Shape::same(3, stem, 3, 2), Silu)?];
    let mut input = stem;
    for (index, stage) in table.iter().enumerate() {
        for repeat in 0..stage.blocks {
            let name = format!("features.{}.{repeat}.block", index + 1);
            let stride = if repeat == 0 { stage.stride } else { 1 };
            let (width, output) = (channels((input * stage.expansion) as f64), stage.output);
            let drop = DEPTH * before as f64 / total as f64;
            before += 1;
            layers.push(if stage.fused {
                fused(w, &name, [input, width, output], stride, drop)?
            } else {
                let squeeze = Some(((input / 4).max(1), [Silu, Sigmoid]));
                let kernel = stage.kernel;
                let activation = Silu;
                Block { input, width, output, kernel, stride, squeeze, activation, drop }
                    .build(w, &name)?
            });
            input = output;
        }
    }
    let name = format!("features.{}", table.len() + 1);
    layers.extend([w.unit(&name, Shape::same(input, last, 1, 1), Silu)?, Layer::GlobalAvgPool]);
    layers.extend(w.dropout(dropout));
    layers.push(w.linear("classifier.1", last, classes, None)?);
    Ok(Layer::Sequence(layers))
}

/// A fused block: a 3×3 convolution to more channels and a 1×1 convolution back, or a single 3×3
/// convolution if the number of channels stays.
fn fused(
    w: &mut Weights,
    name: &str,
    [input, width, output]: [usize; 3],
    stride: usize,
    drop: f64,
) -> Result<Layer, VisionError> {
    let first = format!("{name}.0");
    let path = if width == input {
        w.unit(&first, Shape::same(input, output, 3, stride), Silu)?
    } else {
        let shape = Shape::same(width, output, 1, 1);
        Layer::Sequence(vec![
            w.unit(&first, Shape::same(input, width, 3, stride), Silu)?,
            w.unit(&format!("{name}.1"), shape, None)?,
        ])
    };
    let adds = stride == 1 && input == output;
    Ok(narrow_residual(dropped(w, path, adds, drop), adds))
}
