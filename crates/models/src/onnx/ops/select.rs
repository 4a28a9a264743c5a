//! Operations that select parts of tensors, or put parts into them.

use candle_core::{DType, Result, Tensor, WithDType, bail};

use super::{
    super::{
        layout::{self, by_type, concatenate, take, tensor},
        node::{Node, axis_of},
    },
    operation::{Inputs, Operation},
    shape::filled,
};

pub(super) fn select(node: &Node) -> Result<Option<Operation>> {
    Ok(Some(match node.operator.as_str() {
        "Slice" => slice(node)?,
        "Gather" => gather(node)?,
        "GatherND" => {
            if node.int("batch_dims", 0)? != 0 {
                bail!("attribute `batch_dims` is not 0, expected 0");
            }
            Operation::moving(|inputs| {
                let x = inputs.get(0)?;
                by_type!(x, gather_nd(inputs))
            })
        }
        "GatherElements" => {
            let axis = node.int("axis", 0)?;
            Operation::moving(move |inputs| {
                let x = inputs.get(0)?;
                let axis = axis_of(axis, x.rank())?;
                by_type!(x, gather_elements(inputs, axis))
            })
        }
        "ScatterND" => {
            let reduction = node.text("reduction", "none")?;
            if reduction != "none" {
                bail!("attribute `reduction` is `{reduction}`, expected `none`");
            }
            Operation::moving(|inputs| {
                let x = inputs.get(0)?;
                by_type!(x, scatter_nd(inputs))
            })
        }
        "Pad" => pad(node)?,
        _ => return Ok(None),
    }))
}

/// The index of an axis that a number means, which counts from the end if it is negative.
fn index_of(index: i64, size: usize) -> Result<usize> {
    let found = if index < 0 { index.saturating_add(size as i64) } else { index };
    match usize::try_from(found) {
        Ok(found) if found < size => Ok(found),
        _ => bail!("index {index} is outside of an axis of size {size}"),
    }
}

fn slice(node: &Node) -> Result<Operation> {
    let (starts, ends) = (node.ints("starts")?, node.ints("ends")?);
    let axes = node.ints("axes")?;
    Ok(Operation::moving(move |inputs| {
        let mut x = inputs.get(0)?.clone();
        let list = |fixed: &Option<Vec<i64>>, index: usize| match fixed {
            Some(list) => Ok(list.clone()),
            None => inputs.ints(index),
        };
        let (starts, ends) = (list(&starts, 1)?, list(&ends, 2)?);
        let axes = match (&axes, inputs.optional(3)) {
            (Some(axes), _) => axes.clone(),
            (None, Some(_)) => inputs.ints(3)?,
            (None, None) => (0..starts.len() as i64).collect(),
        };
        let steps = match inputs.optional(4) {
            Some(_) => inputs.ints(4)?,
            None => vec![1; starts.len()],
        };
        if [ends.len(), axes.len(), steps.len()].iter().any(|len| *len != starts.len()) {
            bail!("its starts, ends, axes and steps have different lengths");
        }
        for (((start, end), axis), step) in starts.into_iter().zip(ends).zip(axes).zip(steps) {
            let axis = axis_of(axis, x.rank())?;
            let size = x.dims()[axis] as i64;
            let at = |place: i64| if place < 0 { place.saturating_add(size) } else { place };
            if step == 1 {
                let (start, end) = (at(start).clamp(0, size), at(end).clamp(0, size));
                x = x.narrow(axis, start as usize, (end - start).max(0) as usize)?;
            } else if step > 1 {
                let (start, end) = (at(start).clamp(0, size), at(end).clamp(0, size));
                let step = usize::try_from(step).unwrap_or(usize::MAX);
                let kept: Vec<usize> = (start as usize..end as usize).step_by(step).collect();
                x = take(&x, axis, &kept)?;
            } else if step < 0 {
                let (start, end) = (at(start).clamp(-1, size - 1), at(end).clamp(-1, size - 1));
                let step = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX);
                let kept: Vec<usize> =
                    (end + 1..=start).rev().step_by(step).map(|index| index as usize).collect();
                x = take(&x, axis, &kept)?;
            } else {
                bail!("a step is 0");
            }
        }
        Ok(x)
    }))
}

fn gather(node: &Node) -> Result<Operation> {
    let axis = node.int("axis", 0)?;
    Ok(Operation::moving(move |inputs| {
        let (x, wanted) = (inputs.get(0)?, inputs.get(1)?);
        let axis = axis_of(axis, x.rank())?;
        let mut dims = x.dims()[..axis].to_vec();
        dims.extend(wanted.dims());
        dims.extend(&x.dims()[axis + 1..]);
        inputs.check(&dims)?;
        let size = x.dims()[axis];
        let indices: Vec<usize> = layout::ints(wanted)?
            .into_iter()
            .map(|index| index_of(index, size))
            .collect::<Result<_>>()?;
        if let [index] = indices[..] {
            let part = x.narrow(axis, index, 1)?;
            return if wanted.rank() == 0 {
                part.squeeze(axis)
            } else {
                layout::reshape(&part, &dims)
            };
        }
        layout::reshape(&take(x, axis, &indices)?, &dims)
    }))
}

/// The offsets in a tensor without gaps that rows of indices mean, and how many values each row selects.
fn offsets(dims: &[usize], indices: &Tensor) -> Result<(Vec<usize>, usize)> {
    let depth = match indices.dims().last() {
        Some(depth) if *depth > 0 && *depth <= dims.len() => *depth,
        _ => bail!("its indices have shape {:?}, which does not fit {dims:?}", indices.dims()),
    };
    let inner: usize = dims[depth..].iter().product();
    let rows = layout::ints(indices)?;
    let offset = |row: &[i64]| -> Result<usize> {
        let mut at = 0;
        for (index, size) in row.iter().zip(dims) {
            at = at * size + index_of(*index, *size)?;
        }
        Ok(at * inner)
    };
    Ok((rows.chunks(depth).map(offset).collect::<Result<_>>()?, inner))
}

fn gather_nd<T: WithDType>(inputs: &Inputs<'_>) -> Result<Tensor> {
    let (x, indices) = (inputs.get(0)?, inputs.get(1)?);
    let (rows, inner) = offsets(x.dims(), indices)?;
    let depth = x.rank().min(*indices.dims().last().unwrap_or(&0));
    let mut dims = indices.dims()[..indices.rank() - 1].to_vec();
    dims.extend(&x.dims()[depth..]);
    inputs.check(&dims)?;
    let from = layout::values::<T>(x)?;
    let mut out = Vec::with_capacity(rows.len() * inner);
    rows.into_iter().for_each(|first| out.extend_from_slice(&from[first..][..inner]));
    tensor(out, &dims)
}

fn gather_elements<T: WithDType>(inputs: &Inputs<'_>, axis: usize) -> Result<Tensor> {
    let (x, indices) = (inputs.get(0)?, inputs.get(1)?);
    let fits = indices.rank() == x.rank()
        && (0..x.rank()).all(|k| k == axis || indices.dims()[k] <= x.dims()[k]);
    if !fits {
        bail!("its indices have shape {:?}, which does not fit {:?}", indices.dims(), x.dims());
    }
    inputs.check(indices.dims())?;
    let from = layout::values::<T>(x)?;
    let mut out = Vec::with_capacity(indices.elem_count());
    for (number, index) in layout::ints(indices)?.into_iter().enumerate() {
        let (mut left, mut at, mut stride) = (number, 0, 1);
        for k in (0..x.rank()).rev() {
            let place =
                if k == axis { index_of(index, x.dims()[k])? } else { left % indices.dims()[k] };
            left /= indices.dims()[k];
            at += place * stride;
            stride *= x.dims()[k];
        }
        out.push(from[at]);
    }
    tensor(out, indices.dims())
}

fn scatter_nd<T: WithDType>(inputs: &Inputs<'_>) -> Result<Tensor> {
    let (x, indices, updates) = (inputs.get(0)?, inputs.get(1)?, inputs.get(2)?);
    let (rows, inner) = offsets(x.dims(), indices)?;
    if updates.elem_count() != rows.len() * inner || updates.dtype() != x.dtype() {
        bail!("its updates have shape {:?}, which does not fit its indices", updates.dims());
    }
    inputs.check(x.dims())?;
    let mut out = layout::values::<T>(x)?;
    if inner > 0 {
        let updates = layout::values::<T>(updates)?;
        for (first, from) in rows.into_iter().zip(updates.chunks(inner)) {
            out[first..][..inner].copy_from_slice(from);
        }
    }
    tensor(out, x.dims())
}

fn pad(node: &Node) -> Result<Operation> {
    let mode = node.text("mode", "constant")?;
    if !["constant", "reflect", "edge"].contains(&mode.as_str()) {
        bail!("attribute `mode` is `{mode}`, expected `constant`, `reflect` or `edge`");
    }
    let (listed, value) = (node.ints("pads")?, node.float("value", 0.0)?);
    Ok(Operation::moving(move |inputs| {
        let mut x = inputs.get(0)?.clone();
        let pads = match &listed {
            Some(pads) => pads.clone(),
            None => inputs.ints(1)?,
        };
        let axes = match inputs.optional(3) {
            Some(_) => inputs
                .ints(3)?
                .into_iter()
                .map(|axis| axis_of(axis, x.rank()))
                .collect::<Result<Vec<_>>>()?,
            None => (0..x.rank()).collect(),
        };
        if pads.len() != 2 * axes.len() {
            bail!("there are {} numbers of padding, expected {}", pads.len(), 2 * axes.len());
        }
        let value = match (inputs.optional(2), x.dtype()) {
            (Some(value), _) if value.elem_count() == 1 && value.dtype() == x.dtype() => {
                value.reshape(())?
            }
            (Some(value), _) => bail!("its value has shape {:?}", value.dims()),
            (None, DType::F32) => tensor(vec![value], &[])?,
            (None, DType::I64) => tensor(vec![value as i64], &[])?,
            (None, _) => tensor(vec![0_u8], &[])?,
        };
        let (before, after) = pads.split_at(axes.len());
        for (axis, (before, after)) in axes.into_iter().zip(before.iter().zip(after)) {
            x = padded_axis(inputs, &x, axis, [*before, *after], &mode, &value)?;
        }
        Ok(x)
    }))
}

/// A tensor with padding on both sides of an axis; negative padding cuts.
fn padded_axis(
    inputs: &Inputs<'_>,
    x: &Tensor,
    axis: usize,
    pads: [i64; 2],
    mode: &str,
    value: &Tensor,
) -> Result<Tensor> {
    let size = x.dims()[axis];
    let cut = pads.map(|pad| usize::try_from(pad.min(0).unsigned_abs()).unwrap_or(usize::MAX));
    let add = pads.map(|pad| usize::try_from(pad.max(0)).unwrap_or(usize::MAX));
    let Some(kept) = size.checked_sub(cut[0]).and_then(|left| left.checked_sub(cut[1])) else {
        bail!("padding of {pads:?} removes more than axis {axis} of size {size}");
    };
    let x = if kept < size { x.narrow(axis, cut[0], kept)? } else { x.clone() };
    if add == [0, 0] {
        return Ok(x);
    }
    let mut dims = x.dims().to_vec();
    dims[axis] = kept.saturating_add(add[0]).saturating_add(add[1]);
    inputs.check(&dims)?;
    if mode == "constant" {
        let mut part = x.dims().to_vec();
        let mut side = |size: usize| {
            part[axis] = size;
            filled(value, &part)
        };
        let parts = [side(add[0])?, x.clone(), side(add[1])?];
        let parts: Vec<Tensor> = parts.into_iter().filter(|part| part.dims()[axis] > 0).collect();
        if parts.is_empty() {
            return Ok(x);
        }
        return concatenate(&parts, axis);
    }
    let reflect = mode == "reflect";
    let most = if reflect { kept.saturating_sub(1) } else { usize::MAX };
    if kept == 0 || add.iter().any(|add| *add > most) {
        bail!("axis {axis} of size {kept} is too small for padding of {pads:?}");
    }
    let last = kept - 1;
    let indices: Vec<usize> = (0..dims[axis])
        .map(|place| match place.checked_sub(add[0]) {
            None if reflect => add[0] - place,
            None => 0,
            Some(at) if at > last && reflect => 2 * last - at,
            Some(at) => at.min(last),
        })
        .collect();
    take(&x, axis, &indices)
}
