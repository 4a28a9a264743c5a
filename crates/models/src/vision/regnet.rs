//! RegNet (Radosavovic et al. 2020).

use super::{
    error::VisionError,
    layers::{
        Activation::{None, Relu, Sigmoid},
        Layer,
    },
    weights::{Shape, Weights},
};

/// Blocks and width of each stage of RegNetY-8GF, which follow from its parameters (d 17, w₀ 192,
/// wₐ 76.82, wₘ 2.19).
const STAGES: [(usize, usize); 4] = [(2, 224), (4, 448), (10, 896), (1, 2016)];
/// Channels of a group.
const GROUP: usize = 56;

pub(super) fn regnet_y_8gf(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    let mut channels = 32;
    let mut layers = vec![w.unit("stem", Shape::same(3, channels, 3, 2), Relu)?];
    for (stage, (blocks, width)) in STAGES.into_iter().enumerate() {
        let stage = stage + 1;
        for block in 0..blocks {
            let name = format!("trunk_output.block{stage}.block{stage}-{block}");
            layers.push(residual(w, &name, channels, width, if block == 0 { 2 } else { 1 })?);
            channels = width;
        }
    }
    layers.extend([Layer::GlobalAvgPool, w.linear("fc", channels, classes, None)?]);
    Ok(Layer::Sequence(layers))
}

/// A block: 1×1, grouped 3×3, squeeze and excitation to a quarter of the block's input channels, 1×1.
fn residual(
    w: &mut Weights,
    name: &str,
    input: usize,
    width: usize,
    stride: usize,
) -> Result<Layer, VisionError> {
    let grouped = Shape { groups: width / GROUP, ..Shape::same(width, width, 3, stride) };
    let path = Layer::Sequence(vec![
        w.unit(&format!("{name}.f.a"), Shape::same(input, width, 1, 1), Relu)?,
        w.unit(&format!("{name}.f.b"), grouped, Relu)?,
        w.squeeze_excitation(&format!("{name}.f.se"), width, input / 4, [Relu, Sigmoid])?,
        // This ReLU is applied after the shortcut is added.
        w.unit(&format!("{name}.f.c"), Shape::same(width, width, 1, 1), Relu)?,
    ]);
    let shortcut = if stride > 1 || input != width {
        let shape = Shape::same(input, width, 1, stride);
        Some(Box::new(w.unit(&format!("{name}.proj"), shape, None)?))
    } else {
        Option::None
    };
    Ok(Layer::Residual { path: Box::new(path), shortcut, relu: true })
}
