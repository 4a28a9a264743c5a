//! The real network that serves a queue.

use std::{num::NonZeroUsize, sync::Once, time::Instant};

use anyhow::{Context, anyhow};
use inference_sim::{BatchServer, Calibration, limits};
use meter::Meter;
use models::{
    Device, Precision,
    vision::{VisionError, VisionNetwork},
};
use record::{Energy, Seconds};

use super::{
    answerer::Answerer,
    escalation::{Answers, Escalation},
    photographs::Photographs,
};
use crate::{
    Failure,
    device::{check_seen, device},
    images::{Images, POOL},
    memory,
};

/// The seed of random weights and images. It changes neither time nor energy.
const SEED: u64 = 1;
/// The default device.
const CPU: &str = "cpu";

/// A network that answers requests: it prepares their images and runs.
pub(super) struct Network {
    network: VisionNetwork,
    /// Side of its images in pixels.
    side: usize,
    device: Device,
    images: Images,
    /// The meter that measures every batch, if any.
    meter: Option<Meter>,
    /// The batches since the last call of [`Network::parts`].
    parts: Vec<Part>,
    /// The large network of a cascade.
    escalation: Option<Escalation>,
}

/// The flags for the device that runs a network.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct DeviceFlags {
    /// Threads that run the network; by default one per processor.
    #[arg(long, value_name = "N", value_parser = limits::THREADS.parser::<NonZeroUsize>())]
    pub(super) threads: Option<NonZeroUsize>,
    /// The device that runs the network: `cpu`, `cuda` or `cuda:N`.
    #[arg(long, value_name = "NAME", default_value = CPU)]
    pub(super) device: String,
}

/// The preparation and the energy of a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The part of its service before the network ran.
    pub(super) prepare: Seconds,
    /// Energy of the whole service; `None` without a sensor or an estimate.
    pub(super) energy: Option<Energy>,
}

impl DeviceFlags {
    /// Whether the device is the default one.
    pub(super) fn is_default(&self) -> bool {
        self.device == CPU
    }
}

impl Network {
    /// A network with random weights, and images from a folder or random ones in memory.
    pub(super) fn new(
        name: &str,
        side: Option<usize>,
        photographs: &Photographs,
        place: &DeviceFlags,
    ) -> Result<Self, Failure> {
        let device = device(&place.device)?;
        let build = || {
            memory::use_threads(place.threads.map(NonZeroUsize::get))?;
            KEPT.call_once(keep_memory);
            let network = VisionNetwork::open(name, None, None, SEED)?;
            let info = network.info();
            let side = side.unwrap_or(info.usual_side);
            info.check_size(side, side)?;
            fits(POOL, info.channels, side)?;
            let images = match &photographs.folder {
                Some(folder) => Images::photographs(folder, photographs.cached, name, side)
                    .context("--images")?,
                None => Images::random(info, side, SEED)?,
            };
            anyhow::Ok((network.on(&device, Precision::default()), side, images))
        };
        let (network, side, images) = build().map_err(Failure::BadInput)?;
        Ok(Self { network, side, device, images, meter: None, parts: Vec::new(), escalation: None })
    }

    /// The network of a calibration, with its images.
    pub(super) fn calibrated(calibration: &Calibration) -> Result<Self, Failure> {
        let photographs =
            Photographs { folder: calibration.images.clone(), cached: calibration.cache_images };
        let device = calibration.device.clone().unwrap_or_else(|| CPU.to_owned());
        let place = DeviceFlags { threads: calibration.threads, device };
        let Some(network) = &calibration.network else {
            let server = calibration.measured();
            return Err(Failure::BadInput(anyhow!(
                "calibration: it is of the server `{server}`, expected a network, which this program can serve; \
                 use `wattlab simulate FILE` or `wattlab simulate tune FILE`"
            )));
        };
        Self::new(network, calibration.image_side, &photographs, &place).map_err(
            |error| match error {
                Failure::BadInput(error) => Failure::BadInput(error.context("calibration")),
                error => error,
            },
        )
    }

    /// The same place with a trained network, its images, and a large one that it asks.
    pub(super) fn escalating(
        self,
        network: VisionNetwork,
        images: Images,
        escalation: Escalation,
    ) -> Self {
        Self { network, images, escalation: Some(escalation), ..self }
    }

    /// What the networks of a cascade answered since the meter began; `None` for a single network.
    pub(super) fn answers(&self) -> Option<Answers> {
        self.escalation.as_ref().map(Escalation::answers)
    }

    /// Side of its images in pixels.
    pub(super) fn side(&self) -> usize {
        self.side
    }

    /// Channels of its images.
    pub(super) fn channels(&self) -> usize {
        self.network.info().channels
    }

    /// The device that runs it.
    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// Checks that a sensor of the meter covers the device.
    pub(super) fn check_seen(&self, meter: &Meter) -> Result<(), Failure> {
        check_seen(self.device.name(), &meter.probe_uses())
    }

    /// Number of photographs, which are used in turn; 0 if the images are random.
    pub(super) fn photographs(&self) -> usize {
        self.images.count()
    }

    /// The batches since the last call, or the first.
    pub(super) fn parts(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.parts)
    }
}

static KEPT: Once = Once::new();

/// Makes the allocator keep the memory of batches.
///
/// glibc sometimes returns memory at the end of its heap to the system, and the next batch pays for
/// the same pages again. Small networks then take a third longer for a batch among batches of other
/// sizes than for one among batches of its own size. Freeing a block of 31 MiB raises the size from
/// which blocks are mapped separately to that (mallopt(3), `M_MMAP_THRESHOLD`). A block that stays at
/// the end of the heap then keeps the memory before it. For other allocators this has no effect.
fn keep_memory() {
    const MIB: usize = 1 << 20;
    drop(vec![1_u8; 31 * MIB]);
    let blocks: Vec<Vec<u8>> = (0..32).map(|_| vec![1_u8; 12 * MIB]).collect();
    std::mem::forget(vec![1_u8; 4 * MIB]);
    drop(blocks);
}

/// Checks that the images of a batch fit into the memory beside the network.
pub(super) fn fits(size: usize, channels: usize, side: usize) -> anyhow::Result<()> {
    memory::fits(size, channels, side, memory::INFERENCE)
}

impl Answerer for Network {
    fn answer(&mut self, requests: &[usize]) -> Result<(), Failure> {
        self.serve(requests).map_err(Failure::of_network)
    }

    fn metered(&mut self, meter: Option<&Meter>) {
        self.meter = meter.cloned();
        if meter.is_some() {
            self.parts.clear();
            self.escalation.iter_mut().for_each(Escalation::begin);
        }
    }

    fn is_in_this_process(&self) -> bool {
        true
    }

    fn has_joules(&self) -> bool {
        true
    }
}

impl BatchServer for Network {
    type Error = VisionError;

    fn serve(&mut self, requests: &[usize]) -> Result<(), VisionError> {
        let span = self.meter.as_ref().map(|meter| meter.span("batch"));
        let start = Instant::now();
        let images = self.images.batch(requests)?;
        let prepare = Seconds(start.elapsed().as_secs_f64());
        // On a thread of the pool, so that the parallel parts of the layers need not wake one up.
        let (network, escalation) = (&self.network, &mut self.escalation);
        rayon::scope(|_| {
            let logits = network.forward(&images)?;
            match escalation {
                Some(escalation) => escalation.ask(requests, &images, &logits),
                None => Ok(()),
            }
        })?;
        let energy = span.and_then(|span| span.end().total);
        self.parts.push(Part { prepare, energy });
        Ok(())
    }
}
