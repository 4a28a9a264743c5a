//! A network on a device: its weights, moments and images stay there from step to step.
//!
//! A step is some forty kernels and products, recorded once and then repeated as one thing; which batch is
//! next, and how many steps were made, are counted on the device. The processor hears of losses at an
//! epoch's end. Images are `[n][c][h][w]`. The tests hold this to `Network` on the CPU.

use std::sync::Arc;

use record::{Adam, EpochOutcome};

use super::{
    network::{Block, Dense, Network},
    training::{Control, Fit, TrainError, TrainEvent},
};
use crate::{
    device::{Argument, Buffer, DeviceError, Images, Matrix, Place, Product, Recorded},
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

/// Columns of a convolution's tile: as few outputs left over as possible, then as wide as possible.
fn columns(outputs: usize) -> usize {
    if outputs <= 4 {
        return 4;
    }
    let padded = |it: &usize| outputs.div_ceil(*it) * it;
    [64, 32, 16].into_iter().min_by_key(padded).unwrap_or(64)
}

/// How the weights' gradient is split: its kernel, inputs and outputs of a tile, pixels of a slab.
fn weights_tile(inputs: usize, outputs: usize) -> (&'static str, usize, usize, usize) {
    match (inputs, outputs) {
        (..=32, ..=4) => ("conv_weights_4", 16, 4, 256),
        (_, ..=16) => ("conv_weights_16", 32, 16, 128),
        _ => ("conv_weights_64", 64, 64, 32),
    }
}

/// Parts that the weights' gradient is split into where there are pixels enough.
fn most_parts(dims: Dims) -> usize {
    let (_, k, o, _) = weights_tile(9 * dims.cin, dims.cout);
    (MANY / ((9 * dims.cin).div_ceil(k) * dims.cout.div_ceil(o))).max(1)
}

/// Parts of the pixels, and pixels of each, for the weights' gradient.
fn parts(dims: Dims, pixels: usize) -> (usize, usize) {
    let (.., slab) = weights_tile(9 * dims.cin, dims.cout);
    let parts = most_parts(dims).min(pixels.div_ceil(slab));
    let each = pixels.div_ceil(parts).next_multiple_of(slab);
    (pixels.div_ceil(each), each)
}

/// Parts of a channel's pooled pixels.
fn pooled_parts(channels: usize, pixels: usize) -> usize {
    (MANY / channels).clamp(1, pixels.div_ceil(1024))
}

fn pooled(dims: Dims) -> usize {
    dims.cout * (dims.h / 2) * (dims.w / 2)
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

    /// Logits of the images in `x`.
    fn forward(&self, n: usize, training: bool) -> Done {
        let mut x = &self.x;
        for block in &self.blocks {
            self.forward_block(block, x, n, training)?;
            x = &block.out;
        }
        for Linear { shape: [output, input], weight, bias, out, .. } in &self.dense {
            let (left, right) = (matrix(x, *input), self.weights(*weight, *input));
            let right = Matrix { transposed: true, ..right };
            let size = [n, *input, *output];
            self.product(Product::single(size, left, right, out.at(0)))?;
            let len = n * output;
            self.launch(
                "add_bias",
                [len.div_ceil(256), 1, 1],
                &[out.into(), self.parameter(*bias), (*output).into(), len.into()],
            )?;
            x = out;
        }
        Ok(())
    }

    fn weights(&self, at: usize, columns: usize) -> Matrix {
        Matrix { address: self.parameters.at(at), columns, transposed: false }
    }

    fn forward_block(&self, block: &ConvBlock, x: &Buffer, n: usize, training: bool) -> Done {
        let Dims { cout, h, w, .. } = block.dims;
        let (affine, saved) = (self.parameter(block.affine), Argument::from(&block.saved));
        let blocks = self.convolve(
            ["conv_4", "conv_16", "conv_32", "conv_64"],
            block,
            [x, &block.raw],
            n,
            true,
        )?;
        if training {
            let count = n * h * w;
            let partial = (&self.partial).into();
            let running = (&block.running).into();
            let arguments = [partial, affine, running, saved, blocks.into(), count.into()];
            self.launch("norm_batch", [cout, 1, 1], &arguments)?;
        } else {
            let arguments = [(&block.running).into(), affine, saved];
            self.launch("norm_running", [cout, 1, 1], &arguments)?;
        }
        let len = n * pooled(block.dims);
        self.launch(
            "pool",
            [len.div_ceil(256), 1, 1],
            &[
                (&block.raw).into(),
                saved,
                (&block.out).into(),
                (&block.winners).into(),
                cout.into(),
                h.into(),
                w.into(),
                len.into(),
                usize::from(block.relu).into(),
            ],
        )?;
        Ok(())
    }

    /// The convolution, there or back, by the kernel for its outputs; blocks of pixels.
    fn convolve(
        &self,
        kernels: [&'static str; 4],
        block: &ConvBlock,
        [from, to]: [&Buffer; 2],
        n: usize,
        there: bool,
    ) -> Result<usize, DeviceError> {
        let Dims { cin, cout, h, w } = block.dims;
        let (cin, cout) = if there { (cin, cout) } else { (cout, cin) };
        let width = columns(cout);
        let kernel = kernels[match width {
            4 => 0,
            16 => 1,
            32 => 2,
            _ => 3,
        }];
        let blocks = (n * h * w).div_ceil(4096 / width);
        self.launch(
            kernel,
            [blocks, cout.div_ceil(width), 1],
            &[
                from.into(),
                self.parameter(block.weight),
                to.into(),
                (&self.partial).into(),
                n.into(),
                cin.into(),
                cout.into(),
                h.into(),
                w.into(),
            ],
        )?;
        Ok(blocks)
    }

    /// All gradients, given that of the logits.
    fn backward(&self, n: usize) -> Done {
        for depth in (0..self.dense.len()).rev() {
            let Linear { shape: [output, input], weight, bias, gradient, .. } = &self.dense[depth];
            let (x, below) = match (depth, self.blocks.last()) {
                (0, None) => (&self.x, None),
                (0, Some(block)) => (&block.out, Some(&block.gradient)),
                _ => (&self.dense[depth - 1].out, Some(&self.dense[depth - 1].gradient)),
            };
            let rows = matrix(gradient, *output);
            let (left, right) = (Matrix { transposed: true, ..rows }, matrix(x, *input));
            let to = self.gradients.at(*weight);
            self.product(Product::single([*output, n, *input], left, right, to))?;
            self.launch(
                "column_sums",
                [output.div_ceil(32), 1, 1],
                &[gradient.into(), self.gradient(*bias), n.into(), (*output).into()],
            )?;
            if let Some(below) = below {
                let right = self.weights(*weight, *input);
                self.product(Product::single([n, *output, *input], rows, right, below.at(0)))?;
            }
        }
        for depth in (0..self.blocks.len()).rev() {
            let before = depth.checked_sub(1).map(|it| &self.blocks[it]);
            self.backward_block(&self.blocks[depth], before, n)?;
        }
        Ok(())
    }

    fn backward_block(&self, block: &ConvBlock, before: Option<&ConvBlock>, n: usize) -> Done {
        let Dims { cin, cout, h, w } = block.dims;
        let pixels = n * h * w;
        let splits = pooled_parts(cout, n * (h / 2) * (w / 2));
        let (partial, saved) = (Argument::from(&self.partial), Argument::from(&block.saved));
        let (gradient, winners) = (Argument::from(&block.gradient), Argument::from(&block.winners));
        let (raw, back) = (Argument::from(&block.raw), Argument::from(&block.back));
        self.launch(
            "pool_sums",
            [cout, splits, 1],
            &[gradient, winners, raw, saved, partial, n.into(), h.into(), w.into()],
        )?;
        let (affine, affine_gradient) = (self.parameter(block.affine), self.gradient(block.affine));
        self.launch(
            "norm_gradient",
            [cout, 1, 1],
            &[partial, saved, affine, affine_gradient, back, splits.into(), pixels.into()],
        )?;
        let len = pixels * cout;
        self.launch(
            "unpool",
            [len.div_ceil(256), 1, 1],
            &[gradient, winners, back, raw, cout.into(), h.into(), w.into(), len.into()],
        )?;
        let x = before.map_or(&self.x, |it| &it.out);
        let (kernel, k, o, _) = weights_tile(9 * cin, cout);
        let (parts, each) = parts(block.dims, pixels);
        self.launch(
            kernel,
            [(9 * cin).div_ceil(k), cout.div_ceil(o), parts],
            &[
                x.into(),
                raw,
                partial,
                n.into(),
                cin.into(),
                cout.into(),
                h.into(),
                w.into(),
                each.into(),
            ],
        )?;
        let len = 9 * cin * cout;
        self.launch(
            "sum_parts",
            [len.div_ceil(32), 1, 1],
            &[partial, self.gradient(block.weight), parts.into(), len.into()],
        )?;
        if let Some(before) = before {
            let kernels = ["conv_back_4", "conv_back_16", "conv_back_32", "conv_back_64"];
            self.convolve(kernels, block, [&block.raw, &before.gradient], n, false)?;
        }
        Ok(())
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

fn matrix(buffer: &Buffer, columns: usize) -> Matrix {
    Matrix { address: buffer.at(0), columns, transposed: false }
}

#[cfg(test)]
mod tests {
    use record::{DataSpec, NetworkKind, StudyNetwork};

    use crate::{Dataset, Network, Training, device::emulated, load_dataset};

    use super::*;

    fn spec(kind: NetworkKind, conv: u32, linear: u32, relu: bool) -> StudyNetwork {
        StudyNetwork { kind, conv, linear, relu }
    }

    fn data(name: &str, train: usize) -> Dataset {
        let spec = DataSpec { name: name.to_owned(), train, validation: 0, test: 40 };
        load_dataset(&spec, None, 1).unwrap()
    }

    /// The largest distance of two networks' weights and running statistics.
    fn distance(a: &Network, b: &Network) -> f32 {
        let (a, b) = (a.state().unwrap(), b.state().unwrap());
        let values = |it: &candle_core::Tensor| it.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let distances = a.iter().flat_map(|(name, one)| {
            let pairs = values(one).into_iter().zip(values(&b[name]));
            pairs.map(|(one, other)| (one - other).abs()).collect::<Vec<_>>()
        });
        distances.fold(0.0, f32::max)
    }

    /// Losses, accuracies and weights of some epochs, there and on the CPU.
    fn compare(network: &StudyNetwork, data: &Dataset, minibatch: usize, adam: &Adam) {
        let Some(device) = emulated() else { return };
        let mut there = Training::new_on(&device, network, adam, minibatch, data, 7).unwrap();
        let mut here = Training::new(network, adam, minibatch, data, 7).unwrap();
        let go_on = &mut |_| Control::Continue;
        let (ours, theirs) = (there.fit(3, go_on).unwrap(), here.fit(3, go_on).unwrap());
        for (one, other) in ours.epochs.iter().zip(&theirs.epochs) {
            let (loss, expected) = (one.loss.unwrap(), other.loss.unwrap());
            assert!(
                (loss - expected).abs() < 2e-4 * expected.abs(),
                "{network:?}: {loss} {expected}"
            );
            assert!((one.accuracy - other.accuracy).abs() < 0.03, "{network:?}");
        }
        assert_eq!(there.recorded(), Some(true));
        there.fetch().unwrap();
        let distance = distance(there.network(), here.network());
        // Adam's steps are of one size however small the gradient: rounding shows where it is tiny.
        assert!(distance < 20.0 * adam.learning_rate as f32, "{network:?}: {distance}");
        let (one, other) =
            (there.accuracy(&data.test).unwrap(), here.accuracy(&data.test).unwrap());
        assert!((one.unwrap() - other.unwrap()).abs() < 0.08, "{one:?} {other:?}");
    }

    const SLOW: Adam =
        Adam { learning_rate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 1e-3 };

    #[test]
    fn convolutions_train_as_on_the_cpu() {
        // Odd sides, batches that fill no tile, a last one that is smaller.
        compare(&spec(NetworkKind::SimpleCnn, 2, 2, true), &data("shapes-28", 11), 5, &SLOW);
        compare(&spec(NetworkKind::SimpleCnn, 3, 1, false), &data("shapes-28", 9), 4, &SLOW);
    }

    #[test]
    fn wide_convolutions_train_as_on_the_cpu() {
        compare(&spec(NetworkKind::SimpleCnn, 4, 1, true), &data("shapes-32", 3), 2, &SLOW);
    }

    #[test]
    fn dense_networks_train_as_on_the_cpu() {
        compare(&spec(NetworkKind::DensePoly, 0, 3, true), &data("shapes-28", 11), 5, &SLOW);
        compare(&spec(NetworkKind::DenseLinear, 0, 2, true), &data("shapes-28", 7), 4, &SLOW);
    }

    #[test]
    fn a_training_that_diverges_ends_and_one_that_is_stopped_stops() {
        let Some(device) = emulated() else { return };
        let data = data("shapes-28", 20);
        let wild = Adam { learning_rate: 1e38, ..SLOW };
        let network = spec(NetworkKind::DensePoly, 0, 2, true);
        let mut training = Training::new_on(&device, &network, &wild, 8, &data, 7).unwrap();
        let fit = training.fit(5, &mut |_| Control::Continue).unwrap();
        assert!(fit.diverged_in_epoch.is_some() && fit.epochs.len() < 5, "{fit:?}");
        let mut training = Training::new_on(&device, &network, &SLOW, 8, &data, 7).unwrap();
        let stopped = training.fit(5, &mut |_| Control::Stop);
        assert!(matches!(stopped, Err(TrainError::Stopped)));
    }

    #[test]
    fn one_seed_gives_one_outcome() {
        let Some(device) = emulated() else { return };
        let (data, network) = (data("shapes-28", 12), spec(NetworkKind::SimpleCnn, 1, 2, true));
        let fit = || {
            let mut it = Training::new_on(&device, &network, &SLOW, 5, &data, 7).unwrap();
            it.fit(2, &mut |_| Control::Continue).unwrap()
        };
        assert_eq!(fit(), fit());
    }

    #[test]
    fn the_whole_batch_is_one_of_each_epoch_and_a_batch_may_be_repeated() {
        let Some(device) = emulated() else { return };
        let network =
            || Network::new(&spec(NetworkKind::DensePoly, 0, 1, true), 1, 4, 10, 3).unwrap();
        let images: Vec<f32> = (0..5 * 16).map(|it| (it % 7) as f32 / 7.0).collect();
        let labels = [0, 1, 2, 3, 4];
        let losses = |device: &crate::Device, times| {
            let training =
                Training::on_one_batch_on(device, network(), &SLOW, &images, &labels, times);
            let fit = training.unwrap().fit(2, &mut |_| Control::Continue).unwrap();
            fit.epochs.iter().map(|it| it.loss.unwrap()).collect::<Vec<_>>()
        };
        let cpu = crate::Device::cpu();
        for times in [1, 3] {
            for (one, other) in losses(&device, times).into_iter().zip(losses(&cpu, times)) {
                assert!((one - other).abs() < 1e-5, "{one} {other}");
            }
        }
    }
}
