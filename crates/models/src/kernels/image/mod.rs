//! Operations of inference on images whose channels lie side by side, `[n][h][w][c]`.
//!
//! A pixel's channels are contiguous, so that a convolution is a matrix product whose left side is the
//! image: read where it lies where few panels of outputs pass by, packed otherwise (`packed.rs`). A row
//! of a larger kernel is one run of memory. Each output is summed by one thread in one order, so results
//! depend neither on the number of threads nor on the rest of the batch.

mod activation;
mod attention;
mod conv;
mod depthwise;
mod packed;
mod pool;
mod rows;
#[cfg(test)]
mod tests;
mod window;

use candle_core::{CpuStorage, Layout, Result, bail};

pub(crate) use self::{
    activation::Activation,
    attention::Attend,
    conv::Conv,
    depthwise::Depthwise,
    pool::{AveragePool, GlobalAverage, MaxPool},
    rows::{Gate, Interleave, LayerNorm, ScaleShift},
};

/// A convolution's shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConvShape {
    /// Channels.
    pub(crate) input: usize,
    /// Channels.
    pub(crate) output: usize,
    /// Rows and columns.
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: usize,
    /// Rows and columns of zeros on each side.
    pub(crate) padding: [usize; 2],
    pub(crate) groups: usize,
}

impl ConvShape {
    /// Rows and columns of the output.
    pub(crate) fn size(&self, h: usize, w: usize) -> Result<(usize, usize)> {
        let along = |size: usize, axis: usize| {
            let padded = size + 2 * self.padding[axis];
            padded.checked_sub(self.kernel[axis]).map(|it| it / self.stride + 1)
        };
        match (along(h, 0), along(w, 1)) {
            (Some(rows), Some(columns)) => Ok((rows, columns)),
            _ => bail!("a {:?} kernel does not fit an image of {h}×{w}", self.kernel),
        }
    }
}

/// Images `[n][h][w][c]`, whose pixels may lie further apart than their channels need.
#[derive(Clone, Copy)]
struct View<'a> {
    values: &'a [f32],
    n: usize,
    h: usize,
    w: usize,
    c: usize,
    /// Floats from pixel to pixel.
    pitch: usize,
}

impl<'a> View<'a> {
    fn new(storage: &'a CpuStorage, layout: &Layout) -> Result<Self> {
        let (n, h, w, c) = layout.shape().dims4()?;
        let values = storage.as_slice::<f32>()?;
        let strides = layout.stride();
        // An axis of one entry may have any stride.
        let pitch = match (w, h, n) {
            (2.., _, _) => strides[2],
            (1, 2.., _) => strides[1],
            (1, 1, 2..) => strides[0],
            _ => c,
        };
        let fits =
            |axis: usize, size: usize, expected: usize| size == 1 || strides[axis] == expected;
        if !(fits(3, c, 1) && fits(1, h, w * pitch) && fits(0, n, h * w * pitch)) {
            bail!("a kernel needs channels side by side and pixels evenly apart, got {layout:?}");
        }
        let start = layout.start_offset();
        let pixels = n * h * w;
        let len = if pixels == 0 { 0 } else { (pixels - 1) * pitch + c };
        match values.get(start..start + len) {
            Some(values) => Ok(Self { values, n, h, w, c, pitch }),
            None => bail!("a layout beyond its storage: {layout:?}"),
        }
    }

    /// The same pixels as one row.
    fn flat(self) -> Self {
        Self { n: 1, h: 1, w: self.n * self.h * self.w, ..self }
    }

    /// The channels of a pixel, counted over rows and images.
    fn pixel(&self, index: usize) -> &'a [f32] {
        &self.values[index * self.pitch..][..self.c]
    }
}

/// Floats that a task keeps at hand: about a quarter of a core's second-level cache.
const NEAR: usize = 128 * 1024;
