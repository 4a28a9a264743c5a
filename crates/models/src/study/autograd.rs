//! The study's training with candle's autograd instead of our own backward passes: for the study's networks and for
//! networks in files.

use std::{collections::HashMap, ops::ControlFlow, sync::PoisonError};

use candle_core::{DType, Device, Tensor, Var, backprop::GradStore};
use candle_nn::{
    AdamW, ModuleT, Optimizer, ParamsAdamW, VarBuilder, VarMap, loss::cross_entropy as entropy,
};
use record::{Adam, Engine, StudyNetwork};

use super::{
    error::TrainError,
    events::{TrainEvent, TrainingHistory, run_epochs},
    network::Network,
    training::{EVALUATED, check_labels},
};
use crate::{
    dataset::{Dataset, Split},
    fit::with_large_stack,
    kernels::{Entropy, largest},
    layers::Layers,
    network_file::NetworkFile,
    nn::AdamOptimizer,
    random::Stream,
};

/// Networks with more layers need a larger stack: candle computes gradients and frees tensors by recursion.
const DEEP: usize = 32;

/// A training as [`crate::Training`] does it, from the same initial weights and on the same batches, but with
/// candle's autograd on the CPU. With [`Engine::Candle`], layers, loss and optimizer are plain candle and
/// candle-nn; with [`Engine::Fused`], the layers and the optimizer are those of [`crate::nn`].
pub struct AutogradTraining {
    network: Box<dyn ModuleT + Send + Sync>,
    optimizer: Steps,
    batches: Vec<(Tensor, Tensor)>,
    channels: usize,
    side: usize,
    classes: usize,
    parameters: usize,
    deep: bool,
}

/// The optimizer of an engine.
enum Steps {
    Candle { optimizer: AdamW, variables: Vec<Var>, weight_decay: f64 },
    Fused(AdamOptimizer),
}

impl AutogradTraining {
    /// Prepares the training of one of the study's networks, with plain candle and candle-nn.
    ///
    /// # Errors
    ///
    /// As [`crate::Training::new`].
    pub fn of_study(
        network: &StudyNetwork,
        settings: &Adam,
        minibatch: usize,
        data: &Dataset,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let (channels, side, classes) = (data.channels, data.side, data.classes);
        // The same limits, errors and initial values as with our kernels. The statistics of batch norm begin as
        // theirs do, with the biases of the convolutions.
        let state = Network::new(network, channels, side, classes, seed)?.state()?;
        let file = NetworkFile::of_study(network, channels, side, classes)?;
        Self::new(Engine::Candle, &file, &state, (settings, minibatch), data, seed)
    }

    /// Prepares the training of a network in a file, whose images and classes become those of the data set.
    /// `seed` determines the initial weights, the batches and what dropout leaves out.
    ///
    /// # Errors
    ///
    /// If the network is not valid for the images, the minibatch size is 0, or there are no images.
    pub fn of_file(
        engine: Engine,
        file: &NetworkFile,
        settings: &Adam,
        minibatch: usize,
        data: &Dataset,
        seed: u64,
    ) -> Result<Self, TrainError> {
        let file = file.for_images(data.channels, data.side, data.classes)?;
        let (file, state) = (file.with_dropout_seed(seed), HashMap::new());
        Self::new(engine, &file, &state, (settings, minibatch), data, seed)
    }

    fn new(
        engine: Engine,
        file: &NetworkFile,
        state: &HashMap<String, Tensor>,
        (settings, minibatch): (&Adam, usize),
        data: &Dataset,
        seed: u64,
    ) -> Result<Self, TrainError> {
        if minibatch == 0 {
            return Err(TrainError::EmptyMinibatch);
        }
        let split = &data.train;
        if split.labels.is_empty() {
            return Err(TrainError::NoImages { name: data.name.clone() });
        }
        let features = data.channels * data.side * data.side;
        if split.images.len() != split.labels.len() * features {
            let (values, images) = (split.images.len(), split.labels.len());
            return Err(TrainError::Misfit { values, images, features });
        }
        check_labels(&split.labels, data.classes)?;
        let map = file.variables(state, seed)?;
        let builder = VarBuilder::from_varmap(&map, DType::F32, &Device::Cpu);
        let network = file.trainable(&builder, Layers::from(engine))?;
        let optimizer = Steps::new(engine, &map, settings)?;
        let order = Stream::new(seed, "batches").permutation(split.labels.len());
        let batches = order.chunks(minibatch).map(|rows| {
            let mut images = Vec::with_capacity(rows.len() * features);
            for row in rows {
                images.extend_from_slice(&split.images[row * features..(row + 1) * features]);
            }
            let labels: Vec<u32> = rows.iter().map(|row| split.labels[*row]).collect();
            tensors(images, &labels, [data.channels, data.side, data.side])
        });
        Ok(Self {
            network,
            optimizer,
            batches: batches.collect::<Result<_, _>>()?,
            channels: data.channels,
            side: data.side,
            classes: data.classes,
            parameters: file.parameters(),
            deep: file.layers().len() > DEEP,
        })
    }

    /// Number of trained parameters.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// Trains for `epochs` epochs, as [`crate::Training::fit`].
    ///
    /// # Errors
    ///
    /// [`TrainError::Stopped`] if `observe` returned [`ControlFlow::Break`]; an error of candle.
    pub fn fit(
        &mut self,
        epochs: u32,
        observe: &mut dyn FnMut(TrainEvent) -> ControlFlow<()>,
    ) -> Result<TrainingHistory, TrainError> {
        let sizes: Vec<usize> =
            self.batches.iter().map(|(_, labels)| labels.elem_count()).collect();
        run_epochs(epochs, &sizes, &mut |batch| self.step(batch), observe)
    }

    fn step(&mut self, batch: usize) -> Result<Entropy, TrainError> {
        let deep = self.deep;
        on_stack(deep, || {
            let (images, labels) = &self.batches[batch];
            let logits = self.network.forward_t(images, true)?;
            let correct = correct(&logits, &labels.to_vec1::<u32>()?)?;
            let loss = entropy(&logits, labels)?;
            drop(logits);
            let found = Entropy { mean: loss.to_scalar()?, correct };
            if found.mean.is_finite() {
                self.optimizer.step(loss.backward()?)?;
            }
            Ok(found)
        })
    }

    /// Top-1 accuracy in [0, 1], as [`crate::Training::accuracy`].
    ///
    /// # Errors
    ///
    /// If the images do not fit the network.
    pub fn accuracy(&self, split: &Split) -> Result<Option<f64>, TrainError> {
        if split.labels.is_empty() {
            return Ok(None);
        }
        let features = self.channels * self.side * self.side;
        if split.images.len() != split.labels.len() * features {
            let (values, images) = (split.images.len(), split.labels.len());
            return Err(TrainError::Misfit { values, images, features });
        }
        check_labels(&split.labels, self.classes)?;
        let shape = [self.channels, self.side, self.side];
        let mut right = 0;
        let rows = split.images.chunks(EVALUATED * features);
        for (images, labels) in rows.zip(split.labels.chunks(EVALUATED)) {
            let (images, _) = tensors(images.to_vec(), labels, shape)?;
            right += on_stack(self.deep, || {
                Ok(correct(&self.network.forward_t(&images, false)?, labels)?)
            })?;
        }
        Ok(Some(right as f64 / split.labels.len() as f64))
    }
}

impl Steps {
    fn new(engine: Engine, map: &VarMap, settings: &Adam) -> Result<Self, TrainError> {
        // In the order of their names, so that nothing depends on that of a hash map.
        let data = map.data().lock().unwrap_or_else(PoisonError::into_inner);
        let mut pairs: Vec<(&String, &Var)> = data.iter().collect();
        pairs.sort_by_key(|(name, _)| *name);
        // Batch norm's statistics are variables without a gradient.
        let variables: Vec<Var> = pairs.into_iter().map(|(_, variable)| variable.clone()).collect();
        if engine != Engine::Candle {
            return Ok(Self::Fused(AdamOptimizer::new(variables, *settings)?));
        }
        let params = ParamsAdamW {
            lr: settings.learning_rate,
            beta1: settings.beta1,
            beta2: settings.beta2,
            eps: settings.epsilon,
            // Without decay, AdamW is Adam; the study's decay is added to the gradient instead.
            weight_decay: 0.0,
        };
        let optimizer = AdamW::new(variables.clone(), params)?;
        Ok(Self::Candle { optimizer, variables, weight_decay: settings.weight_decay })
    }

    fn step(&mut self, mut gradients: GradStore) -> candle_core::Result<()> {
        match self {
            Self::Fused(optimizer) => optimizer.step(&gradients),
            Self::Candle { optimizer, variables, weight_decay } => {
                if *weight_decay != 0.0 {
                    for variable in variables {
                        let Some(gradient) = gradients.get(variable) else { continue };
                        let with_decay = (gradient + (variable.as_tensor() * *weight_decay)?)?;
                        gradients.insert(variable, with_decay);
                    }
                }
                optimizer.step(&gradients)
            }
        }
    }
}

/// Images `[n][channels][side][side]` and labels `[n]`.
fn tensors(
    images: Vec<f32>,
    labels: &[u32],
    [channels, height, width]: [usize; 3],
) -> candle_core::Result<(Tensor, Tensor)> {
    let images = Tensor::from_vec(images, (labels.len(), channels, height, width), &Device::Cpu)?;
    Ok((images, Tensor::from_slice(labels, labels.len(), &Device::Cpu)?))
}

/// Number of images whose label has the largest logit.
fn correct(logits: &Tensor, labels: &[u32]) -> candle_core::Result<usize> {
    let rows = logits.to_vec2::<f32>()?;
    Ok(rows.iter().zip(labels).filter(|(row, label)| largest(row) == **label as usize).count())
}

/// Does the work, on a larger stack if the network is deep.
fn on_stack<T: Send>(
    deep: bool,
    work: impl FnOnce() -> Result<T, TrainError> + Send,
) -> Result<T, TrainError> {
    if deep { with_large_stack(work).map_err(TrainError::Thread)? } else { work() }
}
