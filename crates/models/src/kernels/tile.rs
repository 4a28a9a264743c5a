//! The arithmetic of one block of 16 images: 3×3 convolution, its gradients, the sums of batch norm, and
//! pooling. The callers check all shapes.
//!
//! Padded images are `[C][H+2][W+2][16]` with a border of zeros.

use super::{
    LANES,
    lanes::{Lanes, dispatch},
};

/// Distance between rows and between channels of a padded image, in floats.
#[inline(always)]
fn strides(h: usize, w: usize) -> (usize, usize) {
    ((w + 2) * LANES, (h + 2) * (w + 2) * LANES)
}

/// Computes `P` adjacent pixels × `O` output channels of a convolution, with the sums in registers.
#[inline(always)]
unsafe fn conv_tile<V: Lanes, const P: usize, const O: usize>(
    from: *const f32,
    cin: usize,
    channel: usize,
    row: usize,
    weights: *const f32,
    cout: usize,
    to: *mut f32,
    to_channel: usize,
) {
    // SAFETY: the caller's pointers have the shapes documented at `conv`.
    unsafe {
        let mut sums = [[V::splat(0.0); O]; P];
        let mut weight = weights;
        for ci in 0..cin {
            for ky in 0..3 {
                let line = from.add(ci * channel + ky * row);
                for kx in 0..3 {
                    let at = line.add(kx * LANES);
                    // The smaller side of the tile stays in registers.
                    if P <= O {
                        let mut pixels = [V::splat(0.0); P];
                        for p in 0..P {
                            pixels[p] = V::load(at.add(p * LANES));
                        }
                        for o in 0..O {
                            let factor = V::splat(*weight.add(o));
                            for p in 0..P {
                                sums[p][o] = pixels[p].mul_add(factor, sums[p][o]);
                            }
                        }
                    } else {
                        let mut factors = [V::splat(0.0); O];
                        for o in 0..O {
                            factors[o] = V::splat(*weight.add(o));
                        }
                        for p in 0..P {
                            let pixel = V::load(at.add(p * LANES));
                            for o in 0..O {
                                sums[p][o] = pixel.mul_add(factors[o], sums[p][o]);
                            }
                        }
                    }
                    weight = weight.add(cout);
                }
            }
        }
        for (p, sums) in sums.iter().enumerate() {
            for (o, sum) in sums.iter().enumerate() {
                sum.store(to.add(o * to_channel + p * LANES));
            }
        }
    }
}

/// Computes a convolution in tiles of at most `P` pixels × `O` output channels, for the images of one register
/// at a time.
#[inline(always)]
unsafe fn conv_by<V: Lanes, const P: usize, const O: usize>(
    from: *const f32,
    (cin, h, w): (usize, usize, usize),
    weights: *const f32,
    cout: usize,
    to: *mut f32,
) {
    let (row, channel) = strides(h, w);
    let to_channel = h * w * LANES;
    for lane in (0..LANES).step_by(V::WIDTH) {
        for o in (0..cout).step_by(O) {
            for y in 0..h {
                let mut x = 0;
                while x < w {
                    // SAFETY: (x, y) and the following pixels are inside the image, and o is a channel.
                    unsafe {
                        let from = from.add(y * row + x * LANES + lane);
                        let to = to.add(o * to_channel + (y * w + x) * LANES + lane);
                        let weights = weights.add(o);
                        macro_rules! tile {
                            ($pixels:expr) => {{
                                conv_tile::<V, { $pixels }, O>(
                                    from, cin, channel, row, weights, cout, to, to_channel,
                                );
                                x += $pixels;
                            }};
                        }
                        match w - x {
                            left if left >= P => tile!(P),
                            3.. => tile!(3),
                            2 => tile!(2),
                            _ => tile!(1),
                        }
                    }
                }
            }
        }
    }
}

dispatch! {
    /// 3×3 convolution with one pixel of padding.
    ///
    /// # Safety
    ///
    /// `from` is a padded image `[cin][h+2][w+2][16]`, `weights` are `[cin][9][cout]`, `to` has room
    /// for `[cout][h][w][16]`.
    fn conv<V>(
        from: *const f32, cin: usize, h: usize, w: usize, weights: *const f32, cout: usize,
        to: *mut f32,
    ) {
        let image = (cin, h, w);
        // SAFETY: the caller's contract.
        unsafe {
            if V::REGISTERS == 32 {
                if cout.is_multiple_of(9) {
                    conv_by::<V, 3, 9>(from, image, weights, cout, to);
                } else if cout.is_multiple_of(8) {
                    conv_by::<V, 3, 8>(from, image, weights, cout, to);
                } else if cout.is_multiple_of(3) {
                    conv_by::<V, 8, 3>(from, image, weights, cout, to);
                } else {
                    conv_by::<V, 8, 1>(from, image, weights, cout, to);
                }
            } else if cout.is_multiple_of(3) {
                conv_by::<V, 4, 3>(from, image, weights, cout, to);
            } else if cout.is_multiple_of(4) {
                conv_by::<V, 3, 4>(from, image, weights, cout, to);
            } else {
                conv_by::<V, 8, 1>(from, image, weights, cout, to);
            }
        }
    }
}

/// Computes the weight gradient of `O` output channels and one input channel, for `K` rows of the kernel from
/// row `ky` on and for the images of one register, with 3 · K · O sums in registers.
#[inline(always)]
unsafe fn weights_tile<V: Lanes, const O: usize, const K: usize>(
    images: *const f32,
    gradients: *const f32,
    (blocks, image, gradient): (usize, usize, usize),
    (h, w): (usize, usize),
    ky: usize,
    out: *mut f32,
    out_stride: usize,
) {
    let (row, channel) = strides(h, w);
    // SAFETY: the caller's pointers have the shapes documented at `weight_gradient`.
    unsafe {
        let mut sums = [[[V::splat(0.0); 3]; K]; O];
        for block in 0..blocks {
            let (images, gradients) = (images.add(block * image), gradients.add(block * gradient));
            for y in 0..h {
                for x in 0..w {
                    let at = gradients.add((y + 1) * row + (x + 1) * LANES);
                    let mut gradient = [V::splat(0.0); O];
                    for (o, gradient) in gradient.iter_mut().enumerate() {
                        *gradient = V::load(at.add(o * channel));
                    }
                    for k in 0..K {
                        for kx in 0..3 {
                            let pixel = V::load(images.add((y + ky + k) * row + (x + kx) * LANES));
                            for o in 0..O {
                                let sum = &mut sums[o][k][kx];
                                *sum = pixel.mul_add(gradient[o], *sum);
                            }
                        }
                    }
                }
            }
        }
        // Store all sums first. Summing lanes directly would cost the loop above some of its registers.
        let mut lanes = [[[[0.0_f32; LANES]; 3]; K]; O];
        for (sums, lanes) in
            sums.iter().flatten().flatten().zip(lanes.iter_mut().flatten().flatten())
        {
            sums.store(lanes.as_mut_ptr());
        }
        let lanes = std::hint::black_box(&lanes);
        for (o, lanes) in lanes.iter().enumerate() {
            for (tap, lanes) in lanes.iter().flatten().enumerate() {
                *out.add(o * out_stride + ky * 3 + tap) += V::load(lanes.as_ptr()).sum();
            }
        }
    }
}

/// Computes the weight gradient of `O` output channels and one input channel, with all nine taps at once if
/// there are enough registers, and otherwise with one row of the kernel at a time.
#[inline(always)]
unsafe fn weights_by<V: Lanes, const O: usize>(
    images: *const f32,
    gradients: *const f32,
    blocks: (usize, usize, usize),
    size: (usize, usize),
    out: *mut f32,
    stride: usize,
) {
    for lane in (0..LANES).step_by(V::WIDTH) {
        // SAFETY: the caller's contract.
        unsafe {
            let (images, gradients) = (images.add(lane), gradients.add(lane));
            if V::REGISTERS == 32 {
                weights_tile::<V, O, 3>(images, gradients, blocks, size, 0, out, stride);
            } else {
                for ky in 0..3 {
                    weights_tile::<V, O, 1>(images, gradients, blocks, size, ky, out, stride);
                }
            }
        }
    }
}

dispatch! {
    /// Adds the gradient of the weights, `[cout][cin][9]`, over several blocks of images. Lanes are summed once
    /// for all blocks, because for small images this takes as long as their pixels do.
    ///
    /// # Safety
    ///
    /// `images` are padded `[blocks][cin][h+2][w+2][16]`, `gradients` are padded
    /// `[blocks][cout][h+2][w+2][16]`, `out` has `[cout][cin][9]`.
    fn weight_gradient<V>(
        blocks: usize, images: *const f32, cin: usize, h: usize, w: usize, gradients: *const f32,
        cout: usize, out: *mut f32,
    ) {
        let channel = strides(h, w).1;
        let blocks = (blocks, cin * channel, cout * channel);
        let mut o = 0;
        while o < cout {
            for ci in 0..cin {
                // SAFETY: o and ci are channels.
                unsafe {
                    let (images, gradients) = (images.add(ci * channel), gradients.add(o * channel));
                    let out = out.add((o * cin + ci) * 9);
                    if o + 3 <= cout {
                        weights_by::<V, 3>(images, gradients, blocks, (h, w), out, cin * 9);
                    } else {
                        weights_by::<V, 1>(images, gradients, blocks, (h, w), out, cin * 9);
                    }
                }
            }
            o += if o + 3 <= cout { 3 } else { 1 };
        }
    }
}

/// Registers that the lanes of a block need at most.
const SUMS: usize = 4;

/// The sum of the lanes of all registers.
#[inline(always)]
unsafe fn total<V: Lanes>(sums: [V; SUMS]) -> f32 {
    let [a, b, c, d] = sums;
    // SAFETY: the caller's contract.
    unsafe { a.add(b).add(c.add(d)).sum() }
}

dispatch! {
    /// Adds the sum of each channel to `sums[2·c]` and its sum of squares to `sums[2·c+1]`.
    ///
    /// # Safety
    ///
    /// `values` are `[channels][pixels][16]`, `sums` has `[channels][2]`.
    fn moments<V>(values: *const f32, channels: usize, pixels: usize, sums: *mut f64) {
        for c in 0..channels {
            // SAFETY: c is a channel and i is a pixel.
            unsafe {
                let from = values.add(c * pixels * LANES);
                let (mut sum, mut square) = ([V::splat(0.0); SUMS], [V::splat(0.0); SUMS]);
                for first in (0..pixels * LANES).step_by(LANES) {
                    for lane in (0..LANES).step_by(V::WIDTH) {
                        let value = V::load(from.add(first + lane));
                        let i = lane / V::WIDTH;
                        sum[i] = sum[i].add(value);
                        square[i] = value.mul_add(value, square[i]);
                    }
                }
                *sums.add(2 * c) += f64::from(total(sum));
                *sums.add(2 * c + 1) += f64::from(total(square));
            }
        }
    }
}

/// The first lane of each register of a block, for each channel.
#[inline(always)]
fn each_register<V: Lanes>(channels: usize) -> impl Iterator<Item = (usize, usize)> {
    let registers = LANES / V::WIDTH;
    (0..channels * registers).map(move |i| (i / registers, i % registers * V::WIDTH))
}

/// Batch norm as a scale and a shift of each channel, optionally followed by a ReLU.
#[derive(Clone, Copy)]
pub(super) struct Affine<'a> {
    pub(super) scale: &'a [f32],
    pub(super) shift: &'a [f32],
    pub(super) relu: bool,
}

dispatch! {
    /// Scale, shift, ReLU and 2×2 max-pool in one pass. `winners` receives the unscaled value that each pool
    /// chose. Lanes whose `mask` is 0 become 0.
    ///
    /// A monotone function commutes with the maximum, so the pool works on the unscaled values, with the
    /// minimum if the scale is negative.
    ///
    /// # Safety
    ///
    /// `raw` is `[channels][h][w][16]`, `winners` and `out` have `[channels][h/2][w/2][16]`, the affine has
    /// `channels` entries, `mask` has 16.
    fn pool<V>(
        raw: *const f32, channels: usize, h: usize, w: usize, affine: Affine<'_>, mask: *const f32,
        winners: *mut f32, out: *mut f32,
    ) {
        let (rows, columns) = (h / 2, w / 2);
        // SAFETY: all indices are within the shapes above.
        unsafe {
            let zero = V::splat(0.0);
            for (c, lane) in each_register::<V>(channels) {
                let mask = V::load(mask.add(lane));
                let (raw, winners, out) = (raw.add(lane), winners.add(lane), out.add(lane));
                let (scale, shift) = (V::splat(affine.scale[c]), V::splat(affine.shift[c]));
                let falling = affine.scale[c] < 0.0;
                for y in 0..rows {
                    for x in 0..columns {
                        let at = raw.add((c * h * w + 2 * y * w + 2 * x) * LANES);
                        let corners = [0, LANES, w * LANES, (w + 1) * LANES];
                        let corners = corners.map(|offset| V::load(at.add(offset)));
                        let [a, b, d, e] = corners;
                        let winner = if falling {
                            a.min(b).min(d.min(e))
                        } else {
                            a.max(b).max(d.max(e))
                        };
                        let i = (c * rows * columns + y * columns + x) * LANES;
                        winner.store(winners.add(i));
                        let value = winner.mul_add(scale, shift);
                        let value = if affine.relu { value.max(zero) } else { value };
                        value.mul(mask).store(out.add(i));
                    }
                }
            }
        }
    }
}

dispatch! {
    /// Adds the sum of the gradients that pass the ReLU to `sums[2·c]`, and the sum of their products with the
    /// winners to `sums[2·c+1]`.
    ///
    /// # Safety
    ///
    /// `winners` and `gradients` are `[channels][pixels][16]`, `sums` has `[channels][2]`.
    fn gradient_sums<V>(
        winners: *const f32, gradients: *const f32, channels: usize, pixels: usize,
        affine: Affine<'_>, sums: *mut f64,
    ) {
        // SAFETY: all indices are within the shapes above.
        unsafe {
            for c in 0..channels {
                let (scale, shift) = (V::splat(affine.scale[c]), V::splat(affine.shift[c]));
                let (mut sum, mut product) = ([V::splat(0.0); SUMS], [V::splat(0.0); SUMS]);
                for pixel in 0..pixels {
                    for lane in (0..LANES).step_by(V::WIDTH) {
                        let at = (c * pixels + pixel) * LANES + lane;
                        let i = lane / V::WIDTH;
                        let winner = V::load(winners.add(at));
                        let gradient = V::load(gradients.add(at));
                        let passed = if affine.relu {
                            winner.mul_add(scale, shift).where_positive(gradient)
                        } else {
                            gradient
                        };
                        sum[i] = sum[i].add(passed);
                        product[i] = passed.mul_add(winner, product[i]);
                    }
                }
                *sums.add(2 * c) += f64::from(total(sum));
                *sums.add(2 * c + 1) += f64::from(total(product));
            }
        }
    }
}

/// The gradient of batch norm's input z: `direct · g + linear · z + constant` for each channel.
#[derive(Clone, Copy)]
pub(super) struct NormGradient<'a> {
    pub(super) direct: &'a [f32],
    pub(super) linear: &'a [f32],
    pub(super) constant: &'a [f32],
}

dispatch! {
    /// Computes the gradient of the convolution's output into a padded image, through the pool (to the first of
    /// equal values, as in PyTorch), the ReLU and batch norm. Lanes whose `mask` is 0 become 0.
    ///
    /// # Safety
    ///
    /// `raw` is `[channels][h][w][16]`, `winners` and `gradients` are `[channels][h/2][w/2][16]`,
    /// the affine and the norm have `channels` entries, `mask` has 16, `out` is padded
    /// `[channels][h+2][w+2][16]`.
    fn unpool<V>(
        raw: *const f32, winners: *const f32, gradients: *const f32, channels: usize, h: usize,
        w: usize, affine: Affine<'_>, norm: NormGradient<'_>, mask: *const f32, out: *mut f32,
    ) {
        let (rows, columns) = (h / 2, w / 2);
        let (row, channel) = strides(h, w);
        // SAFETY: all indices are within the shapes above.
        unsafe {
            for (c, lane) in each_register::<V>(channels) {
                let mask = V::load(mask.add(lane));
                let (raw, winners) = (raw.add(lane), winners.add(lane));
                let (gradients, out) = (gradients.add(lane), out.add(lane));
                let (scale, shift) = (V::splat(affine.scale[c]), V::splat(affine.shift[c]));
                let direct = V::splat(norm.direct[c]);
                let (linear, constant) = (V::splat(norm.linear[c]), V::splat(norm.constant[c]));
                let image = raw.add(c * h * w * LANES);
                let out = out.add(c * channel + row + LANES);
                for y in 0..rows {
                    for x in 0..columns {
                        let i = (c * rows * columns + y * columns + x) * LANES;
                        let winner = V::load(winners.add(i));
                        let gradient = V::load(gradients.add(i)).mul(direct);
                        let passed = if affine.relu {
                            winner.mul_add(scale, shift).where_positive(gradient)
                        } else {
                            gradient
                        };
                        let mut left = V::splat(1.0);
                        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                            let (y, x) = (2 * y + dy, 2 * x + dx);
                            let value = V::load(image.add((y * w + x) * LANES));
                            let rest = value.mul_add(linear, constant);
                            let (sum, rest_left) = value.add_where_equal(winner, passed, rest, left);
                            left = rest_left;
                            sum.mul(mask).store(out.add(y * row + x * LANES));
                        }
                    }
                }
                // Pixels at odd edges are in no window. Their gradient comes from batch norm alone.
                let edge = |y: usize, x: usize| {
                    let value = V::load(image.add((y * w + x) * LANES));
                    value.mul_add(linear, constant).mul(mask).store(out.add(y * row + x * LANES));
                };
                if h % 2 == 1 {
                    (0..w).for_each(|x| edge(h - 1, x));
                }
                if w % 2 == 1 {
                    (0..h).for_each(|y| edge(y, w - 1));
                }
            }
        }
    }
}

/// Copies `[c][h][w][16]` into the interior of a padded image.
///
/// # Panics
///
/// If a length does not match its shape.
pub(super) fn pad(image: &[f32], c: usize, h: usize, w: usize, padded: &mut [f32]) {
    let (row, channel) = strides(h, w);
    assert_eq!((image.len(), padded.len()), (c * h * w * LANES, c * channel));
    for (index, line) in image.chunks_exact(w * LANES).enumerate() {
        let at = index / h * channel + (index % h + 1) * row + LANES;
        padded[at..at + line.len()].copy_from_slice(line);
    }
}

/// Number of floats of a padded block.
pub(super) fn padded_len(c: usize, h: usize, w: usize) -> usize {
    c * strides(h, w).1
}
