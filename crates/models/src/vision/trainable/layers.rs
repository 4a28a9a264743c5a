//! Layers other than convolutions as candle operations with a gradient. Images are `[n][c][h][w]`, tokens
//! `[n][tokens][c]` and features `[n][c]`.

use candle_core::{D, Module, ModuleT, Result, Tensor};
use candle_nn::BatchNorm;

use super::{
    super::{
        device_pass::{DeviceTensor, ForwardPass},
        error::VisionError,
        layers::{Activation, CustomLayer, Mode},
    },
    activation::{activate, rectify},
};
use crate::{layers::Layers, masks::Masks, nn, profile::LayerKind};

/// Layers for training have no kernels on a device of ours.
pub(super) fn no_device() -> VisionError {
    VisionError::shape("a layer for training cannot run on a device for inference".to_owned())
}

/// A vector of one value for each channel, in a shape that broadcasts over images.
pub(super) fn per_channel(values: &Tensor) -> Result<Tensor> {
    values.reshape((1, values.elem_count(), 1, 1))
}

/// Calls `map` with the channels as the last axis.
pub(in super::super) fn features_last(
    x: &Tensor,
    map: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    if x.rank() != 4 {
        return map(&x.contiguous()?);
    }
    let out = map(&x.permute((0, 2, 3, 1))?.contiguous()?)?;
    if out.rank() == 4 { out.permute((0, 3, 1, 2))?.contiguous() } else { Ok(out) }
}

/// Batch norm of candle-nn and of ours, on the same variables.
pub(in super::super) struct BatchNorms {
    candle: BatchNorm,
    pub(super) fused: nn::BatchNorm,
}

impl BatchNorms {
    /// Batch norm on variables, each `[channels]`: running mean, running variance, factor and summand.
    pub(in super::super) fn new(
        [mean, variance, gamma, beta]: [Tensor; 4],
        epsilon: f64,
        momentum: f64,
    ) -> Result<Self> {
        let channels = mean.elem_count();
        let [m, v, g, b] = [&mean, &variance, &gamma, &beta].map(Tensor::clone);
        let fused = nn::BatchNorm::new_with_momentum(channels, m, v, g, b, epsilon, momentum)?;
        let candle =
            BatchNorm::new_with_momentum(channels, mean, variance, gamma, beta, epsilon, momentum)?;
        Ok(Self { candle, fused })
    }

    /// Refuses a number of values in a channel that has no variance.
    pub(super) fn check(values: usize, mode: Mode) -> Result<()> {
        if mode.train && values < 2 {
            candle_core::bail!(
                "batch norm has no variance of one value in a channel: train on at least 2 images at a time, or \
                 on larger ones"
            );
        }
        Ok(())
    }

    /// The normalized images.
    pub(super) fn forward(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let (n, _, h, w) = x.dims4()?;
        Self::check(n * h * w, mode)?;
        match mode.layers {
            Layers::Candle => self.candle.forward_t(x, mode.train)?.contiguous(),
            Layers::Fused => self.fused.forward_t(x, mode.train),
        }
    }
}

/// `x · weightᵀ + bias` over the last axis.
pub(super) fn linear(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    layers: Layers,
) -> Result<Tensor> {
    if layers == Layers::Fused {
        return nn::Linear::new(weight.clone(), bias.cloned()).forward(x);
    }
    let mut dims = x.dims().to_vec();
    let features = dims.pop().unwrap_or(1);
    let rows = dims.iter().product::<usize>();
    let out = x.reshape((rows, features))?.matmul(&weight.t()?)?;
    let out = match bias {
        Some(bias) => out.broadcast_add(bias)?,
        None => out,
    };
    dims.push(weight.dim(0)?);
    out.reshape(dims)
}

/// A linear layer over the channels, with what follows it.
pub(in super::super) struct ScaledLinear {
    /// `[output][input]`, or the same as a 1×1 convolution.
    pub(in super::super) weight: Tensor,
    pub(in super::super) bias: Option<Tensor>,
    /// Factor of each output channel.
    pub(in super::super) scale: Option<Tensor>,
    pub(in super::super) activation: Activation,
}

impl CustomLayer for ScaledLinear {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_t(x, Mode::default())
    }

    fn forward_t(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        features_last(x, |x| {
            let out = linear(x, &self.weight.flatten_from(1)?, self.bias.as_ref(), mode.layers)?;
            let out = match &self.scale {
                Some(scale) => out.broadcast_mul(&scale.flatten_all()?)?,
                None => out,
            };
            activate(&out, self.activation, mode)
        })
    }

    fn forward_on_device(
        &self,
        _: &ForwardPass<'_>,
        _: DeviceTensor,
    ) -> std::result::Result<DeviceTensor, VisionError> {
        Err(no_device())
    }

    fn describe(&self, _: &Tensor) -> (&'static str, LayerKind, f64) {
        ("linear", LayerKind::Other, 0.0)
    }
}

/// A normalization that follows no convolution.
pub(in super::super) enum Norm {
    /// Batch norm and ReLU.
    Batch(BatchNorms),
    /// Layer norm over the channels.
    Layer {
        /// Factor of each channel.
        gamma: Tensor,
        /// Summand of each channel.
        beta: Tensor,
        epsilon: f64,
    },
}

impl CustomLayer for Norm {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.forward_t(x, Mode::default())
    }

    fn forward_t(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        match self {
            Self::Batch(norm) => rectify(&norm.forward(x, mode)?, mode),
            // candle-nn's layer norm has no gradient.
            Self::Layer { gamma, beta, epsilon } => features_last(x, |x| {
                let x = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
                let variance = x.sqr()?.mean_keepdim(D::Minus1)?;
                let x = x.broadcast_div(&(variance + *epsilon)?.sqrt()?)?;
                x.broadcast_mul(gamma)?.broadcast_add(beta)
            }),
        }
    }

    fn forward_on_device(
        &self,
        _: &ForwardPass<'_>,
        _: DeviceTensor,
    ) -> std::result::Result<DeviceTensor, VisionError> {
        Err(no_device())
    }

    fn describe(&self, _: &Tensor) -> (&'static str, LayerKind, f64) {
        ("normalization", LayerKind::Other, 0.0)
    }
}

/// Sets random values to 0 while the network is trained.
pub(in super::super) struct Drop {
    /// A name that no other such layer of the network has.
    pub(in super::super) name: String,
    /// Probability of a 0.
    pub(in super::super) share: f64,
    /// Whether all of an image's values are set to 0 at once (stochastic depth, Huang et al. 2016).
    pub(in super::super) images: bool,
    pub(in super::super) masks: Masks,
}

impl CustomLayer for Drop {
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.clone())
    }

    fn forward_t(&self, x: &Tensor, mode: Mode) -> Result<Tensor> {
        if !mode.train || self.share == 0.0 {
            return Ok(x.clone());
        }
        let mut shape = x.dims().to_vec();
        if self.images {
            shape[1..].fill(1);
        }
        x.broadcast_mul(&self.masks.mask(&self.name, &shape, self.share, x.device())?)
    }

    fn forward_on_device(
        &self,
        _: &ForwardPass<'_>,
        _: DeviceTensor,
    ) -> std::result::Result<DeviceTensor, VisionError> {
        Err(no_device())
    }

    fn describe(&self, _: &Tensor) -> (&'static str, LayerKind, f64) {
        ("dropout", LayerKind::Other, 0.0)
    }
}
