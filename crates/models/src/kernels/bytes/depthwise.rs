//! Depthwise convolutions of bytes: every channel has a kernel of its own.

use std::cell::RefCell;

use candle_core::{Result, bail};

#[cfg(target_arch = "x86_64")]
use super::three::{Row, ThreeByThree, compute as compute_three};
use super::{
    conv::{scales, signed},
    images::ByteImages,
    quantize::{ByteScale, Requantize},
    set::ByteSet,
    source::{ByteWindow, Form, windows},
    tasks::each,
    words::{Floats, LANES, Words, by_set},
};
use crate::kernels::image::{Activation, ConvShape};

thread_local! {
    /// A task's padded input.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A depthwise convolution `[n][h][w][c] → [n][h'][w'][c]`.
pub(crate) struct ByteDepthwise {
    set: ByteSet,
    shape: ConvShape,
    /// `[c/16][kh·kw][16]`, filled up with zeros.
    weights: Vec<i32>,
    requantize: Requantize,
    zero: u8,
    /// For kernels of 3×3 with VNNI.
    #[cfg(target_arch = "x86_64")]
    three: Option<ThreeByThree>,
}

impl ByteDepthwise {
    /// A convolution with `weights` `[c][kh][kw]` and `bias` `[c]`, of images of `input`'s scale.
    pub(crate) fn new(
        set: ByteSet,
        shape: ConvShape,
        (weights, bias): (&[f32], &[f32]),
        input: ByteScale,
        (activation, output): (Activation, ByteScale),
    ) -> Self {
        let taps = shape.kernel[0] * shape.kernel[1];
        let bytes: Vec<_> = weights.chunks_exact(taps.max(1)).map(signed).collect();
        let mut packed = vec![0; shape.output.next_multiple_of(LANES) * taps];
        for (channel, (bytes, _)) in bytes.iter().enumerate() {
            for (tap, byte) in bytes.iter().enumerate() {
                let block = channel / LANES * taps + tap;
                packed[block * LANES + channel % LANES] = i32::from(*byte);
            }
        }
        let requantize =
            Requantize::new(input, &scales(&bytes), bias, None, (activation, Some(output)));
        #[cfg(target_arch = "x86_64")]
        let three = (matches!(set, ByteSet::Amx | ByteSet::Vnni)
            && shape.kernel == [3, 3]
            && shape.stride <= 2)
            .then(|| ThreeByThree::new(&bytes, &requantize));
        Self {
            set,
            shape,
            weights: packed,
            requantize,
            zero: input.zero,
            #[cfg(target_arch = "x86_64")]
            three,
        }
    }

    /// Bytes of weights that the convolution reads.
    pub(crate) fn bytes(&self) -> usize {
        self.weights.len() * 4
    }

    /// The output.
    ///
    /// # Errors
    ///
    /// If the images have another number of channels or are too small.
    pub(crate) fn forward(&self, x: &ByteImages, tasks: usize) -> Result<ByteImages> {
        let shape = &self.shape;
        if x.c != shape.input {
            bail!("the convolution expects images of {} channels, got {}", shape.input, x.c);
        }
        let (rows, columns) = shape.size(x.h, x.w)?;
        let windows = windows(shape, x, rows, tasks.min(x.n * rows));
        // SAFETY: the windows cover every row, and each writes its own.
        unsafe {
            ByteImages::written([x.n, rows, columns, x.c], |parts| {
                each(tasks, windows.len(), |index| {
                    BUFFER.with_borrow_mut(|buffer| {
                        self.window(&windows[index], x, (rows, columns), |at| parts.at(at), buffer);
                    });
                });
                Ok(())
            })
        }
    }

    fn window(
        &self,
        window: &ByteWindow,
        x: &ByteImages,
        (rows, columns): (usize, usize),
        to: impl Fn(usize) -> *mut u8,
        buffer: &mut Vec<u8>,
    ) {
        let ConvShape { kernel: [kh, kw], stride, .. } = self.shape;
        let form = Form { set: self.set, wide: false, zero: self.zero };
        let source = window.source(&self.shape, x, form, buffer);
        let taps: Vec<usize> =
            (0..kh * kw).map(|tap| tap / kw * source.row + tap % kw * source.column).collect();
        for index in 0..window.images * window.rows {
            let (image, row) = (index / window.rows, index % window.rows);
            let first = ((window.image + image) * rows + window.row + row) * columns;
            let start = image * source.image + row * stride * source.row;
            // SAFETY: the window's rows are inside its source.
            let from = unsafe { source.from.add(start) };
            #[cfg(target_arch = "x86_64")]
            if let Some(three) = &self.three {
                // SAFETY: as above; the set has these instructions, and only this task writes the row.
                unsafe {
                    compute_three(&Row {
                        of: three,
                        rows: [0, 1, 2].map(|row| from.wrapping_add(row * source.row)),
                        column: source.column,
                        stride,
                        channels: x.c,
                        bounds: (self.requantize.low, self.requantize.high),
                        to: to(first * x.c),
                        pixels: columns,
                    });
                }
                continue;
            }
            let line = ByteLine {
                from,
                step: stride * source.column,
                taps: &taps,
                weights: self.weights.as_ptr(),
                requantize: &self.requantize,
                channels: x.c,
                to: to(first * x.c),
                pixels: columns,
            };
            // SAFETY: the row's windows can be read, and only this task writes the row.
            unsafe { compute(self.set, &line) };
        }
    }
}

/// A row of the output.
pub(super) struct ByteLine<'a> {
    /// The window of pixel p begins at `from + p·step`; `taps` are the offsets of its pixels.
    from: *const u8,
    step: usize,
    taps: &'a [usize],
    /// `[channels/16][taps][16]`.
    weights: *const i32,
    requantize: &'a Requantize,
    channels: usize,
    /// `[pixels][channels]`.
    to: *mut u8,
    pixels: usize,
}

/// Computes P pixels × 16 channels.
#[inline(always)]
unsafe fn pixels<V: Words, const P: usize>(line: &ByteLine<'_>, pixel: usize, channel: usize) {
    // SAFETY: the caller's contract.
    unsafe {
        let mut sums = [V::zero(); P];
        let from = line.from.add(pixel * line.step + channel);
        let weights = line.weights.add(channel * line.taps.len());
        for (tap, offset) in line.taps.iter().enumerate() {
            let weight = V::load(weights.add(tap * LANES));
            for p in 0..P {
                let bytes = V::load_bytes(from.add(offset + p * line.step));
                sums[p] = sums[p].add_words(bytes, weight);
            }
        }
        let scale = V::Floats::load(line.requantize.scale.as_ptr().add(channel));
        let shift = V::Floats::load(line.requantize.shift.as_ptr().add(channel));
        let (low, high) =
            (V::Floats::splat(line.requantize.low), V::Floats::splat(line.requantize.high));
        let lanes = LANES.min(line.channels - channel);
        for p in 0..P {
            let value = sums[p].floats().mul(scale).add(shift).max(low).min(high);
            value.store_bytes(line.to.add((pixel + p) * line.channels + channel), lanes);
        }
    }
}

by_set! {
    /// Computes a row of the output.
    ///
    /// # Safety
    ///
    /// The pointers of [`ByteLine`] are valid for each pixel.
    fn compute<V>(line: &ByteLine<'_>) {
        let mut channel = 0;
        while channel < line.channels {
            let mut pixel = 0;
            while pixel < line.pixels {
                // SAFETY: the caller's contract. Bytes after a pixel's channels can be read, and are not used.
                pixel += unsafe {
                    match line.pixels - pixel {
                        4.. => (pixels::<V, 4>(line, pixel, channel), 4).1,
                        2.. => (pixels::<V, 2>(line, pixel, channel), 2).1,
                        _ => (pixels::<V, 1>(line, pixel, channel), 1).1,
                    }
                };
            }
            channel += LANES;
        }
    }
}
