//! Training as in the study: Adam and cross-entropy, on batches that are drawn once and reused in every
//! epoch.

use std::ops::ControlFlow;

use record::{Adam, StudyNetwork};

use super::{
    error::TrainError,
    events::{TrainEvent, TrainingHistory, run_epochs},
    network::Network,
    on_device::{Data, DeviceTraining},
};
use crate::{
    dataset::{Dataset, Split},
    device::Device,
    kernels::{Entropy, Moments, adam_step, cross_entropy, largest},
    random::Stream,
};

/// Images evaluated at a time.
pub(super) const EVALUATED: usize = 512;

/// A batch of images in the network's layout, with their labels.
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
    /// How many times an epoch uses each batch.
    times: usize,
    /// Gradient of the logits.
    gradient: Vec<f32>,
    /// The training on a device; `None` on the CPU.
    on_device: Option<Box<DeviceTraining>>,
}

impl Training {
    /// Prepares a training on the CPU; `seed` determines the initial weights and the batches.
    ///
    /// The last batch holds the remaining images (PyTorch's `drop_last=False`).
    ///
    /// # Errors
    ///
    /// If the network does not fit the images, the minibatch size is 0, or there are no images.
    pub fn new(
        spec: &StudyNetwork,
        settings: &Adam,
        minibatch: usize,
        data: &Dataset,
        seed: u64,
    ) -> Result<Self, TrainError> {
        Self::new_on(&Device::cpu(), spec, settings, minibatch, data, seed)
    }

    /// Prepares a training on a device; the network and the images stay in its memory.
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
        if let Some(accelerator) = device.accelerator() {
            check_labels(&data.train.labels, network.classes())?;
            let data = Data {
                key: Some(&data.sha256),
                images: &data.train.images,
                labels: &data.train.labels,
                order: order.into_iter().map(|index| index as u32).collect(),
                minibatch,
            };
            let on_device = DeviceTraining::new(accelerator.clone(), &network, *settings, data)?;
            return Ok(Self::of(network, *settings, Vec::new(), Some(on_device)));
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

    /// Prepares a training on a single batch of images `[n][c][h][w]`, which every step uses. For
    /// comparisons with other implementations.
    ///
    /// # Errors
    ///
    /// If the images do not fit the network, or a label is not one of its classes.
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

    /// As [`Training::on_one_batch`], on a device, with `times` steps in each epoch.
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
        let Some(accelerator) = device.accelerator() else {
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
        let on_device = DeviceTraining::new(accelerator.clone(), &network, *settings, data)?;
        Ok(Self::of(network, *settings, Vec::new(), Some(on_device)))
    }

    fn with_batches(
        network: Network,
        settings: Adam,
        batches: Vec<Batch>,
    ) -> Result<Self, TrainError> {
        check_labels(batches.iter().flat_map(|batch| &batch.labels), network.classes())?;
        Ok(Self::of(network, settings, batches, None))
    }

    fn of(
        mut network: Network,
        settings: Adam,
        batches: Vec<Batch>,
        on_device: Option<DeviceTraining>,
    ) -> Self {
        let moments = network.trained().iter().map(|_| Moments::default()).collect();
        let on_device = on_device.map(Box::new);
        let gradient = Vec::new();
        Self { network, settings, moments, steps: 0, batches, times: 1, gradient, on_device }
    }

    /// The network. After training on a device, call [`Training::fetch`] first to bring its weights up
    /// to date.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Copies the weights from the device to [`Training::network`]. Does nothing on the CPU.
    ///
    /// # Errors
    ///
    /// If the device fails.
    pub fn fetch(&mut self) -> Result<(), TrainError> {
        match &self.on_device {
            Some(on_device) => Ok(on_device.copy_weights_to(&mut self.network)?),
            None => Ok(()),
        }
    }

    /// Whether the device replays a recorded step instead of being sent each kernel anew, which is
    /// faster. `None` on the CPU and before the second step.
    #[must_use]
    pub fn recorded(&self) -> Option<bool> {
        self.on_device.as_ref()?.recorded()
    }

    /// The network, its first batch (images and labels) and the buffer for the gradient of the logits.
    pub(super) fn parts(&mut self) -> (&mut Network, &[f32], &[u32], &mut Vec<f32>) {
        let Batch { images, labels } = &self.batches[0];
        (&mut self.network, images, labels, &mut self.gradient)
    }

    /// Trains for `epochs` epochs, or until the loss is no longer finite. `observe` is called for each
    /// event and can stop the training.
    ///
    /// # Errors
    ///
    /// [`TrainError::Stopped`] if `observe` returned [`ControlFlow::Break`]; an error of the device.
    pub fn fit(
        &mut self,
        epochs: u32,
        observe: &mut dyn FnMut(TrainEvent) -> ControlFlow<()>,
    ) -> Result<TrainingHistory, TrainError> {
        if let Some(on_device) = &mut self.on_device {
            return on_device.fit(epochs, observe);
        }
        let one: Vec<usize> = self.batches.iter().map(|batch| batch.labels.len()).collect();
        let (count, sizes) = (one.len(), one.repeat(self.times));
        run_epochs(epochs, &sizes, &mut |batch| Ok(self.step(batch % count)), observe)
    }

    /// Makes one optimizer step on a batch; the loss is that before the step.
    fn step(&mut self, batch: usize) -> Entropy {
        // Run on a thread of the pool. From outside the pool, each parallel loop would first have to
        // wake up a thread.
        rayon::scope(|_| self.step_in_pool(batch))
    }

    fn step_in_pool(&mut self, batch: usize) -> Entropy {
        let Batch { images, labels } = &self.batches[batch];
        let classes = self.network.classes();
        let logits = self.network.forward(images, labels.len(), true);
        let entropy = cross_entropy(logits, classes, labels, &mut self.gradient);
        self.network.backward(images, &self.gradient);
        self.steps += 1;
        adam_step(&self.settings, self.steps, self.network.trained(), &mut self.moments);
        entropy
    }

    /// Top-1 accuracy in [0, 1]: the share of images whose label has the largest logit, in evaluation
    /// mode. `None` if there are no images. NaN logits count as class 0.
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
        if let Some(on_device) = &self.on_device {
            let correct = on_device.count_correct(&split.images, &split.labels)?;
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

pub(super) fn check_labels<'a>(
    labels: impl IntoIterator<Item = &'a u32>,
    classes: usize,
) -> Result<(), TrainError> {
    match labels.into_iter().find(|label| **label as usize >= classes) {
        Some(label) => Err(TrainError::Label { label: *label, classes }),
        None => Ok(()),
    }
}
