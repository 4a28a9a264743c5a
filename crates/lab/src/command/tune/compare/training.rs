//! Trainings of some epochs at a time, under the meter.

use std::ops::ControlFlow;

use anyhow::anyhow;
use meter::Meter;
use models::{Dataset, TrainError, Training};
use record::Adam;
use tuner::Spent;

use super::{super::spent::spent, comparison::Setting};
use crate::{Failure, interrupt::Interrupt, seed::derive};

/// Trains the networks of one comparison. All start from the same weights and see the same batches.
pub(super) struct Trainer<'a> {
    pub(super) setting: &'a Setting,
    data: &'a Dataset,
    pub(super) meter: &'a Meter,
    interrupt: &'a Interrupt,
    seed: u64,
}

/// The result of some epochs.
pub(super) struct Part {
    /// Number of epochs trained, including one that diverged.
    pub(super) epochs: u32,
    /// Validation accuracy at the end.
    pub(super) accuracy: f64,
    /// Whether the loss became NaN or infinite.
    pub(super) diverged: bool,
    pub(super) spent: Spent,
}

impl<'a> Trainer<'a> {
    pub(super) fn new(
        setting: &'a Setting,
        data: &'a Dataset,
        meter: &'a Meter,
        interrupt: &'a Interrupt,
    ) -> Self {
        let seed = derive(setting.seed, "weights and batches");
        Self { setting, data, meter, interrupt, seed }
    }

    /// A training that has not begun, with this learning rate, β1 and β2.
    pub(super) fn start(&self, point: &[f64]) -> Result<Training, Failure> {
        let mut adam = Adam::default();
        let places = [&mut adam.learning_rate, &mut adam.beta1, &mut adam.beta2];
        places.into_iter().zip(point).for_each(|(place, value)| *place = *value);
        let (network, minibatch) = (self.setting.study_network(), self.setting.minibatch);
        Training::new(&network, &adam, minibatch, self.data, self.seed).map_err(Failure::bad_input)
    }

    /// Trains for some more epochs and evaluates. The evaluation is part of the cost.
    pub(super) fn go_on(&self, training: &mut Training, epochs: u32) -> Result<Part, Failure> {
        let span = self.meter.span("training");
        let fit = training.fit(epochs, &mut |_| {
            if self.interrupt.is_set() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let fit = fit.map_err(|error| match error {
            TrainError::Stopped => Failure::Interrupted,
            error => Failure::run_time(error),
        })?;
        let accuracy = training.accuracy(&self.data.validation).map_err(Failure::run_time)?;
        let spent = spent(&span.end());
        if spent.joules.is_none() {
            let text = "no probe measures the energy of a training here; see `wattlab probes`";
            return Err(Failure::run_time(anyhow!(text)));
        }
        Ok(Part {
            epochs: fit.epochs.len() as u32,
            accuracy: accuracy.unwrap_or(0.0),
            diverged: fit.diverged_in_epoch.is_some(),
            spent,
        })
    }

    /// Accuracy on the test images, which no search sees.
    pub(super) fn test(&self, training: &mut Training) -> Result<f64, Failure> {
        let accuracy = training.accuracy(&self.data.test).map_err(Failure::run_time)?;
        Ok(accuracy.unwrap_or(0.0))
    }
}
