//! Adam as one pass over a tensor.

use candle_core::{CpuStorage, InplaceOp2, Layout, Result, bail};
use rayon::prelude::*;
use record::Adam;

use super::floats;

/// Moments of one tensor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

/// One step of Adam (Kingma and Ba 2015, algorithm 1) with PyTorch's semantics: weight decay is
/// added to the gradient, ε is added to the root of the corrected second moment.
pub(crate) struct AdamStep<'a> {
    pub(crate) settings: &'a Adam,
    /// From 1.
    pub(crate) step: u32,
    pub(crate) moments: &'a std::sync::Mutex<Moments>,
}

/// Values per task; a task is worth starting, and sums do not cross tasks.
const CHUNK: usize = 16 * 1024;

impl InplaceOp2 for AdamStep<'_> {
    fn name(&self) -> &'static str {
        "adam"
    }

    fn cpu_fwd(
        &self,
        s1: &mut CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<()> {
        let gradient = floats(s2, l2)?;
        let (CpuStorage::F32(values), Some((start, end))) = (s1, l1.contiguous_offsets()) else {
            bail!("adam needs contiguous floats, got {l1:?}");
        };
        let values = &mut values[start..end];
        let mut moments = self.moments.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        moments.first.resize(values.len(), 0.0);
        moments.second.resize(values.len(), 0.0);
        let Adam { learning_rate, beta1, beta2, epsilon, weight_decay } = *self.settings;
        let corrected = |beta: f64| 1.0 - beta.powf(f64::from(self.step));
        // In double precision as PyTorch; β = 1 makes these infinite, and the loss shows it.
        let size = (learning_rate / corrected(beta1)) as f32;
        let root = (1.0 / corrected(beta2).sqrt()) as f32;
        let (keep1, keep2) = (beta1 as f32, beta2 as f32);
        let (take1, take2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
        let (epsilon, decay) = (epsilon as f32, weight_decay as f32);
        let Moments { first, second } = &mut *moments;
        values
            .par_chunks_mut(CHUNK)
            .zip(first.par_chunks_mut(CHUNK))
            .zip(second.par_chunks_mut(CHUNK))
            .zip(gradient.par_chunks(CHUNK))
            .for_each(|(((values, first), second), gradient)| {
                let rows = values.iter_mut().zip(first).zip(second).zip(gradient);
                for (((value, first), second), gradient) in rows {
                    let gradient = gradient + decay * *value;
                    *first = keep1 * *first + take1 * gradient;
                    *second = keep2 * *second + take2 * gradient * gradient;
                    *value -= size * *first / (second.sqrt() * root + epsilon);
                }
            });
        Ok(())
    }
}
