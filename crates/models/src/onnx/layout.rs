//! How tensors lie in memory.
//!
//! A tensor has the axes that ONNX gives it. An image `[n][c][h][w]` whose strides fall in the order n, h, w, c lies
//! channels-last in memory, as the kernels read it. The operations of this module keep that order wherever they
//! can, so that images are turned around only where the network's own values need it.

use candle_core::{DType, Device, Layout, Result, Storage, Tensor, WithDType, bail};
use rayon::prelude::*;

/// Number of values that a task works on.
const TASK: usize = 16 * 1024;

/// Calls `of` with the storage and the layout of a tensor.
pub(super) fn read<T: WithDType, R>(
    tensor: &Tensor,
    of: impl FnOnce(&[T], &Layout) -> R,
) -> Result<R> {
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(cpu) => Ok(of(cpu.as_slice::<T>()?, layout)),
        _ => bail!("an operation of the CPU was given a tensor of another device"),
    }
}

/// A tensor of some values.
pub(super) fn tensor<T: WithDType>(values: Vec<T>, dims: &[usize]) -> Result<Tensor> {
    Tensor::from_vec(values, dims, &Device::Cpu)
}

/// Runs a function for the type of a tensor's values.
macro_rules! by_type {
    ($tensor:expr, $of:ident($($argument:expr),*)) => {
        match $tensor.dtype() {
            candle_core::DType::F32 => $of::<f32>($($argument),*),
            candle_core::DType::I64 => $of::<i64>($($argument),*),
            candle_core::DType::U8 => $of::<u8>($($argument),*),
            other => candle_core::bail!("values of type {other:?} are not supported"),
        }
    };
}
pub(super) use by_type;

/// Nested loops over some axes, the last one innermost, with a stride of each operand.
pub(super) struct Loops<const N: usize> {
    axes: Vec<(usize, [usize; N])>,
}

impl<const N: usize> Loops<N> {
    /// Loops over `dims`. Axes that are adjacent in all operands become one.
    pub(super) fn new(dims: &[usize], strides: [&[usize]; N]) -> Self {
        let mut axes: Vec<(usize, [usize; N])> = Vec::with_capacity(dims.len());
        for (axis, size) in dims.iter().copied().enumerate().filter(|(_, size)| *size != 1) {
            let steps = strides.map(|strides| strides[axis]);
            match axes.last_mut() {
                Some((outer, last)) if (0..N).all(|k| last[k] == size * steps[k]) => {
                    (*outer, *last) = (*outer * size, steps);
                }
                _ => axes.push((size, steps)),
            }
        }
        if axes.is_empty() {
            axes.push((1, [0; N]));
        }
        Self { axes }
    }

    /// Calls `row` for each run of the innermost loop with its part of `out`, the operands' offsets, and their
    /// strides.
    pub(super) fn run<U: Send>(
        &self,
        out: &mut [U],
        row: impl Fn(&mut [U], [usize; N], [usize; N]) + Sync,
    ) {
        let Some(((size, steps), outer)) = self.axes.split_last() else { return };
        if out.is_empty() {
            return;
        }
        let rows = (TASK / size.max(&1)).max(1);
        let task = |(task, chunk): (usize, &mut [U])| {
            let mut at: Vec<usize> = vec![0; outer.len()];
            let mut left = task * rows;
            for (index, (size, _)) in at.iter_mut().zip(outer).rev() {
                (left, *index) = (left / size, left % size);
            }
            let mut offsets = [0; N];
            for (index, (_, steps)) in at.iter().zip(outer) {
                (0..N).for_each(|k| offsets[k] += index * steps[k]);
            }
            for part in chunk.chunks_mut((*size).max(1)) {
                row(part, offsets, *steps);
                for (index, (size, steps)) in at.iter_mut().zip(outer).rev() {
                    *index += 1;
                    (0..N).for_each(|k| offsets[k] += steps[k]);
                    if *index < *size {
                        break;
                    }
                    *index = 0;
                    (0..N).for_each(|k| offsets[k] -= size * steps[k]);
                }
            }
        };
        let each = (rows * size).max(1);
        if out.len() <= each {
            task((0, out));
        } else {
            out.par_chunks_mut(each).enumerate().for_each(task);
        }
    }
}

/// The tensor with its values in the order of its axes, without gaps.
pub(super) fn compact(tensor: &Tensor) -> Result<Tensor> {
    if tensor.is_contiguous() { Ok(tensor.clone()) } else { by_type!(tensor, copy(tensor)) }
}

fn copy<T: WithDType>(from: &Tensor) -> Result<Tensor> {
    let mut out = vec![T::zero(); from.elem_count()];
    read::<T, ()>(from, |values, layout| {
        let values = &values[layout.start_offset().min(values.len())..];
        Loops::new(layout.dims(), [layout.stride()]).run(
            &mut out,
            |to, [first], [step]| match step {
                0 => to.fill(values[first]),
                1 => to.copy_from_slice(&values[first..][..to.len()]),
                _ => {
                    for (to, from) in to.iter_mut().zip(values[first..].iter().step_by(step)) {
                        *to = *from;
                    }
                }
            },
        );
    })?;
    tensor(out, from.dims())
}

/// The axes in the order in which they lie in memory, the slowest first.
pub(super) fn order(tensor: &Tensor) -> Vec<usize> {
    let (dims, strides) = (tensor.dims(), tensor.stride());
    // The stride of an axis of size 1 says nothing; it stays behind the axis before it.
    let mut before = usize::MAX;
    let steps: Vec<usize> = (0..dims.len())
        .map(|axis| {
            if dims[axis] != 1 {
                before = strides[axis];
            }
            before
        })
        .collect();
    let mut axes: Vec<usize> = (0..dims.len()).collect();
    axes.sort_by_key(|axis| std::cmp::Reverse(steps[*axis]));
    axes
}

/// The tensor with its axes in another order.
pub(super) fn permute(tensor: &Tensor, axes: &[usize]) -> Result<Tensor> {
    if axes.len() < 2 { Ok(tensor.clone()) } else { tensor.permute(axes) }
}

/// The tensor with its axes in the order in which they lie in memory, without gaps, and that order.
pub(super) fn dense(tensor: &Tensor) -> Result<(Tensor, Vec<usize>)> {
    let axes = order(tensor);
    Ok((compact(&permute(tensor, &axes)?)?, axes))
}

/// Undoes the permutation of [`dense`].
pub(super) fn restore(tensor: &Tensor, axes: &[usize]) -> Result<Tensor> {
    let mut back = vec![0; axes.len()];
    axes.iter().enumerate().for_each(|(position, axis)| back[*axis] = position);
    permute(tensor, &back)
}

/// An image `[n][c][h][w]` as `[n][h][w][c]`, as the kernels read it.
pub(super) fn channels_last(image: &Tensor) -> Result<Tensor> {
    let turned = image.permute((0, 2, 3, 1))?;
    let (_, h, w, c) = turned.dims4()?;
    let strides = turned.stride();
    // The kernels also read images that are some of the channels of another.
    let spaced = c > 1
        && w > 1
        && strides[3] == 1
        && strides[2] >= c
        && strides[1] == w * strides[2]
        && strides[0] == h * strides[1];
    if spaced { Ok(turned) } else { compact(&turned) }
}

/// Undoes [`channels_last`].
pub(super) fn channels_first(image: &Tensor) -> Result<Tensor> {
    image.permute((0, 3, 1, 2))
}

/// Changes each value.
pub(super) fn map(x: &Tensor, of: impl Fn(&mut [f32]) + Sync) -> Result<Tensor> {
    let (x, axes) = dense(x)?;
    let mut out = vec![0.0_f32; x.elem_count()];
    read::<f32, ()>(&x, |values, layout| {
        let values = &values[layout.start_offset().min(values.len())..][..out.len()];
        let task = |(to, from): (&mut [f32], &[f32])| {
            to.copy_from_slice(from);
            of(to);
        };
        if out.len() <= TASK {
            task((&mut out, values));
        } else {
            out.par_chunks_mut(TASK).zip(values.par_chunks(TASK)).for_each(task);
        }
    })?;
    restore(&tensor(out, x.dims())?, &axes)
}

/// The shape of the result of an operation on values of two shapes, if they can be broadcast to each other.
pub(super) fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let size = |dims: &[usize], axis: usize| match (axis + dims.len()).checked_sub(rank) {
        Some(axis) => dims[axis],
        None => 1,
    };
    (0..rank)
        .map(|axis| match (size(a, axis), size(b, axis)) {
            (a, b) if a == b || b == 1 => Ok(a),
            (1, b) => Ok(b),
            _ => bail!("shapes {a:?} and {b:?} do not fit each other"),
        })
        .collect()
}

/// Combines the values of two tensors that can be broadcast to each other.
pub(super) fn zip<T: WithDType, U: WithDType>(
    a: &Tensor,
    b: &Tensor,
    of: impl Fn(T, T) -> U + Sync,
) -> Result<Tensor> {
    let dims = broadcast(a.dims(), b.dims())?;
    let larger = if a.elem_count() >= b.elem_count() { a } else { b };
    let axes = order(&larger.broadcast_as(dims.as_slice())?);
    let a = permute(&a.broadcast_as(dims.as_slice())?, &axes)?;
    let b = permute(&b.broadcast_as(dims.as_slice())?, &axes)?;
    let mut out = vec![U::zero(); a.elem_count()];
    read::<T, Result<()>>(&a, |xs, x| {
        read::<T, ()>(&b, |ys, y| {
            let xs = &xs[x.start_offset().min(xs.len())..];
            let ys = &ys[y.start_offset().min(ys.len())..];
            let loops = Loops::new(x.dims(), [x.stride(), y.stride()]);
            loops.run(&mut out, |to, [i, j], steps| {
                let (len, to_each) = (to.len(), to.iter_mut());
                match steps {
                    [1, 1] => {
                        let pairs = xs[i..][..len].iter().zip(&ys[j..][..len]);
                        to_each.zip(pairs).for_each(|(to, (x, y))| *to = of(*x, *y));
                    }
                    [1, 0] => {
                        let y = ys[j];
                        to_each.zip(&xs[i..][..len]).for_each(|(to, x)| *to = of(*x, y));
                    }
                    [0, 1] => {
                        let x = xs[i];
                        to_each.zip(&ys[j..][..len]).for_each(|(to, y)| *to = of(x, *y));
                    }
                    [s, t] => to_each
                        .enumerate()
                        .for_each(|(k, to)| *to = of(xs[i + k * s], ys[j + k * t])),
                }
            });
        })
    })??;
    restore(&tensor(out, a.dims())?, &axes)
}

/// The tensor with another shape of as many values. Values move only if they must: images that lie
/// channels-last stay so when an axis is split or adjacent axes are merged.
pub(super) fn reshape(x: &Tensor, dims: &[usize]) -> Result<Tensor> {
    if x.elem_count() != dims.iter().product::<usize>() {
        bail!("cannot reshape {:?} to {dims:?}", x.dims());
    }
    if x.is_contiguous() || x.elem_count() == 0 {
        return compact(x)?.reshape(dims);
    }
    let groups = groups(x.dims(), dims);
    let places = {
        let mut places = vec![0; x.rank()];
        order(x).iter().enumerate().for_each(|(place, axis)| places[*axis] = place);
        places
    };
    let mut sorted: Vec<usize> = (0..groups.len()).collect();
    sorted.sort_by_key(|group| {
        let axes = groups[*group].0.clone();
        axes.filter(|axis| x.dims()[*axis] != 1).map(|axis| places[axis]).min()
    });
    let from: Vec<usize> = sorted.iter().flat_map(|group| groups[*group].0.clone()).collect();
    let to: Vec<usize> = sorted.iter().flat_map(|group| groups[*group].1.clone()).collect();
    let sizes: Vec<usize> = to.iter().map(|axis| dims[*axis]).collect();
    let moved = compact(&permute(x, &from)?)?.reshape(sizes)?;
    restore(&moved, &to)
}

/// The shortest ranges of adjacent axes whose sizes have the same product in both shapes, which have no axis of
/// size 0.
fn groups(old: &[usize], new: &[usize]) -> Vec<(std::ops::Range<usize>, std::ops::Range<usize>)> {
    let mut groups = Vec::new();
    let (mut i, mut j) = (0, 0);
    while i < old.len() || j < new.len() {
        let (first, second) = (i, j);
        let (mut a, mut b) = (1, 1);
        if i < old.len() {
            (a, i) = (old[i], i + 1);
        }
        if j < new.len() {
            (b, j) = (new[j], j + 1);
        }
        while a != b {
            if i < old.len() && (a < b || j == new.len()) {
                (a, i) = (a * old[i], i + 1);
            } else if j < new.len() {
                (b, j) = (b * new[j], j + 1);
            } else {
                break;
            }
        }
        groups.push((first..i, second..j));
    }
    groups
}

/// Joins tensors along an axis.
pub(super) fn concatenate(parts: &[Tensor], axis: usize) -> Result<Tensor> {
    let Some(first) = parts.first() else { bail!("there is nothing to concatenate") };
    let fits = |part: &Tensor| {
        part.rank() == first.rank()
            && part.dtype() == first.dtype()
            && (0..first.rank()).all(|k| k == axis || part.dims()[k] == first.dims()[k])
    };
    if axis >= first.rank() {
        bail!("cannot concatenate along axis {axis} of shape {:?}", first.dims());
    }
    if let Some(part) = parts.iter().find(|part| !fits(part)) {
        bail!("cannot concatenate {:?} and {:?} along axis {axis}", first.dims(), part.dims());
    }
    by_type!(first, join(parts, axis))
}

fn join<T: WithDType>(parts: &[Tensor], axis: usize) -> Result<Tensor> {
    let largest = parts.iter().max_by_key(|part| part.elem_count()).unwrap_or(&parts[0]);
    let axes = order(largest);
    let place = axes.iter().position(|other| *other == axis).unwrap_or(0);
    let parts: Vec<Tensor> =
        parts.iter().map(|part| compact(&permute(part, &axes)?)).collect::<Result<_>>()?;
    let mut dims = parts[0].dims().to_vec();
    dims[place] = parts.iter().map(|part| part.dims()[place]).sum();
    let width: usize = dims[place..].iter().product();
    let mut out = vec![T::zero(); dims.iter().product()];
    let mut first = 0;
    let rows = (TASK / width.max(1)).max(1);
    for part in &parts {
        let own: usize = part.dims()[place..].iter().product();
        if own == 0 {
            continue;
        }
        read::<T, ()>(part, |values, layout| {
            let values = &values[layout.start_offset()..][..part.elem_count()];
            let task = |(to, from): (&mut [T], &[T])| {
                for (to, from) in to.chunks_mut(width).zip(from.chunks(own)) {
                    to[first..][..own].copy_from_slice(from);
                }
            };
            if out.len() <= TASK {
                task((&mut out, values));
            } else {
                out.par_chunks_mut(rows * width).zip(values.par_chunks(rows * own)).for_each(task);
            }
        })?;
        first += own;
    }
    restore(&tensor(out, &dims)?, &axes)
}

/// The slices of an axis at some indices.
pub(super) fn take(x: &Tensor, axis: usize, indices: &[usize]) -> Result<Tensor> {
    if axis >= x.rank() {
        bail!("shape {:?} has no axis {axis}", x.dims());
    }
    let size = x.dims()[axis];
    if let Some(index) = indices.iter().find(|index| **index >= size) {
        bail!("index {index} is outside of axis {axis}, which has size {size}");
    }
    by_type!(x, taken(x, axis, indices))
}

fn taken<T: WithDType>(x: &Tensor, axis: usize, indices: &[usize]) -> Result<Tensor> {
    let (x, axes) = dense(x)?;
    let place = axes.iter().position(|other| *other == axis).unwrap_or(0);
    let mut dims = x.dims().to_vec();
    let inner: usize = dims[place + 1..].iter().product();
    let size = dims[place];
    dims[place] = indices.len();
    let mut out = vec![T::zero(); dims.iter().product()];
    read::<T, ()>(&x, |values, layout| {
        let values = &values[layout.start_offset().min(values.len())..];
        if inner > 0 && !indices.is_empty() {
            for (slice, to) in out.chunks_exact_mut(inner).enumerate() {
                let (outer, index) = (slice / indices.len(), indices[slice % indices.len()]);
                to.copy_from_slice(&values[(outer * size + index) * inner..][..inner]);
            }
        }
    })?;
    restore(&tensor(out, &dims)?, &axes)
}

/// The values of a tensor in the order of its axes.
pub(super) fn values<T: WithDType>(x: &Tensor) -> Result<Vec<T>> {
    let x = compact(x)?;
    read::<T, Vec<T>>(&x, |values, layout| {
        values[layout.start_offset().min(values.len())..][..x.elem_count()].to_vec()
    })
}

/// The values of whole numbers or truth values.
pub(super) fn ints(x: &Tensor) -> Result<Vec<i64>> {
    match x.dtype() {
        DType::I64 => values::<i64>(x),
        DType::U8 => Ok(values::<u8>(x)?.into_iter().map(i64::from).collect()),
        _ => bail!("expected whole numbers, got floats"),
    }
}
