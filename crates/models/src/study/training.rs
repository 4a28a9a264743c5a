//! Training as the study did it: Adam, cross-entropy, batches drawn once and reused every epoch.

use std::sync::{Mutex, atomic::Ordering};

use candle_core::{Device, Tensor};
use record::{Adam, EpochOutcome, StudyNetwork};

use super::{
    initial::Stream,
    network::{Network, NetworkError},
};
use crate::{
    dataset::{Dataset, Split},
    kernels::{AdamStep, CrossEntropy, Moments, largest},
};

/// Images evaluated at a time.
const EVALUATED: usize = 512;

/// Why a training cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The network cannot be built or run.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// No images per step.
    #[error("minibatch size is 0, expected at least 1")]
    EmptyMinibatch,
    /// No images at all.
    #[error("data set `{name}` has no training images")]
    NoImages {
        /// Its name.
        name: String,
    },
    /// Somebody asked for an end.
    #[error("stopped")]
    Stopped,
}

impl From<candle_core::Error> for TrainError {
    fn from(error: candle_core::Error) -> Self {
        Self::Network(error.into())
    }
}

/// What happens during a training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TrainEvent {
    /// An epoch begins, counted from 0.
    EpochStarted(u32),
    /// An optimizer step was made.
    Step,
    /// The epoch is over.
    EpochEnded(EpochOutcome),
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// End now, with [`TrainError::Stopped`].
    Stop,
}

/// How a training went.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// One entry a finished epoch.
    pub epochs: Vec<EpochOutcome>,
    /// The epoch whose loss stopped being a number, which ended the training.
    pub diverged_in_epoch: Option<u32>,
}

/// A network with its optimizer and its batches, ready to be trained.
pub struct Training {
    network: Network,
    settings: Adam,
    moments: Vec<Mutex<Moments>>,
    steps: u32,
    /// Images, labels and their number.
    batches: Vec<(Tensor, Tensor, usize)>,
}

impl Training {
    /// Draws weights and batches by the seed.
    ///
    /// The last batch takes what is left (PyTorch's `drop_last=False`).
    ///
    /// # Errors
    ///
    /// If the network does not fit the images, or there is nothing to train on.
    pub fn new(
        spec: &StudyNetwork,
        settings: &Adam,
        minibatch: usize,
        data: &Dataset,
        seed: u64,
    ) -> Result<Self, TrainError> {
        if minibatch == 0 {
            return Err(TrainError::EmptyMinibatch);
        }
        if data.train.labels.is_empty() {
            return Err(TrainError::NoImages { name: data.name.clone() });
        }
        let network = Network::new(spec, data.channels, data.side, data.classes, seed)?;
        let order = Stream::new(seed, "batches").permutation(data.train.labels.len());
        let features = network.features();
        let batches = order
            .chunks(minibatch)
            .map(|rows| {
                let mut images = Vec::with_capacity(rows.len() * features);
                for row in rows {
                    images.extend_from_slice(
                        &data.train.images[row * features..(row + 1) * features],
                    );
                }
                let labels: Vec<u32> = rows.iter().map(|row| data.train.labels[*row]).collect();
                let labels = Tensor::from_vec(labels, rows.len(), &Device::Cpu)?;
                Ok((network.batch(&images)?, labels, rows.len()))
            })
            .collect::<candle_core::Result<_>>()?;
        Ok(Self::with_batches(network, *settings, batches))
    }

    /// Trains a network on one batch of images `[n][c][h][w]`, over and over: what a comparison with
    /// another implementation needs.
    ///
    /// # Errors
    ///
    /// If the images do not fit the network.
    pub fn on_one_batch(
        network: Network,
        settings: &Adam,
        images: &[f32],
        labels: &[u32],
    ) -> Result<Self, TrainError> {
        let batch = network.batch(images)?;
        let n = labels.len();
        let labels = Tensor::from_slice(labels, n, &Device::Cpu)?;
        Ok(Self::with_batches(network, *settings, vec![(batch, labels, n)]))
    }

    fn with_batches(
        network: Network,
        settings: Adam,
        batches: Vec<(Tensor, Tensor, usize)>,
    ) -> Self {
        let moments = network.variables().iter().map(|_| Mutex::default()).collect();
        Self { network, settings, moments, steps: 0, batches }
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Trains for some epochs, or until the loss is not a number.
    ///
    /// # Errors
    ///
    /// If the tensor library fails, or `observe` asks for an end.
    pub fn fit(
        &mut self,
        epochs: u32,
        observe: &mut dyn FnMut(TrainEvent) -> Control,
    ) -> Result<Fit, TrainError> {
        let mut tell = |event| match observe(event) {
            Control::Continue => Ok(()),
            Control::Stop => Err(TrainError::Stopped),
        };
        let mut fit = Fit { epochs: Vec::new(), diverged_in_epoch: None };
        for epoch in 0..epochs {
            tell(TrainEvent::EpochStarted(epoch))?;
            let (mut losses, mut correct, mut seen) = (Vec::new(), 0, 0);
            for batch in 0..self.batches.len() {
                let (loss, right) = self.step(batch)?;
                losses.push(f64::from(loss));
                correct += right;
                seen += self.batches[batch].2;
                tell(TrainEvent::Step)?;
                if !loss.is_finite() {
                    fit.diverged_in_epoch = Some(epoch);
                    break;
                }
            }
            let mean = losses.iter().sum::<f64>() / losses.len() as f64;
            let loss = Some(mean).filter(|it| it.is_finite());
            let outcome = EpochOutcome { loss, accuracy: correct as f64 / seen as f64 };
            fit.epochs.push(outcome);
            tell(TrainEvent::EpochEnded(outcome))?;
            if fit.diverged_in_epoch.is_some() {
                break;
            }
        }
        Ok(fit)
    }

    /// One optimizer step on a batch; its loss and the number of images that were right before it.
    fn step(&mut self, batch: usize) -> Result<(f32, usize), TrainError> {
        let (images, labels, n) = &self.batches[batch];
        let logits = self.network.forward(images, *n, true)?;
        let entropy = CrossEntropy::default();
        let loss = logits.apply_op2(labels, entropy.clone())?;
        let value = loss.to_scalar::<f32>()?;
        let gradients = loss.backward()?;
        self.steps += 1;
        for (variable, moments) in self.network.variables().into_iter().zip(&self.moments) {
            if let Some(gradient) = gradients.get(variable.as_tensor()) {
                let step = AdamStep { settings: &self.settings, step: self.steps, moments };
                variable.as_tensor().inplace_op2(&gradient.contiguous()?, &step)?;
            }
        }
        Ok((value, entropy.correct.load(Ordering::Relaxed)))
    }

    /// Share of images whose label has the largest logit, in evaluation mode; `None` of no images.
    /// Logits that are not numbers count as class 0.
    ///
    /// # Errors
    ///
    /// If the tensor library fails.
    pub fn accuracy(&self, split: &Split) -> Result<Option<f64>, TrainError> {
        if split.labels.is_empty() {
            return Ok(None);
        }
        let rows = split.images.chunks(EVALUATED * self.network.features());
        let mut correct = 0;
        for (images, labels) in rows.zip(split.labels.chunks(EVALUATED)) {
            let logits = self.network.forward(&self.network.batch(images)?, labels.len(), false)?;
            let logits = logits.flatten_all()?.to_vec1::<f32>()?;
            let rows = logits.chunks_exact(self.network.classes());
            correct +=
                rows.zip(labels).filter(|(row, label)| largest(row) == **label as usize).count();
        }
        Ok(Some(correct as f64 / split.labels.len() as f64))
    }
}
