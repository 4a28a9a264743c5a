//! Training on a device. Weights, Adam's moments and images stay in its memory from step to step.
//!
//! A step is about forty kernels and products. It is recorded once and then replayed as a whole. Counters
//! on the device hold the number of the next batch and the number of steps made. The host reads the losses
//! at the end of an epoch. Images are `[n][c][h][w]`. The tests compare this with `Network` on the CPU.

mod passes;
#[cfg(test)]
mod tests;
mod tiles;

use std::{ops::ControlFlow, sync::Arc};

use record::{Adam, EpochOutcome};

use self::tiles::{columns, most_parts, pooled, pooled_parts};
use super::{
    error::TrainError,
    events::{TrainEvent, TrainingHistory, continued},
    network::{Block, Dense, Network},
};
use crate::{
    device::{Accelerator, Argument, Buffer, DeviceError, DeviceSplit, Product, Recorded},
    kernels::Dims,
};

/// Images evaluated at a time, unless a minibatch is larger.
const EVALUATED: usize = 2048;

type Done = Result<(), DeviceError>;

/// A convolution block with its buffers.
struct ConvBlock {
    dims: Dims,
    relu: bool,
    /// Index of the weights `[co][ci][3][3]` in the parameters.
    weight: usize,
    /// Index of γ and β, `[2][co]`, in the parameters.
    affine: usize,
    /// Output of the convolution, later its gradient: `[n][co][h][w]`.
    raw: Buffer,
    /// Which value of each 2×2 window the max-pool chose: `[n][co][h/2][w/2]`, one byte each.
    winners: Buffer,
    /// Output of the block, `[n][co][h/2][w/2]`.
    out: Buffer,
    /// Gradient of the output.
    gradient: Buffer,
    /// Running mean and variance of batch norm, `[2][co]`.
    running: Buffer,
    /// Scale, shift, mean and inverse deviation of batch norm, `[4][co]`.
    saved: Buffer,
    /// Factors of batch norm's backward pass, `[3][co]`.
    back: Buffer,
}

/// A linear layer with its buffers.
struct Linear {
    /// Number of outputs, number of inputs.
    shape: [usize; 2],
    /// Index of the weights `[out][in]` in the parameters.
    weight: usize,
    /// Index of the bias `[out]` in the parameters.
    bias: usize,
    /// Output, `[n][out]`.
    out: Buffer,
    /// Gradient of the output.
    gradient: Buffer,
}

/// The images of a training and their order.
struct Batches {
    data: Arc<DeviceSplit>,
    /// Indices of images, batch after batch.
    order: Buffer,
    images: usize,
    minibatch: usize,
}

/// A network with its optimizer and its batches in a device's memory.
pub(super) struct DeviceTraining {
    accelerator: Arc<Accelerator>,
    blocks: Vec<ConvBlock>,
    dense: Vec<Linear>,
    settings: Adam,
    /// Parameters of all layers, one after the other.
    parameters: Buffer,
    gradients: Buffer,
    /// Adam's first and second moments.
    moments: [Buffer; 2],
    /// Number of parameters.
    len: usize,
    /// `Counters` of `study.cu`.
    counters: Buffer,
    /// Images of the batch.
    x: Buffer,
    /// Labels of the batch.
    labels: Buffer,
    /// Mean loss of each batch.
    losses: Buffer,
    /// Correctly classified images of each batch.
    correct: Buffer,
    /// Partial sums.
    partial: Buffer,
    features: usize,
    classes: usize,
    batches: Batches,
    /// One entry for each batch size.
    steps: Vec<(usize, Recording)>,
}

/// The recording of a step.
enum Recording {
    /// The first step was performed without recording, so that all libraries are loaded.
    Warm,
    Recorded(Box<dyn Recorded>),
    /// The device's libraries could not record: every step is sent to the device anew.
    Refused,
}

/// Images, labels and their order.
pub(super) struct Data<'a> {
    /// Identifies the images: equal keys mean equal images.
    pub(super) key: Option<&'a str>,
    pub(super) images: &'a [f32],
    pub(super) labels: &'a [u32],
    pub(super) order: Vec<u32>,
    pub(super) minibatch: usize,
}

impl DeviceTraining {
    /// Copies a network and its images to the device.
    pub(super) fn new(
        accelerator: Arc<Accelerator>,
        network: &Network,
        settings: Adam,
        data: Data<'_>,
    ) -> Result<Self, DeviceError> {
        let count = data.order.len();
        let minibatch = data.minibatch.min(count);
        let most = minibatch.max(EVALUATED);
        let (mut values, mut partial) = (Vec::new(), 0);
        let mut blocks = Vec::new();
        for block in &network.blocks {
            let Block { dims, weight, affine, operation, .. } = block;
            let Dims { cin, cout, h, w } = *dims;
            Accelerator::check_len(most * cin.max(cout) * h * w)?;
            let pixels = most * h * w;
            partial = partial
                .max(2 * cout * pixels.div_ceil(4096 / columns(cout)))
                .max(most_parts(*dims) * 9 * cin * cout)
                .max(2 * cout * pooled_parts(cout, most * (h / 2) * (w / 2)));
            let at = values.len();
            values.extend_from_slice(weight);
            values.extend_from_slice(affine);
            let norm = &operation.norm;
            blocks.push(ConvBlock {
                dims: *dims,
                relu: operation.relu(),
                weight: at,
                affine: at + weight.len(),
                raw: accelerator.zeros(pixels * cout)?,
                winners: accelerator.zeros((most * pooled(*dims)).div_ceil(4))?,
                out: accelerator.zeros(most * pooled(*dims))?,
                gradient: accelerator.zeros(most * pooled(*dims))?,
                running: accelerator.upload(&[&norm.mean[..], &norm.variance].concat())?,
                saved: accelerator.zeros(4 * cout)?,
                back: accelerator.zeros(3 * cout)?,
            });
        }
        let mut dense = Vec::new();
        for Dense { shape, operation, weight, bias, .. } in &network.dense {
            Accelerator::check_len(most * shape[0].max(shape[1]))?;
            let at = values.len();
            values.extend(operation.unpack(weight));
            values.extend_from_slice(bias);
            dense.push(Linear {
                shape: *shape,
                weight: at,
                bias: at + shape[0] * shape[1],
                out: accelerator.zeros(most * shape[0])?,
                gradient: accelerator.zeros(most * shape[0])?,
            });
        }
        let (len, features) = (values.len(), network.features());
        Accelerator::check_len(len)?;
        let batches = count.div_ceil(minibatch.max(1));
        Ok(Self {
            blocks,
            dense,
            settings,
            parameters: accelerator.upload(&values)?,
            gradients: accelerator.zeros(len)?,
            moments: [accelerator.zeros(len)?, accelerator.zeros(len)?],
            len,
            counters: accelerator.zeros(4)?,
            x: accelerator.zeros(most * features)?,
            labels: accelerator.zeros(most)?,
            losses: accelerator.zeros(batches)?,
            correct: accelerator.zeros(batches)?,
            partial: accelerator.zeros(partial)?,
            features,
            classes: network.classes(),
            batches: Batches {
                data: accelerator.split(data.key, data.images, data.labels)?,
                order: accelerator.upload(&data.order)?,
                images: count,
                minibatch,
            },
            steps: Vec::new(),
            accelerator,
        })
    }

    /// Whether steps are replayed from a recording; `None` before the second step.
    pub(super) fn recorded(&self) -> Option<bool> {
        self.steps.iter().find_map(|(_, recording)| match recording {
            Recording::Warm => None,
            Recording::Recorded(_) => Some(true),
            Recording::Refused => Some(false),
        })
    }

    /// Copies the weights and running statistics to a network on the host.
    pub(super) fn copy_weights_to(&self, network: &mut Network) -> Done {
        let mut values = vec![0.0_f32; self.len];
        self.parameters.read(&mut values)?;
        for (block, ours) in network.blocks.iter_mut().zip(&self.blocks) {
            let Block { weight, affine, operation, .. } = block;
            let end = ours.affine + affine.len();
            weight.copy_from_slice(&values[ours.weight..ours.affine]);
            affine.copy_from_slice(&values[ours.affine..end]);
            let mut running = vec![0.0_f32; affine.len()];
            ours.running.read(&mut running)?;
            let (mean, variance) = running.split_at(running.len() / 2);
            operation.norm.mean.copy_from_slice(mean);
            operation.norm.variance.copy_from_slice(variance);
        }
        for (layer, ours) in network.dense.iter_mut().zip(&self.dense) {
            layer.weight = layer.operation.pack(&values[ours.weight..ours.bias]);
            layer.bias.copy_from_slice(&values[ours.bias..ours.bias + ours.shape[0]]);
        }
        Ok(())
    }

    fn launch(&self, kernel: &'static str, grid: [usize; 3], arguments: &[Argument]) -> Done {
        self.accelerator.backend().launch(kernel, grid, arguments)
    }

    fn product(&self, product: Product) -> Done {
        self.accelerator.backend().product(product)
    }

    fn parameter(&self, at: usize) -> Argument {
        Argument::Address(self.parameters.at(at))
    }

    fn gradient(&self, at: usize) -> Argument {
        Argument::Address(self.gradients.at(at))
    }

    /// Trains for `epochs` epochs, or until the loss is no longer finite.
    pub(super) fn fit(
        &mut self,
        epochs: u32,
        observe: &mut dyn FnMut(TrainEvent) -> ControlFlow<()>,
    ) -> Result<TrainingHistory, TrainError> {
        let Batches { images, minibatch, .. } = self.batches;
        let sizes: Vec<usize> =
            (0..images).step_by(minibatch).map(|first| minibatch.min(images - first)).collect();
        let (mut losses, mut correct) = (vec![0.0_f32; sizes.len()], vec![0_i32; sizes.len()]);
        let mut history = TrainingHistory::new();
        for epoch in 0..epochs {
            continued(observe(TrainEvent::EpochStarted(epoch)))?;
            self.launch("begin_epoch", [1, 1, 1], &[(&self.counters).into()])?;
            for size in &sizes {
                self.step(*size)?;
                continued(observe(TrainEvent::Step))?;
            }
            self.losses.read(&mut losses)?;
            self.correct.read(&mut correct)?;
            // Batches after the first loss that is not finite are ignored.
            let bad = losses.iter().position(|loss| !loss.is_finite());
            let counted = bad.map_or(sizes.len(), |index| index + 1);
            let mean = losses[..counted].iter().map(|loss| f64::from(*loss)).sum::<f64>();
            let mean = mean / counted as f64;
            let right: i32 = correct[..counted].iter().sum();
            let seen: usize = sizes[..counted].iter().sum();
            let loss = Some(mean).filter(|mean| mean.is_finite());
            let outcome = EpochOutcome { loss, accuracy: f64::from(right) / seen as f64 };
            history.epochs.push(outcome);
            if bad.is_some() {
                history.diverged_in_epoch = Some(epoch);
            }
            continued(observe(TrainEvent::EpochEnded(outcome)))?;
            if bad.is_some() {
                break;
            }
        }
        Ok(history)
    }

    /// Makes one step on the next batch, which has `n` images.
    fn step(&mut self, n: usize) -> Done {
        let accelerator = self.accelerator.clone();
        let Some(at) = self.steps.iter().position(|(size, _)| *size == n) else {
            self.submit_step(n)?;
            self.steps.push((n, Recording::Warm));
            return Ok(());
        };
        if matches!(self.steps[at].1, Recording::Warm) {
            let recorded = accelerator.backend().record(&mut || self.submit_step(n));
            self.steps[at].1 = recorded.map_or(Recording::Refused, Recording::Recorded);
        }
        match &self.steps[at].1 {
            Recording::Recorded(recorded) => recorded.replay(),
            Recording::Warm | Recording::Refused => self.submit_step(n),
        }
    }

    /// Sends a step's kernels and products to the device.
    fn submit_step(&self, n: usize) -> Done {
        let Batches { data, order, minibatch, .. } = &self.batches;
        let counters = Argument::from(&self.counters);
        self.launch(
            "take_batch",
            [n, self.features.div_ceil(256), 1],
            &[
                (&data.images).into(),
                (&data.labels).into(),
                order.into(),
                counters,
                (&self.x).into(),
                (&self.labels).into(),
                (*minibatch).into(),
                self.features.into(),
            ],
        )?;
        self.forward(n, true)?;
        let Some(last) = self.dense.last() else { return Ok(()) };
        let Adam { learning_rate, beta1, beta2, epsilon, weight_decay } = self.settings;
        self.launch(
            "entropy",
            [1, 1, 1],
            &[
                (&last.out).into(),
                (&self.labels).into(),
                (&last.gradient).into(),
                (&self.losses).into(),
                (&self.correct).into(),
                counters,
                n.into(),
                self.classes.into(),
                learning_rate.into(),
                beta1.into(),
                beta2.into(),
            ],
        )?;
        self.backward(n)?;
        self.launch(
            "adam",
            [self.len.div_ceil(256), 1, 1],
            &[
                (&self.parameters).into(),
                (&self.gradients).into(),
                (&self.moments[0]).into(),
                (&self.moments[1]).into(),
                counters,
                self.len.into(),
                beta1.into(),
                beta2.into(),
                epsilon.into(),
                weight_decay.into(),
            ],
        )
    }

    /// Number of images whose label has the largest logit, in evaluation mode.
    pub(super) fn count_correct(
        &self,
        images: &[f32],
        labels: &[u32],
    ) -> Result<usize, DeviceError> {
        let Some(last) = self.dense.last() else { return Ok(0) };
        let most = EVALUATED.max(self.batches.minibatch);
        let total = self.accelerator.zeros(1)?;
        for (images, labels) in images.chunks(most * self.features).zip(labels.chunks(most)) {
            self.x.write(images)?;
            self.labels.write(labels)?;
            let n = labels.len();
            self.forward(n, false)?;
            self.launch(
                "count_correct",
                [1, 1, 1],
                &[
                    (&last.out).into(),
                    (&self.labels).into(),
                    (&total).into(),
                    n.into(),
                    self.classes.into(),
                ],
            )?;
        }
        let mut count = [0_i32];
        total.read(&mut count)?;
        Ok(count[0].max(0) as usize)
    }
}
