//! What was measured so far.

use inference_sim::{
    BatchMeasurement, BatchSequence, PaceSample, RealClock, SlownessConfig, fit_slowness,
};
use meter::Meter;
use record::{Origin, Seconds, Watts};

use crate::{Failure, Interrupt, command::simulate::batches::idle, progress};

/// The measurements so far.
pub(in crate::command::simulate) struct Measured {
    pub(super) observations: Vec<BatchMeasurement>,
    /// When each observation ended.
    pub(super) times: Vec<Seconds>,
    pub(super) clock: RealClock,
    pub(super) sequences: Vec<BatchSequence>,
    pub(super) origin: Option<Origin>,
    /// The idle power before the first measurement.
    pub(super) idle: Option<Watts>,
    /// Number of measurements during which other processes used the machine.
    pub(super) disturbed: usize,
    pub(super) rounds: u32,
}

impl Measured {
    /// Measures the idle power.
    pub(in crate::command::simulate) fn begin(
        meter: &Meter,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let idle = idle(meter, interrupt)?;
        Ok(Self {
            observations: Vec::new(),
            times: Vec::new(),
            clock: RealClock::start(),
            sequences: Vec::new(),
            origin: None,
            idle,
            disturbed: 0,
            rounds: 0,
        })
    }

    /// In the order in which they were measured.
    pub(in crate::command::simulate) fn observations(&self) -> &[BatchMeasurement] {
        &self.observations
    }

    /// The same with these measurements alone.
    pub(in crate::command::simulate) fn only(&self, observations: Vec<BatchMeasurement>) -> Self {
        Self { observations, times: Vec::new(), sequences: Vec::new(), ..*self }
    }

    /// [`Measured::slowness`] for a description.
    pub(in crate::command::simulate) fn slowness_config(&self) -> Option<SlownessConfig> {
        self.slowness().map(|(cv, fades)| SlownessConfig::new(cv, fades.0))
    }

    /// How much the speed of the machine varied between the measurements, and for how long.
    fn slowness(&self) -> Option<(f64, Seconds)> {
        let mean = |like: &BatchMeasurement| {
            let alike = self
                .observations
                .iter()
                .filter(|batch| (batch.size, batch.pause) == (like.size, like.pause));
            let (sum, count) =
                alike.fold((0.0, 0.0), |(sum, count), batch| (sum + batch.service.0, count + 1.0));
            sum / count
        };
        let samples: Vec<PaceSample> = self
            .times
            .iter()
            .zip(&self.observations)
            .map(|(&time, batch)| PaceSample { time, ratio: batch.service.0 / mean(batch) })
            .collect();
        fit_slowness(&samples)
    }

    /// Warns about disturbed measurements.
    pub(in crate::command::simulate) fn warn(&self, arch: &str) {
        if self.disturbed > 0 {
            progress::line(&format!(
                "warning: {} of {} measurements of {arch} were disturbed: other processes used more \
                 than 5 % of the processors; end them and calibrate again",
                self.disturbed,
                self.observations.len()
            ));
        }
    }
}
