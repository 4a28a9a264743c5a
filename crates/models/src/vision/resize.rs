//! Resizing photographs exactly as Pillow does (`Resample.c`, 8 bits per channel): horizontally, then
//! vertically, rounded and clipped in between. Other resizing crates round differently, and for bicubic
//! interpolation of sharp edges the results then differ by several levels.

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

/// The taps of every output pixel along an axis. When an image is reduced, the filter widens
/// (antialiasing).
fn taps(from: u32, to: u32, filter: Filter) -> Vec<Taps> {
    let scale = f64::from(from) / f64::from(to);
    let wide = scale.max(1.0);
    let support = filter.support() * wide;
    let of = |output: u32| {
        let center = (f64::from(output) + 0.5) * scale;
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
    (0..to).map(of).collect()
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

/// An image of that size whose pixels are computed from their column and row.
fn image(size: [u32; 2], pixel: impl Fn(u32, u32) -> [u8; 3]) -> Photograph {
    let [width, height] = size;
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        for x in 0..width {
            rgb.extend(pixel(x, y));
        }
    }
    Photograph { size, rgb }
}

/// The photograph resized to `width` × `height` pixels.
pub(super) fn resize(from: &Photograph, width: u32, height: u32, filter: Filter) -> Photograph {
    let horizontally = |from: &Photograph| {
        let taps = taps(from.size[0], width, filter);
        image([width, from.size[1]], |x, y| {
            pixel(&taps[x as usize], |column| from.pixel(column, y))
        })
    };
    let vertically = |from: &Photograph| {
        let taps = taps(from.size[1], height, filter);
        image([from.size[0], height], |x, y| pixel(&taps[y as usize], |row| from.pixel(x, row)))
    };
    // An axis that keeps its size is not filtered.
    match (from.size[0] == width, from.size[1] == height) {
        (true, true) => from.clone(),
        (true, false) => vertically(from),
        (false, true) => horizontally(from),
        (false, false) => vertically(&horizontally(from)),
    }
}
