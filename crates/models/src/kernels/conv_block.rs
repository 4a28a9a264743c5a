//! 3×3 convolution, batch norm, ReLU and 2×2 max-pool as one operation.

use rayon::prelude::*;

use super::{
    LANES, Parts, TASKS,
    tile::{
        Affine, NormGradient, conv, gradient_sums, moments, pad, padded_len, pool, unpool,
        weight_gradient,
    },
};

/// Added to the variance (PyTorch's default).
const EPSILON: f64 = 1e-5;
/// Weight of the newest batch in the running statistics (PyTorch's default).
const MOMENTUM: f32 = 0.1;

/// Running statistics of a batch norm, as PyTorch keeps them: the variance is the unbiased one.
#[derive(Clone, Debug)]
pub(crate) struct BatchNorm {
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
}

impl BatchNorm {
    pub(crate) fn new(channels: usize) -> Self {
        Self { mean: vec![0.0; channels], variance: vec![1.0; channels] }
    }
}

/// What the forward pass keeps for the backward pass; reused from step to step.
#[derive(Default)]
struct Saved {
    /// Output of the convolution, `[N/16][co][h][w][16]`.
    raw: Vec<f32>,
    /// The value before batch norm of each pool's winner.
    winners: Vec<f32>,
    /// Of the batch, in double precision.
    mean: Vec<f64>,
    /// 1 / √(variance + ε).
    inverse: Vec<f64>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// The operation on x `[⌈n/16⌉][ci][h][w][16]`, weight `[co][ci][3][3]` and affine `[2][co]` (γ, β),
/// with the buffers of its passes, kept from step to step.
///
/// The convolution's bias is left out: batch norm takes it off again.
pub(crate) struct ConvBlock {
    dims: Dims,
    relu: bool,
    /// Whether somebody needs the gradient of x (the first block's is nobody's).
    needs_input_gradient: bool,
    pub(crate) norm: BatchNorm,
    saved: Saved,
    /// Images in the batch, which may fill the last block in part.
    images: usize,
    /// `[⌈n/16⌉][co][h/2][w/2][16]`.
    pub(crate) out: Vec<f32>,
    /// The gradient of x.
    pub(crate) input_gradient: Vec<f32>,
    /// `[co][ci][3][3]`.
    pub(crate) weight_gradient: Vec<f32>,
    /// `[2][co]`.
    pub(crate) affine_gradient: Vec<f32>,
}

impl ConvBlock {
    /// For images `[ci][h][w]`, h and w at least 2.
    pub(crate) fn new(dims: Dims, relu: bool, needs_input_gradient: bool) -> Self {
        Self {
            dims,
            relu,
            needs_input_gradient,
            norm: BatchNorm::new(dims.cout),
            saved: Saved::default(),
            images: 0,
            out: Vec::new(),
            input_gradient: Vec::new(),
            weight_gradient: Vec::new(),
            affine_gradient: Vec::new(),
        }
    }

    /// Scale and shift of batch norm from the batch's moments; updates the running statistics.
    fn normalize(&mut self, sums: &[f64], affine: &[f32], pixels: usize) {
        let n = (self.images * pixels) as f64;
        let channels = affine.len() / 2;
        let (norm, saved) = (&mut self.norm, &mut self.saved);
        saved.mean.clear();
        saved.inverse.clear();
        for c in 0..channels {
            let mean = sums[2 * c] / n;
            let variance = (sums[2 * c + 1] / n - mean * mean).max(0.0);
            saved.mean.push(mean);
            saved.inverse.push(1.0 / (variance + EPSILON).sqrt());
            // One value has no unbiased variance; PyTorch refuses it, the biased one serves here.
            let unbiased = if n > 1.0 { variance * n / (n - 1.0) } else { variance };
            norm.mean[c] += MOMENTUM * (mean as f32 - norm.mean[c]);
            norm.variance[c] += MOMENTUM * (unbiased as f32 - norm.variance[c]);
        }
        set_affine(saved, affine);
    }
}

/// `y = scale · z + shift` from γ, β, mean and inverse deviation.
fn set_affine(saved: &mut Saved, affine: &[f32]) {
    let channels = affine.len() / 2;
    let scale = |c: usize| f64::from(affine[c]) * saved.inverse[c];
    saved.scale = (0..channels).map(|c| scale(c) as f32).collect();
    saved.shift = (0..channels)
        .map(|c| (f64::from(affine[channels + c]) - saved.mean[c] * scale(c)) as f32)
        .collect();
}

/// Which lanes of a block hold images.
fn mask(images: usize, block: usize) -> [f32; LANES] {
    let filled = images.saturating_sub(block * LANES).min(LANES);
    std::array::from_fn(|lane| if lane < filled { 1.0 } else { 0.0 })
}

/// The blocks of a task.
fn blocks_of(task: usize, blocks: usize) -> std::ops::Range<usize> {
    let each = blocks.div_ceil(TASKS);
    (task * each).min(blocks)..((task + 1) * each).min(blocks)
}

/// Runs the tasks and adds their partial sums in order.
fn sum_tasks<T: Copy + Send + std::ops::AddAssign + Default>(
    len: usize,
    work: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    let parts: Vec<Vec<T>> = (0..TASKS)
        .into_par_iter()
        .map(|task| {
            let mut sums = vec![T::default(); len];
            work(task, &mut sums);
            sums
        })
        .collect();
    let mut total = vec![T::default(); len];
    for part in parts {
        total.iter_mut().zip(part).for_each(|(sum, it)| *sum += it);
    }
    total
}

/// Channels in and out, rows and columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dims {
    pub(crate) cin: usize,
    pub(crate) cout: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
}

impl Dims {
    /// Floats of one block of inputs, of the convolution's outputs, of the pool's.
    fn lens(&self) -> (usize, usize, usize) {
        let pixels = self.h * self.w * LANES;
        (self.cin * pixels, self.cout * pixels, self.cout * (self.h / 2) * (self.w / 2) * LANES)
    }
}

impl ConvBlock {
    /// The output, to `out`; in training by the batch's statistics, which update the running ones,
    /// otherwise by the running ones.
    pub(crate) fn forward(
        &mut self,
        x: &[f32],
        images: usize,
        weight: &[f32],
        affine: &[f32],
        training: bool,
    ) {
        let Dims { cin, cout, h, w } = self.dims;
        let (input, raw, pooled) = self.dims.lens();
        self.images = images;
        let blocks = images.div_ceil(LANES);
        assert_eq!(x.len(), blocks * input, "{images} images of {:?}", self.dims);
        // [co][ci][9] → [ci][9][co], so that the channels of a tile lie side by side.
        let mut packed = vec![0.0; weight.len()];
        for o in 0..cout {
            for i in 0..cin * 9 {
                packed[i * cout + o] = weight[o * cin * 9 + i];
            }
        }
        self.saved.raw.resize(blocks * raw, 0.0);
        self.saved.winners.resize(blocks * pooled, 0.0);
        let raws = Parts(self.saved.raw.as_mut_ptr());
        let sums = sum_tasks(2 * cout, |task, sums: &mut [f64]| {
            let mut padded = vec![0.0; padded_len(cin, h, w)];
            for block in blocks_of(task, blocks) {
                pad(&x[block * input..(block + 1) * input], cin, h, w, &mut padded);
                // SAFETY: the block lies in the buffer and is this task's; shapes as `Dims` says.
                unsafe {
                    let to = raws.at(block * raw);
                    conv(padded.as_ptr(), cin, h, w, packed.as_ptr(), cout, to);
                    if training {
                        moments(to, cout, h * w, sums.as_mut_ptr());
                    }
                }
            }
        });
        if training {
            self.normalize(&sums, affine, h * w);
        } else {
            let (norm, saved) = (&self.norm, &mut self.saved);
            saved.mean = norm.mean.iter().map(|it| f64::from(*it)).collect();
            saved.inverse =
                norm.variance.iter().map(|it| 1.0 / (f64::from(*it) + EPSILON).sqrt()).collect();
            set_affine(saved, affine);
        }
        self.out.resize(blocks * pooled, 0.0);
        let saved = &mut self.saved;
        let (winners, outs) = (Parts(saved.winners.as_mut_ptr()), Parts(self.out.as_mut_ptr()));
        let norm = Affine { scale: &saved.scale, shift: &saved.shift, relu: self.relu };
        (0..TASKS).into_par_iter().for_each(|task| {
            for block in blocks_of(task, blocks) {
                let mask = mask(images, block);
                // SAFETY: as above; winners and outs have `pooled` floats a block.
                unsafe {
                    let (winners, out) = (winners.at(block * pooled), outs.at(block * pooled));
                    pool(raws.at(block * raw), cout, h, w, norm, mask.as_ptr(), winners, out);
                }
            }
        });
    }

    /// All gradients, given that of the output, for the x and the weight of the last forward pass.
    pub(crate) fn backward(&mut self, x: &[f32], g: &[f32], weight: &[f32]) {
        let Dims { cin, cout, h, w } = self.dims;
        let (input, raw, pooled) = self.dims.lens();
        let images = self.images;
        let blocks = images.div_ceil(LANES);
        assert_eq!(g.len(), blocks * pooled, "{images} images of {:?}", self.dims);
        let saved = &self.saved;
        let norm = Affine { scale: &saved.scale, shift: &saved.shift, relu: self.relu };
        let sums = sum_tasks(2 * cout, |task, sums: &mut [f64]| {
            for block in blocks_of(task, blocks) {
                let (from, to) = (block * pooled, (block + 1) * pooled);
                let (winners, g) = (&saved.winners[from..to], &g[from..to]);
                let pixels = (h / 2) * (w / 2);
                // SAFETY: slices of [cout][pixels][16]; sums holds [cout][2].
                unsafe {
                    let sums = sums.as_mut_ptr();
                    gradient_sums(winners.as_ptr(), g.as_ptr(), cout, pixels, norm, sums);
                }
            }
        });
        // Batch norm's gradient (Ioffe and Szegedy 2015, section 3): with x̂ = (z − m)·i,
        // dγ = Σ g x̂, dβ = Σ g, dz = γ·i·(g − dβ/n − x̂·dγ/n), which is affine in z.
        let n = (images * h * w) as f64;
        self.affine_gradient.resize(2 * cout, 0.0);
        let [mut direct, mut linear, mut constant] = [(); 3].map(|()| Vec::with_capacity(cout));
        for c in 0..cout {
            let (mean, inverse) = (saved.mean[c], saved.inverse[c]);
            let d_beta = sums[2 * c];
            let d_gamma = (sums[2 * c + 1] - mean * d_beta) * inverse;
            self.affine_gradient[c] = d_gamma as f32;
            self.affine_gradient[cout + c] = d_beta as f32;
            let scale = f64::from(saved.scale[c]);
            direct.push(scale as f32);
            linear.push((-scale * d_gamma / n * inverse) as f32);
            constant.push((-scale * d_beta / n + scale * d_gamma / n * inverse * mean) as f32);
        }
        let back = NormGradient { direct: &direct, linear: &linear, constant: &constant };
        // The input's gradient is a convolution with the weights turned around: [co][9][ci].
        let needs_input_gradient = self.needs_input_gradient;
        let mut turned = vec![0.0; if needs_input_gradient { weight.len() } else { 0 }];
        if needs_input_gradient {
            for o in 0..cout {
                for i in 0..cin {
                    for tap in 0..9 {
                        turned[(o * 9 + 8 - tap) * cin + i] = weight[(o * cin + i) * 9 + tap];
                    }
                }
            }
            self.input_gradient.resize(blocks * input, 0.0);
        }
        let dxs = Parts(self.input_gradient.as_mut_ptr());
        self.weight_gradient = sum_tasks(cout * cin * 9, |task, dw: &mut [f32]| {
            let mut padded = vec![0.0; padded_len(cin, h, w)];
            let mut gradients = vec![0.0; padded_len(cout, h, w)];
            for block in blocks_of(task, blocks) {
                pad(&x[block * input..(block + 1) * input], cin, h, w, &mut padded);
                let raw = &saved.raw[block * raw..(block + 1) * raw];
                let range = block * pooled..(block + 1) * pooled;
                let (winners, g) = (&saved.winners[range.clone()], &g[range]);
                let (raw, winners, g) = (raw.as_ptr(), winners.as_ptr(), g.as_ptr());
                let mask = mask(images, block);
                // SAFETY: shapes as `Dims` says; the block of dx is this task's.
                unsafe {
                    let to = gradients.as_mut_ptr();
                    unpool(raw, winners, g, cout, h, w, norm, back, mask.as_ptr(), to);
                    if needs_input_gradient {
                        conv(to, cout, h, w, turned.as_ptr(), cin, dxs.at(block * input));
                    }
                    weight_gradient(padded.as_ptr(), cin, h, w, to, cout, dw.as_mut_ptr());
                }
            }
        });
    }
}
