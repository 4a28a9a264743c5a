//! Swin Transformer (Liu et al. 2021): attention within windows that shift from block to block.

use candle_core::{Device, Result, Tensor};

use super::{
    attention::{Attention, perceptron, residual},
    convnext::patches,
    device_pass::{DeviceTensor, ForwardPass},
    error::VisionError,
    layers::{Activation::None, CustomLayer, Layer, Mode},
    trainable::features_last,
    weights::{Weights, linear, trained_linear},
};
use crate::profile::LayerKind;

/// Owner of `MergeNeighbors`' tables on a device. It is not the address of any layer.
const NEIGHBORS: usize = 2;

/// Epsilon of layer norm.
const EPSILON: f32 = 1e-5;

/// Share of images that skip the last block in training.
const DEPTH: f64 = 0.2;

/// Side of a window in tokens.
const WINDOW: usize = 7;

/// Bias that masks the attention between tokens of different regions, as in torchvision.
const MASKED: f32 = -100.0;

/// Swin-T.
pub(super) fn swin_t(w: &mut Weights, classes: usize) -> std::result::Result<Layer, VisionError> {
    swin(w, classes, 96, &[(2, 3), (2, 6), (6, 12), (2, 24)])
}

/// A Swin Transformer; `width` are the channels of the first stage, `stages` the blocks and heads of each.
pub(super) fn swin(
    w: &mut Weights,
    classes: usize,
    mut width: usize,
    stages: &[(usize, usize)],
) -> std::result::Result<Layer, VisionError> {
    let mut layers = vec![
        w.conv("features.0.0", patches(3, width, 4), None)?,
        w.layer_norm("features.0.2", width, EPSILON)?,
    ];
    // Stochastic depth increases from block to block.
    let total = stages.iter().map(|(blocks, _)| blocks).sum::<usize>();
    let mut before = 0;
    for (stage, (blocks, heads)) in stages.iter().copied().enumerate() {
        if stage > 0 {
            layers.extend(merge(w, &format!("features.{}", 2 * stage), width)?);
            width *= 2;
        }
        for block in 0..blocks {
            let name = format!("features.{}.{block}", 2 * stage + 1);
            let shift = if block % 2 == 0 { 0 } else { WINDOW / 2 };
            let norm = w.layer_norm(&format!("{name}.norm1"), width, EPSILON)?;
            let windows = WindowAttention::new(w, &format!("{name}.attn"), width, heads, shift)?;
            let drop = DEPTH * before as f64 / (total - 1).max(1) as f64;
            layers.push(residual(w, vec![norm, Layer::Custom(Box::new(windows))], drop));
            let (norm, mlp) = (format!("{name}.norm2"), format!("{name}.mlp"));
            layers.push(perceptron(w, &norm, &mlp, width, EPSILON, drop)?);
            before += 1;
        }
    }
    layers.extend([
        w.layer_norm("norm", width, EPSILON)?,
        Layer::GlobalAvgPool,
        w.linear("head", width, classes, None)?,
    ]);
    Ok(Layer::Sequence(layers))
}

/// Merges 2×2 tokens into one that is twice as wide.
fn merge(
    w: &mut Weights,
    name: &str,
    width: usize,
) -> std::result::Result<[Layer; 3], VisionError> {
    let bound = (6.0 / (4 * width) as f32).sqrt();
    let weight =
        w.trained(&format!("{name}.reduction.weight"), &[2 * width, 4 * width], 0.0, bound)?;
    let norm = w.layer_norm(&format!("{name}.norm"), 4 * width, EPSILON)?;
    let reduction = if w.trains() {
        trained_linear(weight, Option::None, Option::None, None)
    } else {
        let bias = Tensor::zeros(2 * width, weight.dtype(), &Device::Cpu)?;
        Layer::Linear(linear(&weight, &bias, None)?)
    };
    Ok([Layer::Custom(Box::new(MergeNeighbors)), norm, reduction])
}

/// The channels of 2×2 neighboring tokens side by side, columns outermost, with zeros beyond an odd edge.
struct MergeNeighbors;

impl CustomLayer for MergeNeighbors {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        let x = pad(x, h % 2, w % 2)?;
        let (rows, columns) = (h.div_ceil(2), w.div_ceil(2));
        x.reshape(&[n, rows, 2, columns, 2, c])?
            .permute(vec![0, 1, 3, 4, 2, 5])?
            .contiguous()?
            .reshape((n, rows, columns, 4 * c))
    }

    fn forward_t(&self, x: &Tensor, _: Mode) -> Result<Tensor> {
        features_last(x, |x| self.forward(x))
    }

    fn forward_on_device(
        &self,
        pass: &ForwardPass<'_>,
        x: DeviceTensor,
    ) -> std::result::Result<DeviceTensor, VisionError> {
        let [n, h, w, c] = x.sizes()?;
        let (rows, columns) = (h.div_ceil(2), w.div_ceil(2));
        let index = |i: usize| {
            let (part, column, row) = (i % 4, i / 4 % columns, i / 4 / columns % rows);
            let (y, z) = (2 * row + part % 2, 2 * column + part / 2);
            let image = i / 4 / columns / rows;
            if y < h && z < w { ((image * h + y) * w + z) as i32 } else { -1 }
        };
        // The layer has no address, because its type has no size. The indices depend on these sizes only.
        let part = (n << 16 | h) << 16 | w;
        let indices = || (0..n * rows * columns * 4).map(index).collect();
        pass.gather(&x, &[n, rows, columns, 4 * c], NEIGHBORS, part, indices)
    }

    fn describe(&self, _: &Tensor) -> (&'static str, LayerKind, f64) {
        ("2×2 neighbors side by side", LayerKind::Other, 0.0)
    }
}

/// Adds rows and columns of zeros at the bottom and at the right.
fn pad(x: &Tensor, rows: usize, columns: usize) -> Result<Tensor> {
    let x = if rows > 0 { x.pad_with_zeros(1, 0, rows)? } else { x.clone() };
    if columns > 0 { x.pad_with_zeros(2, 0, columns) } else { Ok(x) }
}

/// Attention within windows of an image.
struct WindowAttention {
    attention: Attention,
    bias: Bias,
    shift: usize,
}

/// Bias of each pair of tokens by their relative position.
enum Bias {
    /// `[1][heads][49][49]`
    Pairs(Tensor),
    /// A table `[169][heads]` that is trained, with the row of each pair.
    Table(Tensor, Tensor),
}

impl Bias {
    /// The bias of each pair, `[1][heads][49][49]`.
    fn pairs(&self) -> Result<Tensor> {
        let (table, index) = match self {
            Self::Pairs(pairs) => return Ok(pairs.clone()),
            Self::Table(table, index) => (table, index),
        };
        let (heads, tokens) = (table.dim(1)?, WINDOW * WINDOW);
        let bias = table.index_select(index, 0)?.t()?.contiguous()?;
        bias.reshape((1, heads, tokens, tokens))
    }
}

impl WindowAttention {
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
        let index = Tensor::from_vec(index, tokens * tokens, table.device())?;
        let table = Bias::Table(table, index);
        let bias = if w.trains() { table } else { Bias::Pairs(table.pairs()?) };
        Ok(Self { attention, bias, shift })
    }

    /// The bias of every window, `[windows][heads][49][49]`. It masks pairs of tokens that the shift has
    /// brought together from different parts of the image.
    fn masked(&self, rows: usize, columns: usize, shifts: [usize; 2]) -> Result<Tensor> {
        // The region of a token along an axis: 0 before the last window; within the last window, 1 for
        // tokens that the shift did not wrap around and 2 for those that it did.
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
                        regions.iter().map(move |b| if a == b { 0.0 } else { MASKED })
                    }),
                );
            }
        }
        let windows = rows * columns / tokens;
        let bias = self.bias.pairs()?;
        Tensor::from_vec(mask, (windows, 1, tokens, tokens), bias.device())?.broadcast_add(&bias)
    }

    /// Attention within the windows of images `[n][h][w][c]`.
    fn windows(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let (n, h, w, c) = x.dims4()?;
        let (rows, columns) = (h.next_multiple_of(WINDOW), w.next_multiple_of(WINDOW));
        // No shift along an axis that one window covers.
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
            self.attention.forward(&windows, Some(&self.bias.pairs()?), mode)?
        } else {
            let mask = self.masked(rows, columns, shifts)?;
            self.attention.forward(&windows, Some(&mask), mode)?
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
}

impl CustomLayer for WindowAttention {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.windows(x, Mode::default())
    }

    fn forward_t(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        features_last(x, |x| self.windows(x, mode))
    }

    fn forward_on_device(
        &self,
        pass: &ForwardPass<'_>,
        x: DeviceTensor,
    ) -> std::result::Result<DeviceTensor, VisionError> {
        let [n, h, w, c] = x.sizes()?;
        let (rows, columns) = (h.next_multiple_of(WINDOW), w.next_multiple_of(WINDOW));
        let along = |size: usize| if size > WINDOW { self.shift } else { 0 };
        let shifts = [along(rows), along(columns)];
        let (down, across, tokens) = (rows / WINDOW, columns / WINDOW, WINDOW * WINDOW);
        let owner = std::ptr::from_ref(self) as usize;
        let part = ((n << 16 | h) << 16 | w) << 2;
        // The pixel that a window's token comes from, and the token that becomes a pixel.
        let from = |i: usize| {
            let (token, window) = (i % tokens, i / tokens);
            let (image, top, left) =
                (window / across / down, window / across % down, window % across);
            let y = (top * WINDOW + token / WINDOW + shifts[0]) % rows;
            let z = (left * WINDOW + token % WINDOW + shifts[1]) % columns;
            if y < h && z < w { ((image * h + y) * w + z) as i32 } else { -1 }
        };
        let to = |i: usize| {
            let (image, y, z) = (i / w / h, i / w % h, i % w);
            let y = (y + rows - shifts[0]) % rows;
            let z = (z + columns - shifts[1]) % columns;
            let window = (image * down + y / WINDOW) * across + z / WINDOW;
            (window * tokens + y % WINDOW * WINDOW + z % WINDOW) as i32
        };
        let count = n * down * across;
        let indices = || (0..count * tokens).map(from).collect();
        let windows = pass.gather(&x, &[count, tokens, c], owner, part, indices)?;
        drop(x);
        let values = |tensor: &Tensor| Ok(tensor.flatten_all()?.to_vec1::<f32>()?);
        let bias = if shifts == [0, 0] {
            (pass.floats(owner, part | 1, || values(&self.bias.pairs()?))?, 1)
        } else {
            let masked = || values(&self.masked(rows, columns, shifts)?);
            (pass.floats(owner, part | 1, masked)?, down * across)
        };
        let mixed = self.attention.forward_on_device(pass, windows, Some(bias))?;
        let indices = || (0..n * h * w).map(to).collect();
        pass.gather(&mixed, &[n, h, w, c], owner, part | 2, indices)
    }

    fn weights(&self) -> usize {
        self.attention.weights()
    }

    fn describe(&self, x: &Tensor) -> (&'static str, LayerKind, f64) {
        let flops = x.dims4().map_or(0.0, |(n, h, w, _)| {
            let windows = n * h.div_ceil(WINDOW) * w.div_ceil(WINDOW);
            self.attention.flops(windows, WINDOW * WINDOW)
        });
        ("attention in windows", LayerKind::Attention, flops)
    }
}

/// Moves the first `by` rows or columns to the end.
fn roll(x: &Tensor, by: usize, axis: usize) -> Result<Tensor> {
    if by == 0 {
        return Ok(x.clone());
    }
    let size = x.dim(axis)?;
    Tensor::cat(&[x.narrow(axis, by, size - by)?, x.narrow(axis, 0, by)?], axis)
}
