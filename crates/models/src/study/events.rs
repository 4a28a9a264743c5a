//! What a training reports while it runs and when it ends.

use std::ops::ControlFlow;

use record::EpochOutcome;

use super::error::TrainError;

/// A step of a training's progress.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum TrainEvent {
    /// An epoch begins; epochs are numbered from 0.
    EpochStarted(u32),
    /// An optimizer step was made.
    Step,
    /// An epoch has ended.
    EpochEnded(EpochOutcome),
}

/// The epochs of a training.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrainingHistory {
    /// Mean training loss and training accuracy of each finished epoch.
    pub epochs: Vec<EpochOutcome>,
    /// The epoch in which the loss stopped being finite, which ended the training; `None` if it
    /// stayed finite.
    pub diverged_in_epoch: Option<u32>,
}

impl TrainingHistory {
    /// A history without epochs.
    pub(crate) fn new() -> Self {
        Self { epochs: Vec::new(), diverged_in_epoch: None }
    }
}

/// An observer's answer as a result.
pub(super) fn continued(flow: ControlFlow<()>) -> Result<(), TrainError> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(TrainError::Stopped),
    }
}
