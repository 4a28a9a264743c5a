//! Random masks of a training: dropout and stochastic depth.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use candle_core::{DType, Device, Result, Tensor};

use crate::random::Stream;

/// Where the layers of a network take their random masks from. A mask is a function of the seed, the
/// training step and the layer's name, so that a training can be repeated and continued exactly. Clones
/// share one step.
///
/// candle's own random numbers cannot be seeded on the CPU.
#[derive(Clone, Debug)]
pub struct Masks {
    /// `None` if nothing is dropped.
    seed: Option<u64>,
    step: Arc<AtomicU64>,
}

impl Masks {
    /// The masks of a seed, before the first step.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed: Some(seed), step: Arc::new(AtomicU64::new(0)) }
    }

    /// Masks that drop nothing. For comparisons with other implementations, whose random numbers differ.
    #[must_use]
    pub fn none() -> Self {
        Self { seed: None, step: Arc::new(AtomicU64::new(0)) }
    }

    /// Goes to a step of the training. All masks of a step are the same until the next call.
    pub fn set_step(&self, step: u64) {
        self.step.store(step, Ordering::Relaxed);
    }

    /// A mask of that shape for a layer: 0 with probability `drop`, otherwise 1 / (1 − `drop`), so that
    /// the mean is 1 (Srivastava et al. 2014).
    ///
    /// # Errors
    ///
    /// If `drop` is not in [0, 1), or the device fails.
    pub fn mask(&self, layer: &str, shape: &[usize], drop: f64, device: &Device) -> Result<Tensor> {
        if !(0.0..1.0).contains(&drop) {
            candle_core::bail!("the probability of dropout is {drop}, expected it in [0, 1)");
        }
        let Some(seed) = self.seed else { return Tensor::ones(shape, DType::F32, device) };
        let step = self.step.load(Ordering::Relaxed);
        let count = shape.iter().product();
        let mut values = Stream::new(seed, &format!("mask/{step}/{layer}")).uniform(count, 1.0);
        let (bound, kept) = ((2.0 * drop - 1.0) as f32, (1.0 / (1.0 - drop)) as f32);
        values.iter_mut().for_each(|value| *value = if *value < bound { 0.0 } else { kept });
        Tensor::from_vec(values, shape, device)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test panics if it cannot continue")]
mod tests {
    use super::*;

    #[test]
    fn masks_depend_on_seed_step_and_layer_and_keep_the_mean() {
        let masks = Masks::new(1);
        let of = |masks: &Masks, layer: &str| -> Vec<f32> {
            masks.mask(layer, &[10_000], 0.2, &Device::Cpu).unwrap().to_vec1().unwrap()
        };
        let first = of(&masks, "a");
        let mean = first.iter().sum::<f32>() / first.len() as f32;
        assert!((mean - 1.0).abs() < 0.03, "{mean}");
        assert!(first.iter().all(|value| *value == 0.0 || *value == 1.25));
        assert_eq!(of(&masks, "a"), first);
        assert_ne!(of(&masks, "b"), first);
        assert_ne!(of(&Masks::new(2), "a"), first);
        let clone = masks.clone();
        masks.set_step(1);
        assert_ne!(of(&clone, "a"), first);
        masks.set_step(0);
        assert_eq!(of(&clone, "a"), first);
        assert!(masks.mask("a", &[1], 1.0, &Device::Cpu).is_err());
        assert_eq!(of(&Masks::none(), "a"), vec![1.0; 10_000]);
    }
}
