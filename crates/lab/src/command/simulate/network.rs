//! The real network behind a queue.

use std::ops::Range;

use candle_core::Tensor;
use inference_sim::Executor;
use models::vision::{VisionError, VisionNetwork, random_images};

/// Classes of the networks, and the seed of their random weights and images: neither changes time
/// or energy.
const CLASSES: usize = 1000;
const SEED: u64 = 1;
/// Different images; request i asks for image i modulo this.
const POOL: usize = 64;

/// A network that answers requests: takes their images, puts them together, runs.
pub(super) struct Network {
    network: VisionNetwork,
    /// `[POOL][3][side][side]`.
    pool: Tensor,
}

impl Network {
    pub(super) fn new(name: &str, side: usize) -> Result<Self, VisionError> {
        let network = VisionNetwork::random(name, CLASSES, SEED)?;
        Ok(Self { network, pool: random_images(POOL, side, SEED)? })
    }
}

impl Executor for Network {
    type Error = VisionError;

    fn serve(&mut self, requests: Range<usize>) -> Result<(), VisionError> {
        let images: Vec<Tensor> =
            requests.map(|it| self.pool.narrow(0, it % POOL, 1)).collect::<Result<_, _>>()?;
        self.network.forward(&Tensor::cat(&images, 0)?)?;
        Ok(())
    }
}
