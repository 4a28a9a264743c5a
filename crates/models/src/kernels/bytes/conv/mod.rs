//! Convolutions and linear layers of bytes, as matrix products whose left factor is the image.

#[cfg(target_arch = "x86_64")]
mod tiles;

use std::cell::RefCell;

use candle_core::{Result, bail};

use super::{
    amx::{self, Line},
    images::{ByteImages, ByteParts},
    quantize::{ByteScale, Requantize},
    set::ByteSet,
    source::{ByteWindow, Form, NEAR, band, windows},
    tasks::each,
    tile::{ByteOutput, ByteTile, Outputs, compute},
    words::{LANES, group, pixels},
};
use crate::kernels::image::{Activation, ConvShape};

/// The largest number of terms whose sum of products of bytes always fits into 32 bits.
const MOST_TERMS: usize = i32::MAX as usize / (255 * 127);

thread_local! {
    /// A task's input.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A convolution `[n][h][w][ci] → [n][h'][w'][co]` without groups.
pub(crate) struct ByteConv {
    set: ByteSet,
    shape: ConvShape,
    /// `[panels][segments][words][16]`: words of 32 bits for 16 output channels.
    weights: Vec<i32>,
    /// Words of a kernel row.
    words: usize,
    requantize: Requantize,
    /// The byte of the input's padding.
    zero: u8,
    residual: bool,
    numbers: bool,
}

/// The signed bytes nearest to weights, with the scale that makes the largest one ±127.
pub(super) fn signed(weights: &[f32]) -> (Vec<i8>, f32) {
    let largest = weights.iter().fold(0.0_f32, |largest, weight| largest.max(weight.abs()));
    let scale = if largest > 0.0 { largest / 127.0 } else { 1.0 };
    // A scale that is too small for single precision would make the quotient infinite.
    let byte = |weight: &f32| (weight / scale).round_ties_even().clamp(-127.0, 127.0) as i8;
    (weights.iter().map(byte).collect(), scale)
}

/// The scales and the sums of each output channel's signed bytes.
pub(super) fn scales(bytes: &[(Vec<i8>, f32)]) -> Vec<(f32, i64)> {
    let sum = |bytes: &[i8]| bytes.iter().map(|byte| i64::from(*byte)).sum();
    bytes.iter().map(|(bytes, scale)| (*scale, sum(bytes))).collect()
}

impl ByteConv {
    /// A convolution with `weights` `[co][kh][kw][ci]` and `bias` `[co]`, of images of `input`'s scale. The output
    /// has that of `output`, or is numbers if it is `None`; a `residual` of this scale is added before the activation.
    ///
    /// # Errors
    ///
    /// If there are groups, or more terms than a sum of 32 bits can hold.
    pub(crate) fn new(
        set: ByteSet,
        shape: ConvShape,
        (weights, bias): (&[f32], &[f32]),
        input: ByteScale,
        residual: Option<ByteScale>,
        (activation, output): (Activation, Option<ByteScale>),
    ) -> Result<Self> {
        let ConvShape { input: channels, output: outputs, kernel: [kh, kw], groups, .. } = shape;
        let terms = kh * kw * channels;
        if groups != 1 || terms > MOST_TERMS {
            bail!(
                "a convolution of bytes has one group and at most {MOST_TERMS} terms, got {shape:?}"
            );
        }
        let bytes: Vec<_> = weights.chunks_exact(terms.max(1)).map(signed).collect();
        let group = group(set);
        let (run, words) = (kw * channels, (kw * channels).div_ceil(group));
        let words = if set == ByteSet::Amx { amx::whole(words) } else { words };
        let mut packed = vec![0_i32; outputs.div_ceil(LANES) * kh * words * LANES];
        for (output, (bytes, _)) in bytes.iter().enumerate() {
            for (term, byte) in bytes.iter().enumerate() {
                let (row, within) = (term / run, term % run);
                let word = (output / LANES * kh + row) * words + within / group;
                let bits = 32 / group;
                let value = (i32::from(*byte) & ((1 << bits) - 1)) << (within % group * bits);
                packed[word * LANES + output % LANES] |= value;
            }
        }
        let requantize =
            Requantize::new(input, &scales(&bytes), bias, residual, (activation, output));
        Ok(Self {
            set,
            shape,
            weights: packed,
            words,
            requantize,
            zero: input.zero,
            residual: residual.is_some(),
            numbers: output.is_none(),
        })
    }

    /// Bytes of weights that the convolution reads.
    pub(crate) fn bytes(&self) -> usize {
        self.weights.len() * 4
    }

    /// The output as bytes.
    ///
    /// # Errors
    ///
    /// If the images have another number of channels or are too small, if a residual has another shape or is missing,
    /// or if the output is numbers.
    pub(crate) fn forward(
        &self,
        x: &ByteImages,
        residual: Option<&ByteImages>,
        tasks: usize,
    ) -> Result<ByteImages> {
        let dims = self.dims(x, residual)?;
        if self.numbers {
            bail!("the output of this convolution is numbers");
        }
        // SAFETY: the tasks write every channel of every pixel.
        unsafe {
            ByteImages::written(dims, |parts| {
                self.run(x, residual, dims, Buffer::Bytes(parts), tasks);
                Ok(())
            })
        }
    }

    /// The output as numbers `[n·h'·w'][co]`.
    ///
    /// # Errors
    ///
    /// As for [`ByteConv::forward`], or if the output is bytes.
    pub(crate) fn numbers(&self, x: &ByteImages, tasks: usize) -> Result<Vec<f32>> {
        let dims = self.dims(x, None)?;
        if !self.numbers {
            bail!("the output of this convolution is bytes");
        }
        let mut out = vec![0.0_f32; dims.iter().product()];
        let to = Buffer::Numbers(ByteParts::new(out.as_mut_ptr().cast()));
        self.run(x, None, dims, to, tasks);
        Ok(out)
    }

    fn dims(&self, x: &ByteImages, residual: Option<&ByteImages>) -> Result<[usize; 4]> {
        if x.c != self.shape.input {
            bail!("the convolution expects images of {} channels, got {}", self.shape.input, x.c);
        }
        let (rows, columns) = self.shape.size(x.h, x.w)?;
        let dims = [x.n, rows, columns, self.shape.output];
        if residual.is_some() != self.residual {
            bail!("the convolution was built with a residual: {}", self.residual);
        }
        if let Some(ByteImages { n, h, w, c, .. }) = residual
            && [*n, *h, *w, *c] != dims
        {
            bail!("the residual has shape {:?}, expected {dims:?}", [n, h, w, c]);
        }
        Ok(dims)
    }

    fn run(
        &self,
        x: &ByteImages,
        residual: Option<&ByteImages>,
        [_, rows, columns, _]: [usize; 4],
        to: Buffer,
        tasks: usize,
    ) {
        let ConvShape { kernel, stride, padding, .. } = self.shape;
        // Pixels of a 1×1 convolution do not depend on rows: they are one row, which is divided into bands.
        let flat = kernel == [1, 1] && padding == [0, 0] && stride == 1;
        let pixels = x.n * rows * columns;
        let (windows, lengths) = if flat {
            let most = self.most(LANES * 2);
            let near = (NEAR / x.c.max(1)).max(most);
            let size = pixels.div_ceil(pixels.div_ceil(near).max(tasks)).next_multiple_of(most);
            let size = size.max(1);
            let bands = (0..pixels).step_by(size);
            let band = |row| ByteWindow { image: 0, images: 1, row, rows: size.min(pixels - row) };
            (bands.map(band).collect(), 1)
        } else {
            (windows(&self.shape, x, rows, tasks.min(x.n * rows)), columns)
        };
        let panels = self.shape.output.div_ceil(LANES);
        // Panels are divided into ranges only if there are too few windows for the threads. Four panels at a time
        // share the image.
        let splits = tasks.div_ceil(windows.len().max(1)).clamp(1, panels.max(1));
        let share = panels.div_ceil(splits).max(1).next_multiple_of(4);
        let ranges = panels.div_ceil(share);
        let task = |task: usize| {
            let (window, range) = (&windows[task / ranges.max(1)], task % ranges.max(1));
            let panels = range * share..((range + 1) * share).min(panels);
            BUFFER.with_borrow_mut(|buffer| {
                let lines = if flat {
                    self.band(window, x, buffer)
                } else {
                    self.lines(window, x, (rows, lengths), buffer)
                };
                // SAFETY: the lines' inputs can be read; no other task has the same lines and panels.
                unsafe { self.panels(panels, &lines, residual, to) };
            });
        };
        each(tasks, windows.len() * ranges, task);
    }

    /// The most pixels of a tile for a number of channels.
    fn most(&self, channels: usize) -> usize {
        if self.set == ByteSet::Amx {
            return 2 * amx::ROWS;
        }
        let [one, two, _] = pixels(self.set);
        if channels > LANES && two > 0 { two } else { one }
    }

    fn form(&self) -> Form {
        Form { set: self.set, wide: group(self.set) == 2, zero: self.zero }
    }

    /// The pixels of a band, as one line.
    fn band(&self, window: &ByteWindow, x: &ByteImages, buffer: &mut Vec<u8>) -> Lines {
        let (from, step) = band(x, window.row, window.rows, self.form(), buffer);
        let lines = vec![Line { from, first: window.row, pixels: window.rows }];
        Lines { lines, rows: 1, step, segments: vec![0] }
    }

    /// The rows of a window.
    fn lines(
        &self,
        window: &ByteWindow,
        x: &ByteImages,
        (rows, columns): (usize, usize),
        buffer: &mut Vec<u8>,
    ) -> Lines {
        let ConvShape { kernel: [kh, _], stride, .. } = self.shape;
        let source = window.source(&self.shape, x, self.form(), buffer);
        let line = |index: usize| {
            let (image, row) = (index / window.rows, index % window.rows);
            let start = image * source.image + row * stride * source.row;
            Line {
                // SAFETY: the window's rows are inside its source.
                from: unsafe { source.from.add(start) },
                first: ((window.image + image) * rows + window.row + row) * columns,
                pixels: columns,
            }
        };
        Lines {
            lines: (0..window.images * window.rows).map(line).collect(),
            rows: window.rows,
            step: stride * source.column,
            segments: (0..kh).map(|ky| ky * source.row).collect(),
        }
    }

    /// Computes the products of some lines of pixels with some panels.
    ///
    /// # Safety
    ///
    /// The segments of the lines' pixels can be read, and nothing else writes these pixels' channels.
    unsafe fn panels(
        &self,
        panels: std::ops::Range<usize>,
        lines: &Lines,
        residual: Option<&ByteImages>,
        to: Buffer,
    ) {
        #[cfg(target_arch = "x86_64")]
        if self.set == ByteSet::Amx {
            // SAFETY: the caller's contract.
            return unsafe { self.tiles(panels, lines, residual, to) };
        }
        let size = lines.segments.len() * self.words * LANES;
        let most = pixels(self.set);
        let mut panel = panels.start;
        while panel < panels.end {
            let left = panels.end - panel;
            let width = lines.lines.first().map_or(0, |line| line.pixels);
            let together = match left {
                4.. if most[2] > 0 && width.div_ceil(most[1]) * most[1] >= 2 * width => 4,
                2.. if most[1] > 0 => 2,
                _ => 1,
            };
            let most = most[match together {
                4 => 2,
                2 => 1,
                _ => 0,
            }];
            for line in &lines.lines {
                let mut done = 0;
                for left in (1..=line.pixels.div_ceil(most)).rev() {
                    // Divide evenly, because a narrow last tile would waste registers.
                    let count = (line.pixels - done).div_ceil(left);
                    let pixel = line.first + done;
                    let tile = ByteTile {
                        // SAFETY: the caller's contract.
                        from: unsafe { line.from.add(done * lines.step) },
                        step: lines.step,
                        segments: &lines.segments,
                        words: self.words,
                        weights: self.weights[panel * size..].as_ptr(),
                        panel: size,
                        // SAFETY: the caller's contract.
                        output: unsafe { self.output(pixel, panel, together, residual, to) },
                    };
                    // SAFETY: the caller's contract.
                    unsafe { compute(self.set, &tile, count, together) };
                    done += count;
                }
            }
            panel += together;
        }
    }

    /// Where the sums of a pixel, and of those after it, with some panels go.
    ///
    /// # Safety
    ///
    /// The pixel is one of the output and of the residual.
    unsafe fn output(
        &self,
        pixel: usize,
        panel: usize,
        panels: usize,
        residual: Option<&ByteImages>,
        to: Buffer,
    ) -> ByteOutput {
        let (pitch, channel) = (self.shape.output, panel * LANES);
        ByteOutput {
            scale: self.requantize.scale[channel..].as_ptr(),
            shift: self.requantize.shift[channel..].as_ptr(),
            residual: match residual {
                // SAFETY: the residual has `pitch` bytes for each pixel.
                Some(images) => unsafe { images.at(pixel).add(channel) },
                None => std::ptr::null(),
            },
            factor: self.requantize.residual,
            bounds: (self.requantize.low, self.requantize.high),
            // SAFETY: the output has `pitch` values for each pixel.
            to: unsafe { to.at(pixel * pitch + channel) },
            pitch,
            channels: (pitch - channel).min(panels * LANES),
        }
    }
}

/// The output of all tasks.
#[derive(Clone, Copy)]
enum Buffer {
    Bytes(ByteParts),
    /// Numbers of single precision.
    Numbers(ByteParts),
}

impl Buffer {
    /// A pointer to the value at an index.
    ///
    /// # Safety
    ///
    /// As for [`ByteParts::at`].
    unsafe fn at(self, index: usize) -> Outputs {
        // SAFETY: the caller's contract; the buffer of numbers is aligned for them.
        unsafe {
            match self {
                Self::Bytes(parts) => Outputs::Bytes(parts.at(index)),
                Self::Numbers(parts) => Outputs::Numbers(parts.at(4 * index).cast()),
            }
        }
    }
}

/// Lines whose windows have the same form.
struct Lines {
    lines: Vec<Line>,
    /// Lines of each image.
    rows: usize,
    /// Bytes between the windows of two adjacent pixels.
    step: usize,
    /// Where the rows of a window begin, in bytes.
    segments: Vec<usize>,
}
