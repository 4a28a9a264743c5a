//! Convolutions.

use candle_core::{Result, Tensor, bail};

use super::{
    super::{
        layout::{self, channels_first, channels_last, map, take, zip},
        node::Node,
    },
    context::Context,
    operation::{Flops, Inputs, Operation},
    window::{Windows, padded},
};
use crate::{
    kernels::image::{Activation, Conv, ConvShape, Depthwise},
    profile::LayerKind,
};

/// Most weights of a kernel after zeros have been put between them for dilations.
const MOST_DILATED: usize = 1 << 24;

/// A kernel that is ready to run.
enum Kernel {
    Full(Conv),
    Depthwise(Depthwise),
}

/// A convolution with what has been fused with it.
struct Convolution {
    kernel: Kernel,
    windows: Windows,
    shape: ConvShape,
    /// Whether padding is put around the image before the kernel sees it.
    explicit: bool,
    /// Whether the input has one axis of pixels.
    line: bool,
    /// Only every `keep[0]`-th row and every `keep[1]`-th column of the kernel's output is kept.
    keep: [usize; 2],
    residual: bool,
    /// The activation after all else, if the kernel does not apply it.
    after: Activation,
}

pub(super) fn convolution(node: &Node, context: &Context<'_>) -> Result<Operation> {
    let Some(kernel) = context.constant(node, 1) else {
        bail!("its kernel is computed by the network, expected a constant");
    };
    let (line, sizes) = match *kernel.dims() {
        [output, inputs, columns] => (true, [output, inputs, 1, columns]),
        [output, inputs, rows, columns] => (false, [output, inputs, rows, columns]),
        ref other => bail!("its kernel has shape {other:?}, expected 3 or 4 axes"),
    };
    let [output, inputs, rows, columns] = sizes;
    let groups = node.int("group", 1)?;
    let groups = match usize::try_from(groups) {
        Ok(groups) if groups > 0 && output.is_multiple_of(groups) && groups <= output => groups,
        _ => bail!("attribute `group` is {groups}, expected a divisor of {output} channels"),
    };
    if sizes.contains(&0) {
        bail!("its kernel has shape {:?}, expected no axis of size 0", kernel.dims());
    }
    let Some(weights) = context.floats(node, 1)? else { bail!("its kernel is missing") };
    let bias = match node.input(2) {
        Some(_) => context.floats(node, 2)?,
        None => Some(vec![0.0; output]),
    };
    let Some(bias) = bias.filter(|bias| bias.len() == output) else {
        bail!("its bias is not a constant of {output} values");
    };
    let windows = Windows::of(node, Some([rows, columns]), if line { 1 } else { 2 })?;
    let (mut weights, mut bias) = (weights, bias);
    if let Some((scale, shift)) = &node.fused.affine {
        for (kernel, scale) in weights.chunks_exact_mut(inputs * rows * columns).zip(scale) {
            kernel.iter_mut().for_each(|weight| *weight *= scale);
        }
        for (bias, (scale, shift)) in bias.iter_mut().zip(scale.iter().zip(shift)) {
            *bias = *bias * scale + shift;
        }
    }
    let (weights, size) = dilated(weights, output * inputs, [rows, columns], &windows)?;
    let [down, right] = windows.stride;
    let stride = gcd(down, right);
    let symmetric = windows.symmetric();
    let shape = ConvShape {
        input: inputs * groups,
        output,
        kernel: size,
        stride,
        padding: symmetric.unwrap_or([0; 2]),
        groups,
    };
    let residual = node.fused.residual;
    let depthwise = groups > 1 && groups == shape.input && groups == output;
    // The depthwise kernel does not add.
    let (within, after) = if depthwise && residual {
        (Activation::None, node.fused.activation)
    } else {
        (node.fused.activation, Activation::None)
    };
    let count = weights.len() + output;
    let kernel = if depthwise {
        Kernel::Depthwise(Depthwise::new(shape, &weights, &bias, within))
    } else {
        Kernel::Full(Conv::new(shape, &weights, &bias, within))
    };
    let convolution = Convolution {
        kernel,
        windows,
        shape,
        explicit: symmetric.is_none(),
        line,
        keep: [down / stride, right / stride],
        residual,
        after,
    };
    let flops = 2.0 * (inputs * rows * columns) as f64;
    let run = Box::new(move |inputs: &Inputs<'_>| Ok(vec![convolution.run(inputs)?]));
    Ok(Operation {
        run,
        kind: LayerKind::Convolution,
        flops: Flops::Each(flops),
        weights: count,
        absorbed: 1..3,
    })
}

impl Convolution {
    fn run(&self, inputs: &Inputs<'_>) -> Result<Tensor> {
        let x = inputs.get(0)?;
        let x = if self.line && x.rank() == 3 { x.unsqueeze(2)? } else { x.clone() };
        if x.rank() != 4 || x.elem_count() == 0 || self.line && inputs.get(0)?.rank() != 3 {
            bail!("its input has shape {:?}, expected images", inputs.get(0)?.dims());
        }
        let (n, c, h, w) = x.dims4()?;
        if c != self.shape.input {
            bail!("its input has {c} channels, expected {}", self.shape.input);
        }
        let padding = self.windows.padding(h, w);
        let [top, left, bottom, right] = padding;
        inputs.check(&[n, h + top + bottom, w + left + right, c])?;
        let (mut h, mut w) = (h, w);
        let mut x = channels_last(&x)?;
        if self.explicit {
            x = padded(&x, padding)?;
            (h, w) = (h + top + bottom, w + left + right);
        }
        let (rows, columns) = self.shape.size(h, w)?;
        inputs.check(&[n, rows, columns, self.shape.output])?;
        let residual = if self.residual { Some(inputs.get(inputs.len() - 1)?) } else { None };
        let mut out = match (&self.kernel, residual) {
            (Kernel::Depthwise(kernel), _) => x.apply_op1_no_bwd(kernel)?,
            (Kernel::Full(kernel), None) => kernel.forward(&x, None)?,
            (Kernel::Full(kernel), Some(residual)) => {
                let dims = [n, self.shape.output, rows, columns];
                if !self.line && self.keep == [1, 1] && residual.dims() == dims {
                    return channels_first(&kernel.forward(&x, Some(&channels_last(residual)?))?);
                }
                // The shapes must be broadcast, which the kernel does not do.
                plain(kernel).forward(&x, None)?
            }
        };
        for (axis, keep) in [(1, self.keep[0]), (2, self.keep[1])] {
            if keep > 1 {
                let kept: Vec<usize> = (0..out.dim(axis)?).step_by(keep).collect();
                out = take(&out, axis, &kept)?;
            }
        }
        let mut out = channels_first(&out)?;
        if self.line {
            out = out.squeeze(2)?;
        }
        let Some(residual) = residual else { return Ok(out) };
        inputs.check(&layout::broadcast(out.dims(), residual.dims())?)?;
        let sum = zip(&out, residual, |x: f32, y: f32| x + y)?;
        let activation = match &self.kernel {
            Kernel::Full(kernel) => kernel.activation(),
            Kernel::Depthwise(_) => self.after,
        };
        map(&sum, |values| activation.apply(values))
    }
}

/// The same convolution without an activation.
fn plain(conv: &Conv) -> Conv {
    let shape = *conv.shape();
    let [kh, kw] = shape.kernel;
    let (terms, taps) = (conv.terms(), kh * kw);
    let inputs = shape.input / shape.groups;
    let rows = conv.rows(terms);
    let mut weights = vec![0.0; rows.len()];
    for (to, from) in weights.chunks_exact_mut(terms).zip(rows.chunks_exact(terms)) {
        for term in 0..terms {
            to[term % inputs * taps + term / inputs] = from[term];
        }
    }
    Conv::new(shape, &weights, &conv.biases(), Activation::None)
}

/// The kernel with zeros between its pixels, and its rows and columns.
fn dilated(
    weights: Vec<f32>,
    planes: usize,
    [rows, columns]: [usize; 2],
    windows: &Windows,
) -> Result<(Vec<f32>, [usize; 2])> {
    if windows.dilation == [1, 1] {
        return Ok((weights, [rows, columns]));
    }
    let [down, right] = windows.dilation;
    let (height, width) = (windows.extent(0), windows.extent(1));
    let len = planes.checked_mul(height).and_then(|len| len.checked_mul(width));
    let Some(len) = len.filter(|len| *len <= MOST_DILATED) else {
        bail!(
            "attribute `dilations` is {:?}, which makes the kernel larger than {MOST_DILATED} values",
            windows.dilation
        );
    };
    let mut out = vec![0.0; len];
    for (to, from) in out.chunks_exact_mut(height * width).zip(weights.chunks_exact(rows * columns))
    {
        for (index, weight) in from.iter().enumerate() {
            to[index / columns * down * width + index % columns * right] = *weight;
        }
    }
    Ok((out, [height, width]))
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}
