//! The training loop.

use std::{ops::ControlFlow, sync::PoisonError};

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{ModuleT, Optimizer, VarMap, loss::cross_entropy};
use record::EpochOutcome;

use super::{error::FitError, input::FitInput, settings::FitSettings, stack::with_large_stack};
use crate::{
    dataset::{Dataset, Split},
    kernels::largest,
    masks::Masks,
    nn::AdamOptimizer,
    random::Stream,
    study::{TrainEvent, TrainingHistory},
};

/// Images evaluated at a time.
const EVALUATED: usize = 64;

/// The training of a network.
pub struct Fit<'a> {
    network: &'a mut (dyn ModuleT + Send),
    pub(super) all: VarMap,
    /// Names of the variables that are trained, in the optimizer's order.
    pub(super) names: Vec<String>,
    pub(super) optimizer: AdamOptimizer,
    pub(super) settings: FitSettings,
    masks: Option<Masks>,
    /// Optimizer steps so far.
    pub(super) steps: u64,
    pub(super) history: TrainingHistory,
}

/// What a step found before it changed the weights.
struct Found {
    loss: f32,
    correct: usize,
}

impl<'a> Fit<'a> {
    /// Prepares the training of a network on all of its variables.
    ///
    /// # Errors
    ///
    /// If a setting of the optimizer is out of range, or a variable is not float32 on the CPU.
    pub fn new(
        network: &'a mut (dyn ModuleT + Send),
        variables: &VarMap,
        settings: FitSettings,
    ) -> Result<Self, FitError> {
        let (names, optimizer) = optimizer(variables, &settings, |_| true)?;
        Ok(Self {
            network,
            all: variables.clone(),
            names,
            optimizer,
            settings,
            masks: None,
            steps: 0,
            history: TrainingHistory::new(),
        })
    }

    /// Trains the variables of these names only.
    ///
    /// # Errors
    ///
    /// If there is no such variable.
    pub fn only(mut self, names: &[String]) -> Result<Self, FitError> {
        let chosen = |name: &String| names.contains(name);
        (self.names, self.optimizer) = optimizer(&self.all, &self.settings, chosen)?;
        if self.names.is_empty() {
            return Err(FitError::NothingToTrain);
        }
        Ok(self)
    }

    /// Moves the masks of the network's dropout on from step to step.
    #[must_use]
    pub fn with_masks(mut self, masks: &Masks) -> Self {
        self.masks = Some(masks.clone());
        self
    }

    /// The epochs so far.
    #[must_use]
    pub fn history(&self) -> &TrainingHistory {
        &self.history
    }

    /// Whether all epochs are done, or the loss stopped being finite.
    #[must_use]
    pub fn finished(&self) -> bool {
        self.history.diverged_in_epoch.is_some()
            || self.history.epochs.len() >= self.settings.epochs as usize
    }

    /// Trains for the remaining epochs, or until the loss is no longer finite.
    ///
    /// # Errors
    ///
    /// As [`Fit::epoch`].
    pub fn run(
        &mut self,
        data: &Dataset,
        input: &FitInput,
        observe: &mut dyn FnMut(TrainEvent) -> ControlFlow<()>,
    ) -> Result<&TrainingHistory, FitError> {
        while !self.finished() {
            self.epoch(data, input, observe)?;
        }
        Ok(&self.history)
    }

    /// Trains for one epoch: on every training image once, in an order that the seed determines anew for each
    /// epoch. The last batch holds the remaining images (PyTorch's `drop_last=False`), unless only one remains,
    /// of which batch norm has no variance; that image is left out of the epoch.
    ///
    /// # Errors
    ///
    /// If the data do not fit the network; [`FitError::Stopped`] if `observe` returned [`ControlFlow::Break`].
    pub fn epoch(
        &mut self,
        data: &Dataset,
        input: &FitInput,
        observe: &mut dyn FnMut(TrainEvent) -> ControlFlow<()>,
    ) -> Result<EpochOutcome, FitError> {
        self.check(data, &data.train)?;
        let epoch = self.history.epochs.len() as u32;
        continued(observe(TrainEvent::EpochStarted(epoch)))?;
        let count = data.train.labels.len();
        let order = Stream::new(self.settings.seed, &format!("order/{epoch}")).permutation(count);
        let batches: Vec<&[usize]> = order
            .chunks(self.settings.batch)
            .filter(|rows| rows.len() > 1 || count == 1 || self.settings.batch == 1)
            .collect();
        let total = batches.len() as u64 * u64::from(self.settings.epochs);
        let (mut losses, mut correct, mut seen) = (Vec::new(), 0, 0);
        for rows in batches {
            let (images, labels) = input.batch(data, &data.train, rows, &Device::Cpu)?;
            let found = with_large_stack(|| self.step(data, &images, &labels, total))
                .map_err(FitError::Thread)??;
            losses.push(f64::from(found.loss));
            correct += found.correct;
            seen += rows.len();
            continued(observe(TrainEvent::Step))?;
            if !found.loss.is_finite() {
                self.history.diverged_in_epoch = Some(epoch);
                break;
            }
        }
        let mean = losses.iter().sum::<f64>() / losses.len() as f64;
        let loss = Some(mean).filter(|mean| mean.is_finite());
        let outcome = EpochOutcome { loss, accuracy: correct as f64 / seen as f64 };
        self.history.epochs.push(outcome);
        continued(observe(TrainEvent::EpochEnded(outcome)))?;
        Ok(outcome)
    }

    fn check(&self, data: &Dataset, split: &Split) -> Result<(), FitError> {
        if self.settings.batch == 0 {
            return Err(FitError::EmptyBatch);
        }
        let (values, images) = (split.images.len(), split.labels.len());
        if images == 0 {
            return Err(FitError::NoImages { name: data.name.clone() });
        }
        let features = data.channels * data.side * data.side;
        if features == 0 || values != images * features {
            return Err(FitError::Misfit { name: data.name.clone(), values, images, features });
        }
        Ok(())
    }

    /// Makes one optimizer step on a batch; loss and number of correct images are those before it.
    fn step(
        &mut self,
        data: &Dataset,
        images: &Tensor,
        labels: &Tensor,
        total: u64,
    ) -> Result<Found, FitError> {
        if let Some(masks) = &self.masks {
            masks.set_step(self.steps);
        }
        let logits = self.network.forward_t(images, true)?;
        let correct = correct(data, &logits, labels)?;
        let loss = cross_entropy(&logits, labels)?;
        drop(logits);
        let found = Found { loss: loss.to_dtype(DType::F32)?.to_scalar()?, correct };
        if !found.loss.is_finite() {
            return Ok(found);
        }
        let gradients = loss.backward()?;
        drop(loss);
        self.optimizer.set_learning_rate(self.settings.rate_at(self.steps, total));
        self.optimizer.step(&gradients)?;
        self.steps += 1;
        Ok(found)
    }

    /// Top-1 accuracy in [0, 1] in evaluation mode: the share of images whose label has the largest logit. `None`
    /// if there are no images. NaN logits count as class 0.
    ///
    /// # Errors
    ///
    /// If the images do not fit the network.
    pub fn accuracy(
        &mut self,
        data: &Dataset,
        split: &Split,
        input: &FitInput,
    ) -> Result<Option<f64>, FitError> {
        if split.labels.is_empty() {
            return Ok(None);
        }
        self.check(data, split)?;
        let rows: Vec<usize> = (0..split.labels.len()).collect();
        let mut right = 0;
        for rows in rows.chunks(EVALUATED) {
            let (images, labels) = input.batch(data, split, rows, &Device::Cpu)?;
            let network = &mut *self.network;
            right += with_large_stack(move || {
                correct(data, &network.forward_t(&images, false)?, &labels)
            })
            .map_err(FitError::Thread)??;
        }
        Ok(Some(right as f64 / split.labels.len() as f64))
    }
}

/// The names of the chosen variables in alphabetical order, and their optimizer.
fn optimizer(
    variables: &VarMap,
    settings: &FitSettings,
    chosen: impl Fn(&String) -> bool,
) -> Result<(Vec<String>, AdamOptimizer), FitError> {
    let data = variables.data().lock().unwrap_or_else(PoisonError::into_inner);
    let mut pairs: Vec<(&String, &Var)> = data
        .iter()
        .filter(|(name, variable)| variable.dtype().is_float() && chosen(name))
        .collect();
    pairs.sort_by_key(|(name, _)| *name);
    let (names, variables) =
        pairs.into_iter().map(|(name, variable)| (name.clone(), variable.clone())).unzip();
    Ok((names, AdamOptimizer::new(variables, settings.adam)?))
}

/// Number of images whose label has the largest logit.
fn correct(data: &Dataset, logits: &Tensor, labels: &Tensor) -> Result<usize, FitError> {
    let rows: Vec<Vec<f32>> = logits.to_dtype(DType::F32)?.to_vec2()?;
    let labels: Vec<u32> = labels.to_vec1()?;
    let classes = logits.dim(1)?;
    if let Some(label) = labels.iter().find(|label| **label as usize >= classes) {
        return Err(FitError::Label { name: data.name.clone(), label: *label, classes });
    }
    Ok(rows.iter().zip(&labels).filter(|(row, label)| largest(row) == **label as usize).count())
}

/// An observer's answer as a result.
fn continued(flow: ControlFlow<()>) -> Result<(), FitError> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(FitError::Stopped),
    }
}
