//! Operations that reduce axes: sums, means, extremes.

use candle_core::{DType, Result, Tensor, bail};
use rayon::prelude::*;

use super::{
    super::{
        layout::{self, compact, permute, read, tensor},
        node::{Node, axis_of},
    },
    operation::{Flops, Inputs, Operation},
    pool::means,
};
use crate::profile::LayerKind;

/// What becomes of the values of the reduced axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reduction {
    Mean,
    Sum,
    Max,
    Min,
    Product,
    /// The sum of absolute values.
    L1,
    /// The square root of the sum of squares.
    L2,
    SumSquare,
}

pub(super) fn reduce(node: &Node) -> Result<Option<Operation>> {
    let reduction = match node.operator.as_str() {
        "ReduceMean" => Reduction::Mean,
        "ReduceSum" => Reduction::Sum,
        "ReduceMax" => Reduction::Max,
        "ReduceMin" => Reduction::Min,
        "ReduceProd" => Reduction::Product,
        "ReduceL1" => Reduction::L1,
        "ReduceL2" => Reduction::L2,
        "ReduceSumSquare" => Reduction::SumSquare,
        "ArgMax" | "ArgMin" => return extreme_index(node).map(Some),
        _ => return Ok(None),
    };
    let listed = node.ints("axes")?;
    let keep = node.int("keepdims", 1)? != 0;
    let none_is_none = node.int("noop_with_empty_axes", 0)? != 0;
    let operation = Operation::new(LayerKind::Pooling, 0.0, move |inputs| {
        let x = inputs.get(0)?;
        let axes = match &listed {
            Some(axes) => axes.clone(),
            None if inputs.optional(1).is_some() => inputs.ints(1)?,
            None => Vec::new(),
        };
        if axes.is_empty() && none_is_none {
            return Ok(x.clone());
        }
        let mut axes: Vec<usize> =
            axes.into_iter().map(|axis| axis_of(axis, x.rank())).collect::<Result<_>>()?;
        if axes.is_empty() {
            axes = (0..x.rank()).collect();
        }
        axes.sort_unstable();
        axes.dedup();
        reduced(inputs, x, &axes, keep, reduction)
    });
    Ok(Some(Operation { flops: Flops::EachInput(1.0), ..operation }))
}

fn reduced(
    inputs: &Inputs<'_>,
    x: &Tensor,
    axes: &[usize],
    keep: bool,
    reduction: Reduction,
) -> Result<Tensor> {
    let kept: Vec<usize> = (0..x.rank()).filter(|axis| !axes.contains(axis)).collect();
    let dims: Vec<usize> = if keep {
        let size = |axis: usize| if axes.contains(&axis) { 1 } else { x.dims()[axis] };
        (0..x.rank()).map(size).collect()
    } else {
        kept.iter().map(|axis| x.dims()[*axis]).collect()
    };
    inputs.check(&dims)?;
    if reduction == Reduction::Mean
        && x.rank() == 4
        && axes == [2, 3]
        && x.dtype() == DType::F32
        && x.elem_count() > 0
    {
        return means(x)?.reshape(dims);
    }
    let order: Vec<usize> = kept.iter().chain(axes).copied().collect();
    let turned = compact(&permute(x, &order)?)?;
    let width: usize = axes.iter().map(|axis| x.dims()[*axis]).product();
    match x.dtype() {
        DType::F32 => tensor(floats(&turned, width, &dims, reduction)?, &dims),
        DType::I64 => {
            let values = layout::values::<i64>(&turned)?;
            if width == 0 {
                bail!("an axis of size 0 is reduced");
            }
            let of = |row: &[i64]| -> Result<i64> {
                Ok(match reduction {
                    Reduction::Sum => row.iter().fold(0, |sum, x| sum.wrapping_add(*x)),
                    Reduction::Product => row.iter().fold(1, |product, x| product.wrapping_mul(*x)),
                    Reduction::Max => row.iter().copied().max().unwrap_or(0),
                    Reduction::Min => row.iter().copied().min().unwrap_or(0),
                    _ => bail!("its input has whole numbers, expected floats"),
                })
            };
            tensor(values.chunks(width).map(of).collect::<Result<Vec<i64>>>()?, &dims)
        }
        _ => bail!("its input has truth values, expected numbers"),
    }
}

fn floats(x: &Tensor, width: usize, dims: &[usize], reduction: Reduction) -> Result<Vec<f32>> {
    let mut out = vec![0.0_f32; dims.iter().product()];
    if width == 0 {
        bail!("an axis of size 0 is reduced");
    }
    let sum = |row: &[f32], of: fn(f64) -> f64| row.iter().map(|x| of(f64::from(*x))).sum::<f64>();
    read::<f32, ()>(x, |values, layout| {
        let values = &values[layout.start_offset().min(values.len())..][..x.elem_count()];
        out.par_iter_mut().with_min_len(64).zip(values.par_chunks(width)).for_each(|(to, row)| {
            *to = match reduction {
                Reduction::Mean => (sum(row, |x| x) / width as f64) as f32,
                Reduction::Sum => sum(row, |x| x) as f32,
                Reduction::L1 => sum(row, f64::abs) as f32,
                Reduction::L2 => sum(row, |x| x * x).sqrt() as f32,
                Reduction::SumSquare => sum(row, |x| x * x) as f32,
                Reduction::Product => row.iter().product(),
                Reduction::Max => row.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                Reduction::Min => row.iter().copied().fold(f32::INFINITY, f32::min),
            };
        });
    })?;
    Ok(out)
}

fn extreme_index(node: &Node) -> Result<Operation> {
    let (axis, keep) = (node.int("axis", 0)?, node.int("keepdims", 1)? != 0);
    let last = node.int("select_last_index", 0)? != 0;
    let sign = if node.operator == "ArgMin" { -1.0 } else { 1.0 };
    Ok(Operation::moving(move |inputs| {
        let x = inputs.get(0)?;
        let axis = axis_of(axis, x.rank())?;
        let order: Vec<usize> =
            (0..x.rank()).filter(|other| *other != axis).chain(std::iter::once(axis)).collect();
        let mut dims = x.dims().to_vec();
        let width = dims[axis];
        if keep {
            dims[axis] = 1;
        } else {
            dims.remove(axis);
        }
        if x.dtype() != DType::F32 || width == 0 {
            bail!("its input has shape {:?}, expected floats", x.dims());
        }
        let values = layout::values::<f32>(&permute(x, &order)?)?;
        let best = |row: &[f32]| {
            let mut best = 0;
            for (index, value) in row.iter().enumerate() {
                let (value, top) = (sign * value, sign * row[best]);
                if value > top || last && value >= top {
                    best = index;
                }
            }
            best as i64
        };
        tensor(values.chunks(width).map(best).collect::<Vec<i64>>(), &dims)
    }))
}
