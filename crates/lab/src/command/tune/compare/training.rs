//! A training, some epochs at a time, measured.

use meter::Meter;
use models::{Control, Dataset, TrainError, Training};
use record::{Adam, Origin};

use super::{super::spent::Spent, Setting};
use crate::{Failure, interrupt::Interrupt, seed::derive};

/// Trains the networks of one comparison: all start from the same weights and see the same batches.
pub(super) struct Trainer<'a> {
    pub(super) setting: &'a Setting,
    data: &'a Dataset,
    pub(super) meter: &'a Meter,
    interrupt: &'a Interrupt,
    seed: u64,
}

/// What some epochs gave.
pub(super) struct Part {
    /// Validation accuracy after each epoch.
    pub(super) accuracies: Vec<f64>,
    /// Whether the loss stopped being a number.
    pub(super) diverged: bool,
    pub(super) spent: Spent,
    pub(super) origin: Option<Origin>,
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

    /// A network at its start: learning rate, β1 and β2.
    pub(super) fn start(&self, point: &[f64]) -> Result<Training, Failure> {
        let mut adam = Adam::default();
        let places = [&mut adam.learning_rate, &mut adam.beta1, &mut adam.beta2];
        places.into_iter().zip(point).for_each(|(place, value)| *place = *value);
        let (network, minibatch) = (self.setting.study_network(), self.setting.minibatch);
        Training::new(&network, &adam, minibatch, self.data, self.seed).map_err(Failure::bad_input)
    }

    /// Trains on for so many epochs; evaluating `each` of them, or only the last, is part of the
    /// cost.
    pub(super) fn go_on(
        &self,
        training: &mut Training,
        epochs: u32,
        each: bool,
    ) -> Result<Part, Failure> {
        let span = self.meter.span("training");
        let (mut accuracies, mut diverged) = (Vec::new(), false);
        for epoch in 1..=epochs {
            let fit = training.fit(1, &mut |_| {
                if self.interrupt.is_set() { Control::Stop } else { Control::Continue }
            });
            let fit = fit.map_err(|error| match error {
                TrainError::Stopped => Failure::Interrupted,
                error => Failure::run_time(error),
            })?;
            diverged = fit.diverged_in_epoch.is_some();
            if each || diverged || epoch == epochs {
                let accuracy = training.accuracy(&self.data.validation);
                accuracies.push(accuracy.map_err(Failure::run_time)?.unwrap_or(0.0));
            }
            if diverged {
                break;
            }
        }
        let report = span.end();
        let origin = report.total.as_ref().map(|it| it.origin);
        Ok(Part { accuracies, diverged, spent: Spent::of(&report), origin })
    }
}
