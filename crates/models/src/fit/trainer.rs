//! The training loop.

use std::{collections::HashMap, ops::ControlFlow, path::Path, sync::PoisonError};

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::{ModuleT, Optimizer, VarMap, loss::cross_entropy};
use record::EpochOutcome;
use sha2::{Digest, Sha256};

use super::{
    error::FitError,
    file::{read, write},
    input::FitInput,
    settings::{FitSettings, RateSchedule},
    stack::with_large_stack,
};
use crate::{
    dataset::{Dataset, Split},
    kernels::{Moments, largest},
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
    all: VarMap,
    /// Names of the variables that are trained, in the optimizer's order.
    names: Vec<String>,
    optimizer: AdamOptimizer,
    settings: FitSettings,
    masks: Option<Masks>,
    /// Optimizer steps so far.
    steps: u64,
    history: TrainingHistory,
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

    /// Writes everything that [`Fit::load_state`] needs to continue after the last finished epoch. The file appears
    /// whole or not at all.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save_state(&self, path: &Path, data: &Dataset) -> Result<(), FitError> {
        let mut tensors = HashMap::new();
        let mut put = |name: String, values: &[f64]| {
            let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu)?;
            tensors.insert(name, tensor);
            Ok::<_, FitError>(())
        };
        let epochs = &self.history.epochs;
        let losses: Vec<f64> = epochs.iter().map(|epoch| epoch.loss.unwrap_or(f64::NAN)).collect();
        let accuracies: Vec<f64> = epochs.iter().map(|epoch| epoch.accuracy).collect();
        put("losses".to_owned(), &losses)?;
        put("accuracies".to_owned(), &accuracies)?;
        let fingerprint = self.fingerprint(data);
        tensors.insert("settings".to_owned(), Tensor::new(&fingerprint[..], &Device::Cpu)?);
        tensors.insert("steps".to_owned(), Tensor::new(&[self.steps as i64][..], &Device::Cpu)?);
        for (variable, moments) in self.names.iter().zip(self.optimizer.moments()) {
            let moments = moments.lock().unwrap_or_else(PoisonError::into_inner);
            for (kind, values) in ["first", "second"].into_iter().zip(moments.parts()) {
                let tensor = Tensor::from_slice(values, values.len(), &Device::Cpu)?;
                tensors.insert(format!("{kind}/{variable}"), tensor);
            }
        }
        let variables = self.all.data().lock().unwrap_or_else(PoisonError::into_inner);
        for (name, variable) in variables.iter() {
            tensors.insert(format!("weights/{name}"), variable.as_tensor().clone());
        }
        write(&tensors, path)
    }

    /// Continues from a file of [`Fit::save_state`]. The outcome is that of a training without interruption.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or is that of a training with another network, other settings or other data.
    pub fn load_state(&mut self, path: &Path, data: &Dataset) -> Result<(), FitError> {
        let tensors = read(path)?;
        let fail = |reason: String| FitError::State { path: path.to_owned(), reason };
        let get = |name: &str| {
            tensors.get(name).ok_or_else(|| fail(format!("it has no tensor `{name}`")))
        };
        if get("settings")?.flatten_all()?.to_vec1::<u8>()? != self.fingerprint(data) {
            let text = "it was written with other settings, another seed, network or data set; delete it, or \
                        use the same settings";
            return Err(fail(text.to_owned()));
        }
        let losses = get("losses")?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let accuracies = get("accuracies")?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let steps = get("steps")?.to_dtype(DType::I64)?.to_vec1::<i64>()?;
        let variables = self.all.data().lock().unwrap_or_else(PoisonError::into_inner);
        for (name, variable) in variables.iter() {
            let given = get(&format!("weights/{name}"))?;
            if given.dims() != variable.dims() {
                return Err(fail(format!("`{name}` has shape {:?}", given.dims())));
            }
            variable.set(given)?;
        }
        let mut moments = Vec::new();
        for name in &self.names {
            let count = variables.get(name).map_or(0, |variable| variable.elem_count());
            let part = |kind: &str| -> Result<Vec<f32>, FitError> {
                let values: Vec<f32> =
                    get(&format!("{kind}/{name}"))?.to_dtype(DType::F32)?.to_vec1()?;
                match values.len() {
                    len if len == count || len == 0 => Ok(values),
                    len => Err(fail(format!("`{kind}/{name}` has {len} values, expected {count}"))),
                }
            };
            moments.push(Moments::of(part("first")?, part("second")?));
        }
        self.steps = steps.first().copied().unwrap_or(0).max(0) as u64;
        self.optimizer.restore(u32::try_from(self.steps).unwrap_or(u32::MAX), moments);
        let epochs = losses.into_iter().zip(accuracies);
        self.history.epochs = epochs
            .map(|(loss, accuracy)| EpochOutcome {
                loss: Some(loss).filter(|loss| loss.is_finite()),
                accuracy,
            })
            .collect();
        let diverged = self.history.epochs.iter().position(|epoch| epoch.loss.is_none());
        self.history.diverged_in_epoch = diverged.map(|epoch| epoch as u32);
        Ok(())
    }

    /// SHA-256 of everything that determines the outcome except the initial weights. The number of epochs counts
    /// only if the learning rate depends on it.
    fn fingerprint(&self, data: &Dataset) -> Vec<u8> {
        let FitSettings { epochs, batch, adam, schedule, seed } = &self.settings;
        let epochs = if *schedule == RateSchedule::Constant { &0 } else { epochs };
        let names = &self.names;
        let text =
            format!("{epochs} {batch} {adam:?} {schedule:?} {seed} {} {names:?}", data.sha256);
        Sha256::digest(text).to_vec()
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
