//! The convolution block: convolution, batch norm, ReLU and 2×2 max-pool, as one operation where possible.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use candle_core::{CpuStorage, CustomOp3, Layout, Module, ModuleT, Result, Shape, Tensor, bail};
use candle_nn::{BatchNormConfig, Conv2dConfig, VarBuilder};

use super::{
    convolution::{Conv2d, conv2d_no_bias},
    normalization::{BatchNorm, batch_norm},
    pooling::MaxPool2d,
    values::{ready, storage, tensor, values, with_values},
};
use crate::kernels::{self, Dims, LANES, to_blocks, to_rows};

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

/// Buffers of operations that have ended.
type Free = Arc<Mutex<Vec<Fused>>>;

/// The kernel with its input and the gradient of its output, both in blocks of 16 images.
struct Fused {
    block: kernels::ConvBlock,
    /// Whether the kernel computes the gradient of its input.
    back: bool,
    x: Vec<f32>,
    gradient: Vec<f32>,
}

impl fmt::Debug for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fused({:?})", self.block.dims())
    }
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

/// The value in a mutex.
fn locked<T>(mutex: &Mutex<T>) -> Result<std::sync::MutexGuard<'_, T>> {
    match mutex.lock() {
        Ok(guard) => Ok(guard),
        Err(_) => bail!("convolution block: another thread failed while it used this operation"),
    }
}

/// The block as an operation of candle on x, the weights and `[2][out]` (γ, β).
struct Block {
    images: usize,
    dims: Dims,
    train: bool,
    /// Present until the operation is dropped.
    fused: Mutex<Option<Fused>>,
    /// The running statistics, before and after the forward pass.
    statistics: Arc<Mutex<kernels::BatchNorm>>,
    free: Free,
}

impl Drop for Block {
    fn drop(&mut self) {
        if let (Ok(mut fused), Ok(mut free)) = (self.fused.lock(), self.free.lock()) {
            free.extend(fused.take());
        }
    }
}

impl CustomOp3 for Block {
    fn name(&self) -> &'static str {
        "conv-block"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        affine: &CpuStorage,
        affine_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let Dims { cin, cout, h, w } = self.dims;
        let (weight, affine) = (values(weight, weight_layout)?, values(affine, affine_layout)?);
        let mut fused = locked(&self.fused)?;
        let Some(Fused { block, x: blocks, .. }) = fused.as_mut() else {
            bail!("convolution block: its buffers are gone");
        };
        let mut statistics = locked(&self.statistics)?;
        block.norm = statistics.clone();
        to_blocks(values(x, x_layout)?, cin * h * w, blocks);
        block.forward(blocks, self.images, weight, affine, self.train);
        *statistics = block.norm.clone();
        let (rows, columns) = (h / 2, w / 2);
        let mut out = Vec::new();
        to_rows(&block.out, self.images, cout * rows * columns, &mut out);
        Ok((storage(out), Shape::from((self.images, cout, rows, columns))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        affine: &Tensor,
        _out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Dims { cin, cout, h, w } = self.dims;
        let mut fused = locked(&self.fused)?;
        let Some(Fused { block, x: blocks, gradient: g, back }) = fused.as_mut() else {
            bail!("convolution block: its buffers are gone");
        };
        let pooled = cout * (h / 2) * (w / 2);
        with_values(gradient, |gradient| {
            to_blocks(gradient, pooled, g);
            Ok(())
        })?;
        with_values(weight, |weight| {
            block.backward(blocks, g, weight);
            Ok(())
        })?;
        let dx = if *back {
            let mut dx = Vec::new();
            to_rows(&block.input_gradient, self.images, cin * h * w, &mut dx);
            Some(tensor(dx, x.dims())?)
        } else {
            None
        };
        let of = |needed: &Tensor, values: &[f32]| {
            needed.track_op().then(|| tensor(values.to_vec(), needed.dims())).transpose()
        };
        Ok((dx, of(weight, &block.weight_gradient)?, of(affine, &block.affine_gradient)?))
    }
}
