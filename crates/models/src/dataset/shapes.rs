//! The embedded data sets: images of ten kinds of shapes and textures, generated from a seed.
//!
//! Position, size, tilt, contrast and its sign, background gradient, small distractors and noise vary, so
//! that no single pixel reveals the class. A linear model is much worse than a convolutional network, and a
//! bad learning rate learns nothing. Only the operations `+ − × ÷ √` are used, so that the pixels are the
//! same on every machine.

use super::pixels::Pixels;
use crate::random::Stream;

/// Names of the generated data sets.
pub(super) const NAMES: [&str; 2] = ["shapes-28", "shapes-32"];

/// Channels and side of a generated data set; `None` for other names.
pub(super) fn size(name: &str) -> Option<(usize, usize)> {
    match name {
        "shapes-28" => Some((1, 28)),
        "shapes-32" => Some((3, 32)),
        _ => None,
    }
}

/// Number of classes: disk, ring, square, frame, triangle, plus, horizontal stripes, vertical stripes,
/// checkerboard, two bars that form a corner.
pub(super) const CLASSES: usize = 10;

/// Number of images of each split. More could be generated, but must not fill the memory.
pub(super) const MOST: usize = 100_000;

// These constants determine how difficult the data set is.
const SHIFT: f32 = 2.0; // largest shift of the center, in pixels of 28
const RADIUS: (f32, f32) = (6.0, 10.0); // half size, in pixels of 28
const TILT: f32 = 0.10; // tangent of half the tilt: about ±19°
const CONTRAST: (f32, f32) = (0.35, 0.8); // shape against background
const DARK: f32 = 0.1; // share of shapes darker than their background
const NOISE: f32 = 0.08; // standard deviation
const DISTRACTORS: usize = 3; // small blobs

/// Generates images `0..n` of a split; image `i` depends on seed, split and `i` only.
pub(super) fn generate(channels: usize, side: usize, seed: u64, split: &str, n: usize) -> Pixels {
    let mut all = Pixels::default();
    for index in 0..n {
        // The classes take turns, so that the first images of a split are balanced.
        let class = index % CLASSES;
        let mut random = Stream::new(seed, &format!("shapes/{channels}/{split}/{index}"));
        all.labels.push(class as u8);
        draw(channels, side, class, &mut random, &mut all.pixels);
    }
    all
}

/// A blob of the background.
struct Blob {
    x: f32,
    y: f32,
    radius: f32,
    strength: f32,
}

/// Draws an image and appends its pixels to `out`.
fn draw(channels: usize, side: usize, class: usize, random: &mut Stream, out: &mut Vec<u8>) {
    let mut unit = || random.uniform(1, 1.0)[0];
    let between = |unit: f32, (low, high): (f32, f32)| low + (unit + 1.0) / 2.0 * (high - low);
    let scale = side as f32 / 28.0;
    let middle = (side as f32 - 1.0) / 2.0;
    let (cx, cy) = (middle + unit() * SHIFT * scale, middle + unit() * SHIFT * scale);
    let radius = between(unit(), RADIUS) * scale;
    // A rotation without sine and cosine: t is the tangent of half the angle.
    let t = unit() * TILT;
    let (cos, sin) = ((1.0 - t * t) / (1.0 + t * t), 2.0 * t / (1.0 + t * t));
    let sign = if (unit() + 1.0) / 2.0 < DARK { -1.0 } else { 1.0 };
    let contrast = between(unit(), CONTRAST);
    let (slope_x, slope_y) = (unit() * 0.15, unit() * 0.15);
    let phase = unit();
    let blobs: Vec<Blob> = (0..DISTRACTORS)
        .map(|_| Blob {
            x: middle + unit() * middle,
            y: middle + unit() * middle,
            radius: between(unit(), (1.0, 2.5)) * scale,
            strength: unit() * 0.5,
        })
        .collect();
    for _ in 0..channels {
        // Colors: every channel has its own contrast and level, of one sign.
        let tint = if channels > 1 { between(unit(), (0.4, 1.0)) } else { 1.0 };
        let level = 0.5 - sign * contrast * tint / 2.0;
        for y in 0..side {
            for x in 0..side {
                let (dx, dy) = (x as f32 - cx, y as f32 - cy);
                let (u, v) = ((dx * cos + dy * sin) / radius, (dy * cos - dx * sin) / radius);
                let inside = coverage(class, u, v, phase, radius);
                let slope = (slope_x * dx + slope_y * dy) / middle;
                let blob: f32 = blobs.iter().map(|blob| blob.at(x as f32, y as f32)).sum();
                let noise = (unit() + unit() + unit() + unit()) * (0.75_f32).sqrt() * NOISE;
                let value = level + slope + blob * (1.0 - inside) + sign * contrast * tint * inside;
                out.push(((value + noise).clamp(0.0, 1.0) * 255.0 + 0.5) as u8);
            }
        }
    }
}

impl Blob {
    /// Brightness that it adds to a pixel.
    fn at(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = (x - self.x, y - self.y);
        let distance = (dx * dx + dy * dy).sqrt();
        (1.0 - distance / self.radius).max(0.0) * self.strength
    }
}

/// The share of a pixel that the shape covers, in [0, 1]; (u, v) is the pixel's distance from the center in
/// radii.
fn coverage(class: usize, u: f32, v: f32, phase: f32, radius: f32) -> f32 {
    // `depth` is the distance from the edge toward the inside, in radii. Edges are one pixel wide.
    let round = (u * u + v * v).sqrt();
    let square = u.abs().max(v.abs());
    let stripe = |w: f32| ((w * 2.0 + phase).rem_euclid(1.0) - 0.5).abs() * 0.5 - 0.125;
    let depth = match class {
        0 => 0.9 - round,
        1 => 0.22 - (round - 0.72).abs(),
        2 => 0.8 - square,
        3 => 0.19 - (square - 0.68).abs(),
        4 => (0.8 - v).min((v + 0.9 - 2.0 * u.abs()) * 0.447),
        5 => (0.24 - u.abs().min(v.abs())).min(0.9 - square),
        6 => stripe(v).min(0.9 - square),
        7 => stripe(u).min(0.9 - square),
        8 => {
            let (a, b) = (stripe(u), stripe(v));
            (if (a > 0.0) == (b > 0.0) { a.abs().min(b.abs()) } else { -a.abs().min(b.abs()) })
                .min(0.9 - square)
        }
        _ => (0.24 - (u + 0.6).abs()).max(0.24 - (v - 0.6).abs()).min(0.9 - square),
    };
    (depth * radius + 0.5).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::dataset::content::hex;

    #[test]
    fn images_depend_on_seed_split_and_index_only() {
        let many = generate(1, 28, 1, "train", 30);
        let few = generate(1, 28, 1, "train", 10);
        assert_eq!(many.pixels[..few.pixels.len()], few.pixels);
        assert_ne!(generate(1, 28, 1, "test", 10).pixels, few.pixels);
        assert_ne!(generate(1, 28, 2, "train", 10).pixels, few.pixels);
        assert_eq!(few.labels, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    /// Published figures depend on these pixels.
    #[test]
    fn the_pixels_are_the_same_on_every_machine_and_in_every_version() {
        let sum =
            |channels, side| hex(&Sha256::digest(generate(channels, side, 1, "train", 50).pixels));
        insta::assert_snapshot!(sum(1, 28), @"c80ac9f00ab5b45d4dc904be6ccb96ee1d59ac3d9d2610b8184ae7e3ed004380");
        insta::assert_snapshot!(sum(3, 32), @"7f7632767b9d309020e22dd4010e75a41b319c30c5c4d51255df2c8ecdb60d18");
    }
}
