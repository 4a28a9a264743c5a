//! Training as the study did it: Adam, cross-entropy, batches drawn once and reused every epoch.

use record::{Adam, EpochOutcome, StudyNetwork};

use super::{
    initial::Stream,
    network::{Network, NetworkError},
    resident::{Data, Resident},
};
use crate::{
    dataset::{Dataset, Split},
    device::{Device, DeviceError},
    kernels::{Entropy, Moments, adam_step, cross_entropy, largest},
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
    /// Images and labels do not go together.
    #[error("{values} values for {images} images of {features} values each")]
    Misfit {
        /// Of the images.
        values: usize,
        /// Labels there are.
        images: usize,
        /// Of an image.
        features: usize,
    },
    /// A label is none of the network's classes.
    #[error("label {label} of {classes} classes; labels count from 0")]
    Label {
        /// As given.
        label: u32,
        /// The network's.
        classes: usize,
    },
    /// The device failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Somebody asked for an end.
    #[error("stopped")]
    Stopped,
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

/// Images in the network's layout.
struct Batch {
    images: Vec<f32>,
    labels: Vec<u32>,
}

/// A network with its optimizer and its batches, ready to be trained.
pub struct Training {
    network: Network,
    settings: Adam,
    moments: Vec<Moments>,
    steps: u32,
    batches: Vec<Batch>,
    /// An epoch takes each batch so many times.
    times: usize,
    /// That of the logits.
    gradient: Vec<f32>,
    /// The network where it is trained, if that is not the CPU.
    resident: Option<Box<Resident>>,
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
        Self::new_on(&Device::cpu(), spec, settings, minibatch, data, seed)
    }

    /// The same, on a device: there the network and its images stay, and no outcome depends on how.
    ///
    /// # Errors
    ///
    /// As [`Training::new`], or if the device fails.
    pub fn new_on(
        device: &Device,
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
        if let Some(place) = device.place() {
            check_labels(&data.train.labels, network.classes())?;
            let data = Data {
                key: Some(&data.sha256),
                images: &data.train.images,
                labels: &data.train.labels,
                order: order.into_iter().map(|it| it as u32).collect(),
                minibatch,
            };
            let resident = Resident::new(place.clone(), &network, *settings, data)?;
            return Ok(Self::of(network, *settings, Vec::new(), Some(resident)));
        }
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
                Batch { images: network.batch(&images), labels }
            })
            .collect();
        Self::with_batches(network, *settings, batches)
    }

    /// Trains a network on one batch of images `[n][c][h][w]`, over and over: what a comparison with
    /// another implementation needs.
    ///
    /// # Errors
    ///
    /// If the images do not fit the network, or a label is none of its classes.
    pub fn on_one_batch(
        network: Network,
        settings: &Adam,
        images: &[f32],
        labels: &[u32],
    ) -> Result<Self, TrainError> {
        let features = network.features();
        if labels.is_empty() || images.len() != labels.len() * features {
            return Err(TrainError::Misfit {
                values: images.len(),
                images: labels.len(),
                features,
            });
        }
        let batch = Batch { images: network.batch(images), labels: labels.to_vec() };
        Self::with_batches(network, *settings, vec![batch])
    }

    /// The same on a device, the batch being taken so many times in an epoch.
    ///
    /// # Errors
    ///
    /// As [`Training::on_one_batch`], or if the device fails.
    pub fn on_one_batch_on(
        device: &Device,
        network: Network,
        settings: &Adam,
        images: &[f32],
        labels: &[u32],
        times: usize,
    ) -> Result<Self, TrainError> {
        let Some(place) = device.place() else {
            let training = Self::on_one_batch(network, settings, images, labels)?;
            return Ok(Self { times: times.max(1), ..training });
        };
        let features = network.features();
        if labels.is_empty() || images.len() != labels.len() * features {
            let (values, images) = (images.len(), labels.len());
            return Err(TrainError::Misfit { values, images, features });
        }
        check_labels(labels, network.classes())?;
        let order = (0..times.max(1)).flat_map(|_| 0..labels.len() as u32).collect();
        let data = Data { key: None, images, labels, order, minibatch: labels.len() };
        let resident = Resident::new(place.clone(), &network, *settings, data)?;
        Ok(Self::of(network, *settings, Vec::new(), Some(resident)))
    }

    fn with_batches(
        network: Network,
        settings: Adam,
        batches: Vec<Batch>,
    ) -> Result<Self, TrainError> {
        check_labels(batches.iter().flat_map(|it| &it.labels), network.classes())?;
        Ok(Self::of(network, settings, batches, None))
    }

    fn of(
        mut network: Network,
        settings: Adam,
        batches: Vec<Batch>,
        resident: Option<Resident>,
    ) -> Self {
        let moments = network.trained().iter().map(|_| Moments::default()).collect();
        let resident = resident.map(Box::new);
        let gradient = Vec::new();
        Self { network, settings, moments, steps: 0, batches, times: 1, gradient, resident }
    }

    /// The network; on a device its weights are those of the last [`Training::fetch`].
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Brings the weights back from the device.
    ///
    /// # Errors
    ///
    /// If the device fails.
    pub fn fetch(&mut self) -> Result<(), TrainError> {
        match &self.resident {
            Some(resident) => Ok(resident.give(&mut self.network)?),
            None => Ok(()),
        }
    }

    /// Whether a device repeats steps as they were recorded, which spares it most of the waiting for
    /// the processor; `None` on the CPU and before the second step.
    #[must_use]
    pub fn recorded(&self) -> Option<bool> {
        self.resident.as_ref()?.recorded()
    }

    /// The network, its first batch and room for the gradient of the logits.
    pub(super) fn parts(&mut self) -> (&mut Network, &[f32], &[u32], &mut Vec<f32>) {
        let Batch { images, labels } = &self.batches[0];
        (&mut self.network, images, labels, &mut self.gradient)
    }

    /// Trains for some epochs, or until the loss is not a number.
    ///
    /// # Errors
    ///
    /// If `observe` asks for an end.
    pub fn fit(
        &mut self,
        epochs: u32,
        observe: &mut dyn FnMut(TrainEvent) -> Control,
    ) -> Result<Fit, TrainError> {
        if let Some(resident) = &mut self.resident {
            return resident.fit(epochs, observe);
        }
        let mut tell = |event| match observe(event) {
            Control::Continue => Ok(()),
            Control::Stop => Err(TrainError::Stopped),
        };
        let mut fit = Fit { epochs: Vec::new(), diverged_in_epoch: None };
        for epoch in 0..epochs {
            tell(TrainEvent::EpochStarted(epoch))?;
            let (mut losses, mut correct, mut seen) = (Vec::new(), 0, 0);
            for batch in 0..self.batches.len() * self.times {
                let batch = batch % self.batches.len();
                let Entropy { mean, correct: right } = self.step(batch);
                losses.push(f64::from(mean));
                correct += right;
                seen += self.batches[batch].labels.len();
                tell(TrainEvent::Step)?;
                if !mean.is_finite() {
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

    /// One optimizer step on a batch; its loss before it.
    fn step(&mut self, batch: usize) -> Entropy {
        // On a thread of the pool: from outside, each parallel part would first wake one up.
        rayon::scope(|_| self.step_here(batch))
    }

    fn step_here(&mut self, batch: usize) -> Entropy {
        let Batch { images, labels } = &self.batches[batch];
        let classes = self.network.classes();
        let logits = self.network.forward(images, labels.len(), true);
        let entropy = cross_entropy(logits, classes, labels, &mut self.gradient);
        self.network.backward(images, &self.gradient);
        self.steps += 1;
        adam_step(&self.settings, self.steps, self.network.trained(), &mut self.moments);
        entropy
    }

    /// Share of images whose label has the largest logit, in evaluation mode; `None` of no images.
    /// Logits that are not numbers count as class 0.
    ///
    /// # Errors
    ///
    /// If the images do not fit the network.
    pub fn accuracy(&mut self, split: &Split) -> Result<Option<f64>, TrainError> {
        if split.labels.is_empty() {
            return Ok(None);
        }
        let (features, classes) = (self.network.features(), self.network.classes());
        if split.images.len() != split.labels.len() * features {
            let (values, images) = (split.images.len(), split.labels.len());
            return Err(TrainError::Misfit { values, images, features });
        }
        if let Some(resident) = &self.resident {
            let correct = resident.count_correct(&split.images, &split.labels)?;
            return Ok(Some(correct as f64 / split.labels.len() as f64));
        }
        let rows = split.images.chunks(EVALUATED * features);
        let mut correct = 0;
        for (images, labels) in rows.zip(split.labels.chunks(EVALUATED)) {
            let batch = self.network.batch(images);
            let logits = rayon::scope(|_| self.network.forward(&batch, labels.len(), false));
            let rows = logits.chunks_exact(classes);
            correct +=
                rows.zip(labels).filter(|(row, label)| largest(row) == **label as usize).count();
        }
        Ok(Some(correct as f64 / split.labels.len() as f64))
    }
}

fn check_labels<'a>(
    labels: impl IntoIterator<Item = &'a u32>,
    classes: usize,
) -> Result<(), TrainError> {
    match labels.into_iter().find(|it| **it as usize >= classes) {
        Some(label) => Err(TrainError::Label { label: *label, classes }),
        None => Ok(()),
    }
}
