//! The ReLU as an operation.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::values::{ready, storage, tensor, values, with_values};

/// Values of a task.
const CHUNK: usize = 16 * 1024;

/// `max(x, 0)`, as `Tensor::relu` computes it. The gradient at 0 is 0 as in torch; candle's own is 1.
///
/// # Errors
///
/// If x is not float32 on the CPU.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    ready("relu", x)?.apply_op1(Relu)
}

struct Relu;

impl CustomOp1 for Relu {
    fn name(&self) -> &'static str {
        "relu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = values(x, layout)?;
        let mut out = vec![0.0_f32; x.len()];
        out.par_chunks_mut(CHUNK).zip(x.par_chunks(CHUNK)).for_each(|(out, x)| {
            // NaN stays NaN.
            out.iter_mut().zip(x).for_each(|(out, x)| *out = if *x < 0.0 { 0.0 } else { *x });
        });
        Ok((storage(out), layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let mut dx = vec![0.0_f32; x.elem_count()];
        with_values(out, |out| {
            with_values(gradient, |gradient| {
                let sources = out.par_chunks(CHUNK).zip(gradient.par_chunks(CHUNK));
                dx.par_chunks_mut(CHUNK).zip(sources).for_each(|(dx, (out, gradient))| {
                    for (dx, (out, gradient)) in dx.iter_mut().zip(out.iter().zip(gradient)) {
                        *dx = if *out > 0.0 { *gradient } else { 0.0 };
                    }
                });
                Ok(())
            })
        })?;
        Ok(Some(tensor(dx, x.dims())?))
    }
}
