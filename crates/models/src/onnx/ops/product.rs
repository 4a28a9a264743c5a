//! Matrix products.

use candle_core::{D, DType, Result, Tensor, bail};
use rayon::prelude::*;

use super::{
    super::{
        layout::{self, broadcast, compact, concatenate, map, zip},
        node::Node,
    },
    context::Context,
    operation::{Flops, Inputs, Operation},
};
use crate::{
    kernels::image::{Activation, Conv, ConvShape},
    profile::LayerKind,
};

/// A product with a constant matrix, with a bias, a residual and an activation.
struct Rows {
    conv: Conv,
    residual: bool,
}

impl Rows {
    /// For a weight `[inputs][outputs]`.
    fn new(node: &Node, weight: &Tensor, mut bias: Vec<f32>) -> Result<Self> {
        let (input, output) = weight.dims2()?;
        if input == 0 || output == 0 {
            bail!("its matrix has shape {:?}, expected no axis of size 0", weight.dims());
        }
        let mut weights = layout::values::<f32>(&weight.t()?)?;
        if let Some((scale, shift)) = &node.fused.affine {
            for (row, scale) in weights.chunks_exact_mut(input).zip(scale) {
                row.iter_mut().for_each(|weight| *weight *= scale);
            }
            for (bias, (scale, shift)) in bias.iter_mut().zip(scale.iter().zip(shift)) {
                *bias = *bias * scale + shift;
            }
        }
        let shape =
            ConvShape { input, output, kernel: [1, 1], stride: 1, padding: [0, 0], groups: 1 };
        let conv = Conv::new(shape, &weights, &bias, node.fused.activation);
        Ok(Self { conv, residual: node.fused.residual })
    }

    fn operation(self) -> Operation {
        let ConvShape { input, output, .. } = *self.conv.shape();
        let run = Box::new(move |inputs: &Inputs<'_>| Ok(vec![self.run(inputs)?]));
        Operation {
            run,
            kind: LayerKind::Linear,
            flops: Flops::Each(2.0 * input as f64),
            weights: input * output + output,
            absorbed: 1..3,
        }
    }

    fn run(&self, inputs: &Inputs<'_>) -> Result<Tensor> {
        let x = compact(inputs.get(0)?)?;
        let ConvShape { input, output, .. } = *self.conv.shape();
        let mut dims = x.dims().to_vec();
        if dims.pop() != Some(input) || x.dtype() != DType::F32 {
            bail!("its input has shape {:?}, expected rows of {input} floats", x.dims());
        }
        let rows: usize = dims.iter().product();
        dims.push(output);
        inputs.check(&dims)?;
        if rows == 0 {
            return Tensor::zeros(dims, DType::F32, x.device());
        }
        let x = x.reshape((1, 1, rows, input))?;
        if !self.residual {
            return self.conv.forward(&x, None)?.reshape(dims);
        }
        let residual = inputs.get(inputs.len() - 1)?;
        if residual.dims() == dims {
            let residual = compact(residual)?.reshape((1, 1, rows, output))?;
            return self.conv.forward(&x, Some(&residual))?.reshape(dims);
        }
        // The shapes must be broadcast, which the kernel does not do.
        let plain = Conv::new(
            *self.conv.shape(),
            &self.conv.rows(input),
            &self.conv.biases(),
            Activation::None,
        );
        let out = plain.forward(&x, None)?.reshape(dims)?;
        inputs.check(&broadcast(out.dims(), residual.dims())?)?;
        let sum = zip(&out, residual, |x: f32, y: f32| x + y)?;
        map(&sum, |values| self.conv.activation().apply(values))
    }
}

pub(super) fn product(node: &Node, context: &Context<'_>) -> Result<Option<Operation>> {
    match node.operator.as_str() {
        "MatMul" => matmul(node, context).map(Some),
        "Gemm" => gemm(node, context).map(Some),
        _ => Ok(None),
    }
}

fn matmul(node: &Node, context: &Context<'_>) -> Result<Operation> {
    match context.constant(node, 1) {
        Some(weight) if weight.rank() == 2 && weight.dtype() == DType::F32 => {
            let outputs = weight.dims()[1];
            Ok(Rows::new(node, weight, vec![0.0; outputs])?.operation())
        }
        _ => {
            let operation = Operation::new(LayerKind::Linear, 0.0, |inputs| {
                general(inputs, inputs.get(0)?, inputs.get(1)?)
            });
            Ok(Operation { flops: Flops::Product, ..operation })
        }
    }
}

fn gemm(node: &Node, context: &Context<'_>) -> Result<Operation> {
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    let turn = [node.int("transA", 0)? != 0, node.int("transB", 0)? != 0];
    if !turn[0]
        && let Some(matrix) = context.constant(node, 1)
        && matrix.rank() == 2
        && matrix.dtype() == DType::F32
    {
        let weight = if turn[1] { matrix.t()? } else { matrix.clone() };
        let weight =
            if alpha == 1.0 { weight } else { map(&weight, |values| scale(values, alpha))? };
        let outputs = weight.dims()[1];
        let bias = match node.input(2) {
            Some(_) => context.floats(node, 2)?,
            None => Some(vec![0.0; outputs]),
        };
        let bias = match bias {
            Some(one) if one.len() == 1 => Some(vec![beta * one[0]; outputs]),
            Some(bias) if bias.len() == outputs => {
                Some(bias.into_iter().map(|value| beta * value).collect())
            }
            _ => None,
        };
        if let Some(bias) = bias {
            return Ok(Rows::new(node, &weight, bias)?.operation());
        }
    }
    let operation = Operation::new(LayerKind::Linear, 0.0, move |inputs| {
        let side = |index: usize| -> Result<Tensor> {
            let matrix = inputs.get(index)?;
            if matrix.rank() != 2 {
                bail!("input {index} has shape {:?}, expected a matrix", matrix.dims());
            }
            if turn[index] { matrix.t() } else { Ok(matrix.clone()) }
        };
        let mut out = general(inputs, &side(0)?, &side(1)?)?;
        if alpha != 1.0 {
            out = map(&out, |values| scale(values, alpha))?;
        }
        let Some(bias) = inputs.optional(2) else { return Ok(out) };
        if broadcast(out.dims(), bias.dims())? != out.dims() {
            bail!("its bias has shape {:?}, expected one that fits {:?}", bias.dims(), out.dims());
        }
        zip(&out, bias, move |x: f32, y: f32| x + beta * y)
    });
    Ok(Operation { flops: Flops::Product, ..operation })
}

fn scale(values: &mut [f32], by: f32) {
    values.iter_mut().for_each(|value| *value *= by);
}

/// The product of two tensors as numpy's `matmul` computes it.
fn general(inputs: &Inputs<'_>, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.dtype() != DType::F32 || b.dtype() != DType::F32 || a.rank() == 0 || b.rank() == 0 {
        bail!(
            "its inputs have shapes {:?} and {:?}, expected matrices of floats",
            a.dims(),
            b.dims()
        );
    }
    let (row, column) = (a.rank() == 1, b.rank() == 1);
    let a = if row { a.unsqueeze(0)? } else { a.clone() };
    let b = if column { b.unsqueeze(1)? } else { b.clone() };
    let (outer_a, [m, k]) = split(&a)?;
    let (outer_b, [k2, n]) = split(&b)?;
    if k != k2 {
        bail!("matrices of shapes {:?} and {:?} do not fit each other", a.dims(), b.dims());
    }
    let outer = broadcast(&outer_a, &outer_b)?;
    let batch: usize = outer.iter().product();
    let with = |last: [usize; 2]| [outer.as_slice(), last.as_slice()].concat();
    let mut dims = with([m, n]);
    for shape in [&dims, &with([m, k]), &with([k, n])] {
        inputs.check(shape)?;
    }
    let a = compact(&a.broadcast_as(with([m, k]))?)?.reshape((batch, m, k))?;
    // A transposed matrix need not be copied.
    let turned = b.transpose(D::Minus1, D::Minus2)?;
    let b = if outer_b == outer && turned.is_contiguous() {
        turned.reshape((batch, n, k))?.t()?
    } else {
        compact(&b.broadcast_as(with([k, n]))?)?.reshape((batch, k, n))?
    };
    let threads = rayon::current_num_threads();
    let out = if batch >= 2 * threads && threads > 1 {
        let each = batch.div_ceil(threads);
        let parts: Vec<Tensor> = (0..batch.div_ceil(each))
            .into_par_iter()
            .map(|part| {
                let (first, count) = (part * each, each.min(batch - part * each));
                a.narrow(0, first, count)?.matmul(&b.narrow(0, first, count)?)
            })
            .collect::<Result<_>>()?;
        concatenate(&parts, 0)?
    } else {
        a.matmul(&b)?
    };
    if column {
        dims.pop();
    }
    if row {
        dims.remove(outer.len());
    }
    out.reshape(dims)
}

/// The axes before the last two, and the last two.
fn split(x: &Tensor) -> Result<(Vec<usize>, [usize; 2])> {
    match x.dims() {
        [outer @ .., rows, columns] => Ok((outer.to_vec(), [*rows, *columns])),
        other => bail!("shape {other:?} is not that of a matrix"),
    }
}
