//! Settings of a training.

use record::Adam;

/// Settings of a training. Together with the network, its initial values and the data, they determine its outcome.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FitSettings {
    /// Passes over the training images.
    pub epochs: u32,
    /// Images of one optimizer step.
    pub batch: usize,
    /// Settings of the optimizer, PyTorch's Adam: weight decay is added to the gradient.
    pub adam: Adam,
    /// How the learning rate changes.
    pub schedule: RateSchedule,
    /// Determines the order of the images in each epoch.
    pub seed: u64,
}

/// How the learning rate changes from step to step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateSchedule {
    /// It stays the same.
    #[default]
    Constant,
    /// It falls from its value to 0 over the whole training, along half a cosine (Loshchilov and Hutter 2016).
    Cosine,
}

impl FitSettings {
    /// Settings with PyTorch's defaults of Adam and a constant learning rate.
    #[must_use]
    pub fn new(epochs: u32, batch: usize, seed: u64) -> Self {
        Self { epochs, batch, adam: Adam::default(), schedule: RateSchedule::default(), seed }
    }

    /// The learning rate at a step, numbered from 0, of `steps` in all.
    pub(super) fn rate_at(&self, step: u64, steps: u64) -> f64 {
        let rate = self.adam.learning_rate;
        match self.schedule {
            RateSchedule::Constant => rate,
            RateSchedule::Cosine => {
                let done = step as f64 / steps.max(1) as f64;
                rate * (1.0 + (std::f64::consts::PI * done).cos()) / 2.0
            }
        }
    }
}
