//! The real network behind a queue.

use std::{num::NonZeroUsize, sync::Once, time::Instant};

use anyhow::{Context, anyhow};
use inference_sim::{Calibration, Executor};
use meter::Meter;
use models::{
    Device, Precision,
    vision::{VisionError, VisionNetwork},
};
use record::{Energy, Seconds};

use super::photographs::Photographs;
use crate::{
    Failure,
    device::{check_seen, device},
    images::{Images, POOL},
};

/// Classes of the networks, and the seed of their random weights and images: neither changes time
/// or energy.
const CLASSES: usize = 1000;
const SEED: u64 = 1;
/// What runs networks where nothing else is said.
const CPU: &str = "cpu";

/// A network that answers requests: takes their images, puts them together, runs.
pub(super) struct Network {
    network: VisionNetwork,
    device: Device,
    images: Images,
    /// Measures every batch.
    meter: Option<Meter>,
    /// Those served since the last [`Network::parts`].
    parts: Vec<Part>,
}

/// Flags that say where a network runs.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Place {
    /// Threads that run the network, as many as processors if left out.
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,
    /// Where it runs: `cpu`, `cuda` or `cuda:N`.
    #[arg(long, value_name = "NAME", default_value = CPU)]
    pub(super) device: String,
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
    /// With random weights, and images from a folder or random ones that lie ready in memory.
    pub(super) fn new(
        name: &str,
        side: usize,
        photographs: &Photographs,
        place: &Place,
    ) -> Result<Self, Failure> {
        let device = device(&place.device)?;
        let build = || {
            use_threads(place.threads)?;
            KEPT.call_once(keep_memory);
            fits(POOL, side)?;
            let network = VisionNetwork::random(name, CLASSES, SEED)?;
            let images = match &photographs.folder {
                Some(folder) => Images::photographs(folder, photographs.cached, name, side)
                    .context("--images")?,
                None => Images::random(side, SEED)?,
            };
            anyhow::Ok((network.on(&device, Precision::default()), images))
        };
        let (network, images) = build().map_err(Failure::BadInput)?;
        Ok(Self { network, device, images, meter: None, parts: Vec::new() })
    }

    /// The one that was calibrated, with the images it was calibrated with.
    pub(super) fn calibrated(it: &Calibration) -> Result<Self, Failure> {
        let photographs = Photographs { folder: it.images.clone(), cached: it.cache_images };
        let device = it.device.clone().unwrap_or_else(|| CPU.to_owned());
        let place = Place { threads: it.threads, device };
        Self::new(&it.network, it.image_side, &photographs, &place).map_err(|error| match error {
            Failure::BadInput(error) => Failure::BadInput(error.context("calibration")),
            error => error,
        })
    }

    /// Where it runs.
    pub(super) fn device(&self) -> &Device {
        &self.device
    }

    /// Whether a meter sees the joules of where it runs.
    pub(super) fn check_seen(&self, meter: &Meter) -> Result<(), Failure> {
        check_seen(self.device.name(), &meter.probe_uses())
    }

    /// Photographs that are served in turns; 0 if the images are random.
    pub(super) fn photographs(&self) -> usize {
        self.images.count()
    }

    /// Measures every batch from now on, or no longer.
    pub(super) fn metered(&mut self, meter: Option<&Meter>) {
        self.meter = meter.cloned();
    }

    /// The batches since the last call, or the first.
    pub(super) fn parts(&mut self) -> Vec<Part> {
        std::mem::take(&mut self.parts)
    }
}

static KEPT: Once = Once::new();

/// Has the allocator keep the memory of batches.
///
/// glibc gives what is freed at the end of its heap back to the system, now and then, and the next
/// batch pays for the same pages again: a batch among others of its size takes less time than one
/// among others of other sizes, by a third for small networks. Freeing a block of 31 MiB raises the
/// least size of what is mapped on its own to that (mallopt(3), `M_MMAP_THRESHOLD`); then a block
/// that stays at the end of the heap keeps what lies before it. Other allocators do not mind.
fn keep_memory() {
    const MIB: usize = 1 << 20;
    drop(vec![1_u8; 31 * MIB]);
    let blocks: Vec<Vec<u8>> = (0..32).map(|_| vec![1_u8; 12 * MIB]).collect();
    std::mem::forget(vec![1_u8; 4 * MIB]);
    drop(blocks);
}

/// Limits what runs the networks, for good.
fn use_threads(threads: Option<NonZeroUsize>) -> anyhow::Result<()> {
    let Some(threads) = threads.map(NonZeroUsize::get) else { return Ok(()) };
    let most = crate::environment::environment(Vec::new()).threads;
    if threads > most {
        return Err(anyhow!(
            "threads are {threads}: expected at most {most}, as many as processors"
        ));
    }
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        Err(_) if rayon::current_num_threads() != threads => {
            Err(anyhow!("threads are {threads}, but the work has begun with others"))
        }
        _ => Ok(()),
    }
}

/// Whether the images of a batch find room beside what a network makes of them.
pub(super) fn fits(size: usize, side: usize) -> anyhow::Result<()> {
    const SHARE: f64 = 0.1;
    let memory = crate::environment::environment(Vec::new()).machine.memory_bytes;
    let bytes = 3.0 * 4.0 * size as f64 * (side as f64).powi(2);
    match memory {
        Some(memory) if bytes > SHARE * memory as f64 => Err(anyhow!(
            "{size} images of {side}×{side} pixels take {:.3} GiB, more than a tenth of the \
             memory; take fewer or smaller ones",
            bytes / 1024_f64.powi(3)
        )),
        _ => Ok(()),
    }
}

impl Executor for Network {
    type Error = VisionError;

    fn serve(&mut self, requests: &[usize]) -> Result<(), VisionError> {
        let span = self.meter.as_ref().map(|it| it.span("batch"));
        let start = Instant::now();
        let images = self.images.batch(requests)?;
        let prepare = Seconds(start.elapsed().as_secs_f64());
        // On a thread of the pool, so that none of the layers' parallel parts has to wake one up.
        let network = &self.network;
        rayon::scope(|_| network.forward(&images).map(drop))?;
        let energy = span.and_then(|it| it.end().total);
        self.parts.push(Part { prepare, energy });
        Ok(())
    }
}
