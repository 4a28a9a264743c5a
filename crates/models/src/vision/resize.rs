//! Resizing photographs exactly as Pillow does (`Resample.c`, 8 bits per channel): horizontally, then
//! vertically, rounded and clipped in between. Other resizing crates round differently, and for bicubic
//! interpolation of sharp edges the results then differ by several levels.

use std::ops::Range;

use super::photograph::Photograph;

/// The weight of a pixel as a function of its distance.
#[derive(Clone, Copy)]
pub(super) enum Filter {
    Bilinear,
    /// Cubic convolution (Keys 1981) with a = −0.5.
    Bicubic,
}

impl Filter {
    /// Radius in pixels.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, distance: f64) -> f64 {
        const A: f64 = -0.5;
        let x = distance.abs();
        match self {
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Bicubic => 0.0,
        }
    }
}

/// Fractional bits of a weight.
const FRACTION: u32 = 22;

/// The input pixels of an output pixel, along one axis.
struct Taps {
    first: u32,
    weights: Vec<i32>,
}

/// The taps of some of the output pixels along an axis. When an image is reduced, the filter widens
/// (antialiasing).
fn taps(from: u32, to: u64, outputs: Range<u64>, filter: Filter) -> Vec<Taps> {
    let scale = f64::from(from) / to as f64;
    let wide = scale.max(1.0);
    let support = filter.support() * wide;
    let of = |output: u64| {
        // An axis that keeps its size is not filtered.
        if u64::from(from) == to {
            return Taps { first: output as u32, weights: vec![1 << FRACTION] };
        }
        let center = (output as f64 + 0.5) * scale;
        // Casts round toward zero, and negative numbers become 0, as in Pillow.
        let first = (center - support + 0.5) as u32;
        let end = ((center + support + 0.5) as u32).min(from);
        let weights: Vec<f64> = (first..end)
            .map(|index| filter.weight((f64::from(index) - center + 0.5) / wide))
            .collect();
        let sum: f64 = weights.iter().sum();
        let rounded = |weight: f64| {
            let weight = weight / sum * f64::from(1_u32 << FRACTION);
            if weight < 0.0 { (weight - 0.5) as i32 } else { (weight + 0.5) as i32 }
        };
        Taps { first, weights: weights.into_iter().map(rounded).collect() }
    };
    outputs.map(of).collect()
}

/// The output pixel for some input pixels.
fn pixel(taps: &Taps, pixels: impl Fn(u32) -> [u8; 3]) -> [u8; 3] {
    let mut sums = [1 << (FRACTION - 1); 3];
    for (index, weight) in (taps.first..).zip(&taps.weights) {
        for (sum, value) in sums.iter_mut().zip(pixels(index)) {
            *sum += i32::from(value) * weight;
        }
    }
    sums.map(|sum| (sum >> FRACTION).clamp(0, 255) as u8)
}

/// The square of a resized image that is kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Crop {
    /// Width and height of the whole resized image, in pixels.
    pub(super) size: [u64; 2],
    /// Column and row of the square's first pixel.
    pub(super) start: [u64; 2],
    /// Side of the square, in pixels.
    pub(super) side: u32,
}

/// Resizes a photograph and crops it to `[side][side]` colors. Only pixels of the crop are computed, so that
/// a long, narrow image needs no more memory than another one.
pub(super) fn resize(from: &Photograph, crop: &Crop, filter: Filter) -> Vec<[u8; 3]> {
    let along = |axis: usize| {
        let start = crop.start[axis];
        taps(from.size[axis], crop.size[axis], start..start + u64::from(crop.side), filter)
    };
    let (columns, rows) = (along(0), along(1));
    // The rows of the photograph that the crop needs, resized horizontally.
    let first = rows.iter().map(|taps| taps.first).min().unwrap_or(0);
    let end = rows.iter().map(|taps| taps.first + taps.weights.len() as u32).max().unwrap_or(0);
    let side = columns.len();
    let mut between = Vec::with_capacity((end - first) as usize * side);
    for row in first..end {
        between.extend(columns.iter().map(|taps| pixel(taps, |column| from.pixel(column, row))));
    }
    let mut colors = Vec::with_capacity(side * side);
    for taps in &rows {
        for column in 0..side {
            colors.push(pixel(taps, |row| between[(row - first) as usize * side + column]));
        }
    }
    colors
}
