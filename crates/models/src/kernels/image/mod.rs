//! Operations of inference on images with the channels last, `[n][h][w][c]`.
//!
//! The channels of a pixel are contiguous, so that a convolution is a matrix product whose left factor is the
//! image. The image is read in place if the convolution has few output channels, and packed otherwise
//! (`packed.rs`). A row of a kernel is one contiguous range of memory. One thread sums each output in a fixed
//! order, so that results depend neither on the number of threads nor on the rest of the batch.

mod activation;
mod attention;
mod conv;
mod depthwise;
mod filters;
mod packed;
mod pool;
mod rows;
#[cfg(test)]
mod tests;
mod window;
mod winograd;

use candle_core::{CpuStorage, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use super::{cpu_storage, floats};

pub(crate) use self::{
    activation::Activation,
    attention::Attend,
    conv::Conv,
    depthwise::Depthwise,
    pool::{AveragePool, GlobalAverage, MaxPool},
    rows::{Gate, Interleave, LayerNorm, ScaleShift, Softmax, softmax_row},
};

/// The shape of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Input channels.
    pub(crate) input: usize,
    /// Output channels.
    pub(crate) output: usize,
    /// Rows and columns of the kernel.
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    /// Rows and columns of zeros added at each side.
    pub(crate) padding: [usize; 2],
    pub(crate) groups: usize,
}

impl ConvShape {
    /// Rows and columns of the output.
    pub(crate) fn size(&self, h: usize, w: usize) -> Result<(usize, usize)> {
        let along = |size: usize, axis: usize| {
            let padded = size + 2 * self.padding[axis];
            padded.checked_sub(self.kernel[axis]).map(|room| room / self.stride + 1)
        };
        match (along(h, 0), along(w, 1)) {
            (Some(rows), Some(columns)) => Ok((rows, columns)),
            _ => bail!("a kernel of {:?} pixels is larger than an image of {h}×{w}", self.kernel),
        }
    }
}

/// Images `[n][h][w][c]`; consecutive pixels are `pitch` floats apart, which may be more than `c`.
#[derive(Clone, Copy)]
struct View<'a> {
    values: &'a [f32],
    n: usize,
    h: usize,
    w: usize,
    c: usize,
    /// Floats from one pixel to the next.
    pitch: usize,
}

impl<'a> View<'a> {
    fn new(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let (n, h, w, c) = layout.shape().dims4()?;
        let values = storage.as_slice::<f32>()?;
        let strides = layout.stride();
        // The stride of an axis of size 1 is arbitrary.
        let pitch = match (w, h, n) {
            (2.., _, _) => strides[2],
            (1, 2.., _) => strides[1],
            (1, 1, 2..) => strides[0],
            _ => c,
        };
        let fits =
            |axis: usize, size: usize, expected: usize| size == 1 || strides[axis] == expected;
        if !(fits(3, c, 1) && fits(1, h, w * pitch) && fits(0, n, h * w * pitch)) {
            bail!("a kernel needs contiguous channels and evenly spaced pixels, got {layout:?}");
        }
        let start = layout.start_offset();
        let pixels = n * h * w;
        let len = if pixels == 0 { 0 } else { (pixels - 1) * pitch + c };
        match values.get(start..start + len) {
            Some(values) => Ok(Self { values, n, h, w, c, pitch }),
            None => bail!("the layout {layout:?} is larger than its storage"),
        }
    }

    /// The same pixels as a single row.
    fn flat(self) -> Self {
        Self { n: 1, h: 1, w: self.n * self.h * self.w, ..self }
    }

    /// The channels of a pixel; pixels are numbered over all rows and images.
    fn pixel(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.pitch..][..self.c]
    }
}

/// Images `[n][c][h][w]` with the channels last, `[n][h][w][c]`.
pub(crate) fn channels_last(x: &Tensor) -> Result<Tensor> {
    let (n, c, h, w) = x.dims4()?;
    let (storage, layout) = x.storage_and_layout();
    if !layout.is_contiguous() || x.elem_count() == 0 {
        return x.permute((0, 2, 3, 1))?.contiguous();
    }
    let from = floats(cpu_storage(&storage)?, layout)?;
    let mut out = vec![0.0_f32; from.len()];
    out.par_chunks_mut(w * c).enumerate().for_each(|(line, to)| {
        let (image, row) = (line / h, line % h);
        for channel in 0..c {
            let from = &from[((image * c + channel) * h + row) * w..][..w];
            for (to, from) in to[channel..].iter_mut().step_by(c).zip(from) {
                *to = *from;
            }
        }
    });
    Tensor::from_vec(out, (n, h, w, c), x.device())
}

/// Floats that a task works on at a time: about a quarter of a core's second-level cache.
const NEAR: usize = 128 * 1024;
