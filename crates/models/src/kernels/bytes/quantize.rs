//! Numbers as bytes.

use candle_core::{Result, Tensor};

use super::{
    images::ByteImages,
    round::rounded,
    set::ByteSet,
    tasks::each,
    words::{LANES, by_set},
};
use crate::kernels::{cpu_storage, floats, image::Activation};

/// The largest byte.
const LARGEST: f32 = 255.0;

/// What bytes stand for: q is the number `scale · (q − zero)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ByteScale {
    pub(crate) scale: f32,
    pub(crate) zero: u8,
}

impl ByteScale {
    /// The scale whose bytes cover a range, extended so that it contains 0, which is represented exactly.
    pub(crate) fn covering(least: f32, largest: f32) -> Self {
        let (least, largest) = (least.min(0.0), largest.max(0.0));
        let scale = (largest / LARGEST - least / LARGEST).max(f32::MIN_POSITIVE);
        let zero = (-least / scale).round().clamp(0.0, LARGEST) as u8;
        Self { scale, zero }
    }

    /// The byte nearest to a number.
    pub(crate) fn byte(self, value: f32) -> u8 {
        (value / self.scale + f32::from(self.zero)).round_ties_even().clamp(0.0, LARGEST) as u8
    }

    /// The number that a byte stands for.
    pub(crate) fn number(self, byte: u8) -> f32 {
        self.scale * (f32::from(byte) - f32::from(self.zero))
    }

    /// Images `[n][c][h][w]` of single precision as bytes `[n][h][w][c]`. NaN counts as the least number.
    pub(crate) fn images(self, set: ByteSet, x: &Tensor, tasks: usize) -> Result<ByteImages> {
        let (n, c, h, w) = x.dims4()?;
        let x = x.contiguous()?;
        let (storage, layout) = x.storage_and_layout();
        let from = floats(cpu_storage(&storage)?, layout)?;
        let inverse = 1.0 / self.scale;
        // SAFETY: each task writes the bytes of one row, and there is a task for each row.
        unsafe {
            ByteImages::written([n, h, w, c], |to| {
                each(tasks, n * h, |line| {
                    let (image, row) = (line / h, line % h);
                    let to = to.at(line * w * c);
                    let rows: Vec<*const f32> = (0..c)
                        .map(|channel| from[((image * c + channel) * h + row) * w..].as_ptr())
                        .collect();
                    to_bytes(set, &rows, to, w, inverse, f32::from(self.zero));
                });
                Ok(())
            })
        }
    }
}

by_set! {
    /// Writes a row of pixels `[w][c]` from a row `[w]` of each channel.
    ///
    /// # Safety
    ///
    /// Each row has w floats, and `to` has room for all.
    fn to_bytes<V>(rows: &[*const f32], to: *mut u8, w: usize, inverse: f32, zero: f32) {
        let c = rows.len();
        for (channel, row) in rows.iter().enumerate() {
            // SAFETY: the caller's contract.
            let row = unsafe { std::slice::from_raw_parts(*row, w) };
            for column in 0..w {
                let value = row[column] * inverse + zero;
                // NaN becomes 0.
                let value = if value > 0.0 { value.min(LARGEST) } else { 0.0 };
                // SAFETY: the caller's contract; the number is within the bytes.
                unsafe { *to.add(column * c + channel) = rounded(value) };
            }
        }
    }
}

/// How sums of products become bytes or numbers: `sum · scale[c] + shift[c] + residual · factor`, limited to a
/// range, for each output channel c.
#[derive(Clone, Debug)]
pub(crate) struct Requantize {
    /// For each channel, filled up to a multiple of 16.
    pub(super) scale: Vec<f32>,
    pub(super) shift: Vec<f32>,
    /// The factor of the residual's bytes.
    pub(super) residual: f32,
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Requantize {
    /// For an output of `output`'s scale, or for numbers if it is `None`. For each channel, `weights` are the scale
    /// and the sum of the signed bytes, and `bias` is a number. Activations other than ReLU and ReLU6 count as none.
    pub(crate) fn new(
        input: ByteScale,
        weights: &[(f32, i64)],
        bias: &[f32],
        residual: Option<ByteScale>,
        (activation, output): (Activation, Option<ByteScale>),
    ) -> Self {
        let (unit, zero) = match output {
            Some(ByteScale { scale, zero }) => (f64::from(scale), f64::from(zero)),
            None => (1.0, 0.0),
        };
        let residual = residual.map(|of| (f64::from(of.scale) / unit, f64::from(of.zero)));
        let (factor, residual_zero) = residual.unwrap_or((0.0, 0.0));
        let padded = weights.len().next_multiple_of(LANES);
        let (mut scale, mut shift) = (vec![0.0; padded], vec![0.0; padded]);
        for (channel, ((of_weights, sum), bias)) in weights.iter().zip(bias).enumerate() {
            let product = f64::from(input.scale) * f64::from(*of_weights);
            let moved = f64::from(*bias) - product * f64::from(input.zero) * *sum as f64;
            scale[channel] = (product / unit) as f32;
            shift[channel] = (moved / unit + zero - factor * residual_zero) as f32;
        }
        let all = output.map_or(f64::INFINITY, |_| f64::from(LARGEST));
        let (low, high) = match activation {
            Activation::Relu => (zero, all),
            Activation::Relu6 => (zero, (6.0 / unit + zero).min(all)),
            _ => (output.map_or(f64::NEG_INFINITY, |_| 0.0), all),
        };
        let (low, high) = (low as f32, high as f32);
        Self { scale, shift, residual: factor as f32, low, high }
    }
}
