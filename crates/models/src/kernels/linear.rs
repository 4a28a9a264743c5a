//! A linear layer: one matrix product forward, two backward.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

use super::floats;

/// The operation on `(x, weight, bias)`: x `[n][k]`, weight `[m][k]`, bias `[m]`; answers `[n][m]`.
pub(crate) struct Linear {
    /// Whether somebody needs the gradient of x.
    pub(crate) needs_input_gradient: bool,
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
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
        let (x, weight, bias) = (floats(s1, l1)?, floats(s2, l2)?, floats(s3, l3)?);
        let (&[n, k], &[m, inputs]) = (l1.dims(), l2.dims()) else {
            bail!(
                "linear expects x [n, k] and weight [m, k], got {:?}, {:?}",
                l1.dims(),
                l2.dims()
            );
        };
        if inputs != k || bias.len() != m {
            bail!("linear of {k} features got weight [{m}, {inputs}] and bias [{}]", bias.len());
        }
        let mut out = Vec::with_capacity(n * m);
        (0..n).for_each(|_| out.extend_from_slice(bias));
        let threads = rayon::current_num_threads();
        let parallelism =
            if threads > 1 { gemm::Parallelism::Rayon(threads) } else { gemm::Parallelism::None };
        // out [n][m] += x [n][k] · weightᵀ [k][m]
        // SAFETY: the three buffers hold exactly these shapes with these strides, checked above.
        unsafe {
            gemm::gemm(
                n,
                m,
                k,
                out.as_mut_ptr(),
                1,
                m as isize,
                true,
                x.as_ptr(),
                1,
                k as isize,
                weight.as_ptr(),
                k as isize,
                1,
                1.0_f32,
                1.0_f32,
                false,
                false,
                false,
                parallelism,
            );
        }
        Ok((CpuStorage::F32(out), Shape::from((n, m))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let dx = if self.needs_input_gradient { Some(gradient.matmul(weight)?) } else { None };
        Ok((dx, Some(gradient.t()?.matmul(x)?), Some(gradient.sum(0)?)))
    }
}
