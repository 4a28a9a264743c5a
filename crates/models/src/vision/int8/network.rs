//! A network of 8-bit integers.

use candle_core::{Device, Tensor};
use rayon::prelude::*;

use super::{
    super::{error::VisionError, layers::Layer},
    convert::{Converted, convert},
    layers::ByteLayer,
    ranges::Ranges,
    settings::{Int8Settings, Int8Summary},
};
use crate::kernels::bytes::{ByteImages, ByteSet};

/// Bytes of weights that are worth one more byte of an image.
const WORTH: usize = 4;
/// The most images that a layer takes at a time.
const MOST_IMAGES: usize = 8;
/// Number of tasks per thread, so that no thread waits long for the others.
const TASKS_PER_THREAD: usize = 2;

/// The layers of a network, whose results do not depend on the number of threads or the instruction set.
pub(in crate::vision) struct Int8Layers {
    name: String,
    set: ByteSet,
    layers: Converted,
    summary: Int8Summary,
}

impl Int8Layers {
    /// The layers of network `name`, with ranges from calibration images `[n][h][w][c]`.
    ///
    /// # Errors
    ///
    /// If a layer is not supported, or weights or activations are not finite numbers.
    pub(in crate::vision) fn new(
        name: &str,
        layer: &Layer,
        images: &Tensor,
        settings: &Int8Settings,
    ) -> Result<Self, VisionError> {
        let count = images.dim(0)?.min(settings.images.max(1));
        let ranges = Ranges::observe(layer, &images.narrow(0, 0, count)?, settings.clip)?;
        Self::calibrated(name, layer, &ranges, count, ByteSet::current())
    }

    /// The layers for activations of these ranges, which were observed on `images` images.
    pub(super) fn calibrated(
        name: &str,
        layer: &Layer,
        ranges: &Ranges,
        images: usize,
        set: ByteSet,
    ) -> Result<Self, VisionError> {
        let layers = convert(name, layer, ranges, set)?;
        let summary = Int8Summary { layers: layers.products, images, instructions: set.name() };
        Ok(Self { name: name.to_owned(), set, layers, summary })
    }

    /// The network's name.
    pub(in crate::vision) fn name(&self) -> &str {
        &self.name
    }

    /// What it consists of.
    pub(in crate::vision) fn summary(&self) -> &Int8Summary {
        &self.summary
    }

    /// Logits `[n][classes]` of images `[n][c][h][w]` of single precision.
    ///
    /// # Errors
    ///
    /// If the images are too small.
    pub(in crate::vision) fn forward(&self, images: &Tensor) -> Result<Tensor, VisionError> {
        let tasks = rayon::current_num_threads() * TASKS_PER_THREAD;
        let x = self.layers.input.images(self.set, images, tasks)?;
        let x = self.by_parts(x, tasks)?;
        let logits = self.layers.last.numbers(&x, tasks)?;
        let classes = logits.len() / x.n.max(1);
        Ok(Tensor::from_vec(logits, (x.n, classes), &Device::Cpu)?)
    }

    /// The output of all layers but the last. Layers that work on images take only as many at a time as their
    /// weights are worth, so that inputs and outputs stay in the cache.
    fn by_parts(&self, mut x: ByteImages, tasks: usize) -> candle_core::Result<ByteImages> {
        let layers = &self.layers.layers;
        let images = layers.iter().position(ByteLayer::ends_images);
        let images = images.map_or(layers.len(), |index| index + 1);
        let threads = rayon::current_num_threads();
        let most = x.n.div_ceil(threads);
        let mut done = 0;
        while done < images && x.n > 1 {
            let part = at_a_time(&layers[done], &x, most);
            let parts = x.n.div_ceil(part);
            // Parts of equal size keep all threads busy; otherwise threads help each other.
            let inner = if parts.is_multiple_of(threads) { 1 } else { tasks };
            let run = |index: usize| {
                let mut x = x.narrow(index * part, part.min(x.n - index * part));
                let mut next = done;
                while next < images && (next == done || at_a_time(&layers[next], &x, most) <= part)
                {
                    x = layers[next].forward(&x, inner)?;
                    next += 1;
                }
                Ok((x, next))
            };
            let outs: Vec<(ByteImages, usize)> =
                (0..parts).into_par_iter().map(run).collect::<candle_core::Result<_>>()?;
            done = outs.iter().map(|(_, next)| *next).min().unwrap_or(images);
            let outs: Vec<ByteImages> = outs.into_iter().map(|(x, _)| x).collect();
            x = ByteImages::cat(&outs)?;
        }
        layers[done..].iter().try_fold(x, |x, layer| layer.forward(&x, tasks))
    }
}

/// How many images of x a layer should take at a time, at most `most`. It depends on shapes only.
fn at_a_time(layer: &ByteLayer, x: &ByteImages, most: usize) -> usize {
    let each = x.len() / x.n.max(1);
    let images = (layer.weights() / (WORTH * each).max(1)).clamp(1, MOST_IMAGES);
    images.min(most).max(1)
}
