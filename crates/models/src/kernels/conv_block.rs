//! 3×3 convolution, batch norm, ReLU and 2×2 max-pool as one operation.

use std::cell::RefCell;

use rayon::prelude::*;

use super::{
    LANES, Parts, TASKS,
    tile::{
        Affine, NormGradient, conv, gradient_sums, moments, pad, padded_len, pool, unpool,
        weight_gradient,
    },
};

/// Added to the variance in batch norm (PyTorch's default).
const EPSILON: f64 = 1e-5;
/// Weight of the newest batch in the running statistics (PyTorch's default).
const MOMENTUM: f32 = 0.1;

/// Running statistics of a batch norm. As in PyTorch, the variance is unbiased.
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

/// Values that the forward pass keeps for the backward pass.
#[derive(Default)]
struct Saved {
    /// Output of the convolution, `[N/16][co][h][w][16]`.
    raw: Vec<f32>,
    /// For each output, the input of batch norm that the max-pool chose.
    winners: Vec<f32>,
    /// Mean of the batch.
    mean: Vec<f64>,
    /// 1 / √(variance + ε).
    inverse: Vec<f64>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// A convolution block for input x `[⌈n/16⌉][ci][h][w][16]`, weight `[co][ci][3][3]` and affine `[2][co]`
/// (γ, β), with the buffers of its passes.
///
/// The convolution has no bias, because batch norm would subtract it again.
pub(crate) struct ConvBlock {
    dims: Dims,
    relu: bool,
    /// Whether the gradient of x is computed. The first block does not need it.
    needs_input_gradient: bool,
    /// Whether the last forward pass used the batch's statistics.
    training: bool,
    pub(crate) norm: BatchNorm,
    saved: Saved,
    /// Number of images in the batch. It need not be a multiple of 16.
    images: usize,
    /// `[⌈n/16⌉][co][h/2][w/2][16]`.
    pub(crate) out: Vec<f32>,
    /// Gradient of x.
    pub(crate) input_gradient: Vec<f32>,
    /// `[co][ci][3][3]`.
    pub(crate) weight_gradient: Vec<f32>,
    /// `[2][co]`.
    pub(crate) affine_gradient: Vec<f32>,
    /// Partial sums of each task.
    partial: [Partial; TASKS],
    /// Total of the tasks' sums.
    sums: Vec<f64>,
    /// The weights as `[ci][9][co]`.
    packed: Vec<f32>,
    /// The weights rotated by 180°, as `[co][9][ci]`.
    turned: Vec<f32>,
    /// Batch norm's gradient: the factors of the output's gradient and of the input, and a constant.
    back: [Vec<f32>; 3],
}

impl ConvBlock {
    /// A block for images `[ci][h][w]`, where h and w are at least 2.
    pub(crate) fn new(dims: Dims, relu: bool, needs_input_gradient: bool) -> Self {
        Self {
            dims,
            relu,
            needs_input_gradient,
            training: true,
            norm: BatchNorm::new(dims.cout),
            saved: Saved::default(),
            images: 0,
            out: Vec::new(),
            input_gradient: Vec::new(),
            weight_gradient: Vec::new(),
            affine_gradient: Vec::new(),
            partial: Default::default(),
            sums: Vec::new(),
            packed: Vec::new(),
            turned: Vec::new(),
            back: Default::default(),
        }
    }

    /// Computes scale and shift of batch norm from the batch's moments, and updates the running statistics.
    fn normalize(&mut self, affine: &[f32]) {
        let n = (self.images * self.dims.h * self.dims.w) as f64;
        let channels = affine.len() / 2;
        total(&mut self.sums, 2 * channels, self.partial.iter().map(|partial| &partial.sums));
        let (norm, saved, sums) = (&mut self.norm, &mut self.saved, &self.sums);
        saved.mean.clear();
        saved.inverse.clear();
        for c in 0..channels {
            let mean = sums[2 * c] / n;
            let variance = (sums[2 * c + 1] / n - mean * mean).max(0.0);
            saved.mean.push(mean);
            saved.inverse.push(1.0 / (variance + EPSILON).sqrt());
            // A single value has no unbiased variance. PyTorch fails then; here the biased one is used.
            let unbiased = if n > 1.0 { variance * n / (n - 1.0) } else { variance };
            norm.mean[c] += MOMENTUM * (mean as f32 - norm.mean[c]);
            norm.variance[c] += MOMENTUM * (unbiased as f32 - norm.variance[c]);
        }
        set_affine(saved, affine);
    }
}

/// Computes `scale` and `shift`, so that batch norm is `scale · z + shift`, from γ, β, mean and inverse
/// deviation.
fn set_affine(saved: &mut Saved, affine: &[f32]) {
    let channels = affine.len() / 2;
    let scale = |c: usize| f64::from(affine[c]) * saved.inverse[c];
    let shift = |c: usize| f64::from(affine[channels + c]) - saved.mean[c] * scale(c);
    saved.scale.clear();
    saved.scale.extend((0..channels).map(|c| scale(c) as f32));
    saved.shift.clear();
    saved.shift.extend((0..channels).map(|c| shift(c) as f32));
}

/// Pixels over which the weight gradient accumulates before it sums the lanes of its registers. Small images
/// are therefore processed several blocks at a time.
const TOGETHER: usize = 256;
/// Floats that the blocks processed together may have: half of a core's second-level cache.
const NEAR: usize = 256 * 1024;

/// 1 for lanes of a block that hold an image, 0 for padding.
fn mask(images: usize, block: usize) -> [f32; LANES] {
    let filled = images.saturating_sub(block * LANES).min(LANES);
    std::array::from_fn(|lane| if lane < filled { 1.0 } else { 0.0 })
}

/// The range of blocks of a task.
fn blocks_of(task: usize, blocks: usize) -> std::ops::Range<usize> {
    let each = blocks.div_ceil(TASKS);
    (task * each).min(blocks)..((task + 1) * each).min(blocks)
}

/// A task's partial sums.
#[derive(Default)]
struct Partial {
    sums: Vec<f64>,
    weights: Vec<f32>,
}

thread_local! {
    /// Padded blocks of inputs and of gradients. The tasks of a thread share them, so that they stay in the
    /// cache.
    static PADDED: RefCell<[Vec<f32>; 2]> = const { RefCell::new([Vec::new(), Vec::new()]) };
}

/// Resizes a vector and fills it with zeros.
fn zeroed<T: Copy + Default>(values: &mut Vec<T>, len: usize) {
    values.clear();
    values.resize(len, T::default());
}

/// Adds the tasks' partial sums in order.
fn total<T: Copy + Default + std::ops::AddAssign>(
    to: &mut Vec<T>,
    len: usize,
    parts: impl Iterator<Item = impl AsRef<[T]>>,
) {
    zeroed(to, len);
    for part in parts {
        to.iter_mut().zip(part.as_ref()).for_each(|(sum, value)| *sum += *value);
    }
}

/// Passes over a batch. A training step makes all of them, a profile one at a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passes {
    /// The convolution; backward, the gradients of its input and of its weights.
    pub(crate) convolution: bool,
    /// The batch's moments; backward, the sums that batch norm's gradient needs.
    pub(crate) sums: bool,
    /// Batch norm's scale and shift, ReLU and max-pool, or their gradient.
    pub(crate) pool: bool,
}

impl Passes {
    pub(crate) const ALL: Self = Self { convolution: true, sums: true, pool: true };
}

/// Input channels, output channels, rows and columns of a convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dims {
    pub(crate) cin: usize,
    pub(crate) cout: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
}

impl Dims {
    /// Floats of one block of inputs, of outputs of the convolution, and of outputs of the pool.
    fn lens(&self) -> (usize, usize, usize) {
        let pixels = self.h * self.w * LANES;
        (self.cin * pixels, self.cout * pixels, self.cout * (self.h / 2) * (self.w / 2) * LANES)
    }
}

impl ConvBlock {
    pub(crate) fn dims(&self) -> Dims {
        self.dims
    }

    /// Switches the ReLU off or on.
    pub(crate) fn set_relu(&mut self, relu: bool) {
        self.relu = relu;
    }

    pub(crate) fn relu(&self) -> bool {
        self.relu
    }

    /// Computes `out`. In training, batch norm uses the batch's statistics and updates the running ones;
    /// otherwise it uses the running ones.
    pub(crate) fn forward(
        &mut self,
        x: &[f32],
        images: usize,
        weight: &[f32],
        affine: &[f32],
        training: bool,
    ) {
        self.images = images;
        self.training = training;
        let (_, raw, pooled) = self.dims.lens();
        let blocks = images.div_ceil(LANES);
        self.saved.raw.resize(blocks * raw, 0.0);
        self.saved.winners.resize(blocks * pooled, 0.0);
        self.out.resize(blocks * pooled, 0.0);
        self.convolve(x, weight, Passes { sums: training, ..Passes::ALL });
        if training {
            self.normalize(affine);
        } else {
            let (norm, saved) = (&self.norm, &mut self.saved);
            saved.mean = norm.mean.iter().map(|mean| f64::from(*mean)).collect();
            let inverse = |variance: &f32| 1.0 / (f64::from(*variance) + EPSILON).sqrt();
            saved.inverse = norm.variance.iter().map(inverse).collect();
            set_affine(saved, affine);
        }
        self.pool();
    }

    /// Computes the convolution's output and the sums that batch norm's moments are computed from.
    pub(crate) fn convolve(&mut self, x: &[f32], weight: &[f32], passes: Passes) {
        let Dims { cin, cout, h, w } = self.dims;
        let (input, raw, _) = self.dims.lens();
        let blocks = self.images.div_ceil(LANES);
        assert_eq!(x.len(), blocks * input, "{} images of {:?}", self.images, self.dims);
        // [co][ci][9] → [ci][9][co], so that the channels of a tile are adjacent.
        self.packed.resize(weight.len(), 0.0);
        for o in 0..cout {
            for i in 0..cin * 9 {
                self.packed[i * cout + o] = weight[o * cin * 9 + i];
            }
        }
        let packed = &self.packed;
        let raws = Parts(self.saved.raw.as_mut_ptr());
        self.partial.par_iter_mut().enumerate().for_each(|(task, partial)| {
            zeroed(&mut partial.sums, 2 * cout);
            PADDED.with_borrow_mut(|[padded, _]| {
                // The border is never written, so it stays zero.
                zeroed(padded, padded_len(cin, h, w));
                for block in blocks_of(task, blocks) {
                    // SAFETY: the block is inside the buffer, only this task uses it, and the shapes are
                    // those of `Dims`.
                    unsafe {
                        let to = raws.at(block * raw);
                        if passes.convolution {
                            pad(&x[block * input..(block + 1) * input], cin, h, w, padded);
                            conv(padded.as_ptr(), cin, h, w, packed.as_ptr(), cout, to);
                        }
                        if passes.sums {
                            moments(to, cout, h * w, partial.sums.as_mut_ptr());
                        }
                    }
                }
            });
        });
    }

    /// Applies batch norm's scale and shift, ReLU and max-pool to the convolution's output.
    pub(crate) fn pool(&mut self) {
        let Dims { cout, h, w, .. } = self.dims;
        let (_, raw, pooled) = self.dims.lens();
        let images = self.images;
        let blocks = images.div_ceil(LANES);
        let saved = &mut self.saved;
        let (winners, outs) = (Parts(saved.winners.as_mut_ptr()), Parts(self.out.as_mut_ptr()));
        let norm = Affine { scale: &saved.scale, shift: &saved.shift, relu: self.relu };
        let raws = &saved.raw;
        (0..TASKS).into_par_iter().for_each(|task| {
            for block in blocks_of(task, blocks) {
                let mask = mask(images, block);
                // SAFETY: as above; winners and outs have `pooled` floats per block.
                unsafe {
                    let (winners, out) = (winners.at(block * pooled), outs.at(block * pooled));
                    let raw = raws.as_ptr().add(block * raw);
                    pool(raw, cout, h, w, norm, mask.as_ptr(), winners, out);
                }
            }
        });
    }

    /// Computes all gradients from that of the output, with the x and the weight of the last forward pass.
    pub(crate) fn backward(&mut self, x: &[f32], g: &[f32], weight: &[f32]) {
        self.backward_sums(g);
        self.backward_passes(x, g, weight, Passes::ALL);
    }

    /// Computes the gradients of γ and β, and the factors of batch norm's gradient.
    pub(crate) fn backward_sums(&mut self, g: &[f32]) {
        let Dims { cout, h, w, .. } = self.dims;
        let (_, _, pooled) = self.dims.lens();
        let blocks = self.images.div_ceil(LANES);
        assert_eq!(g.len(), blocks * pooled, "{} images of {:?}", self.images, self.dims);
        let saved = &self.saved;
        let norm = Affine { scale: &saved.scale, shift: &saved.shift, relu: self.relu };
        self.partial.par_iter_mut().enumerate().for_each(|(task, partial)| {
            zeroed(&mut partial.sums, 2 * cout);
            for block in blocks_of(task, blocks) {
                let (from, to) = (block * pooled, (block + 1) * pooled);
                let (winners, g) = (&saved.winners[from..to], &g[from..to]);
                let pixels = (h / 2) * (w / 2);
                // SAFETY: the slices have the shape [cout][pixels][16], the sums [cout][2].
                unsafe {
                    let sums = partial.sums.as_mut_ptr();
                    gradient_sums(winners.as_ptr(), g.as_ptr(), cout, pixels, norm, sums);
                }
            }
        });
        total(&mut self.sums, 2 * cout, self.partial.iter().map(|partial| &partial.sums));
        // Batch norm's gradient (Ioffe and Szegedy 2015, section 3): with x̂ = (z − m)·i,
        // dγ = Σ g x̂, dβ = Σ g, dz = γ·i·(g − dβ/n − x̂·dγ/n), which is affine in z.
        let n = (self.images * h * w) as f64;
        self.affine_gradient.resize(2 * cout, 0.0);
        self.back.iter_mut().for_each(|factors| factors.resize(cout, 0.0));
        let [direct, linear, constant] = &mut self.back;
        for c in 0..cout {
            let (mean, inverse) = (saved.mean[c], saved.inverse[c]);
            let d_beta = self.sums[2 * c];
            let d_gamma = (self.sums[2 * c + 1] - mean * d_beta) * inverse;
            self.affine_gradient[c] = d_gamma as f32;
            self.affine_gradient[cout + c] = d_beta as f32;
            let scale = f64::from(saved.scale[c]);
            direct[c] = scale as f32;
            if !self.training {
                // Running statistics do not depend on z.
                (linear[c], constant[c]) = (0.0, 0.0);
                continue;
            }
            linear[c] = (-scale * d_gamma / n * inverse) as f32;
            constant[c] = (-scale * d_beta / n + scale * d_gamma / n * inverse * mean) as f32;
        }
    }

    /// Computes the gradients of the convolution's output, of its input and of its weights.
    pub(crate) fn backward_passes(&mut self, x: &[f32], g: &[f32], weight: &[f32], passes: Passes) {
        let Dims { cin, cout, h, w } = self.dims;
        let (input, raw, pooled) = self.dims.lens();
        let images = self.images;
        let blocks = images.div_ceil(LANES);
        let saved = &self.saved;
        let norm = Affine { scale: &saved.scale, shift: &saved.shift, relu: self.relu };
        let [direct, linear, constant] = &self.back;
        let back = NormGradient { direct, linear, constant };
        // The input's gradient is a convolution with the weights rotated by 180°: [co][9][ci].
        let needs_input_gradient = self.needs_input_gradient;
        if needs_input_gradient {
            self.turned.resize(weight.len(), 0.0);
            for o in 0..cout {
                for i in 0..cin {
                    for tap in 0..9 {
                        self.turned[(o * 9 + 8 - tap) * cin + i] = weight[(o * cin + i) * 9 + tap];
                    }
                }
            }
            self.input_gradient.resize(blocks * input, 0.0);
        }
        let turned = &self.turned;
        let dxs = Parts(self.input_gradient.as_mut_ptr());
        let (image, gradient) = (padded_len(cin, h, w), padded_len(cout, h, w));
        let together = TOGETHER.div_ceil(h * w).min(NEAR / (image + gradient)).max(1);
        self.partial.par_iter_mut().enumerate().for_each(|(task, partial)| {
            zeroed(&mut partial.weights, cout * cin * 9);
            let blocks = blocks_of(task, blocks);
            let together = together.min(blocks.len());
            PADDED.with_borrow_mut(|[inputs, gradients]| {
                // The borders stay zero, as above.
                zeroed(inputs, together * image);
                zeroed(gradients, together * gradient);
                for first in blocks.clone().step_by(together.max(1)) {
                    let many = first..(first + together).min(blocks.end);
                    for (at, block) in many.clone().enumerate() {
                        let to = gradients[at * gradient..(at + 1) * gradient].as_mut_ptr();
                        if passes.pool {
                            let raw = &saved.raw[block * raw..(block + 1) * raw];
                            let range = block * pooled..(block + 1) * pooled;
                            let (winners, g) = (&saved.winners[range.clone()], &g[range]);
                            let (raw, winners, g) = (raw.as_ptr(), winners.as_ptr(), g.as_ptr());
                            let mask = mask(images, block);
                            // SAFETY: the shapes are those of `Dims`.
                            unsafe {
                                unpool(raw, winners, g, cout, h, w, norm, back, mask.as_ptr(), to);
                            }
                        }
                        if passes.convolution && needs_input_gradient {
                            // SAFETY: the shapes are those of `Dims`; only this task writes the block of dx.
                            unsafe {
                                conv(to, cout, h, w, turned.as_ptr(), cin, dxs.at(block * input));
                            }
                        }
                    }
                    if passes.convolution {
                        for (at, block) in many.clone().enumerate() {
                            let to = &mut inputs[at * image..(at + 1) * image];
                            pad(&x[block * input..(block + 1) * input], cin, h, w, to);
                        }
                        let (inputs, gradients) = (inputs.as_ptr(), gradients.as_ptr());
                        let to = partial.weights.as_mut_ptr();
                        // SAFETY: both have `many.len()` blocks of the shapes of `Dims`.
                        unsafe {
                            weight_gradient(many.len(), inputs, cin, h, w, gradients, cout, to);
                        }
                    }
                }
            });
        });
        let parts = self.partial.iter().map(|partial| &partial.weights);
        total(&mut self.weight_gradient, cout * cin * 9, parts);
    }
}
