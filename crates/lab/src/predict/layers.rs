//! The layers of a network with their work for one image.

use std::ops::ControlFlow;

use models::{
    Network, Training,
    profile::{LayerWork, Pass},
    vision::VisionNetwork,
};
use record::{Adam, StudyNetwork};

use super::work::NetworkWork;
use crate::{Failure, memory};

/// A layer and its work for an image of a batch.
#[derive(Clone, Debug)]
pub(crate) struct LayerCost {
    /// Name and shape.
    pub(crate) layer: String,
    /// Its kind in a word.
    pub(crate) kind: &'static str,
    /// Work of the forward pass for one image. Bytes of weights and passes are those of a whole batch.
    work: NetworkWork,
}

/// The layers of a network.
#[derive(Clone, Debug)]
pub(crate) struct NetworkLayers(Vec<LayerCost>);

impl LayerCost {
    /// The work for an image of a batch of some images.
    pub(crate) fn in_batch(&self, batch: usize) -> NetworkWork {
        let share = 1.0 / batch as f64;
        let NetworkWork { weights, passes, .. } = self.work;
        NetworkWork { weights: weights * share, passes: passes * share, ..self.work }
    }

    /// The work for an image where all fitted runs have the same batch: without weights.
    pub(crate) fn in_usual_batch(&self) -> NetworkWork {
        NetworkWork { weights: 0.0, ..self.work }
    }
}

impl NetworkLayers {
    /// The layers in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &LayerCost> {
        self.0.iter()
    }

    /// Number of layers with work of their own.
    pub(crate) fn passes(&self) -> usize {
        self.0.iter().filter(|layer| layer.work.passes > 0.0).count()
    }

    /// The sum of the layers' work.
    pub(crate) fn sum(&self, of: impl Fn(&LayerCost) -> NetworkWork) -> NetworkWork {
        self.0.iter().map(of).fold(NetworkWork::default(), |a, b| NetworkWork {
            window_flops: a.window_flops + b.window_flops,
            flops: a.flops + b.flops,
            bytes: a.bytes + b.bytes,
            weights: a.weights + b.weights,
            passes: a.passes + b.passes,
        })
    }

    /// The layers of a vision network, from batches of one and two images.
    ///
    /// # Errors
    ///
    /// If images of that size do not fit the network or the memory.
    pub(crate) fn of_vision(network: &VisionNetwork, side: usize) -> Result<Self, Failure> {
        let info = network.info();
        info.check_size(side, side).map_err(Failure::bad_input)?;
        memory::fits(2, info.channels, side, memory::INFERENCE)
            .map_err(|error| Failure::BadInput(error.context("--image-side")))?;
        let profiled = |batch: usize| {
            let images = info.random_images(batch, side, 1).map_err(Failure::of_network)?;
            let mut works = Vec::new();
            network
                .profile(&images, &mut |work, _| {
                    works.push(work.clone());
                    ControlFlow::Continue(())
                })
                .map_err(Failure::of_network)?;
            Ok::<_, Failure>(works)
        };
        Ok(Self::of([1.0, 2.0], &profiled(1)?, &profiled(2)?))
    }

    /// The layers of one of the study's networks, from batches of 32 and 64 images.
    ///
    /// # Errors
    ///
    /// If the network cannot be built.
    pub(crate) fn of_study(
        network: &StudyNetwork,
        channels: usize,
        side: usize,
    ) -> Result<Self, Failure> {
        let profiled = |batch: usize| {
            let built = Network::new(network, channels, side, 10, 0).map_err(Failure::bad_input)?;
            let images = vec![0.5; batch * channels * side * side];
            let labels: Vec<u32> = (0..batch as u32).map(|image| image % 10).collect();
            let mut training = Training::on_one_batch(built, &Adam::default(), &images, &labels)
                .map_err(Failure::bad_input)?;
            let mut works = Vec::new();
            training
                .profile(&mut |work, _| {
                    if work.pass == Pass::Forward {
                        works.push(work.clone());
                    }
                    ControlFlow::Continue(())
                })
                .map_err(Failure::run_time)?;
            Ok::<_, Failure>(works)
        };
        Ok(Self::of([32.0, 64.0], &profiled(32)?, &profiled(64)?))
    }

    /// What an image adds, and what a batch costs once: its weights.
    fn of([few, many]: [f64; 2], small: &[LayerWork], large: &[LayerWork]) -> Self {
        let layers = small.iter().zip(large).map(|(small, large)| {
            let each = |of: fn(&LayerWork) -> f64| (of(large) - of(small)) / (many - few);
            let (flops, bytes) = (each(|work| work.flops), each(|work| work.bytes));
            let is_window = small.taps > 1;
            LayerCost {
                layer: small.layer.clone(),
                kind: small.kind.word(),
                work: NetworkWork {
                    window_flops: if is_window { flops } else { 0.0 },
                    flops: if is_window { 0.0 } else { flops },
                    bytes,
                    weights: (small.bytes - few * bytes).max(0.0),
                    passes: f64::from(u8::from(!small.by_difference && small.bytes > 0.0)),
                },
            }
        });
        Self(layers.collect())
    }
}
