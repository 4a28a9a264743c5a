//! Depthwise convolution with bias and activation: every channel has a kernel of its own.
//!
//! The tests compare it with candle's grouped convolution.

use std::cell::RefCell;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, bail};
use rayon::prelude::*;

use super::{
    Activation, ConvShape, View,
    window::{Source, Window, windows},
};
use crate::kernels::{
    Parts,
    lanes::{Lanes, dispatch},
};

thread_local! {
    /// A task's padded input.
    static BUFFER: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// A depthwise convolution `[n][h][w][c] → [n][h'][w'][c]`.
pub(crate) struct Depthwise {
    shape: ConvShape,
    /// `[kh·kw][c]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
    activation: Activation,
}

impl Depthwise {
    pub(crate) fn shape(&self) -> &ConvShape {
        &self.shape
    }

    pub(crate) fn activation(&self) -> Activation {
        self.activation
    }

    /// `[kh·kw][c]`.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// `[c]`.
    pub(crate) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// A convolution with `weights` `[c][1][kh][kw]` and `bias` `[c]`.
    pub(crate) fn new(
        shape: ConvShape,
        weights: &[f32],
        bias: &[f32],
        activation: Activation,
    ) -> Self {
        let (c, taps) = (shape.output, shape.kernel[0] * shape.kernel[1]);
        let mut turned = vec![0.0; c * taps];
        for channel in 0..c {
            for tap in 0..taps {
                turned[tap * c + channel] = weights[channel * taps + tap];
            }
        }
        Self { shape, weights: turned, bias: bias.to_vec(), activation }
    }
}

impl CustomOp1 for Depthwise {
    fn name(&self) -> &'static str {
        "depthwise-bias-activation"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = View::new(storage, layout)?;
        let shape = &self.shape;
        if x.c != shape.input {
            bail!("the convolution expects images of {} channels, got {}", shape.input, x.c);
        }
        let (rows, columns) = shape.size(x.h, x.w)?;
        let len = x.n * rows * columns * x.c;
        let mut out: Vec<f32> = Vec::with_capacity(len);
        let parts = Parts(out.as_mut_ptr());
        let wanted = rayon::current_num_threads() * 2;
        windows(shape, x, rows, wanted.min(x.n * rows)).par_iter().for_each(|window| {
            BUFFER.with_borrow_mut(|buffer| {
                self.window(window, x, (rows, columns), parts, buffer);
            });
        });
        // SAFETY: the windows cover every row, so every value has been written.
        unsafe { out.set_len(len) };
        Ok((CpuStorage::F32(out), Shape::from((x.n, rows, columns, x.c))))
    }
}

impl Depthwise {
    fn window(
        &self,
        window: &Window,
        x: View<'_>,
        (rows, columns): (usize, usize),
        parts: Parts,
        buffer: &mut Vec<f32>,
    ) {
        let ConvShape { kernel: [kh, kw], stride, .. } = self.shape;
        let source = window.source(&self.shape, x, buffer);
        let Source { from, column, row, image } = source;
        let taps: Vec<usize> = (0..kh * kw).map(|tap| tap / kw * row + tap % kw * column).collect();
        let bounds = self.activation.bounds().unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
        for index in 0..window.images * window.rows {
            let (at, y) = (index / window.rows, index % window.rows);
            let first = ((window.image + at) * rows + window.row + y) * columns;
            // SAFETY: the window's rows are inside its source; only this task writes the output row.
            unsafe {
                let line = Line {
                    from: from.add(at * image + y * stride * row),
                    step: stride * column,
                    taps: &taps,
                    weights: self.weights.as_ptr(),
                    bias: self.bias.as_ptr(),
                    channels: x.c,
                    to: parts.at(first * x.c),
                    pixels: columns,
                    bounds,
                };
                compute(&line);
                if self.activation.bounds().is_none() {
                    let values = std::slice::from_raw_parts_mut(line.to, columns * x.c);
                    self.activation.apply(values);
                }
            }
        }
    }
}

/// A row of the output.
pub(super) struct Line<'a> {
    /// The kernel's window at pixel p starts at `from + p·step`; `taps` are the offsets of its pixels.
    pub(super) from: *const f32,
    pub(super) step: usize,
    pub(super) taps: &'a [usize],
    /// `[taps][channels]`.
    pub(super) weights: *const f32,
    pub(super) bias: *const f32,
    pub(super) channels: usize,
    /// `[pixels][channels]`.
    pub(super) to: *mut f32,
    pub(super) pixels: usize,
    pub(super) bounds: (f32, f32),
}

/// Computes `P` pixels × 16 channels.
#[inline(always)]
unsafe fn pixels<V: Lanes, const P: usize>(line: &Line<'_>, pixel: usize, channel: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [V::load(line.bias.add(channel)); P];
        let from = line.from.add(pixel * line.step + channel);
        for (tap, offset) in line.taps.iter().enumerate() {
            let weight = V::load(line.weights.add(tap * line.channels + channel));
            for p in 0..P {
                sums[p] = V::load(from.add(offset + p * line.step)).mul_add(weight, sums[p]);
            }
        }
        let (low, high) = (V::splat(line.bounds.0), V::splat(line.bounds.1));
        for p in 0..P {
            let to = line.to.add((pixel + p) * line.channels + channel);
            high.min(low.max(sums[p])).store(to);
        }
    }
}

dispatch! {
    /// Computes a row of the output.
    ///
    /// # Safety
    ///
    /// The pointers of [`Line`] are valid for each pixel.
    fn compute<V>(line: &Line<'_>) {
        let mut channel = 0;
        while channel < line.channels {
            if line.channels < V::WIDTH {
                // SAFETY: the caller's contract.
                unsafe { scalar(line, channel) };
                channel += 1;
                continue;
            }
            // The last group of channels overlaps the one before it.
            let at = channel.min(line.channels - V::WIDTH);
            let mut pixel = 0;
            while pixel < line.pixels {
                // SAFETY: the caller's contract; there is a register of channels from `at` on.
                pixel += unsafe {
                    match line.pixels - pixel {
                        7.. => (pixels::<V, 7>(line, pixel, at), 7).1,
                        4.. => (pixels::<V, 4>(line, pixel, at), 4).1,
                        2.. => (pixels::<V, 2>(line, pixel, at), 2).1,
                        _ => (pixels::<V, 1>(line, pixel, at), 1).1,
                    }
                };
            }
            channel += V::WIDTH;
        }
    }
}

/// Computes one channel of a row, for images of too few channels for a register.
#[inline(always)]
unsafe fn scalar(line: &Line<'_>, channel: usize) {
    for pixel in 0..line.pixels {
        // SAFETY: the caller's contract.
        unsafe {
            let mut sum = *line.bias.add(channel);
            for (tap, offset) in line.taps.iter().enumerate() {
                let value = *line.from.add(pixel * line.step + offset + channel);
                sum += value * *line.weights.add(tap * line.channels + channel);
            }
            // Not `clamp`, so that NaN stays NaN.
            if sum < line.bounds.0 {
                sum = line.bounds.0;
            } else if sum > line.bounds.1 {
                sum = line.bounds.1;
            }
            *line.to.add(pixel * line.channels + channel) = sum;
        }
    }
}
