//! Adam as one pass over each tensor.

use rayon::prelude::*;
use record::Adam;

use super::lanes::dispatch;

/// First and second moments of one tensor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moments {
    first: Vec<f32>,
    second: Vec<f32>,
}

/// Values per task.
const CHUNK: usize = 16 * 1024;

/// Factors of a step.
#[derive(Clone, Copy)]
pub(super) struct Factors {
    size: f32,
    root: f32,
    keep: [f32; 2],
    take: [f32; 2],
    epsilon: f32,
    decay: f32,
    /// Factor of the values before the step: 1 except in AdamW.
    shrink: f32,
}

/// The value, or 0 if it is subnormal. Where pixels are 0 in most images, moments decay to subnormal
/// numbers, which processors take a hundred times as long to add.
#[inline(always)]
fn flushed(value: f32) -> f32 {
    if value.abs() < f32::MIN_POSITIVE { 0.0 } else { value }
}

/// Makes one step of Adam (Kingma and Ba 2015, algorithm 1) on all tensors, each given with its gradient;
/// steps are numbered from 1. As in PyTorch, weight decay is added to the gradient, and ε is added to the
/// square root of the corrected second moment.
pub(crate) fn adam_step<'a>(
    settings: &Adam,
    step: u32,
    tensors: impl IntoIterator<Item = (&'a mut [f32], &'a [f32])>,
    moments: &'a mut [Moments],
) {
    step_with(settings, 1.0, step, tensors, moments);
}

/// Makes one step of AdamW (Loshchilov and Hutter 2019, algorithm 2): the values are multiplied by
/// 1 − learning rate · weight decay, and the gradient has no decay.
pub(crate) fn adam_w_step<'a>(
    settings: &Adam,
    step: u32,
    tensors: impl IntoIterator<Item = (&'a mut [f32], &'a [f32])>,
    moments: &'a mut [Moments],
) {
    let shrink = 1.0 - settings.learning_rate * settings.weight_decay;
    step_with(&Adam { weight_decay: 0.0, ..*settings }, shrink, step, tensors, moments);
}

/// Makes a step of Adam after multiplying the values by `shrink`.
fn step_with<'a>(
    settings: &Adam,
    shrink: f64,
    step: u32,
    tensors: impl IntoIterator<Item = (&'a mut [f32], &'a [f32])>,
    moments: &'a mut [Moments],
) {
    let Adam { learning_rate, beta1, beta2, epsilon, weight_decay } = *settings;
    let corrected = |beta: f64| 1.0 - beta.powf(f64::from(step));
    // Computed in double precision as in PyTorch. β = 1 makes them infinite, and the loss becomes NaN.
    let factors = Factors {
        size: (learning_rate / corrected(beta1)) as f32,
        root: (1.0 / corrected(beta2).sqrt()) as f32,
        keep: [beta1 as f32, beta2 as f32],
        take: [(1.0 - beta1) as f32, (1.0 - beta2) as f32],
        epsilon: epsilon as f32,
        decay: weight_decay as f32,
        shrink: shrink as f32,
    };
    let mut chunks = Vec::new();
    for ((values, gradient), moments) in tensors.into_iter().zip(moments) {
        moments.first.resize(values.len(), 0.0);
        moments.second.resize(values.len(), 0.0);
        chunks.extend(
            values
                .chunks_mut(CHUNK)
                .zip(moments.first.chunks_mut(CHUNK))
                .zip(moments.second.chunks_mut(CHUNK))
                .zip(gradient.chunks(CHUNK)),
        );
    }
    // One parallel loop over all tensors, because every loop first has to wake the other threads.
    chunks.into_par_iter().for_each(|(((values, first), second), gradient)| {
        let len = values.len();
        let (values, first, second) =
            (values.as_mut_ptr(), first.as_mut_ptr(), second.as_mut_ptr());
        // SAFETY: all chunks have the same length.
        unsafe { update(values, first, second, gradient.as_ptr(), len, factors) };
    });
}

dispatch! {
    /// # Safety
    ///
    /// All hold `len` floats.
    fn update<V>(
        values: *mut f32, first: *mut f32, second: *mut f32, gradient: *const f32, len: usize,
        factors: Factors,
    ) {
        // SAFETY: the caller's contract.
        unsafe {
            let values = std::slice::from_raw_parts_mut(values, len);
            let first = std::slice::from_raw_parts_mut(first, len);
            let second = std::slice::from_raw_parts_mut(second, len);
            let gradient = std::slice::from_raw_parts(gradient, len);
            let Factors { size, root, keep, take, epsilon, decay, shrink } = factors;
            for i in 0..len {
                let gradient = gradient[i] + decay * values[i];
                first[i] = flushed(keep[0] * first[i] + take[0] * gradient);
                second[i] = flushed(keep[1] * second[i] + take[1] * gradient * gradient);
                let change = size * first[i] / (second[i].sqrt() * root + epsilon);
                values[i] = values[i] * shrink - change;
            }
        }
    }
}
