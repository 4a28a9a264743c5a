//! The convolution block as one operation, on kernels whose buffers are kept.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard},
};

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::values::{storage, tensor, values, with_values};
use crate::kernels::{self, Dims, to_blocks, to_rows};

/// Buffers of operations that have ended.
pub(super) type Free = Arc<Mutex<Vec<Fused>>>;

/// The kernel with its input and the gradient of its output, both in blocks of 16 images.
pub(super) struct Fused {
    pub(super) block: kernels::ConvBlock,
    /// Whether the kernel computes the gradient of its input.
    pub(super) back: bool,
    pub(super) x: Vec<f32>,
    pub(super) gradient: Vec<f32>,
}

impl fmt::Debug for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fused({:?})", self.block.dims())
    }
}

/// The value in a mutex.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> Result<MutexGuard<'_, T>> {
    match mutex.lock() {
        Ok(guard) => Ok(guard),
        Err(_) => bail!("convolution block: another thread failed while it used this operation"),
    }
}

/// The block as an operation of candle on x, the weights and `[2][out]` (γ, β).
pub(super) struct Block {
    pub(super) images: usize,
    pub(super) dims: Dims,
    pub(super) train: bool,
    /// Present until the operation is dropped.
    pub(super) fused: Mutex<Option<Fused>>,
    /// The running statistics, before and after the forward pass.
    pub(super) statistics: Arc<Mutex<kernels::BatchNorm>>,
    pub(super) free: Free,
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
