//! What a training reports while it runs and when it ends.

use std::ops::ControlFlow;

use record::EpochOutcome;

use super::error::TrainError;
use crate::kernels::Entropy;

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

/// Trains for `epochs` epochs over batches of `sizes` images, or until the loss is no longer finite. `step` makes
/// the step on the batch of an index, and `observe` is called for each event.
pub(super) fn run_epochs(
    epochs: u32,
    sizes: &[usize],
    step: &mut dyn FnMut(usize) -> Result<Entropy, TrainError>,
    observe: &mut dyn FnMut(TrainEvent) -> ControlFlow<()>,
) -> Result<TrainingHistory, TrainError> {
    let mut history = TrainingHistory::new();
    for epoch in 0..epochs {
        continued(observe(TrainEvent::EpochStarted(epoch)))?;
        let (mut losses, mut correct, mut seen) = (Vec::new(), 0, 0);
        for (batch, images) in sizes.iter().enumerate() {
            let Entropy { mean, correct: right } = step(batch)?;
            losses.push(f64::from(mean));
            correct += right;
            seen += images;
            continued(observe(TrainEvent::Step))?;
            if !mean.is_finite() {
                history.diverged_in_epoch = Some(epoch);
                break;
            }
        }
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        let loss = Some(mean).filter(|mean| mean.is_finite());
        let outcome = EpochOutcome { loss, accuracy: correct as f64 / seen as f64 };
        history.epochs.push(outcome);
        continued(observe(TrainEvent::EpochEnded(outcome)))?;
        if history.diverged_in_epoch.is_some() {
            break;
        }
    }
    Ok(history)
}

/// An observer's answer as a result.
pub(super) fn continued(flow: ControlFlow<()>) -> Result<(), TrainError> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(TrainError::Stopped),
    }
}
