//! Multi-head attention (Vaswani et al. 2017), head by head. The scores of a few queries at a time stay in a
//! core's caches.
//!
//! The tests compare it with candle's matrix products and softmax.

use std::cell::RefCell;

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::rows::softmax;
use crate::kernels::{
    Parts, cpu_storage, floats,
    panel::{Ahead, MOST, PANEL, Tile, compute},
};

/// Computes `softmax(queries · keysᵀ + bias) · values`, `[rows][tokens][width]`, for rows
/// `[rows][tokens][3·width]`. The last axis contains queries, keys and values, each of them head by head.
pub(crate) struct Attend<'a> {
    pub(crate) heads: usize,
    /// `[b][heads][tokens][tokens]`; row i uses the one at i modulo b.
    pub(crate) bias: Option<&'a Tensor>,
}

thread_local! {
    static BUFFERS: RefCell<Buffers> = const {
        RefCell::new(Buffers { keys: Vec::new(), values: Vec::new(), scores: Vec::new() })
    };
}

/// The packed keys and values of a head, and the scores of a tile.
struct Buffers {
    /// `[panels of tokens][head][32]`.
    keys: Vec<f32>,
    /// `[panels of the head][tokens][32]`.
    values: Vec<f32>,
    /// Scores before and after softmax, `[2][14][tokens, rounded up to a whole panel]`.
    scores: Vec<f32>,
}

/// The input of attention and its sizes.
#[derive(Clone, Copy)]
struct Rows<'a> {
    from: &'a [f32],
    tokens: usize,
    /// Channels of all heads.
    width: usize,
    /// Channels of one head.
    head: usize,
}

impl Attend<'_> {
    fn run(&self, from: &[f32], dims: (usize, usize, usize)) -> Result<(CpuStorage, Shape)> {
        let (rows, tokens, wide) = dims;
        let width = wide / 3;
        if self.heads == 0 || wide % (3 * self.heads) != 0 {
            bail!("{wide} channels cannot be divided into 3 parts of {} heads", self.heads);
        }
        let kept = self.bias.map(Tensor::storage_and_layout);
        let bias = match &kept {
            Some((storage, layout)) => {
                let (count, heads, a, b) = layout.shape().dims4()?;
                if count == 0 || (heads, a, b) != (self.heads, tokens, tokens) {
                    bail!(
                        "expected a bias for {} heads and {tokens} tokens, got {layout:?}",
                        self.heads
                    );
                }
                Some((floats(cpu_storage(storage)?, layout)?, count))
            }
            None => None,
        };
        let mut out = vec![0.0_f32; rows * tokens * width];
        if out.is_empty() {
            return Ok((CpuStorage::F32(out), Shape::from((rows, tokens, width))));
        }
        let parts = Parts(out.as_mut_ptr());
        let all = Rows { from, tokens, width, head: width / self.heads };
        (0..rows * self.heads).into_par_iter().for_each(|task| {
            let (row, head) = (task / self.heads, task % self.heads);
            let bias = bias.map(|(values, count)| {
                &values[((row % count) * self.heads + head) * tokens * tokens..][..tokens * tokens]
            });
            BUFFERS.with_borrow_mut(|buffers| all.head(row, head, bias, parts, buffers));
        });
        Ok((CpuStorage::F32(out), Shape::from((rows, tokens, width))))
    }
}

impl Rows<'_> {
    /// Computes one head of one row.
    fn head(
        &self,
        row: usize,
        head: usize,
        bias: Option<&[f32]>,
        out: Parts,
        buffers: &mut Buffers,
    ) {
        let Self { from, tokens, width, head: len } = *self;
        let wide = 3 * width;
        let queries = &from[row * tokens * wide + head * len..];
        let panels = tokens.div_ceil(PANEL);
        let pitch = panels * PANEL;
        let Buffers { keys, values, scores } = buffers;
        keys.resize(panels * len * PANEL, 0.0);
        values.resize(len.div_ceil(PANEL) * tokens * PANEL, 0.0);
        scores.resize(2 * MOST * pitch, 0.0);
        for token in 0..tokens {
            let of = |part: usize| &queries[token * wide + part * width..][..len];
            let keys = &mut keys[token / PANEL * len * PANEL + token % PANEL..];
            keys.iter_mut().step_by(PANEL).zip(of(1)).for_each(|(to, key)| *to = *key);
            for (panel, channels) in of(2).chunks(PANEL).enumerate() {
                values[(panel * tokens + token) * PANEL..][..channels.len()]
                    .copy_from_slice(channels);
            }
        }
        let zeros = [0.0_f32; PANEL];
        let (before, after) = scores.split_at_mut(MOST * pitch);
        let mut first = 0;
        for left in (1..=tokens.div_ceil(MOST)).rev() {
            // Divide evenly, because a low last tile would waste registers.
            let count = (tokens - first).div_ceil(left);
            for panel in 0..panels {
                let tile = Tile {
                    from: queries[first * wide..].as_ptr(),
                    step: wide,
                    packed: false,
                    segments: &[0],
                    run: len,
                    weights: keys[panel * len * PANEL..].as_ptr(),
                    bias: zeros.as_ptr(),
                    residual: bias.map_or(std::ptr::null(), |bias| {
                        bias[first * tokens + panel * PANEL..].as_ptr()
                    }),
                    residual_pitch: tokens,
                    to: before[panel * PANEL..].as_mut_ptr(),
                    pitch,
                    channels: (tokens - panel * PANEL).min(PANEL),
                    bounds: (f32::NEG_INFINITY, f32::INFINITY),
                    ahead: Ahead::NOTHING,
                };
                // SAFETY: the tile's tokens are inside the row, the keys are packed, and `before` has 14
                // rows.
                unsafe { compute(&tile, count) };
            }
            for (to, from) in after.chunks_mut(pitch).zip(before.chunks(pitch)).take(count) {
                // SAFETY: both have at least `tokens` floats.
                unsafe { softmax(to.as_mut_ptr(), from.as_ptr(), tokens) };
            }
            for (panel, channel) in (0..len).step_by(PANEL).enumerate() {
                let tile = Tile {
                    from: after.as_ptr(),
                    step: pitch,
                    packed: false,
                    segments: &[0],
                    run: tokens,
                    weights: values[panel * tokens * PANEL..].as_ptr(),
                    bias: zeros.as_ptr(),
                    residual: std::ptr::null(),
                    residual_pitch: 0,
                    // SAFETY: only this task writes this head's channels of these tokens.
                    to: unsafe { out.at((row * tokens + first) * width + head * len + channel) },
                    pitch: width,
                    channels: (len - channel).min(PANEL),
                    bounds: (f32::NEG_INFINITY, f32::INFINITY),
                    ahead: Ahead::NOTHING,
                };
                // SAFETY: as above; the values of all tokens are packed.
                unsafe { compute(&tile, count) };
            }
            first += count;
        }
    }
}

impl CustomOp1 for Attend<'_> {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        self.run(floats(storage, layout)?, layout.shape().dims3()?)
    }
}
