//! Losses: our cross-entropy, and candle-nn's other losses.

use std::sync::Mutex;

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};
pub use candle_nn::loss::{binary_cross_entropy_with_logit, huber, mse, nll};

use super::values::{ready, storage, tensor, values};
use crate::kernels;

/// The mean cross-entropy of logits `[n][classes]` for labels `[n]` of an integer type, in nats: a scalar, as
/// [`candle_nn::loss::cross_entropy`] computes it.
///
/// # Errors
///
/// If the shapes do not fit, the batch is empty, a label is not below the number of classes, or the logits
/// are not float32 on the CPU.
pub fn cross_entropy(inp: &Tensor, target: &Tensor) -> Result<Tensor> {
    let logits = ready("cross-entropy", inp)?;
    let (n, classes) = match logits.dims() {
        [n, classes] => (*n, *classes),
        dims => bail!("cross-entropy needs logits [n][classes], got shape {dims:?}"),
    };
    if target.dims() != [n] || n == 0 {
        bail!(
            "cross-entropy: labels of shape {:?} for logits of shape {:?}",
            target.dims(),
            inp.dims()
        );
    }
    if target.dtype().is_float() {
        bail!("cross-entropy needs labels of an integer type, got {}", target.dtype().as_str());
    }
    let given: Vec<i64> = target.to_dtype(DType::I64)?.to_vec1()?;
    let mut labels = Vec::with_capacity(n);
    for label in given {
        match u32::try_from(label) {
            Ok(valid) if (valid as usize) < classes => labels.push(valid),
            _ => bail!(
                "cross-entropy: the label {label} is not below {classes}, the number of classes"
            ),
        }
    }
    logits.apply_op1(Entropy { classes, labels, gradient: Mutex::default() })
}

/// Cross-entropy as an operation of candle.
struct Entropy {
    classes: usize,
    labels: Vec<u32>,
    /// The gradient of the logits, `[n][classes]`.
    gradient: Mutex<Vec<f32>>,
}

impl CustomOp1 for Entropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let logits = values(logits, layout)?;
        let Ok(mut gradient) = self.gradient.lock() else {
            bail!("cross-entropy: another thread failed while it used this operation");
        };
        let entropy = kernels::cross_entropy(logits, self.classes, &self.labels, &mut gradient);
        Ok((storage(vec![entropy.mean]), Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _out: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let factor: f32 = gradient.to_scalar()?;
        let Ok(kept) = self.gradient.lock() else {
            bail!("cross-entropy: another thread failed while it used this operation");
        };
        let values = kept.iter().map(|value| value * factor).collect();
        Ok(Some(tensor(values, logits.dims())?))
    }
}
