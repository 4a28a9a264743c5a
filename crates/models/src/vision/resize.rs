//! Resizing photographs to the bit as Pillow does (`Resample.c`, 8 bits a channel): columns, then rows,
//! rounded and clipped in between. Crates that resize keep more digits or fewer, and bicubic
//! interpolation of sharp edges then differs by several levels.

use image::{Rgb, RgbImage};

/// How pixels are weighed by their distance.
#[derive(Clone, Copy)]
pub(super) enum Filter {
    Bilinear,
    /// Keys 1981, with a = −0.5.
    Bicubic,
}

impl Filter {
    /// Pixels to each side.
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
const PRECISION: u32 = 22;

/// The pixels that an output pixel is made of.
struct Taps {
    first: u32,
    weights: Vec<i32>,
}

/// Of every output pixel along an axis; smaller outputs have wider windows (antialiasing).
fn taps(from: u32, to: u32, filter: Filter) -> Vec<Taps> {
    let scale = f64::from(from) / f64::from(to);
    let wide = scale.max(1.0);
    let support = filter.support() * wide;
    let of = |output: u32| {
        let center = (f64::from(output) + 0.5) * scale;
        // Casts round towards zero and stop there, as Pillow does.
        let first = (center - support + 0.5) as u32;
        let end = ((center + support + 0.5) as u32).min(from);
        let weights: Vec<f64> =
            (first..end).map(|it| filter.weight((f64::from(it) - center + 0.5) / wide)).collect();
        let sum: f64 = weights.iter().sum();
        let whole = |it: f64| {
            let it = it / sum * f64::from(1_u32 << PRECISION);
            if it < 0.0 { (it - 0.5) as i32 } else { (it + 0.5) as i32 }
        };
        Taps { first, weights: weights.into_iter().map(whole).collect() }
    };
    (0..to).map(of).collect()
}

/// An output pixel of its input pixels.
fn pixel<'a>(taps: &Taps, pixels: impl Fn(u32) -> &'a Rgb<u8>) -> Rgb<u8> {
    let mut sums = [1 << (PRECISION - 1); 3];
    for (index, weight) in (taps.first..).zip(&taps.weights) {
        for (sum, value) in sums.iter_mut().zip(pixels(index).0) {
            *sum += i32::from(value) * weight;
        }
    }
    Rgb(sums.map(|it| (it >> PRECISION).clamp(0, 255) as u8))
}

/// An image of `width` × `height` pixels.
pub(super) fn resize(image: &RgbImage, width: u32, height: u32, filter: Filter) -> RgbImage {
    let across = |image: &RgbImage| {
        let taps = taps(image.width(), width, filter);
        RgbImage::from_fn(width, image.height(), |x, y| {
            pixel(&taps[x as usize], |at| image.get_pixel(at, y))
        })
    };
    let down = |image: &RgbImage| {
        let taps = taps(image.height(), height, filter);
        RgbImage::from_fn(image.width(), height, |x, y| {
            pixel(&taps[y as usize], |at| image.get_pixel(x, at))
        })
    };
    // An axis that keeps its size is left alone.
    match (image.width() == width, image.height() == height) {
        (true, true) => image.clone(),
        (true, false) => down(image),
        (false, true) => across(image),
        (false, false) => down(&across(image)),
    }
}
