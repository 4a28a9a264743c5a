//! Softmax and cross-entropy as one operation.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::{cpu_floats, floats};

/// Mean cross-entropy, in nats, of `(logits [n][classes], labels [n] u32)`; a scalar.
#[derive(Clone, Default)]
pub(crate) struct CrossEntropy {
    /// Images of the last forward pass whose label has the largest logit.
    pub(crate) correct: Arc<AtomicUsize>,
}

/// Index of the largest value, the first of equals; 0 if none is a number.
pub(crate) fn largest(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] || values[best].is_nan() && !value.is_nan() {
            best = index;
        }
    }
    best
}

/// ln Σ exp, without overflow.
fn log_sum_exp(row: &[f32]) -> f64 {
    let top = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    top + row.iter().map(|it| (f64::from(*it) - top).exp()).sum::<f64>().ln()
}

impl CustomOp2 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let logits = floats(s1, l1)?;
        let labels = s2.as_slice::<u32>()?;
        let (n, classes) = l1.shape().dims2()?;
        if l2.dims() != [n] || l2.start_offset() != 0 || n == 0 {
            bail!("cross-entropy of {n} rows got labels {l2:?}");
        }
        let mut sum = 0.0;
        let mut correct = 0;
        for (row, label) in logits.chunks_exact(classes).zip(labels) {
            let Some(of_label) = row.get(*label as usize) else {
                bail!("label {label} of {classes} classes");
            };
            sum += log_sum_exp(row) - f64::from(*of_label);
            correct += usize::from(largest(row) == *label as usize);
        }
        self.correct.store(correct, Ordering::Relaxed);
        Ok((CpuStorage::F32(vec![(sum / n as f64) as f32]), Shape::from(())))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        _result: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (n, classes) = logits.dims2()?;
        let factor = f64::from(gradient.to_scalar::<f32>()?) / n as f64;
        let labels = labels.to_vec1::<u32>()?;
        let (storage, layout) = logits.storage_and_layout();
        let values = cpu_floats(&storage, layout)?;
        let mut out = Vec::with_capacity(values.len());
        for (row, label) in values.chunks_exact(classes).zip(labels) {
            let total = log_sum_exp(row);
            out.extend(row.iter().enumerate().map(|(class, it)| {
                let target = if class == label as usize { 1.0 } else { 0.0 };
                (((f64::from(*it) - total).exp() - target) * factor) as f32
            }));
        }
        Ok((Some(Tensor::from_vec(out, (n, classes), logits.device())?), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_the_first_of_equals_and_not_nan() {
        assert_eq!(largest(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(largest(&[f32::NAN, -1.0, -2.0]), 1);
        assert_eq!(largest(&[f32::NAN, f32::NAN]), 0);
    }
}
