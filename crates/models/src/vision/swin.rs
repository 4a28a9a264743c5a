//! Swin Transformer (Liu et al. 2021): attention within windows, which shift from block to block.

use candle_core::{Device, Result, Tensor};

use super::{
    VisionError,
    attention::{Attention, perceptron, residual},
    convnext::patches,
    layers::{Activation::None, Layer, Special},
    resident::{Image, Walk},
    weights::{Weights, linear},
};
use crate::profile::LayerKind;

/// Where neighbors are kept on a device: no address of a layer.
const NEIGHBORS: usize = 2;

/// Of layer norm.
const EPSILON: f32 = 1e-5;

/// Tokens of a window's side.
const WINDOW: usize = 7;

/// What keeps tokens of different regions apart, as torchvision.
const APART: f32 = -100.0;

/// Swin-T: blocks and heads of each stage.
const STAGES: [(usize, usize); 4] = [(2, 3), (2, 6), (6, 12), (2, 24)];

pub(super) fn swin_t(w: &mut Weights, classes: usize) -> std::result::Result<Layer, VisionError> {
    let mut width = 96;
    let mut layers = vec![
        w.conv("features.0.0", patches(3, width, 4), None)?,
        w.layer_norm("features.0.2", width, EPSILON)?,
    ];
    for (stage, (blocks, heads)) in STAGES.into_iter().enumerate() {
        if stage > 0 {
            layers.extend(merge(w, &format!("features.{}", 2 * stage), width)?);
            width *= 2;
        }
        for block in 0..blocks {
            let name = format!("features.{}.{block}", 2 * stage + 1);
            let shift = if block % 2 == 0 { 0 } else { WINDOW / 2 };
            let norm = w.layer_norm(&format!("{name}.norm1"), width, EPSILON)?;
            let windows = Windows::new(w, &format!("{name}.attn"), width, heads, shift)?;
            layers.push(residual(vec![norm, Layer::Special(Box::new(windows))]));
            let (norm, mlp) = (format!("{name}.norm2"), format!("{name}.mlp"));
            layers.push(perceptron(w, &norm, &mlp, width, EPSILON)?);
        }
    }
    layers.extend([
        w.layer_norm("norm", width, EPSILON)?,
        Layer::GlobalAvgPool,
        w.linear("head", width, classes, None)?,
    ]);
    Ok(Layer::Sequence(layers))
}

/// Four neighbors become one token, twice as wide.
fn merge(
    w: &mut Weights,
    name: &str,
    width: usize,
) -> std::result::Result<[Layer; 3], VisionError> {
    let bound = (6.0 / (4 * width) as f32).sqrt();
    let weight =
        w.trained(&format!("{name}.reduction.weight"), &[2 * width, 4 * width], 0.0, bound)?;
    let bias = Tensor::zeros(2 * width, weight.dtype(), &Device::Cpu)?;
    Ok([
        Layer::Special(Box::new(Neighbors)),
        w.layer_norm(&format!("{name}.norm"), 4 * width, EPSILON)?,
        Layer::Linear(linear(&weight, &bias, None)?),
    ])
}

/// Channels of 2×2 neighbors side by side, columns outermost; zeros beyond an odd edge.
struct Neighbors;

impl Special for Neighbors {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        let x = pad(x, h % 2, w % 2)?;
        let (rows, columns) = (h.div_ceil(2), w.div_ceil(2));
        x.reshape(&[n, rows, 2, columns, 2, c])?
            .permute(vec![0, 1, 3, 4, 2, 5])?
            .contiguous()?
            .reshape((n, rows, columns, 4 * c))
    }

    fn resident(&self, walk: &Walk<'_>, x: Image) -> std::result::Result<Image, VisionError> {
        let [n, h, w, c] = x.sizes()?;
        let (rows, columns) = (h.div_ceil(2), w.div_ceil(2));
        let number = |it: usize| {
            let (part, column, row) = (it % 4, it / 4 % columns, it / 4 / columns % rows);
            let (y, z) = (2 * row + part % 2, 2 * column + part / 2);
            let image = it / 4 / columns / rows;
            if y < h && z < w { ((image * h + y) * w + z) as i32 } else { -1 }
        };
        // It has no address of its own, and what it takes depends on these alone.
        let part = (n << 16 | h) << 16 | w;
        let numbers = || (0..n * rows * columns * 4).map(number).collect();
        walk.take(&x, &[n, rows, columns, 4 * c], NEIGHBORS, part, numbers)
    }

    fn about(&self, _: &Tensor) -> (&'static str, LayerKind, f64) {
        ("2×2 neighbors side by side", LayerKind::Other, 0.0)
    }
}

/// So many rows and columns of zeros at the far edges.
fn pad(x: &Tensor, rows: usize, columns: usize) -> Result<Tensor> {
    let x = if rows > 0 { x.pad_with_zeros(1, 0, rows)? } else { x.clone() };
    if columns > 0 { x.pad_with_zeros(2, 0, columns) } else { Ok(x) }
}

/// Attention within windows of an image.
struct Windows {
    attention: Attention,
    /// Of a pair of tokens, by how far they lie apart: `[1][heads][49][49]`.
    bias: Tensor,
    shift: usize,
}

impl Windows {
    fn new(
        w: &mut Weights,
        name: &str,
        width: usize,
        heads: usize,
        shift: usize,
    ) -> std::result::Result<Self, VisionError> {
        let of = |part: &str| format!("{name}.{part}");
        let names = (&*of("qkv.weight"), &*of("qkv.bias"));
        let attention = Attention::new(w, names, &of("proj"), width, heads)?;
        let (span, tokens) = (2 * WINDOW - 1, WINDOW * WINDOW);
        let table =
            w.trained(&of("relative_position_bias_table"), &[span * span, heads], 0.0, 0.02)?;
        let index: Vec<u32> = (0..tokens)
            .flat_map(|a| (0..tokens).map(move |b| (a, b)))
            .map(|(a, b)| {
                let row = a / WINDOW + WINDOW - 1 - b / WINDOW;
                let column = a % WINDOW + WINDOW - 1 - b % WINDOW;
                (row * span + column) as u32
            })
            .collect();
        let index = Tensor::from_vec(index, tokens * tokens, &Device::Cpu)?;
        let bias = table.index_select(&index, 0)?.t()?.contiguous()?;
        let bias = bias.reshape((1, heads, tokens, tokens))?;
        Ok(Self { attention, bias, shift })
    }

    /// The bias of every window `[windows][heads][49][49]` where shifting has brought tokens together
    /// that do not belong together.
    fn masked(&self, rows: usize, columns: usize, shifts: [usize; 2]) -> Result<Tensor> {
        // 0, 1 or 2 along each axis: what was there, and what came around in two parts.
        let region = |at: usize, size: usize, shift: usize| {
            usize::from(at >= size - WINDOW) + usize::from(at >= size - shift)
        };
        let tokens = WINDOW * WINDOW;
        let mut mask = Vec::with_capacity(rows * columns / tokens * tokens * tokens);
        for top in (0..rows).step_by(WINDOW) {
            for left in (0..columns).step_by(WINDOW) {
                let regions: Vec<usize> = (0..tokens)
                    .map(|token| {
                        let (row, column) = (top + token / WINDOW, left + token % WINDOW);
                        3 * region(row, rows, shifts[0]) + region(column, columns, shifts[1])
                    })
                    .collect();
                mask.extend(
                    regions.iter().flat_map(|a| {
                        regions.iter().map(move |b| if a == b { 0.0 } else { APART })
                    }),
                );
            }
        }
        let windows = rows * columns / tokens;
        Tensor::from_vec(mask, (windows, 1, tokens, tokens), &Device::Cpu)?
            .broadcast_add(&self.bias)
    }
}

impl Special for Windows {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        let (rows, columns) = (h.next_multiple_of(WINDOW), w.next_multiple_of(WINDOW));
        // Where one window covers an axis, there is nowhere to shift.
        let along = |size: usize| if size > WINDOW { self.shift } else { 0 };
        let shifts = [along(rows), along(columns)];
        let mut x = pad(x, rows - h, columns - w)?;
        x = roll(&roll(&x, shifts[0], 1)?, shifts[1], 2)?;
        let (down, across) = (rows / WINDOW, columns / WINDOW);
        let tokens = WINDOW * WINDOW;
        let windows = x
            .reshape(&[n, down, WINDOW, across, WINDOW, c])?
            .permute(vec![0, 1, 3, 2, 4, 5])?
            .contiguous()?
            .reshape((n * down * across, tokens, c))?;
        let mixed = if shifts == [0, 0] {
            self.attention.forward(&windows, Some(&self.bias))?
        } else {
            let mask = self.masked(rows, columns, shifts)?;
            self.attention.forward(&windows, Some(&mask))?
        };
        let mixed = mixed
            .reshape(&[n, down, across, WINDOW, WINDOW, c])?
            .permute(vec![0, 1, 3, 2, 4, 5])?
            .contiguous()?
            .reshape((n, rows, columns, c))?;
        let back = |shift: usize, size: usize| if shift > 0 { size - shift } else { 0 };
        let mixed = roll(&mixed, back(shifts[0], rows), 1)?;
        let mixed = roll(&mixed, back(shifts[1], columns), 2)?;
        mixed.narrow(1, 0, h)?.narrow(2, 0, w)?.contiguous()
    }

    fn resident(&self, walk: &Walk<'_>, x: Image) -> std::result::Result<Image, VisionError> {
        let [n, h, w, c] = x.sizes()?;
        let (rows, columns) = (h.next_multiple_of(WINDOW), w.next_multiple_of(WINDOW));
        let along = |size: usize| if size > WINDOW { self.shift } else { 0 };
        let shifts = [along(rows), along(columns)];
        let (down, across, tokens) = (rows / WINDOW, columns / WINDOW, WINDOW * WINDOW);
        let of = std::ptr::from_ref(self) as usize;
        let part = ((n << 16 | h) << 16 | w) << 2;
        // Where a window's token comes from, and where a pixel goes.
        let from = |it: usize| {
            let (token, window) = (it % tokens, it / tokens);
            let (image, top, left) =
                (window / across / down, window / across % down, window % across);
            let y = (top * WINDOW + token / WINDOW + shifts[0]) % rows;
            let z = (left * WINDOW + token % WINDOW + shifts[1]) % columns;
            if y < h && z < w { ((image * h + y) * w + z) as i32 } else { -1 }
        };
        let to = |it: usize| {
            let (image, y, z) = (it / w / h, it / w % h, it % w);
            let y = (y + rows - shifts[0]) % rows;
            let z = (z + columns - shifts[1]) % columns;
            let window = (image * down + y / WINDOW) * across + z / WINDOW;
            (window * tokens + y % WINDOW * WINDOW + z % WINDOW) as i32
        };
        let count = n * down * across;
        let windows = walk
            .take(&x, &[count, tokens, c], of, part, || (0..count * tokens).map(from).collect())?;
        drop(x);
        let values = |it: &Tensor| Ok(it.flatten_all()?.to_vec1::<f32>()?);
        let bias = if shifts == [0, 0] {
            (walk.table(of, part | 1, || values(&self.bias))?, 1)
        } else {
            let masked = || values(&self.masked(rows, columns, shifts)?);
            (walk.table(of, part | 1, masked)?, down * across)
        };
        let mixed = self.attention.resident(walk, windows, Some(bias))?;
        walk.take(&mixed, &[n, h, w, c], of, part | 2, || (0..n * h * w).map(to).collect())
    }

    fn about(&self, x: &Tensor) -> (&'static str, LayerKind, f64) {
        let flops = x.dims4().map_or(0.0, |(n, h, w, _)| {
            let windows = n * h.div_ceil(WINDOW) * w.div_ceil(WINDOW);
            self.attention.flops(windows, WINDOW * WINDOW)
        });
        ("attention in windows", LayerKind::Attention, flops)
    }
}

/// The first `by` rows or columns come last.
fn roll(x: &Tensor, by: usize, axis: usize) -> Result<Tensor> {
    if by == 0 {
        return Ok(x.clone());
    }
    let size = x.dim(axis)?;
    Tensor::cat(&[x.narrow(axis, by, size - by)?, x.narrow(axis, 0, by)?], axis)
}
