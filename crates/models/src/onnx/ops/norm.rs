//! Normalizations and softmax.

use candle_core::{DType, Result, Tensor, bail};
use rayon::prelude::*;

use super::{
    super::{
        layout::{self, channels_first, channels_last, compact, permute, read, restore, tensor},
        node::{Node, axis_of},
    },
    context::Context,
    operation::{Inputs, Operation},
    pool::images,
};
use crate::{
    kernels::image::{Activation, LayerNorm, ScaleShift, Softmax},
    profile::LayerKind,
};

pub(super) fn norm(node: &Node, context: &Context<'_>) -> Result<Option<Operation>> {
    Ok(Some(match node.operator.as_str() {
        "BatchNormalization" => batch_norm(node, context)?,
        "LayerNormalization" => layer_norm(node, context)?,
        "InstanceNormalization" => instance_norm(node)?,
        "LRN" => local_response(node)?,
        "Softmax" | "LogSoftmax" => softmax(node)?,
        _ => return Ok(None),
    }))
}

/// The factor and the summand of each channel that a batch norm is, if it is constant.
pub(in crate::onnx) fn scale_and_shift(
    node: &Node,
    context: &Context<'_>,
) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
    let epsilon = f64::from(node.float("epsilon", 1e-5)?);
    if node.int("training_mode", 0)? != 0 {
        bail!("attribute `training_mode` is not 0, expected a network in evaluation mode");
    }
    let mut all = Vec::new();
    for index in 1..5 {
        match context.floats(node, index)? {
            Some(values) => all.push(values),
            None => return Ok(None),
        }
    }
    let [gamma, beta, mean, variance] = &all[..] else { return Ok(None) };
    if [beta, mean, variance].iter().any(|values| values.len() != gamma.len()) {
        bail!("its scale, bias, mean and variance have different lengths");
    }
    let scale: Vec<f32> = gamma
        .iter()
        .zip(variance)
        .map(|(gamma, variance)| {
            (f64::from(*gamma) / (f64::from(*variance) + epsilon).sqrt()) as f32
        })
        .collect();
    let shift = beta.iter().zip(mean.iter().zip(&scale));
    let shift = shift
        .map(|(beta, (mean, scale))| {
            (f64::from(*beta) - f64::from(*mean) * f64::from(*scale)) as f32
        })
        .collect();
    Ok(Some((scale, shift)))
}

fn batch_norm(node: &Node, context: &Context<'_>) -> Result<Operation> {
    let Some((mut scale, mut shift)) = scale_and_shift(node, context)? else {
        bail!("its scale, bias, mean and variance are computed by the network, expected constants");
    };
    if let Some((factor, summand)) = &node.fused.affine {
        for (channel, (factor, summand)) in factor.iter().zip(summand).enumerate() {
            scale[channel] *= factor;
            shift[channel] = shift[channel] * factor + summand;
        }
    }
    let activation = node.fused.activation;
    // The factors and summands that fusing has added are those of images.
    let images_only = node.fused.affine.is_some();
    let weights = 2 * scale.len();
    let relu = ScaleShift { scale, shift };
    let operation = Operation::new(LayerKind::Norm, 2.0, move |inputs| {
        let x = inputs.get(0)?;
        if x.rank() < 2 || x.dims()[1] != relu.scale.len() || x.dtype() != DType::F32 {
            let channels = relu.scale.len();
            bail!("its input has shape {:?}, expected {channels} channels of floats", x.dims());
        }
        if x.rank() == 4 && x.elem_count() > 0 {
            let x = channels_last(x)?;
            let out = if activation == Activation::Relu {
                x.apply_op1_no_bwd(&relu)?
            } else {
                rows(&compact(&x)?, |to, from| {
                    let channels = relu.scale.iter().zip(&relu.shift);
                    for (to, (from, (scale, shift))) in to.iter_mut().zip(from.iter().zip(channels))
                    {
                        *to = from * scale + shift;
                    }
                    activation.apply(to);
                })?
            };
            return channels_first(&out);
        }
        if images_only {
            bail!("its input has shape {:?}, expected images", x.dims());
        }
        let last = x.rank() - 1;
        let axes: Vec<usize> =
            (0..=last).filter(|axis| *axis != 1).chain(std::iter::once(1)).collect();
        let out = rows(&compact(&permute(x, &axes)?)?, |to, from| {
            let channels = relu.scale.iter().zip(&relu.shift);
            for (to, (from, (scale, shift))) in to.iter_mut().zip(from.iter().zip(channels)) {
                *to = from * scale + shift;
            }
            activation.apply(to);
        })?;
        restore(&out, &axes)
    });
    Ok(Operation { weights, absorbed: 1..5, ..operation })
}

/// A tensor of the shape of x, computed row by row along its last axis.
fn rows(x: &Tensor, of: impl Fn(&mut [f32], &[f32]) + Sync) -> Result<Tensor> {
    let width = x.dims().last().copied().unwrap_or(1).max(1);
    let mut out = vec![0.0_f32; x.elem_count()];
    let each = (16 * 1024 / width).max(1) * width;
    read::<f32, ()>(x, |values, layout| {
        let values = &values[layout.start_offset().min(values.len())..][..out.len()];
        out.par_chunks_mut(each).zip(values.par_chunks(each)).for_each(|(to, from)| {
            for (to, from) in to.chunks_mut(width).zip(from.chunks(width)) {
                of(to, from);
            }
        });
    })?;
    tensor(out, x.dims())
}

fn layer_norm(node: &Node, context: &Context<'_>) -> Result<Operation> {
    let axis = node.int("axis", -1)?;
    let epsilon = node.float("epsilon", 1e-5)?;
    let fixed = match (context.floats(node, 1)?, node.input(2)) {
        (Some(gamma), None) => Some((gamma, None)),
        (Some(gamma), Some(_)) => context.floats(node, 2)?.map(|beta| (gamma, Some(beta))),
        (None, _) => None,
    };
    let kernel = fixed.map(|(gamma, beta)| {
        let beta = beta.unwrap_or_else(|| vec![0.0; gamma.len()]);
        LayerNorm { gamma, beta, epsilon }
    });
    let weights = kernel.as_ref().map_or(0, |kernel| 2 * kernel.gamma.len());
    let absorbed = if kernel.is_some() { 1..3 } else { 0..0 };
    // Mean, variance, and the scale and shift of each value.
    let operation = Operation::new(LayerKind::Norm, 7.0, move |inputs| {
        let x = compact(inputs.get(0)?)?;
        let axis = axis_of(axis, x.rank())?;
        let width: usize = x.dims()[axis..].iter().product();
        let made;
        let kernel = match &kernel {
            Some(kernel) => kernel,
            None => {
                let gamma = layout::values::<f32>(inputs.get(1)?)?;
                let beta = match inputs.optional(2) {
                    Some(beta) => layout::values::<f32>(beta)?,
                    None => vec![0.0; gamma.len()],
                };
                made = LayerNorm { gamma, beta, epsilon };
                &made
            }
        };
        if width == 0 || kernel.gamma.len() != width || kernel.beta.len() != width {
            bail!("its scale has {} values, expected {width}", kernel.gamma.len());
        }
        let dims = x.dims().to_vec();
        let rows = x.elem_count() / width;
        x.reshape((rows, width))?.apply_op1_no_bwd(kernel)?.reshape(dims)
    });
    Ok(Operation { weights, absorbed, ..operation })
}

fn instance_norm(node: &Node) -> Result<Operation> {
    let epsilon = node.float("epsilon", 1e-5)?;
    Ok(Operation::new(LayerKind::Norm, 7.0, move |inputs| {
        let x = compact(inputs.get(0)?)?;
        let (gamma, beta) =
            (layout::values::<f32>(inputs.get(1)?)?, layout::values::<f32>(inputs.get(2)?)?);
        let [n, c, ..] = *x.dims() else {
            bail!("its input has shape {:?}, expected at least 3 axes", x.dims());
        };
        if x.rank() < 3 || x.elem_count() == 0 || gamma.len() != c || beta.len() != c {
            bail!("its input has shape {:?}, expected {} channels", x.dims(), gamma.len());
        }
        let dims = x.dims().to_vec();
        let width = x.elem_count() / (n * c);
        let ones = LayerNorm { gamma: vec![1.0; width], beta: vec![0.0; width], epsilon };
        let normal = x.reshape((n * c, width))?.apply_op1_no_bwd(&ones)?.reshape(dims)?;
        let affine = |values: Vec<f32>| {
            let shape: Vec<usize> =
                std::iter::once(c).chain(std::iter::repeat_n(1, normal.rank() - 2)).collect();
            tensor(values, &shape)
        };
        let scaled = layout::zip(&normal, &affine(gamma)?, |x: f32, y: f32| x * y)?;
        layout::zip(&scaled, &affine(beta)?, |x: f32, y: f32| x + y)
    }))
}

/// Local response normalization (Krizhevsky et al. 2012).
fn local_response(node: &Node) -> Result<Operation> {
    let size = node.int("size", 0)?;
    let Ok(size) = usize::try_from(size) else { bail!("attribute `size` is {size}") };
    if size == 0 {
        bail!("attribute `size` is 0 or missing, expected the number of channels of a window");
    }
    let (alpha, beta) = (node.float("alpha", 1e-4)?, node.float("beta", 0.75)?);
    let bias = node.float("bias", 1.0)?;
    let factor = alpha / size as f32;
    Ok(Operation::new(LayerKind::Norm, 2.0 * size as f64, move |inputs| {
        images(inputs.get(0)?)?;
        let x = compact(&channels_last(inputs.get(0)?)?)?;
        let (before, after) = ((size - 1) / 2, size / 2);
        let out = rows(&x, |to, from| {
            for (channel, to) in to.iter_mut().enumerate() {
                let end = channel.saturating_add(after + 1).min(from.len());
                let window = &from[channel.saturating_sub(before)..end];
                let squares: f32 = window.iter().map(|value| value * value).sum();
                *to = from[channel] / (bias + factor * squares).powf(beta);
            }
        })?;
        channels_first(&out)
    }))
}

fn softmax(node: &Node) -> Result<Operation> {
    let flat = node.opset < 13;
    let axis = node.int("axis", if flat { 1 } else { -1 })?;
    let log = node.operator == "LogSoftmax";
    Ok(Operation::new(LayerKind::Activation, 5.0, move |inputs: &Inputs<'_>| {
        let x = inputs.get(0)?;
        if x.dtype() != DType::F32 {
            bail!("expected floats, got whole numbers or truth values");
        }
        let axis =
            if x.rank() as i64 == axis && flat { x.rank() } else { axis_of(axis, x.rank())? };
        if x.elem_count() == 0 {
            return Ok(x.clone());
        }
        if flat {
            // Up to opset 12, all axes from this one on are one.
            let x = compact(x)?;
            let outer: usize = x.dims()[..axis].iter().product();
            let rows = x.reshape((outer, x.elem_count() / outer))?;
            return along_rows(&rows, log)?.reshape(x.dims());
        }
        let axes: Vec<usize> =
            (0..x.rank()).filter(|other| *other != axis).chain(std::iter::once(axis)).collect();
        restore(&along_rows(&compact(&permute(x, &axes)?)?, log)?, &axes)
    }))
}

fn along_rows(x: &Tensor, log: bool) -> Result<Tensor> {
    if !log {
        return x.apply_op1_no_bwd(&Softmax);
    }
    rows(x, |to, from| {
        let top = from.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f32 = from.iter().map(|value| (value - top).exp()).sum();
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from - top - sum.ln());
    })
}
