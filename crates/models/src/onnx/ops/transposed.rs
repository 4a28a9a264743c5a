//! Transposed convolutions.

use candle_core::{DType, Result, Tensor, bail};

use super::{
    super::{
        layout::{channels_first, channels_last, compact, read, tensor},
        node::Node,
    },
    context::Context,
    operation::{Flops, Inputs, Operation},
    pool::images,
};
use crate::{
    kernels::image::{Activation, Conv, ConvShape},
    profile::LayerKind,
};

/// A transposed convolution, which is a convolution with a turned kernel over an image with zeros between its
/// pixels.
pub(super) fn transposed(node: &Node, context: &Context<'_>) -> Result<Option<Operation>> {
    if node.operator != "ConvTranspose" {
        return Ok(None);
    }
    let Some(kernel) = context.constant(node, 1).filter(|kernel| kernel.dtype() == DType::F32)
    else {
        bail!("its kernel is computed by the network, expected a constant");
    };
    let [input, outputs, kh, kw] = *kernel.dims() else {
        bail!("its kernel has shape {:?}, expected 4 axes", kernel.dims());
    };
    let pair = |name: &str, default: usize| -> Result<[usize; 2]> {
        match node.sizes(name, default.min(1) as i64)?.as_deref() {
            None => Ok([default; 2]),
            Some([rows, columns]) => Ok([*rows, *columns]),
            Some(other) => bail!("attribute `{name}` is {other:?}, expected 2 numbers"),
        }
    };
    let (stride, extra) = (pair("strides", 1)?, pair("output_padding", 0)?);
    let pads = match node.sizes("pads", 0)?.as_deref() {
        None => [0; 4],
        Some([top, left, bottom, right]) => [*top, *left, *bottom, *right],
        Some(other) => bail!("attribute `pads` is {other:?}, expected 4 numbers"),
    };
    let plain = node.int("group", 1)? == 1
        && pair("dilations", 1)? == [1, 1]
        && ["NOTSET", ""].contains(&node.text("auto_pad", "NOTSET")?.as_str())
        && !node.has("output_shape");
    if !plain {
        bail!("attributes `group`, `dilations`, `auto_pad` and `output_shape` are not supported");
    }
    if kernel.elem_count() == 0 || pads[0].max(pads[2]) >= kh || pads[1].max(pads[3]) >= kw {
        bail!("its kernel has shape {:?}, expected one larger than the padding", kernel.dims());
    }
    if extra[0] >= stride[0] || extra[1] >= stride[1] {
        bail!("attribute `output_padding` is {extra:?}, expected less than the strides");
    }
    let weights = context.floats(node, 1)?.unwrap_or_default();
    let taps = kh * kw;
    let mut turned = vec![0.0; weights.len()];
    for (index, weight) in weights.iter().enumerate() {
        let (plane, tap) = (index / taps, index % taps);
        let (from, to) = (plane / outputs, plane % outputs);
        turned[(to * input + from) * taps + taps - 1 - tap] = *weight;
    }
    let bias = match node.input(2) {
        Some(_) => context.floats(node, 2)?,
        None => Some(vec![0.0; outputs]),
    };
    let Some(bias) = bias.filter(|bias| bias.len() == outputs) else {
        bail!("its bias is not a constant of {outputs} values");
    };
    let shape = ConvShape {
        input,
        output: outputs,
        kernel: [kh, kw],
        stride: 1,
        padding: [0, 0],
        groups: 1,
    };
    let conv = Conv::new(shape, &turned, &bias, Activation::None);
    let run = Box::new(move |inputs: &Inputs<'_>| {
        let x = inputs.get(0)?;
        images(x)?;
        let (n, c, h, w) = x.dims4()?;
        if c != input {
            bail!("its input has {c} channels, expected {input}");
        }
        let margins = [
            [kh - 1 - pads[0], kh - 1 - pads[2] + extra[0]],
            [kw - 1 - pads[1], kw - 1 - pads[3] + extra[1]],
        ];
        let rows = (h - 1) * stride[0] + 1 + margins[0][0] + margins[0][1];
        let columns = (w - 1) * stride[1] + 1 + margins[1][0] + margins[1][1];
        inputs.check(&[n, rows, columns, c])?;
        let spread = spread(&channels_last(x)?, stride, margins, [rows, columns])?;
        let (rows, columns) = shape.size(rows, columns)?;
        inputs.check(&[n, rows, columns, outputs])?;
        Ok(vec![channels_first(&conv.forward(&spread, None)?)?])
    });
    Ok(Some(Operation {
        run,
        kind: LayerKind::Convolution,
        flops: Flops::EachInput(2.0 * (outputs * taps) as f64),
        weights: weights.len() + outputs,
        absorbed: 1..3,
    }))
}

/// An image `[n][h][w][c]` with zeros between and around its pixels.
fn spread(
    image: &Tensor,
    stride: [usize; 2],
    margins: [[usize; 2]; 2],
    [rows, columns]: [usize; 2],
) -> Result<Tensor> {
    let image = compact(image)?;
    let (n, h, w, c) = image.dims4()?;
    let mut out = vec![0.0_f32; n * rows * columns * c];
    read::<f32, ()>(&image, |values, layout| {
        let values = &values[layout.start_offset()..];
        for (pixel, from) in values.chunks_exact(c).take(n * h * w).enumerate() {
            let (line, column) = (pixel / w, pixel % w);
            let row = line / h * rows + margins[0][0] + line % h * stride[0];
            let at = row * columns + margins[1][0] + column * stride[1];
            out[at * c..][..c].copy_from_slice(from);
        }
    })?;
    tensor(out, &[n, rows, columns, c])
}
