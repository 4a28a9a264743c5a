//! 3×3 convolution, batch norm, ReLU and 2×2 max-pool as one operation.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::{
    LANES, TASKS, cpu_floats, floats,
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

/// The operation on `(x, weight, affine)`: x `[N/16][ci][h][w][16]`, weight `[co][ci][3][3]`,
/// affine `[2][co]` (γ, β); answers `[N/16][co][h/2][w/2][16]`.
///
/// The convolution's bias is left out: batch norm takes it off again.
#[derive(Clone)]
pub(crate) struct ConvBlock {
    relu: bool,
    /// Whether somebody needs the gradient of x (the first block's is nobody's).
    needs_input_gradient: bool,
    saved: Arc<Mutex<Saved>>,
    norm: Arc<Mutex<BatchNorm>>,
    /// Images in the batch, which may fill the last block in part.
    images: usize,
    training: bool,
}

impl ConvBlock {
    pub(crate) fn new(channels: usize, relu: bool, needs_input_gradient: bool) -> Self {
        Self {
            relu,
            needs_input_gradient,
            saved: Arc::default(),
            norm: Arc::new(Mutex::new(BatchNorm::new(channels))),
            images: 0,
            training: false,
        }
    }

    /// The operation for a batch of so many images; in training it uses and updates the batch's
    /// statistics, otherwise the running ones.
    pub(crate) fn on(&self, images: usize, training: bool) -> Self {
        Self { images, training, ..self.clone() }
    }

    /// The running statistics.
    pub(crate) fn norm(&self) -> BatchNorm {
        self.norm.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts other running statistics in place.
    pub(crate) fn set_norm(&self, norm: BatchNorm) {
        *self.norm.lock().unwrap_or_else(PoisonError::into_inner) = norm;
    }

    /// Which lanes of a block hold images.
    fn mask(&self, block: usize) -> [f32; LANES] {
        let filled = self.images.saturating_sub(block * LANES).min(LANES);
        std::array::from_fn(|lane| if lane < filled { 1.0 } else { 0.0 })
    }

    /// Scale and shift of batch norm from the batch's moments; updates the running statistics.
    fn normalize(&self, saved: &mut Saved, sums: &[f64], affine: &[f32], pixels: usize) {
        let n = (self.images * pixels) as f64;
        let channels = affine.len() / 2;
        let mut norm = self.norm.lock().unwrap_or_else(PoisonError::into_inner);
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

/// A buffer that tasks write disjoint parts of.
#[derive(Clone, Copy)]
struct Parts(*mut f32);

// SAFETY: each task writes its own blocks only.
unsafe impl Send for Parts {}
// SAFETY: as above.
unsafe impl Sync for Parts {}

impl Parts {
    /// The block that starts at that float.
    ///
    /// # Safety
    ///
    /// It lies in the buffer, and no other task touches it.
    unsafe fn at(&self, float: usize) -> *mut f32 {
        // SAFETY: the caller's.
        unsafe { self.0.add(float) }
    }
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

/// The shapes of an application.
#[derive(Clone, Copy)]
struct Dims {
    blocks: usize,
    cin: usize,
    cout: usize,
    h: usize,
    w: usize,
}

impl Dims {
    fn new(x: &[usize], weight: &[usize], affine: &[usize]) -> Result<Self> {
        match (x, weight, affine) {
            (&[blocks, cin, h, w, LANES], &[cout, inputs, 3, 3], &[2, channels])
                if inputs == cin && channels == cout && h >= 2 && w >= 2 =>
            {
                Ok(Self { blocks, cin, cout, h, w })
            }
            _ => bail!(
                "conv block expects x [b, ci, h, w, {LANES}] with h, w >= 2, weight [co, ci, 3, 3] and \
                 affine [2, co], got {x:?}, {weight:?} and {affine:?}"
            ),
        }
    }

    /// Floats of one block of inputs, of the convolution's outputs, of the pool's.
    fn lens(&self) -> (usize, usize, usize) {
        let pixels = self.h * self.w * LANES;
        (self.cin * pixels, self.cout * pixels, self.cout * (self.h / 2) * (self.w / 2) * LANES)
    }
}

impl CustomOp3 for ConvBlock {
    fn name(&self) -> &'static str {
        "conv-norm-relu-pool"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, affine) = (floats(s1, l1)?, floats(s2, l2)?, floats(s3, l3)?);
        let dims = Dims::new(l1.dims(), l2.dims(), l3.dims())?;
        let Dims { blocks, cin, cout, h, w } = dims;
        let (input, raw, pooled) = dims.lens();
        // [co][ci][9] → [ci][9][co], so that the channels of a tile lie side by side.
        let mut packed = vec![0.0; weight.len()];
        for o in 0..cout {
            for i in 0..cin * 9 {
                packed[i * cout + o] = weight[o * cin * 9 + i];
            }
        }
        let mut saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
        saved.raw.resize(blocks * raw, 0.0);
        saved.winners.resize(blocks * pooled, 0.0);
        let raws = Parts(saved.raw.as_mut_ptr());
        let sums = sum_tasks(2 * cout, |task, sums: &mut [f64]| {
            let mut padded = vec![0.0; padded_len(cin, h, w)];
            for block in blocks_of(task, blocks) {
                pad(&x[block * input..(block + 1) * input], cin, h, w, &mut padded);
                // SAFETY: block lies in the buffer and is this task's; shapes as `Dims` checked.
                unsafe {
                    let to = raws.at(block * raw);
                    conv(padded.as_ptr(), cin, h, w, packed.as_ptr(), cout, to);
                    if self.training {
                        moments(to, cout, h * w, sums.as_mut_ptr());
                    }
                }
            }
        });
        if self.training {
            self.normalize(&mut saved, &sums, affine, h * w);
        } else {
            let norm = self.norm();
            saved.mean = norm.mean.iter().map(|it| f64::from(*it)).collect();
            saved.inverse =
                norm.variance.iter().map(|it| 1.0 / (f64::from(*it) + EPSILON).sqrt()).collect();
            set_affine(&mut saved, affine);
        }
        let mut out = vec![0.0; blocks * pooled];
        let (winners, outs) = (Parts(saved.winners.as_mut_ptr()), Parts(out.as_mut_ptr()));
        let norm = Affine { scale: &saved.scale, shift: &saved.shift, relu: self.relu };
        (0..TASKS).into_par_iter().for_each(|task| {
            for block in blocks_of(task, blocks) {
                let mask = self.mask(block);
                // SAFETY: as above; winners and outs have `pooled` floats a block.
                unsafe {
                    let (winners, out) = (winners.at(block * pooled), outs.at(block * pooled));
                    pool(raws.at(block * raw), cout, h, w, norm, mask.as_ptr(), winners, out);
                }
            }
        });
        Ok((CpuStorage::F32(out), Shape::from((blocks, cout, h / 2, w / 2, LANES))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        affine: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dims = Dims::new(x.dims(), weight.dims(), affine.dims())?;
        let Dims { blocks, cin, cout, h, w } = dims;
        let (input, raw, pooled) = dims.lens();
        let device = x.device();
        let gradient = gradient.contiguous()?;
        let ((xs, xl), (ws, wl), (gs, gl)) =
            (x.storage_and_layout(), weight.storage_and_layout(), gradient.storage_and_layout());
        let (x, weight, g) = (cpu_floats(&xs, xl)?, cpu_floats(&ws, wl)?, cpu_floats(&gs, gl)?);
        let saved = self.saved.lock().unwrap_or_else(PoisonError::into_inner);
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
        let n = (self.images * h * w) as f64;
        let mut affine_gradient = vec![0.0_f32; 2 * cout];
        let [mut direct, mut linear, mut constant] = [(); 3].map(|()| Vec::with_capacity(cout));
        for c in 0..cout {
            let (mean, inverse) = (saved.mean[c], saved.inverse[c]);
            let d_beta = sums[2 * c];
            let d_gamma = (sums[2 * c + 1] - mean * d_beta) * inverse;
            affine_gradient[c] = d_gamma as f32;
            affine_gradient[cout + c] = d_beta as f32;
            let scale = f64::from(saved.scale[c]);
            direct.push(scale as f32);
            linear.push((-scale * d_gamma / n * inverse) as f32);
            constant.push((-scale * d_beta / n + scale * d_gamma / n * inverse * mean) as f32);
        }
        let back = NormGradient { direct: &direct, linear: &linear, constant: &constant };
        // The input's gradient is a convolution with the weights turned around: [co][9][ci].
        let mut turned = vec![0.0; if self.needs_input_gradient { weight.len() } else { 0 }];
        if self.needs_input_gradient {
            for o in 0..cout {
                for i in 0..cin {
                    for tap in 0..9 {
                        turned[(o * 9 + 8 - tap) * cin + i] = weight[(o * cin + i) * 9 + tap];
                    }
                }
            }
        }
        let mut dx = vec![0.0; if self.needs_input_gradient { blocks * input } else { 0 }];
        let dxs = Parts(dx.as_mut_ptr());
        let dw = sum_tasks(cout * cin * 9, |task, dw: &mut [f32]| {
            let mut images = vec![0.0; padded_len(cin, h, w)];
            let mut gradients = vec![0.0; padded_len(cout, h, w)];
            for block in blocks_of(task, blocks) {
                pad(&x[block * input..(block + 1) * input], cin, h, w, &mut images);
                let raw = &saved.raw[block * raw..(block + 1) * raw];
                let range = block * pooled..(block + 1) * pooled;
                let (winners, g) = (&saved.winners[range.clone()], &g[range]);
                let (raw, winners, g) = (raw.as_ptr(), winners.as_ptr(), g.as_ptr());
                let mask = self.mask(block);
                // SAFETY: shapes as `Dims` checked; the block of dx is this task's.
                unsafe {
                    let to = gradients.as_mut_ptr();
                    unpool(raw, winners, g, cout, h, w, norm, back, mask.as_ptr(), to);
                    if self.needs_input_gradient {
                        conv(to, cout, h, w, turned.as_ptr(), cin, dxs.at(block * input));
                    }
                    weight_gradient(images.as_ptr(), cin, h, w, to, cout, dw.as_mut_ptr());
                }
            }
        });
        let dx = if self.needs_input_gradient {
            Some(Tensor::from_vec(dx, (blocks, cin, h, w, LANES), device)?)
        } else {
            None
        };
        let dw = Tensor::from_vec(dw, (cout, cin, 3, 3), device)?;
        Ok((dx, Some(dw), Some(Tensor::from_vec(affine_gradient, (2, cout), device)?)))
    }
}
