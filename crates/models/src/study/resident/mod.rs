//! A network on a device: its weights, moments and images stay there from step to step.
//!
//! A step is some forty kernels and products, recorded once and then repeated as one thing; which batch is
//! next, and how many steps were made, are counted on the device. The processor hears of losses at an
//! epoch's end. Images are `[n][c][h][w]`. The tests hold this to `Network` on the CPU.

mod passes;
#[cfg(test)]
mod tests;
mod tiles;

use std::sync::Arc;

use record::{Adam, EpochOutcome};

use self::tiles::{columns, most_parts, pooled, pooled_parts};
use super::{
    network::{Block, Dense, Network},
    training::{Control, Fit, TrainError, TrainEvent},
};
use crate::{
    device::{Argument, Buffer, DeviceError, Images, Place, Product, Recorded},
    kernels::Dims,
};

/// Blocks that fill a large GPU a few times over: sums are split into about so many parts.
const MANY: usize = 528;

/// Images evaluated at a time, where training takes fewer.
const EVALUATED: usize = 2048;

type Done = Result<(), DeviceError>;

/// A convolution block with its buffers.
struct ConvBlock {
    dims: Dims,
    relu: bool,
    /// Where weights `[co][ci][3][3]` and γ, β stand among the parameters.
    weight: usize,
    affine: usize,
    /// Output of the convolution, later its gradient: `[n][co][h][w]`.
    raw: Buffer,
    /// `[n][co][h/2][w/2]`, a byte each.
    winners: Buffer,
    /// `[n][co][h/2][w/2]`.
    out: Buffer,
    /// The gradient of the output.
    gradient: Buffer,
    /// Mean and variance.
    running: Buffer,
    saved: Buffer,
    back: Buffer,
}

/// A linear layer with its buffers.
struct Linear {
    /// Outputs and inputs.
    shape: [usize; 2],
    /// Where weights `[out][in]` and the bias stand among the parameters.
    weight: usize,
    bias: usize,
    /// `[n][out]`.
    out: Buffer,
    /// The gradient of the output.
    gradient: Buffer,
}

/// The images of a training.
struct Batches {
    data: Arc<Images>,
    order: Buffer,
    images: usize,
    minibatch: usize,
}

/// A network with its optimizer and its batches on a device.
pub(super) struct Resident {
    place: Arc<Place>,
    blocks: Vec<ConvBlock>,
    dense: Vec<Linear>,
    settings: Adam,
    /// Of all layers, one after the other.
    parameters: Buffer,
    gradients: Buffer,
    moments: [Buffer; 2],
    len: usize,
    /// `Counters` of `study.cu`: the batch's number, that of the steps, what follows from it.
    counters: Buffer,
    x: Buffer,
    labels: Buffer,
    /// A number a batch.
    losses: Buffer,
    correct: Buffer,
    /// Sums of parts.
    partial: Buffer,
    features: usize,
    classes: usize,
    batches: Batches,
    /// By images in the batch: the first step is done as it comes, so that everything is loaded.
    steps: Vec<(usize, Recording)>,
}

enum Recording {
    Warm,
    Recorded(Box<dyn Recorded>),
    /// The device's libraries could not be recorded: each step is told anew.
    Refused,
}

/// Images, labels and the order they are taken in.
pub(super) struct Data<'a> {
    /// Equal keys, equal images.
    pub(super) key: Option<&'a str>,
    pub(super) images: &'a [f32],
    pub(super) labels: &'a [u32],
    pub(super) order: Vec<u32>,
    pub(super) minibatch: usize,
}

impl Resident {
    /// Moves a network and its images there.
    pub(super) fn new(
        place: Arc<Place>,
        network: &Network,
        settings: Adam,
        data: Data<'_>,
    ) -> Result<Self, DeviceError> {
        let count = data.order.len();
        let minibatch = data.minibatch.min(count);
        let most = minibatch.max(EVALUATED);
        let (mut values, mut partial) = (Vec::new(), 0);
        let mut blocks = Vec::new();
        for it in &network.blocks {
            let Block { dims, weight, affine, operation, .. } = it;
            let Dims { cin, cout, h, w } = *dims;
            Place::fits(most * cin.max(cout) * h * w)?;
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
                raw: place.zeros(pixels * cout)?,
                winners: place.zeros((most * pooled(*dims)).div_ceil(4))?,
                out: place.zeros(most * pooled(*dims))?,
                gradient: place.zeros(most * pooled(*dims))?,
                running: place.upload(&[&norm.mean[..], &norm.variance].concat())?,
                saved: place.zeros(4 * cout)?,
                back: place.zeros(3 * cout)?,
            });
        }
        let mut dense = Vec::new();
        for Dense { shape, operation, weight, bias, .. } in &network.dense {
            Place::fits(most * shape[0].max(shape[1]))?;
            let at = values.len();
            values.extend(operation.unpack(weight));
            values.extend_from_slice(bias);
            dense.push(Linear {
                shape: *shape,
                weight: at,
                bias: at + shape[0] * shape[1],
                out: place.zeros(most * shape[0])?,
                gradient: place.zeros(most * shape[0])?,
            });
        }
        let (len, features) = (values.len(), network.features());
        Place::fits(len)?;
        let batches = count.div_ceil(minibatch.max(1));
        Ok(Self {
            blocks,
            dense,
            settings,
            parameters: place.upload(&values)?,
            gradients: place.zeros(len)?,
            moments: [place.zeros(len)?, place.zeros(len)?],
            len,
            counters: place.zeros(4)?,
            x: place.zeros(most * features)?,
            labels: place.zeros(most)?,
            losses: place.zeros(batches)?,
            correct: place.zeros(batches)?,
            partial: place.zeros(partial)?,
            features,
            classes: network.classes(),
            batches: Batches {
                data: place.images(data.key, data.images, data.labels)?,
                order: place.upload(&data.order)?,
                images: count,
                minibatch,
            },
            steps: Vec::new(),
            place,
        })
    }

    /// Whether steps are repeated as recorded; `None` before there was one.
    pub(super) fn recorded(&self) -> Option<bool> {
        self.steps.iter().find_map(|(_, it)| match it {
            Recording::Warm => None,
            Recording::Recorded(_) => Some(true),
            Recording::Refused => Some(false),
        })
    }

    /// Writes the weights and running statistics back.
    pub(super) fn give(&self, network: &mut Network) -> Done {
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
        self.place.backend().launch(kernel, grid, arguments)
    }

    fn product(&self, product: Product) -> Done {
        self.place.backend().product(product)
    }

    fn parameter(&self, at: usize) -> Argument {
        Argument::Address(self.parameters.at(at))
    }

    fn gradient(&self, at: usize) -> Argument {
        Argument::Address(self.gradients.at(at))
    }

    /// Trains for some epochs, or until the loss is not a number.
    pub(super) fn fit(
        &mut self,
        epochs: u32,
        observe: &mut dyn FnMut(TrainEvent) -> Control,
    ) -> Result<Fit, TrainError> {
        let mut tell = |event| match observe(event) {
            Control::Continue => Ok(()),
            Control::Stop => Err(TrainError::Stopped),
        };
        let Batches { images, minibatch, .. } = self.batches;
        let sizes: Vec<usize> =
            (0..images).step_by(minibatch).map(|it| minibatch.min(images - it)).collect();
        let (mut losses, mut correct) = (vec![0.0_f32; sizes.len()], vec![0_i32; sizes.len()]);
        let mut fit = Fit { epochs: Vec::new(), diverged_in_epoch: None };
        for epoch in 0..epochs {
            tell(TrainEvent::EpochStarted(epoch))?;
            self.launch("begin_epoch", [1, 1, 1], &[(&self.counters).into()])?;
            for size in &sizes {
                self.step(*size)?;
                tell(TrainEvent::Step)?;
            }
            self.losses.read(&mut losses)?;
            self.correct.read(&mut correct)?;
            // What came after a loss that is no number counts for nothing.
            let bad = losses.iter().position(|it| !it.is_finite());
            let counted = bad.map_or(sizes.len(), |it| it + 1);
            let mean = losses[..counted].iter().map(|it| f64::from(*it)).sum::<f64>();
            let mean = mean / counted as f64;
            let right: i32 = correct[..counted].iter().sum();
            let seen: usize = sizes[..counted].iter().sum();
            let loss = Some(mean).filter(|it| it.is_finite());
            let outcome = EpochOutcome { loss, accuracy: f64::from(right) / seen as f64 };
            fit.epochs.push(outcome);
            if bad.is_some() {
                fit.diverged_in_epoch = Some(epoch);
            }
            tell(TrainEvent::EpochEnded(outcome))?;
            if bad.is_some() {
                break;
            }
        }
        Ok(fit)
    }

    /// One step on the next batch, of so many images.
    fn step(&mut self, n: usize) -> Done {
        let place = self.place.clone();
        let Some(at) = self.steps.iter().position(|it| it.0 == n) else {
            self.tell_step(n)?;
            self.steps.push((n, Recording::Warm));
            return Ok(());
        };
        if matches!(self.steps[at].1, Recording::Warm) {
            let recorded = place.backend().record(&mut || self.tell_step(n));
            self.steps[at].1 = recorded.map_or(Recording::Refused, Recording::Recorded);
        }
        match &self.steps[at].1 {
            Recording::Recorded(it) => it.replay(),
            Recording::Warm | Recording::Refused => self.tell_step(n),
        }
    }

    fn tell_step(&self, n: usize) -> Done {
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

    /// Of so many images, those whose label has the largest logit, in evaluation mode.
    pub(super) fn count_correct(
        &self,
        images: &[f32],
        labels: &[u32],
    ) -> Result<usize, DeviceError> {
        let Some(last) = self.dense.last() else { return Ok(0) };
        let most = EVALUATED.max(self.batches.minibatch);
        let total = self.place.zeros(1)?;
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
