//! Pooling: the maximum or the mean over windows, or over whole images.

use candle_core::{DType, Result, Tensor, bail};
use rayon::prelude::*;

use super::{
    super::{
        layout::{self, channels_first, channels_last, compact, read, tensor},
        node::Node,
    },
    operation::Operation,
    window::Windows,
};
use crate::{
    kernels::image::{AveragePool, GlobalAverage, MaxPool},
    profile::LayerKind,
};

pub(super) fn pool(node: &Node) -> Result<Option<Operation>> {
    let kind = LayerKind::Pooling;
    Ok(Some(match node.operator.as_str() {
        "MaxPool" | "AveragePool" => {
            let mean = node.operator == "AveragePool";
            if node.int("storage_order", 0)? != 0 {
                bail!("attribute `storage_order` is not 0, expected 0");
            }
            let axes = node.ints("kernel_shape")?.map_or(2, |sizes| sizes.len());
            if axes != 1 && axes != 2 {
                bail!("attribute `kernel_shape` has {axes} numbers, expected 1 or 2");
            }
            let windows = Windows::of(node, None, axes)?;
            let count_padding = node.int("count_include_pad", 0)? != 0;
            let flops = (windows.kernel[0] * windows.kernel[1]) as f64;
            Operation::new(kind, flops, move |inputs| {
                let x = inputs.get(0)?;
                let line = axes == 1 && x.rank() == 3;
                let x = if line { x.unsqueeze(2)? } else { x.clone() };
                images(&x)?;
                let (n, c, h, w) = x.dims4()?;
                let [top, left, bottom, right] = windows.padding(h, w);
                let rows = windows.outputs(0, h, [top, bottom])?;
                let columns = windows.outputs(1, w, [left, right])?;
                inputs.check(&[n, rows, columns, c])?;
                let out = pooled(&x, &windows, [rows, columns], mean.then_some(count_padding))?;
                if line { out.squeeze(2) } else { Ok(out) }
            })
        }
        "GlobalAveragePool" => Operation::new(kind, 1.0, |inputs| {
            let x = inputs.get(0)?;
            if x.rank() == 3 {
                return means(&x.unsqueeze(2)?)?.squeeze(2);
            }
            means(x)
        }),
        "GlobalMaxPool" => Operation::new(kind, 1.0, |inputs| {
            let x = inputs.get(0)?;
            images(x)?;
            let (n, c, h, w) = x.dims4()?;
            compact(&layout::reshape(x, &[n, c, h * w])?)?.max(2)?.reshape((n, c, 1, 1))
        }),
        _ => return Ok(None),
    }))
}

/// An error if a tensor is not a batch of images with at least one pixel.
pub(super) fn images(x: &Tensor) -> Result<()> {
    if x.rank() != 4 || x.elem_count() == 0 || x.dtype() != DType::F32 {
        bail!("its input has shape {:?}, expected images of floats", x.dims());
    }
    Ok(())
}

/// The mean of each channel of images, `[n][c][1][1]`.
pub(super) fn means(x: &Tensor) -> Result<Tensor> {
    images(x)?;
    let (n, c) = (x.dims()[0], x.dims()[1]);
    channels_last(x)?.apply_op1_no_bwd(&GlobalAverage)?.reshape((n, c, 1, 1))
}

/// The maxima of windows, or their means if `mean` is given: whether padding counts as pixels.
fn pooled(x: &Tensor, windows: &Windows, sizes: [usize; 2], mean: Option<bool>) -> Result<Tensor> {
    let (_, _, h, w) = x.dims4()?;
    let Windows { kernel, stride, dilation, ceil, .. } = *windows;
    let [top, left, bottom, right] = windows.padding(h, w);
    if top >= windows.extent(0)
        || bottom >= windows.extent(0)
        || left >= windows.extent(1)
        || right >= windows.extent(1)
    {
        bail!("attribute `pads` is not smaller than the window");
    }
    let square = kernel[0] == kernel[1]
        && stride[0] == stride[1]
        && dilation == [1, 1]
        && [left, bottom, right] == [top; 3];
    let (kernel, stride, padding) = (kernel[0], stride[0], top);
    let image = channels_last(x)?;
    let out = match mean {
        None if square => image.apply_op1_no_bwd(&MaxPool { kernel, stride, padding, ceil })?,
        Some(count) if square && !ceil && (count || padding == 0) => {
            image.apply_op1_no_bwd(&AveragePool::Windows { kernel, stride, padding })?
        }
        _ => general(&image, windows, sizes, mean)?,
    };
    channels_first(&out)
}

/// [`pooled`] for any windows, over an image `[n][h][w][c]`.
fn general(
    image: &Tensor,
    windows: &Windows,
    [rows, columns]: [usize; 2],
    mean: Option<bool>,
) -> Result<Tensor> {
    let image = compact(image)?;
    let (n, h, w, c) = image.dims4()?;
    let [top, left, bottom, right] = windows.padding(h, w);
    // The pixels of a window along an axis, and how many there are with those of the padding.
    let covered = |axis: usize, output: usize, size: usize, before: usize, after: usize| {
        let first = output * windows.stride[axis];
        let all = (0..windows.kernel[axis]).map(|tap| first + tap * windows.dilation[axis]);
        let inside: Vec<usize> =
            all.clone().filter_map(|at| at.checked_sub(before).filter(|at| *at < size)).collect();
        (inside, all.filter(|at| *at < before + size + after).count())
    };
    let mut out = vec![0.0_f32; n * rows * columns * c];
    read::<f32, ()>(&image, |values, layout| {
        let values = &values[layout.start_offset()..];
        out.par_chunks_mut((columns * c).max(1)).enumerate().for_each(|(index, line)| {
            let (image, row) = (index / rows, index % rows);
            let (ys, tall) = covered(0, row, h, top, bottom);
            for (column, to) in line.chunks_exact_mut(c).enumerate() {
                let (xs, wide) = covered(1, column, w, left, right);
                if mean.is_none() {
                    to.fill(f32::NEG_INFINITY);
                }
                for y in &ys {
                    for x in &xs {
                        let pixel = &values[((image * h + y) * w + x) * c..][..c];
                        if mean.is_some() {
                            to.iter_mut().zip(pixel).for_each(|(to, from)| *to += from);
                        } else {
                            to.iter_mut().zip(pixel).for_each(|(to, from)| {
                                *to = if *from > *to || from.is_nan() { *from } else { *to };
                            });
                        }
                    }
                }
                if let Some(count_padding) = mean {
                    let count = if count_padding { tall * wide } else { ys.len() * xs.len() };
                    to.iter_mut().for_each(|value| *value /= count.max(1) as f32);
                }
            }
        });
    })?;
    tensor(out, &[n, rows, columns, c])
}
