//! The real network behind a queue.

use std::time::Instant;

use candle_core::Tensor;
use inference_sim::Executor;
use meter::Meter;
use models::vision::{VisionError, VisionNetwork, random_images};
use record::{Energy, Seconds};

/// Classes of the networks, and the seed of their random weights and images: neither changes time
/// or energy.
const CLASSES: usize = 1000;
const SEED: u64 = 1;
/// Different images; request i asks for image i modulo this.
const POOL: usize = 64;

/// The images of the requests with these numbers, as `[n][3][side][side]`: what a batch begins
/// with, inside its service.
pub(super) type Prepare = Box<dyn FnMut(&[usize]) -> Result<Tensor, VisionError>>;

/// A network that answers requests: takes their images, puts them together, runs.
pub(super) struct Network {
    network: VisionNetwork,
    prepare: Prepare,
    /// Measures every batch.
    meter: Option<Meter>,
    /// Those served since the last [`Network::parts`].
    parts: Vec<Part>,
}

/// What a batch was made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Of its service, what went by before the network ran.
    pub(super) prepare: Seconds,
    /// Of the whole service; `None` where nothing tells.
    pub(super) energy: Option<Energy>,
}

impl Network {
    /// With random weights, and random images that lie ready in memory.
    pub(super) fn new(name: &str, side: usize) -> Result<Self, VisionError> {
        let pool = random_images(POOL, side, SEED)?;
        let prepare = move |requests: &[usize]| {
            let image = |it: &usize| pool.narrow(0, it % POOL, 1);
            let images: Vec<Tensor> = requests.iter().map(image).collect::<Result<_, _>>()?;
            Ok(Tensor::cat(&images, 0)?)
        };
        Self::preparing(name, Box::new(prepare))
    }

    /// With random weights, and images by a function.
    pub(super) fn preparing(name: &str, prepare: Prepare) -> Result<Self, VisionError> {
        let network = VisionNetwork::random(name, CLASSES, SEED)?;
        Ok(Self { network, prepare, meter: None, parts: Vec::new() })
    }

    /// Measures every batch from now on.
    pub(super) fn metered(&mut self, meter: &Meter) {
        self.meter = Some(meter.clone());
    }

    /// The batches since the last call, or the first.
    pub(super) fn parts(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.parts)
    }
}

impl Executor for Network {
    type Error = VisionError;

    fn serve(&mut self, requests: &[usize]) -> Result<(), VisionError> {
        let span = self.meter.as_ref().map(|it| it.span("batch"));
        let start = Instant::now();
        let images = (self.prepare)(requests)?;
        let prepare = Seconds(start.elapsed().as_secs_f64());
        self.network.forward(&images)?;
        let energy = span.and_then(|it| it.end().total);
        self.parts.push(Part { prepare, energy });
        Ok(())
    }
}
