//! The convolution block: convolution, batch norm, ReLU and 2×2 max-pool. One operation computes it where possible.

use std::sync::{Arc, Mutex};

use candle_core::{Module, ModuleT, Result, Tensor};
use candle_nn::{BatchNormConfig, Conv2dConfig, VarBuilder};

use super::{
    convolution::{Conv2d, conv2d_no_bias},
    fused::{Block, Free, Fused, locked},
    normalization::{BatchNorm, batch_norm},
    pooling::MaxPool2d,
    values::ready,
};
use crate::kernels::{self, Dims, LANES};

/// What a convolution block does. The default is the block of the studies: 3×3 with padding 1, ReLU, 2×2
/// max-pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvBlockConfig {
    /// The convolution, which has no bias, because batch norm would subtract it again.
    pub conv: Conv2dConfig,
    /// The batch norm.
    pub norm: BatchNormConfig,
    /// Whether a ReLU follows.
    pub relu: bool,
    /// Whether a 2×2 max-pool follows.
    pub pool: bool,
}

impl Default for ConvBlockConfig {
    fn default() -> Self {
        let conv = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
        Self { conv, norm: BatchNormConfig::default(), relu: true, pool: true }
    }
}

/// Convolution, batch norm, and optionally a ReLU and a 2×2 max-pool.
///
/// They are one operation if the convolution is 3×3 with padding 1, stride 1, one group and no bias, batch norm
/// has the default settings, a pool follows, and the batch has at least 8 images. Otherwise they are several
/// operations with the same results up to rounding.
#[derive(Clone, Debug)]
pub struct ConvBlock {
    conv: Conv2d,
    norm: BatchNorm,
    relu: bool,
    pool: bool,
    free: Free,
}

/// A convolution block with the parameters `conv.weight` and those of a batch norm under `norm`.
///
/// # Errors
///
/// If the builder has no such tensors, or the configuration is invalid.
pub fn conv_block(
    in_channels: usize,
    out_channels: usize,
    kernel_size: usize,
    cfg: ConvBlockConfig,
    vb: VarBuilder<'_>,
) -> Result<ConvBlock> {
    let conv = conv2d_no_bias(in_channels, out_channels, kernel_size, cfg.conv, vb.pp("conv"))?;
    let norm = batch_norm(out_channels, cfg.norm, vb.pp("norm"))?;
    Ok(ConvBlock::new(conv, norm, cfg.relu, cfg.pool))
}

impl ConvBlock {
    /// A block of layers that exist already, so that parameters keep their names.
    #[must_use]
    pub fn new(conv: Conv2d, norm: BatchNorm, relu: bool, pool: bool) -> Self {
        Self { conv, norm, relu, pool, free: Free::default() }
    }

    /// The convolution.
    #[must_use]
    pub fn conv(&self) -> &Conv2d {
        &self.conv
    }

    /// The batch norm.
    #[must_use]
    pub fn norm(&self) -> &BatchNorm {
        &self.norm
    }

    /// The shape of the fused operation, if it can compute this block for x.
    fn fused(&self, x: &Tensor) -> Option<Dims> {
        let &[n, cin, h, w] = x.dims() else { return None };
        let Conv2dConfig { padding, stride, dilation, groups, .. } = *self.conv.config();
        let &[cout, input, 3, 3] = self.conv.weight().dims() else { return None };
        let norm = &self.norm;
        let usual = BatchNormConfig::default();
        let fits = (padding, stride, dilation, groups) == (1, 1, 1, 1)
            && self.conv.bias().is_none()
            && self.pool
            && norm.eps() == usual.eps
            && norm.momentum() == usual.momentum
            && norm.remove_mean()
            && norm.weight_and_bias().is_some()
            && norm.running_mean().dims() == [cout]
            && input == cin
            && cin > 0
            && cout > 0
            && h.min(w) >= 2
            && n >= LANES / 2;
        fits.then_some(Dims { cin, cout, h, w })
    }

    /// Buffers for an operation.
    fn buffers(&self, dims: Dims, back: bool) -> Fused {
        if let Ok(mut free) = self.free.lock() {
            let of = |fused: &Fused| {
                let Dims { cin, cout, h, w } = fused.block.dims();
                (cin, cout, h, w, fused.back) == (dims.cin, dims.cout, dims.h, dims.w, back)
            };
            if let Some(at) = free.iter().position(of) {
                let mut fused = free.swap_remove(at);
                fused.block.set_relu(self.relu);
                return fused;
            }
            // Buffers of another shape would be kept for nothing.
            free.clear();
        }
        let block = kernels::ConvBlock::new(dims, self.relu, back);
        Fused { block, back, x: Vec::new(), gradient: Vec::new() }
    }
}

impl ModuleT for ConvBlock {
    /// Computes the block for images `[n][in][h][w]`; in training, with the statistics of the batch.
    ///
    /// # Errors
    ///
    /// If the shape is wrong, or the images are not float32 on the CPU.
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = ready("the convolution block", x)?;
        let (Some(dims), Some((gamma, beta))) = (self.fused(&x), self.norm.weight_and_bias())
        else {
            let z = self.conv.forward(&x)?;
            let out = self.norm.forward_with(&z, train, self.relu)?;
            return if self.pool { MaxPool2d::new(2, 2, 0).forward(&out) } else { Ok(out) };
        };
        let weight = ready("the convolution block", self.conv.weight())?;
        let affine = ready("the convolution block", &Tensor::stack(&[gamma, beta], 0)?)?;
        let statistics = Arc::new(Mutex::new(kernels::BatchNorm {
            mean: self.norm.running_mean().to_vec1()?,
            variance: self.norm.running_var().to_vec1()?,
        }));
        let operation = Block {
            images: x.dims()[0],
            dims,
            train,
            fused: Mutex::new(Some(self.buffers(dims, x.track_op()))),
            statistics: statistics.clone(),
            free: self.free.clone(),
        };
        let out = x.apply_op3(&weight, &affine, operation)?;
        if train {
            let norm = locked(&statistics)?.clone();
            self.norm.set_running(norm.mean, norm.variance)?;
        }
        Ok(out)
    }
}
