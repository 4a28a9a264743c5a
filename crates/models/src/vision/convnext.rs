//! ConvNeXt (Liu et al. 2022).

use super::{
    error::VisionError,
    layers::{
        Activation::{Gelu, None},
        Layer,
    },
    weights::{Shape, Weights, linear, trained_linear},
};

/// Epsilon of layer norm.
const EPSILON: f32 = 1e-6;

/// Share of images that skip the last block in training.
const DEPTH: f64 = 0.5;

/// Blocks and channels of each stage of ConvNeXt-B.
const STAGES: [(usize, usize); 4] = [(3, 128), (3, 256), (27, 512), (3, 1024)];

pub(super) fn convnext_base(w: &mut Weights, classes: usize) -> Result<Layer, VisionError> {
    let mut channels = 128;
    let mut layers = vec![
        w.conv("features.0.0", patches(3, channels, 4), None)?,
        w.layer_norm("features.0.1", channels, EPSILON)?,
    ];
    // Stochastic depth increases from block to block.
    let total = STAGES.iter().map(|(blocks, _)| blocks).sum::<usize>();
    let mut before = 0;
    for (stage, (blocks, width)) in STAGES.into_iter().enumerate() {
        if stage > 0 {
            let name = format!("features.{}", 2 * stage);
            layers.push(w.layer_norm(&format!("{name}.0"), channels, EPSILON)?);
            layers.push(w.conv(&format!("{name}.1"), patches(channels, width, 2), None)?);
            channels = width;
        }
        for block in 0..blocks {
            let name = format!("features.{}.{block}", 2 * stage + 1);
            let drop = DEPTH * before as f64 / (total - 1) as f64;
            layers.push(residual(w, &name, channels, drop)?);
            before += 1;
        }
    }
    layers.extend([
        Layer::GlobalAvgPool,
        w.layer_norm("classifier.0", channels, EPSILON)?,
        w.linear("classifier.2", channels, classes, None)?,
    ]);
    Ok(Layer::Sequence(layers))
}

/// A convolution over patches of `side` × `side` pixels that do not overlap.
pub(super) fn patches(input: usize, output: usize, side: usize) -> Shape {
    Shape { padding: [0, 0], ..Shape::same(input, output, side, side) }
}

/// A block: depthwise 7×7, layer norm, and two linear layers. The block's scale is folded into the last.
fn residual(w: &mut Weights, name: &str, channels: usize, drop: f64) -> Result<Layer, VisionError> {
    let inner = 4 * channels;
    let mut path = vec![
        w.conv(&format!("{name}.block.0"), Shape::depthwise(channels, 7, 1), None)?,
        w.layer_norm(&format!("{name}.block.2"), channels, EPSILON)?,
        w.linear(&format!("{name}.block.3"), channels, inner, Gelu)?,
    ];
    let last = (&*format!("{name}.block.5.weight"), &*format!("{name}.block.5.bias"));
    let (weight, bias) = w.matrix(last, inner, channels)?;
    let scale = w.trained(&format!("{name}.layer_scale"), &[channels, 1, 1], 1.0, 0.0)?;
    if w.trains() {
        path.push(trained_linear(weight, Some(bias), Some(scale), None));
    } else {
        let weight = weight.broadcast_mul(&scale.reshape((channels, 1))?)?;
        path.push(Layer::Linear(linear(&weight, &(bias * scale.flatten_all()?)?, None)?));
    }
    let path = Box::new(w.stochastic_depth(Layer::Sequence(path), drop));
    Ok(Layer::Residual { path, shortcut: Option::None, relu: false })
}
