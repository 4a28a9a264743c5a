//! Batch norm, optionally with a ReLU: the operation, the layer and its constructor.

use candle_core::{CpuStorage, CustomOp3, Layout, ModuleT, Result, Shape, Tensor, Var, bail};
use candle_nn::{BatchNormConfig, Init, VarBuilder};
use rayon::prelude::*;

use super::values::{dot, ready, storage, sum, tensor, values, with_values};

/// Batch norm (Ioffe and Szegedy 2015) with the interface of [`candle_nn::BatchNorm`].
///
/// Unlike candle-nn's layer, a batch with a single value per channel does not make the running variance NaN:
/// the biased variance is used, because one value has no unbiased one.
#[derive(Clone, Debug)]
pub struct BatchNorm {
    running_mean: Var,
    running_var: Var,
    weight_and_bias: Option<(Tensor, Tensor)>,
    remove_mean: bool,
    eps: f64,
    momentum: f64,
}

impl BatchNorm {
    /// A batch norm of `num_features` channels with momentum 0.1. All tensors have the shape
    /// `[num_features]`.
    ///
    /// # Errors
    ///
    /// If a shape is wrong, or ε is negative.
    pub fn new(
        num_features: usize,
        running_mean: Tensor,
        running_var: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: f64,
    ) -> Result<Self> {
        let config = BatchNormConfig::from(eps);
        Self::build(num_features, running_mean, running_var, Some((weight, bias)), config)
    }

    /// A batch norm without weight and bias.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`].
    pub fn new_no_bias(
        num_features: usize,
        running_mean: Tensor,
        running_var: Tensor,
        eps: f64,
    ) -> Result<Self> {
        Self::build(num_features, running_mean, running_var, None, eps.into())
    }

    /// A batch norm with a momentum: the weight of the newest batch in the running statistics.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`], or if the momentum is not in [0, 1].
    pub fn new_with_momentum(
        num_features: usize,
        running_mean: Tensor,
        running_var: Tensor,
        weight: Tensor,
        bias: Tensor,
        eps: f64,
        momentum: f64,
    ) -> Result<Self> {
        let config = BatchNormConfig { momentum, ..eps.into() };
        Self::build(num_features, running_mean, running_var, Some((weight, bias)), config)
    }

    fn build(
        features: usize,
        mean: Tensor,
        var: Tensor,
        weight_and_bias: Option<(Tensor, Tensor)>,
        config: BatchNormConfig,
    ) -> Result<Self> {
        let BatchNormConfig { eps, remove_mean, momentum, .. } = config;
        if eps.is_nan() || eps < 0.0 {
            bail!("batch norm: eps is {eps}, but must not be negative");
        }
        if !(0.0..=1.0).contains(&momentum) {
            bail!("batch norm: momentum is {momentum}, but must be between 0 and 1");
        }
        let affine = weight_and_bias.iter().flat_map(|(weight, bias)| [weight, bias]);
        for tensor in [&mean, &var].into_iter().chain(affine) {
            if tensor.dims() != [features] {
                bail!("batch norm of {features} features got a shape {:?}", tensor.dims());
            }
        }
        let (running_mean, running_var) = (Var::from_tensor(&mean)?, Var::from_tensor(&var)?);
        Ok(Self { running_mean, running_var, weight_and_bias, remove_mean, eps, momentum })
    }

    /// Running mean, `[features]`.
    #[must_use]
    pub fn running_mean(&self) -> &Tensor {
        self.running_mean.as_tensor()
    }

    /// Running variance, `[features]`, unbiased as in PyTorch.
    #[must_use]
    pub fn running_var(&self) -> &Tensor {
        self.running_var.as_tensor()
    }

    /// The constant added to the variance.
    #[must_use]
    pub fn eps(&self) -> f64 {
        self.eps
    }

    /// γ and β, each `[features]`.
    #[must_use]
    pub fn weight_and_bias(&self) -> Option<(&Tensor, &Tensor)> {
        self.weight_and_bias.as_ref().map(|(weight, bias)| (weight, bias))
    }

    /// Weight of the newest batch in the running statistics.
    #[must_use]
    pub fn momentum(&self) -> f64 {
        self.momentum
    }

    /// Whether the mean is subtracted.
    #[must_use]
    pub fn remove_mean(&self) -> bool {
        self.remove_mean
    }

    /// Normalizes with the statistics of the batch, and updates the running ones.
    ///
    /// # Errors
    ///
    /// If the shape is wrong, or x is not float32 on the CPU.
    pub fn forward_train(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_with(x, true, false)
    }

    /// Sets the running statistics.
    pub(super) fn set_running(&self, mean: Vec<f32>, variance: Vec<f32>) -> Result<()> {
        let shape = [mean.len()];
        self.running_mean.set(&tensor(mean, &shape)?)?;
        self.running_var.set(&tensor(variance, &shape)?)
    }

    /// Normalizes x, with the statistics of the batch in training, optionally followed by a ReLU.
    pub(super) fn forward_with(&self, x: &Tensor, train: bool, relu: bool) -> Result<Tensor> {
        let x = ready("batch norm", x)?;
        let features = self.running_mean.elem_count();
        if x.rank() < 2 || x.dims()[1] != features {
            bail!("batch norm of {features} features got a shape {:?}", x.dims());
        }
        let pixels = x.dims()[2..].iter().product();
        let (gamma, beta) = match &self.weight_and_bias {
            Some((weight, bias)) => (ready("batch norm", weight)?, ready("batch norm", bias)?),
            None => {
                let ones = Tensor::ones(features, x.dtype(), x.device())?;
                let zeros = ones.zeros_like()?;
                (ones, zeros)
            }
        };
        let moments = if train {
            with_values(&x, |x| Ok(moments(x, features, pixels, self.remove_mean)))?
        } else {
            let mean: Vec<f32> = self.running_mean.to_vec1()?;
            let variance: Vec<f32> = self.running_var.to_vec1()?;
            let pairs = mean.iter().zip(&variance);
            pairs.map(|(mean, var)| (f64::from(*mean), f64::from(*var))).collect()
        };
        if train {
            let n = (x.elem_count() / features.max(1)) as f64;
            let unbiased = if n > 1.0 { n / (n - 1.0) } else { 1.0 };
            let blend = |old: f32, new: f64| {
                (f64::from(old) * (1.0 - self.momentum) + new * self.momentum) as f32
            };
            let mean: Vec<f32> = self.running_mean.to_vec1()?;
            let variance: Vec<f32> = self.running_var.to_vec1()?;
            let mean = if self.remove_mean {
                mean.iter().zip(&moments).map(|(old, new)| blend(*old, new.0)).collect()
            } else {
                mean
            };
            let variance = variance.iter().zip(&moments);
            let variance = variance.map(|(old, new)| blend(*old, new.1 * unbiased)).collect();
            self.set_running(mean, variance)?;
        }
        let operation = Normalize {
            pixels,
            batch: train,
            centered: !train || self.remove_mean,
            relu,
            mean: moments.iter().map(|(mean, _)| *mean).collect(),
            inverse: moments.iter().map(|(_, var)| 1.0 / (var + self.eps).sqrt()).collect(),
        };
        x.apply_op3(&gamma, &beta, operation)
    }
}

impl ModuleT for BatchNorm {
    /// Normalizes x `[n][features][…]`: in training with the statistics of the batch, otherwise with the running
    /// ones.
    ///
    /// # Errors
    ///
    /// If the shape is wrong, or x is not float32 on the CPU.
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.forward_with(x, train, false)
    }
}

/// A batch norm: parameters `weight` (1 at first) and `bias` (0), unless the configuration has none, and the
/// statistics `running_mean` and `running_var`.
///
/// # Errors
///
/// If the builder has no such tensors, or the configuration is invalid.
pub fn batch_norm<C: Into<BatchNormConfig>>(
    num_features: usize,
    config: C,
    vb: VarBuilder<'_>,
) -> Result<BatchNorm> {
    let config = config.into();
    let get = |name, value| vb.get_with_hints(num_features, name, Init::Const(value));
    let (mean, var) = (get("running_mean", 0.0)?, get("running_var", 1.0)?);
    let affine = if config.affine { Some((get("weight", 1.0)?, get("bias", 0.0)?)) } else { None };
    BatchNorm::build(num_features, mean, var, affine, config)
}

/// The planes of a channel in x `[n][channels][pixels]`.
fn planes(
    x: &[f32],
    channel: usize,
    channels: usize,
    pixels: usize,
) -> impl Iterator<Item = &[f32]> {
    x.chunks_exact(pixels.max(1)).skip(channel).step_by(channels)
}

/// Mean and biased variance of each channel; without centering, 0 and the mean square.
fn moments(x: &[f32], channels: usize, pixels: usize, centered: bool) -> Vec<(f64, f64)> {
    let n = (x.len() / channels.max(1)) as f64;
    let of = |channel| {
        let all = || planes(x, channel, channels, pixels);
        let total = |sums: f64| sums / n;
        let mean =
            if centered { total(all().map(|plane| sum(plane, |value| value)).sum()) } else { 0.0 };
        let center = mean as f32;
        // The squares of small differences: more accurate than the difference of large squares.
        let squares = all().map(|plane| sum(plane, |value| (value - center) * (value - center)));
        let rest = mean - f64::from(center);
        (mean, total(squares.sum()) - rest * rest)
    };
    (0..channels).into_par_iter().map(of).collect()
}

/// Batch norm as an operation of candle on x, γ and β.
struct Normalize {
    /// Values of a channel of an example.
    pixels: usize,
    /// Whether the statistics are those of the batch, and therefore depend on x.
    batch: bool,
    /// Whether the mean depends on x, too.
    centered: bool,
    relu: bool,
    mean: Vec<f64>,
    /// 1 / √(variance + ε).
    inverse: Vec<f64>,
}

impl Normalize {
    /// Calls a function with each channel of each example: the channel and its values.
    fn each_plane(&self, values: &mut [f32], of: impl Fn(usize, usize, &mut [f32]) + Sync) {
        let channels = self.mean.len().max(1);
        let pixels = self.pixels.max(1);
        let many = (4096 / pixels).max(1);
        values.par_chunks_mut(many * pixels).enumerate().for_each(|(chunk, values)| {
            for (at, plane) in values.chunks_mut(pixels).enumerate() {
                let index = chunk * many + at;
                of(index % channels, index * pixels, plane);
            }
        });
    }

    /// The gradients of x, γ and β for the gradient that passed the ReLU.
    fn gradients(&self, x: &[f32], gamma: &[f32], g: &[f32]) -> [Vec<f32>; 3] {
        let (channels, pixels) = (self.mean.len(), self.pixels);
        let n = (x.len() / channels.max(1)) as f64;
        // With x̂ = (x − m)·i: dγ = Σ g x̂, dβ = Σ g.
        let of = |channel: usize| {
            let center = self.mean[channel] as f32;
            let beta: f64 =
                planes(g, channel, channels, pixels).map(|plane| sum(plane, |value| value)).sum();
            let product: f64 = planes(x, channel, channels, pixels)
                .zip(planes(g, channel, channels, pixels))
                .map(|(x, g)| dot(x, g, |x, g| (x - center) * g))
                .sum();
            let rest = f64::from(center) - self.mean[channel];
            ((product + rest * beta) * self.inverse[channel], beta)
        };
        let sums: Vec<(f64, f64)> = (0..channels).into_par_iter().map(of).collect();
        let mut dx = vec![0.0_f32; x.len()];
        self.each_plane(&mut dx, |channel, start, dx| {
            let (x, g) = (&x[start..start + dx.len()], &g[start..start + dx.len()]);
            let (d_gamma, d_beta) = sums[channel];
            let (mean, inverse) = (self.mean[channel], self.inverse[channel]);
            let scale = f64::from(gamma[channel]) * inverse;
            // dx = γ·i·(g − dβ/n − x̂·dγ/n); statistics that do not depend on x have no terms.
            let d_gamma = if self.batch { d_gamma } else { 0.0 };
            let d_beta = if self.batch && self.centered { d_beta } else { 0.0 };
            let linear = (scale * d_gamma / n * inverse) as f32;
            let constant = (scale * d_beta / n) as f32;
            let (scale, mean) = (scale as f32, mean as f32);
            for (dx, (x, g)) in dx.iter_mut().zip(x.iter().zip(g)) {
                *dx = scale * g - constant - (x - mean) * linear;
            }
        });
        let column = |of: fn(&(f64, f64)) -> f64| sums.iter().map(|sum| of(sum) as f32).collect();
        [dx, column(|sum| sum.0), column(|sum| sum.1)]
    }
}

impl CustomOp3 for Normalize {
    fn name(&self) -> &'static str {
        "batch-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = values(x, x_layout)?;
        let (gamma, beta) = (values(gamma, gamma_layout)?, values(beta, beta_layout)?);
        let mut out = vec![0.0_f32; x.len()];
        let least = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        self.each_plane(&mut out, |channel, start, out| {
            let scale = f64::from(gamma[channel]) * self.inverse[channel];
            let (scale, mean) = (scale as f32, self.mean[channel] as f32);
            let shift = beta[channel];
            for (out, x) in out.iter_mut().zip(&x[start..]) {
                let value = (x - mean) * scale + shift;
                // NaN stays NaN.
                *out = if value < least { least } else { value };
            }
        });
        Ok((storage(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [dx, d_gamma, d_beta] = with_values(x, |x| {
            with_values(gamma, |gamma| {
                with_values(gradient, |g| {
                    if !self.relu {
                        return Ok(self.gradients(x, gamma, g));
                    }
                    let mut passed = g.to_vec();
                    with_values(out, |out| {
                        let pairs = passed.iter_mut().zip(out);
                        pairs.for_each(|(g, out)| *g = if *out > 0.0 { *g } else { 0.0 });
                        Ok(())
                    })?;
                    Ok(self.gradients(x, gamma, &passed))
                })
            })
        })?;
        let of = |needed: &Tensor, values| {
            needed.track_op().then(|| tensor(values, needed.dims())).transpose()
        };
        Ok((of(x, dx)?, of(gamma, d_gamma)?, of(beta, d_beta)?))
    }
}
