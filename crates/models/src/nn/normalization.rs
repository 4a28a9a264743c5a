//! Batch norm: the layer and its constructor.

use candle_core::{ModuleT, Result, Tensor, Var, bail};
use candle_nn::{BatchNormConfig, Init, VarBuilder};

use super::{
    normalize::{Normalize, moments},
    values::{ready, tensor, with_values},
};

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
