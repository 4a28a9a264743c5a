//! Operations on the channels of each pixel.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, bail};
use rayon::prelude::*;

use super::{View, activation::exp};
use crate::kernels::{floats, lanes::dispatch};

/// Number of floats of a task.
const TASK: usize = 32 * 1024;

/// Number of pixels of a task.
fn rows(channels: usize) -> usize {
    (TASK / channels.max(1)).max(1)
}

/// Computes a contiguous tensor of the input's shape by calling `of(to, from)` for the channels of each pixel.
fn each_pixel(
    storage: &CpuStorage,
    layout: &Layout,
    of: impl Fn(&mut [f32], &[f32]) + Sync,
) -> Result<(CpuStorage, Shape)> {
    let dims = layout.dims();
    let c = *dims.last().unwrap_or(&1);
    let n = layout.shape().elem_count() / c.max(1);
    let mut out = vec![0.0_f32; n * c];
    let run = |first: &(dyn Fn(usize) -> usize + Sync), values: &[f32], out: &mut [f32]| {
        out.par_chunks_mut((rows(c) * c).max(1)).enumerate().for_each(|(task, out)| {
            for (row, to) in out.chunks_exact_mut(c.max(1)).enumerate() {
                of(to, &values[first(task * rows(c) + row)..][..c]);
            }
        });
    };
    if layout.is_contiguous() {
        run(&|row| row * c, floats(storage, layout)?, &mut out);
    } else {
        let x = View::new(storage, layout)?;
        run(&|row| row * x.pitch, x.values, &mut out);
    }
    Ok((CpuStorage::F32(out), layout.shape().clone()))
}

/// `relu(scale · x + shift)` for each channel: batch norm before a convolution.
pub(crate) struct ScaleShift {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

impl CustomOp1 for ScaleShift {
    fn name(&self) -> &'static str {
        "scale-shift-relu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        if layout.dims().last() != Some(&self.scale.len()) {
            bail!("the norm expects {} channels, got {layout:?}", self.scale.len());
        }
        each_pixel(storage, layout, |to, from| {
            // SAFETY: all have one float per channel.
            unsafe {
                let (scale, shift) = (self.scale.as_ptr(), self.shift.as_ptr());
                scale_shift(to.as_mut_ptr(), from.as_ptr(), scale, shift, to.len());
            }
        })
    }
}

dispatch! {
    /// # Safety
    ///
    /// All hold `len` floats.
    fn scale_shift<V>(
        to: *mut f32, from: *const f32, scale: *const f32, shift: *const f32, len: usize,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            let from = std::slice::from_raw_parts(from, len);
            let scale = std::slice::from_raw_parts(scale, len);
            let shift = std::slice::from_raw_parts(shift, len);
            let to = std::slice::from_raw_parts_mut(to, len);
            for i in 0..len {
                to[i] = (from[i] * scale[i] + shift[i]).max(0.0);
            }
        }
    }
}

/// Layer norm over the last axis (Ba et al. 2016), with ε inside the square root.
pub(crate) struct LayerNorm {
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
    pub(crate) epsilon: f32,
}

impl CustomOp1 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        if layout.dims().last() != Some(&self.gamma.len()) {
            bail!("the norm expects {} channels, got {layout:?}", self.gamma.len());
        }
        each_pixel(storage, layout, |to, from| {
            // SAFETY: all have one float per channel.
            unsafe {
                let (gamma, beta) = (self.gamma.as_ptr(), self.beta.as_ptr());
                let (to, from, len) = (to.as_mut_ptr(), from.as_ptr(), to.len());
                normalize(to, from, gamma, beta, len, self.epsilon);
            }
        })
    }
}

/// Softmax over the last axis.
pub(crate) struct Softmax;

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        each_pixel(storage, layout, |to, from| {
            // SAFETY: both have one float per channel, and the output is new.
            unsafe { softmax(to.as_mut_ptr(), from.as_ptr(), to.len()) };
        })
    }
}

/// The sum of `of(value)`, with 16 partial sums so that the compiler can vectorize it.
#[inline(always)]
fn sum(values: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0_f32; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for lane in 0..16 {
            sums[lane] += of(chunk[lane]);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|value| of(*value)).sum::<f32>()
}

dispatch! {
    /// # Safety
    ///
    /// All hold `len` floats.
    fn normalize<V>(
        to: *mut f32, from: *const f32, gamma: *const f32, beta: *const f32, len: usize, epsilon: f32,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            let from = std::slice::from_raw_parts(from, len);
            let gamma = std::slice::from_raw_parts(gamma, len);
            let beta = std::slice::from_raw_parts(beta, len);
            let to = std::slice::from_raw_parts_mut(to, len);
            let mean = sum(from, |value| value) / len as f32;
            let variance = sum(from, |value| (value - mean) * (value - mean)) / len as f32;
            let inverse = 1.0 / (variance + epsilon).sqrt();
            for i in 0..len {
                to[i] = (from[i] - mean) * inverse * gamma[i] + beta[i];
            }
        }
    }
}

dispatch! {
    /// Softmax.
    ///
    /// # Safety
    ///
    /// Both have `len` floats and do not overlap.
    fn softmax<V>(to: *mut f32, from: *const f32, len: usize) {
        // SAFETY: the caller's contract.
        let (to, from) = unsafe {
            (std::slice::from_raw_parts_mut(to, len), std::slice::from_raw_parts(from, len))
        };
        // 16 partial maxima, so that the compiler can vectorize the loop.
        let (chunks, rest) = from.as_chunks::<16>();
        let mut tops = [f32::NEG_INFINITY; 16];
        for chunk in chunks {
            for lane in 0..16 {
                tops[lane] = if chunk[lane] > tops[lane] { chunk[lane] } else { tops[lane] };
            }
        }
        let top = tops.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
        let (to_chunks, to_rest) = to.as_chunks_mut::<16>();
        for (to, from) in to_chunks.iter_mut().zip(chunks) {
            *to = from.map(|value| exp(value - top));
        }
        for (to, from) in to_rest.iter_mut().zip(rest) {
            *to = exp(from - top);
        }
        let inverse = 1.0 / sum(to, |value| value);
        for value in to.iter_mut() {
            *value *= inverse;
        }
    }
}

/// Softmax of one row. Both have the same length.
pub(crate) fn softmax_row(from: &[f32], to: &mut [f32]) {
    assert_eq!(from.len(), to.len(), "softmax of rows of different lengths");
    // SAFETY: just checked; two slices, one of them mutable, do not overlap.
    unsafe { softmax(to.as_mut_ptr(), from.as_ptr(), from.len()) };
}

/// Interleaves the channels of two tensors: ShuffleNet's channel shuffle of two groups.
pub(crate) struct Interleave;

impl CustomOp2 for Interleave {
    fn name(&self) -> &'static str {
        "interleave"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (a, b) = (View::new(s1, l1)?, View::new(s2, l2)?);
        if (a.n, a.h, a.w, a.c) != (b.n, b.h, b.w, b.c) {
            bail!("tensors to interleave have different shapes: {l1:?} and {l2:?}");
        }
        let c = a.c;
        let mut out = vec![0.0_f32; a.n * a.h * a.w * 2 * c];
        out.par_chunks_mut((rows(2 * c) * 2 * c).max(1)).enumerate().for_each(|(task, out)| {
            for (row, to) in out.chunks_exact_mut((2 * c).max(1)).enumerate() {
                let pixel = task * rows(2 * c) + row;
                let values = a.pixel(pixel).iter().zip(b.pixel(pixel));
                for (to, (a, b)) in to.as_chunks_mut::<2>().0.iter_mut().zip(values) {
                    *to = [*a, *b];
                }
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((a.n, a.h, a.w, 2 * c))))
    }
}

/// Multiplies images `[n][h][w][c]` by a factor for each channel of each image, `[n][c]`: the last step of
/// squeeze and excitation (Hu et al. 2017).
pub(crate) struct Gate;

impl CustomOp2 for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = View::new(s1, l1)?;
        let factors = floats(s2, l2)?;
        if factors.len() != x.n * x.c {
            bail!("got {} factors for {l1:?}", factors.len());
        }
        let pixels = x.h * x.w;
        let mut out = vec![0.0_f32; x.n * pixels * x.c];
        out.par_chunks_mut((rows(x.c) * x.c).max(1)).enumerate().for_each(|(task, out)| {
            for (row, to) in out.chunks_exact_mut(x.c.max(1)).enumerate() {
                let pixel = task * rows(x.c) + row;
                let factors = &factors[pixel / pixels.max(1) * x.c..][..x.c];
                let values = x.pixel(pixel).iter().zip(factors);
                to.iter_mut().zip(values).for_each(|(to, (value, factor))| *to = value * factor);
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((x.n, x.h, x.w, x.c))))
    }
}
