//! How each layer is computed on a device.

use super::super::{
    device_pass::{DeviceTensor, ForwardPass, KernelNames},
    error::VisionError,
    layers::{Layer, Linear},
};
use crate::{
    device::Argument,
    kernels::image::{AveragePool, LayerNorm, MaxPool, ScaleShift},
};

type Result<T> = std::result::Result<T, VisionError>;

impl Layer {
    /// The layer's output for `x`, in the device's memory.
    pub(in crate::vision) fn forward_on_device(
        &self,
        pass: &ForwardPass<'_>,
        x: DeviceTensor,
    ) -> Result<DeviceTensor> {
        match self {
            Self::Conv(conv) => pass.conv(conv, x, None),
            Self::Depthwise(conv) => pass.depthwise(conv, &x),
            Self::Linear(Linear(conv)) => pass.linear(conv, x, None),
            Self::ScaleShift(operation) => scale_shift(pass, operation, &x),
            Self::LayerNorm(operation) => layer_norm(pass, operation, &x),
            Self::MaxPool(pooling) => {
                let MaxPool { kernel, stride, padding, .. } = *pooling;
                let [_, h, w, _] = x.sizes()?;
                let sizes = [pooling.outputs(h)?, pooling.outputs(w)?];
                let names = ("largest_of_f32", "largest_of_bf16");
                pool(pass, names, &x, sizes, [kernel, stride, padding])
            }
            Self::AveragePool(pooling) => {
                let [_, h, w, _] = x.sizes()?;
                let sizes = [pooling.outputs(h)?, pooling.outputs(w)?];
                let window = match *pooling {
                    AveragePool::Windows { kernel, stride, padding } => [kernel, stride, padding],
                    AveragePool::Adaptive(_) => [0, 0, 0],
                };
                pool(pass, ("mean_of_f32", "mean_of_bf16"), &x, sizes, window)
            }
            Self::GlobalAvgPool => {
                let [n, h, w, c] = x.sizes()?;
                let out = pass.tensor(&[n, c]);
                let (from, to) = (pass.address(&x), pass.address(&out));
                pass.launch(
                    ("global_mean_f32", "global_mean_bf16"),
                    [c.div_ceil(32), n, 1],
                    &[from, to, x.pitch.into(), (h * w).into(), c.into()],
                )?;
                Ok(out)
            }
            Self::Flatten => {
                let [n, h, w, c] = x.sizes()?;
                let out = pass.tensor(&[n, c * h * w]);
                let (from, to) = (pass.address(&x), pass.address(&out));
                pass.launch_per_value(
                    ("channels_first_f32", "channels_first_bf16"),
                    n * c * h * w,
                    &[from, to, x.pitch.into(), (h * w).into(), c.into()],
                )?;
                Ok(out)
            }
            Self::Sequence(layers) => {
                layers.iter().try_fold(x, |x, layer| layer.forward_on_device(pass, x))
            }
            Self::Residual { path, shortcut, relu } => {
                let residual = match shortcut {
                    Some(layer) => layer.forward_on_device(pass, x.clone())?,
                    None => x.clone(),
                };
                path.forward_and_add_on_device(pass, x, &residual, *relu)
            }
            Self::Grow(path) => {
                let grown = path.forward_on_device(pass, x.clone())?;
                concatenate(pass, &[x, grown])
            }
            Self::Branches(paths) => {
                let parts: Vec<DeviceTensor> = paths
                    .iter()
                    .map(|path| path.forward_on_device(pass, x.clone()))
                    .collect::<Result<_>>()?;
                drop(x);
                concatenate(pass, &parts)
            }
            Self::HalfAndShuffle(path) => {
                let half = x.channels() / 2;
                let kept = pass.channels(&x, 0, half);
                let other = path.forward_on_device(pass, pass.channels(&x, half, half))?;
                shuffle(pass, &kept, &other)
            }
            Self::BranchesAndShuffle(a, b) => {
                let (a, b) = (a.forward_on_device(pass, x.clone())?, b.forward_on_device(pass, x)?);
                shuffle(pass, &a, &b)
            }
            Self::Gated(path) => {
                let factors = path.forward_on_device(pass, x.clone())?;
                let [n, h, w, c] = x.sizes()?;
                let out = pass.tensor(&x.dims);
                let (from, factors) = (pass.address(&x), pass.address(&factors));
                let sizes = [x.pitch, h * w, c].map(Argument::from);
                let arguments = [&[from, factors, pass.address(&out)], &sizes[..]].concat();
                pass.launch_per_value(("gate_f32", "gate_bf16"), n * h * w * c, &arguments)?;
                Ok(out)
            }
            Self::Custom(layer) => layer.forward_on_device(pass, x),
        }
    }

    /// `relu?(self(x) + residual)`; the addition is part of the last product's kernel if there is one.
    fn forward_and_add_on_device(
        &self,
        pass: &ForwardPass<'_>,
        x: DeviceTensor,
        residual: &DeviceTensor,
        relu: bool,
    ) -> Result<DeviceTensor> {
        match self {
            Self::Conv(conv) if conv.adds_before(relu) => pass.conv(conv, x, Some(residual)),
            Self::Linear(Linear(conv)) if conv.adds_before(relu) => {
                pass.linear(conv, x, Some(residual))
            }
            Self::Sequence(layers) => match layers.split_last() {
                Some((last, rest)) => {
                    let x = rest.iter().try_fold(x, |x, layer| layer.forward_on_device(pass, x))?;
                    last.forward_and_add_on_device(pass, x, residual, relu)
                }
                None => Ok(x),
            },
            _ => {
                let x = self.forward_on_device(pass, x)?;
                let (out, c) = (pass.tensor(&x.dims), x.channels());
                let addresses = [pass.address(&x), pass.address(residual), pass.address(&out)];
                let sizes = [x.pitch, residual.pitch, c, usize::from(relu)].map(Argument::from);
                let arguments = [&addresses[..], &sizes].concat();
                pass.launch_per_value(("add_f32", "add_bf16"), x.pixels() * c, &arguments)?;
                Ok(out)
            }
        }
    }
}

fn scale_shift(
    pass: &ForwardPass<'_>,
    operation: &ScaleShift,
    x: &DeviceTensor,
) -> Result<DeviceTensor> {
    let (owner, out) = (std::ptr::from_ref(operation) as usize, pass.tensor(&x.dims));
    let scale = pass.floats(owner, 0, || Ok(operation.scale.clone()))?;
    let shift = pass.floats(owner, 1, || Ok(operation.shift.clone()))?;
    let c = x.channels();
    let arguments = [pass.address(x), scale, shift, pass.address(&out), x.pitch.into(), c.into()];
    let len = x.pixels() * c;
    pass.launch_per_value(("scale_shift_f32", "scale_shift_bf16"), len, &arguments)?;
    Ok(out)
}

fn layer_norm(
    pass: &ForwardPass<'_>,
    operation: &LayerNorm,
    x: &DeviceTensor,
) -> Result<DeviceTensor> {
    let (owner, out) = (std::ptr::from_ref(operation) as usize, pass.tensor(&x.dims));
    let gamma = pass.floats(owner, 0, || Ok(operation.gamma.clone()))?;
    let beta = pass.floats(owner, 1, || Ok(operation.beta.clone()))?;
    let (pixels, c) = (x.pixels(), x.channels());
    pass.launch(
        ("layer_norm_f32", "layer_norm_bf16"),
        [pixels.div_ceil(8), 1, 1],
        &[
            pass.address(x),
            gamma,
            beta,
            pass.address(&out),
            x.pitch.into(),
            c.into(),
            pixels.into(),
            f64::from(operation.epsilon).into(),
        ],
    )?;
    Ok(out)
}

/// Pools windows of `[kernel, stride, padding]` pixels to an output of `[rows, columns]`.
fn pool(
    pass: &ForwardPass<'_>,
    names: KernelNames,
    x: &DeviceTensor,
    [rows, columns]: [usize; 2],
    window: [usize; 3],
) -> Result<DeviceTensor> {
    let [n, h, w, c] = x.sizes()?;
    let out = pass.tensor(&[n, rows, columns, c]);
    let addresses = [pass.address(x), pass.address(&out)];
    let sizes = [x.pitch, h, w, c, rows, columns].map(Argument::from);
    let arguments = [&addresses[..], &sizes, &window.map(Argument::from)].concat();
    pass.launch_per_value(names, n * rows * columns * c, &arguments)?;
    Ok(out)
}

/// The tensors' channels side by side.
fn concatenate(pass: &ForwardPass<'_>, parts: &[DeviceTensor]) -> Result<DeviceTensor> {
    let Some(first) = parts.first() else {
        return Err(VisionError::shape("a layer has no branches".to_owned()));
    };
    let mut dims = first.dims.clone();
    if let Some(last) = dims.last_mut() {
        *last = parts.iter().map(DeviceTensor::channels).sum();
    }
    let out = pass.tensor(&dims);
    let mut before = 0;
    for part in parts {
        let c = part.channels();
        let to = pass.channels(&out, before, c);
        let sizes = [part.pitch, out.pitch, c].map(Argument::from);
        let arguments = [&[pass.address(part), pass.address(&to)], &sizes[..]].concat();
        pass.launch_per_value(("place_f32", "place_bf16"), part.pixels() * c, &arguments)?;
        before += c;
    }
    Ok(out)
}

/// Channels of `a` and `b` in turns.
fn shuffle(pass: &ForwardPass<'_>, a: &DeviceTensor, b: &DeviceTensor) -> Result<DeviceTensor> {
    let (c, mut dims) = (a.channels(), a.dims.clone());
    if let Some(last) = dims.last_mut() {
        *last = 2 * c;
    }
    let out = pass.tensor(&dims);
    let addresses = [pass.address(a), pass.address(b), pass.address(&out)];
    let sizes = [a.pitch, b.pitch, c].map(Argument::from);
    let arguments = [&addresses[..], &sizes].concat();
    pass.launch_per_value(("interleave_f32", "interleave_bf16"), a.pixels() * 2 * c, &arguments)?;
    Ok(out)
}
