//! Adam on candle's variables.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, Tensor, bail};
use record::Adam;

use crate::kernels::{Moments, adam_step};

/// One step of Adam on one variable, in place.
pub(super) struct AdamStep<'a> {
    pub(super) settings: Adam,
    /// Number of the step, from 1.
    pub(super) step: u32,
    pub(super) moments: Mutex<&'a mut Moments>,
}

impl AdamStep<'_> {
    /// Changes the variable.
    pub(super) fn apply(&self, variable: &Tensor, gradient: &Tensor) -> Result<()> {
        variable.inplace_op2(&gradient.contiguous()?, self)
    }
}

impl InplaceOp2 for AdamStep<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        values: &mut CpuStorage,
        values_at: &Layout,
        gradient: &CpuStorage,
        gradient_at: &Layout,
    ) -> Result<()> {
        let (CpuStorage::F32(values), CpuStorage::F32(gradient)) = (values, gradient) else {
            bail!("Adam needs variables of 32-bit floats");
        };
        let (Some((start, end)), Some((from, to))) =
            (values_at.contiguous_offsets(), gradient_at.contiguous_offsets())
        else {
            bail!("Adam needs contiguous variables, got {values_at:?}");
        };
        let mut moments = self.moments.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = (&mut values[start..end], &gradient[from..to]);
        adam_step(&self.settings, self.step, [pair], std::slice::from_mut(&mut **moments));
        Ok(())
    }
}
