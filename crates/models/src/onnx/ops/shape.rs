//! Operations that make tensors, or change their shapes.

use candle_core::{DType, Device, Result, Tensor, bail};

use super::{
    super::{
        layout::{self, broadcast, concatenate, permute, tensor},
        node::{Node, axis_of},
        values::tensor as constant,
    },
    context::Context,
    operation::{Inputs, Operation, Run},
};
use crate::profile::LayerKind;

pub(super) fn shape(node: &Node, context: &Context<'_>) -> Result<Option<Operation>> {
    Ok(Some(match node.operator.as_str() {
        "Identity" | "Dropout" => Operation::moving(|inputs| Ok(inputs.get(0)?.clone())),
        "Constant" => {
            let value = given(node, context)?;
            Operation::moving(move |_| Ok(value.clone()))
        }
        "ConstantOfShape" => {
            let value = match node.tensor("value")? {
                Some(value) => constant(value, context.folder).map_err(candle_core::Error::Msg)?,
                None => tensor(vec![0.0_f32], &[1])?,
            };
            if value.elem_count() != 1 {
                bail!("attribute `value` has {} values, expected one", value.elem_count());
            }
            let value = value.reshape(())?;
            Operation::moving(move |inputs| {
                let dims = sizes(&inputs.ints(0)?)?;
                inputs.check(&dims)?;
                value.broadcast_as(dims)
            })
        }
        "Shape" => {
            let (start, end) = (node.int("start", 0)?, node.int("end", i64::MAX)?);
            Operation::moving(move |inputs| {
                let dims = inputs.get(0)?.dims();
                let rank = dims.len() as i64;
                let at = |place: i64| {
                    let place = if place < 0 { place.saturating_add(rank) } else { place };
                    place.clamp(0, rank) as usize
                };
                let (start, end) = (at(start), at(end));
                let part = dims.get(start..end).unwrap_or(&[]);
                let part: Vec<i64> = part.iter().map(|size| *size as i64).collect();
                let len = part.len();
                tensor(part, &[len])
            })
        }
        "Size" => Operation::moving(|inputs| tensor(vec![inputs.get(0)?.elem_count() as i64], &[])),
        "Range" => Operation::moving(range),
        "Expand" => Operation::moving(|inputs| {
            let x = inputs.get(0)?;
            let dims = broadcast(x.dims(), &sizes(&inputs.ints(1)?)?)?;
            inputs.check(&dims)?;
            x.broadcast_as(dims)
        }),
        "Tile" => Operation::moving(|inputs| {
            let x = inputs.get(0)?;
            let times = sizes(&inputs.ints(1)?)?;
            if times.len() != x.rank() {
                bail!("input 1 has {} numbers, expected {}", times.len(), x.rank());
            }
            let dims: Vec<usize> = x
                .dims()
                .iter()
                .zip(&times)
                .map(|(size, times)| size.saturating_mul(*times))
                .collect();
            inputs.check(&dims)?;
            let mut out = x.clone();
            for (axis, times) in times.into_iter().enumerate() {
                let size = out.dims()[axis];
                if times != 1 {
                    let indices: Vec<usize> = (0..times).flat_map(|_| 0..size).collect();
                    out = layout::take(&out, axis, &indices)?;
                }
            }
            Ok(out)
        }),
        "Reshape" => {
            let zeros = node.int("allowzero", 0)? != 0;
            Operation::moving(move |inputs| {
                let x = inputs.get(0)?;
                layout::reshape(x, &reshaped(x.dims(), &inputs.ints(1)?, zeros)?)
            })
        }
        "Flatten" => {
            let axis = node.int("axis", 1)?;
            Operation::moving(move |inputs| {
                let x = inputs.get(0)?;
                let axis =
                    if axis == x.rank() as i64 { x.rank() } else { axis_of(axis, x.rank())? };
                let product = |dims: &[usize]| dims.iter().product::<usize>();
                layout::reshape(x, &[product(&x.dims()[..axis]), product(&x.dims()[axis..])])
            })
        }
        "Transpose" => {
            let axes = node.ints("perm")?;
            Operation::moving(move |inputs| {
                let x = inputs.get(0)?;
                let axes = match &axes {
                    Some(axes) => axes
                        .iter()
                        .map(|axis| axis_of(*axis, x.rank()))
                        .collect::<Result<Vec<_>>>()?,
                    None => (0..x.rank()).rev().collect(),
                };
                let mut sorted = axes.clone();
                sorted.sort_unstable();
                if sorted != (0..x.rank()).collect::<Vec<_>>() {
                    bail!(
                        "attribute `perm` is {axes:?}, expected each axis of {:?} once",
                        x.dims()
                    );
                }
                permute(x, &axes)
            })
        }
        "Squeeze" | "Unsqueeze" => squeeze(node)?,
        "Concat" => {
            let axis = node.int("axis", 1)?;
            Operation::moving(move |inputs| {
                let parts: Vec<Tensor> =
                    (0..inputs.len()).map(|k| inputs.get(k).cloned()).collect::<Result<_>>()?;
                let axis = axis_of(axis, inputs.get(0)?.rank())?;
                let mut dims = parts[0].dims().to_vec();
                dims[axis] =
                    parts.iter().map(|part| part.dims().get(axis).copied().unwrap_or(0)).sum();
                inputs.check(&dims)?;
                concatenate(&parts, axis)
            })
        }
        "Split" => split(node)?,
        "DepthToSpace" | "SpaceToDepth" => blocks(node)?,
        _ => return Ok(None),
    }))
}

/// Whole numbers as sizes.
fn sizes(values: &[i64]) -> Result<Vec<usize>> {
    let size = |value: &i64| match usize::try_from(*value) {
        Ok(size) => Ok(size),
        Err(_) => bail!("a shape is {values:?}, expected no negative numbers"),
    };
    values.iter().map(size).collect()
}

/// The value of a `Constant`.
fn given(node: &Node, context: &Context<'_>) -> Result<Tensor> {
    if let Some(value) = node.tensor("value")? {
        return constant(value, context.folder).map_err(candle_core::Error::Msg);
    }
    if node.has("value_float") {
        return tensor(vec![node.float("value_float", 0.0)?], &[]);
    }
    if node.has("value_int") {
        return tensor(vec![node.int("value_int", 0)?], &[]);
    }
    if let Some(values) = node.floats("value_floats")? {
        let len = values.len();
        return tensor(values, &[len]);
    }
    if let Some(values) = node.ints("value_ints")? {
        let len = values.len();
        return tensor(values, &[len]);
    }
    bail!("it has no attribute `value`, `value_float`, `value_int`, `value_floats` or `value_ints`")
}

fn range(inputs: &Inputs<'_>) -> Result<Tensor> {
    let one = |index: usize| -> Result<&Tensor> {
        let value = inputs.get(index)?;
        if value.elem_count() == 1 { Ok(value) } else { bail!("input {index} is not one number") }
    };
    let values = [one(0)?, one(1)?, one(2)?];
    if values.iter().all(|value| value.dtype() == DType::F32) {
        let mut numbers = [0.0_f64; 3];
        for (number, value) in numbers.iter_mut().zip(values) {
            *number = layout::values::<f32>(value)?.first().copied().map_or(0.0, f64::from);
        }
        let [start, end, step] = numbers;
        let count = ((end - start) / step).ceil().max(0.0);
        if !count.is_finite() {
            bail!("a range from {start} to {end} in steps of {step} does not end");
        }
        inputs.check(&[count as usize])?;
        let values: Vec<f32> =
            (0..count as usize).map(|k| (start + k as f64 * step) as f32).collect();
        let len = values.len();
        return tensor(values, &[len]);
    }
    let mut numbers = [0_i64; 3];
    for (number, value) in numbers.iter_mut().zip(values) {
        *number = layout::ints(value)?.first().copied().unwrap_or(0);
    }
    let [start, end, step] = numbers.map(i128::from);
    if step == 0 {
        bail!("the step of a range is 0");
    }
    let count = ((end - start + step - step.signum()) / step).max(0);
    let Ok(count) = usize::try_from(count) else { bail!("a range has {count} numbers") };
    inputs.check(&[count])?;
    let values: Vec<i64> = (0..count as i128).map(|k| (start + k * step) as i64).collect();
    tensor(values, &[count])
}

/// The shape that a `Reshape` asks for: 0 keeps an axis, −1 is what is left.
fn reshaped(dims: &[usize], wanted: &[i64], zeros: bool) -> Result<Vec<usize>> {
    let mut out = Vec::with_capacity(wanted.len());
    let mut open = None;
    for (axis, size) in wanted.iter().copied().enumerate() {
        out.push(match (size, dims.get(axis)) {
            (0, Some(kept)) if !zeros => *kept,
            (-1, _) if open.is_none() => {
                open = Some(axis);
                1
            }
            (size, _) if size > 0 || size == 0 && zeros => size as usize,
            _ => bail!("cannot reshape {dims:?} to {wanted:?}"),
        });
    }
    let all: usize = dims.iter().product();
    let known = out.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    match (open, known) {
        (Some(axis), Some(known)) if known > 0 && all.is_multiple_of(known) => {
            out[axis] = all / known
        }
        (None, Some(known)) if known == all => {}
        _ => bail!("cannot reshape {dims:?} to {wanted:?}"),
    }
    Ok(out)
}

fn squeeze(node: &Node) -> Result<Operation> {
    let add = node.operator == "Unsqueeze";
    let listed = node.ints("axes")?;
    Ok(Operation::moving(move |inputs| {
        let x = inputs.get(0)?;
        let axes = match &listed {
            Some(axes) => Some(axes.clone()),
            None if inputs.optional(1).is_some() => Some(inputs.ints(1)?),
            None => None,
        };
        let Some(axes) = axes else {
            if add {
                bail!("input 1, the axes, is missing");
            }
            let dims: Vec<usize> = x.dims().iter().copied().filter(|size| *size != 1).collect();
            return layout::reshape(x, &dims);
        };
        let rank = if add { x.rank() + axes.len() } else { x.rank() };
        let mut axes: Vec<usize> =
            axes.into_iter().map(|axis| axis_of(axis, rank)).collect::<Result<_>>()?;
        axes.sort_unstable();
        let count = axes.len();
        axes.dedup();
        if axes.len() != count {
            bail!("an axis is listed twice");
        }
        // Views keep the order in memory.
        let mut out = x.clone();
        if add {
            for axis in axes {
                out = out.unsqueeze(axis)?;
            }
        } else {
            for axis in axes.into_iter().rev() {
                if out.dims()[axis] != 1 {
                    bail!("axis {axis} of shape {:?} has not size 1", x.dims());
                }
                out = out.squeeze(axis)?;
            }
        }
        Ok(out)
    }))
}

fn split(node: &Node) -> Result<Operation> {
    let (axis, listed) = (node.int("axis", 0)?, node.ints("split")?);
    let parts = node.outputs.len();
    let run: Run = Box::new(move |inputs| {
        let x = inputs.get(0)?;
        let axis = axis_of(axis, x.rank())?;
        let size = x.dims()[axis];
        let lengths = match &listed {
            Some(lengths) => sizes(lengths)?,
            None if inputs.optional(1).is_some() => sizes(&inputs.ints(1)?)?,
            None => {
                let each = size.div_ceil(parts);
                (0..parts).map(|part| each.min(size.saturating_sub(part * each))).collect()
            }
        };
        let sum = lengths.iter().try_fold(0_usize, |sum, length| sum.checked_add(*length));
        if sum != Some(size) || lengths.len() < parts {
            bail!("axis {axis} of size {size} cannot be split into {lengths:?}");
        }
        let mut first = 0;
        lengths
            .iter()
            .map(|length| {
                let part = x.narrow(axis, first, *length);
                first += length;
                part
            })
            .collect()
    });
    let operation = Operation::new(LayerKind::Other, 0.0, |inputs| Ok(inputs.get(0)?.clone()));
    Ok(Operation { run, ..operation })
}

fn blocks(node: &Node) -> Result<Operation> {
    let side = node.int("blocksize", 0)?;
    let Some(side) = usize::try_from(side).ok().filter(|side| (1..=1024).contains(side)) else {
        bail!("attribute `blocksize` is {side}, expected a number from 1 to 1024");
    };
    let to_space = node.operator == "DepthToSpace";
    let columns_first = node.text("mode", "DCR")? == "DCR";
    Ok(Operation::moving(move |inputs| {
        let (n, c, h, w) = inputs.get(0)?.dims4()?;
        let x = inputs.get(0)?;
        if to_space {
            if !c.is_multiple_of(side * side) {
                bail!("{c} channels cannot be divided into blocks of {side}×{side}");
            }
            let depth = c / (side * side);
            let out = [n, depth, h * side, w * side];
            return if columns_first {
                let x = layout::reshape(x, &[n, side, side, depth, h, w])?;
                layout::reshape(&permute(&x, &[0, 3, 4, 1, 5, 2])?, &out)
            } else {
                let x = layout::reshape(x, &[n, depth, side, side, h, w])?;
                layout::reshape(&permute(&x, &[0, 1, 4, 2, 5, 3])?, &out)
            };
        }
        if !h.is_multiple_of(side) || !w.is_multiple_of(side) {
            bail!("an image of {h}×{w} cannot be divided into blocks of {side}×{side}");
        }
        let x = layout::reshape(x, &[n, c, h / side, side, w / side, side])?;
        layout::reshape(
            &permute(&x, &[0, 3, 5, 1, 2, 4])?,
            &[n, c * side * side, h / side, w / side],
        )
    }))
}

/// A tensor of one value in the shape of another.
pub(super) fn filled(value: &Tensor, dims: &[usize]) -> Result<Tensor> {
    value.to_device(&Device::Cpu)?.broadcast_as(dims)
}
