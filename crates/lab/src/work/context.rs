//! What a run works with: meter, data, device, the networks that are kept.

use std::cell::RefCell;

use meter::{Meter, Span, SpanReport};
use models::{
    Device, NetworkFile, Precision,
    vision::{Int8Settings, VisionError, VisionNetwork},
};
use record::{InferencePrecision, Outcome, Seconds, Serving, Surroundings, Warning};

use super::{error::RunError, isolation::Isolation};
use crate::{Interrupt, data::DataFolder, surroundings::Watch};

/// The largest number of parameters of all networks that are kept: about 1.2 GB.
pub(super) const KEPT_PARAMETERS: usize = 300_000_000;
/// The seed of the vision networks' random weights, on which neither time nor energy depends.
const WEIGHTS_SEED: u64 = 1;

/// Random images for the calibration of 8-bit integers.
const CALIBRATION: usize = 4;

/// An error if a network of 8-bit integers should run on another device than the CPU.
pub(super) fn on_the_cpu(device: &Device, network: &str) -> Result<(), VisionError> {
    if device.name() == "cpu" {
        return Ok(());
    }
    let reason = format!("it runs on the CPU only, and the device is `{}`", device.name());
    Err(VisionError::Int8 { network: network.to_owned(), reason })
}

/// The result of a task.
pub(super) struct Done {
    pub(super) outcome: Outcome,
    pub(super) main: SpanReport,
    /// The other spans, in the order of their start.
    pub(super) spans: Vec<SpanReport>,
    pub(super) serving: Option<Serving>,
    pub(super) preparing: Option<Seconds>,
    pub(super) warnings: Vec<Warning>,
}

/// What a run works with, kept from run to run.
pub(super) struct RunContext {
    pub(super) meter: Meter,
    pub(super) data: DataFolder,
    pub(super) interrupt: Interrupt,
    /// The device on which networks run.
    pub(super) device: Device,
    pub(super) isolation: Isolation,
    /// The conditions during the last main span.
    pub(super) surroundings: RefCell<Option<Surroundings>>,
    /// The vision networks used last. They are kept because building one takes longer than running
    /// it.
    networks: Vec<VisionNetwork>,
}

impl RunContext {
    /// Runs on the CPU that have the machine to themselves.
    pub(super) fn new(meter: Meter, data: DataFolder, interrupt: Interrupt) -> Self {
        Self {
            isolation: Isolation::alone(&meter),
            meter,
            data,
            interrupt,
            device: Device::cpu(),
            surroundings: RefCell::default(),
            networks: Vec::new(),
        }
    }

    /// Measures the main span, and observes the conditions meanwhile.
    pub(super) fn main<T>(
        &self,
        name: &str,
        work: impl FnOnce(&Span) -> Result<T, RunError>,
    ) -> Result<(T, SpanReport), RunError> {
        let (sysfs, cpus) = self.isolation.place();
        let watch = Watch::start(sysfs, cpus);
        let ended = self.measured(name, work)?;
        self.surroundings.replace(Some(watch.end()));
        Ok(ended)
    }

    /// Measures a piece of work as a span of the run.
    pub(super) fn measured<T>(
        &self,
        name: &str,
        work: impl FnOnce(&Span) -> Result<T, RunError>,
    ) -> Result<(T, SpanReport), RunError> {
        let span = self.meter.span(name);
        let value = work(&span)?;
        Ok((value, span.end()))
    }

    /// Takes a vision network from those that are kept, or builds it. `text` is that of its file. 8-bit integers are
    /// calibrated on random images of this side, because neither time nor energy depends on the ranges.
    pub(super) fn take_network(
        &mut self,
        (name, text): (&str, Option<&str>),
        precision: InferencePrecision,
        side: usize,
    ) -> Result<VisionNetwork, RunError> {
        let same = |network: &VisionNetwork| {
            network.info().name == name
                && network.int8_summary().is_none() == precision.is_float32()
        };
        match self.networks.iter().position(same) {
            Some(at) => Ok(self.networks.remove(at)),
            None => {
                let network = match text {
                    Some(text) => {
                        let file = NetworkFile::parse(text, name)?;
                        VisionNetwork::from_file(&file, name, None, WEIGHTS_SEED)?
                    }
                    None => VisionNetwork::open(name, None, None, WEIGHTS_SEED)?,
                };
                match precision {
                    InferencePrecision::Float32 => {
                        Ok(network.on(&self.device, Precision::default()))
                    }
                    InferencePrecision::Int8 => {
                        on_the_cpu(&self.device, name)?;
                        let images =
                            network.info().random_images(CALIBRATION, side, WEIGHTS_SEED)?;
                        let settings =
                            Int8Settings { images: CALIBRATION, ..Int8Settings::default() };
                        Ok(network.to_int8(&settings, &images)?)
                    }
                }
            }
        }
    }

    /// Keeps a network for the next run, and drops the oldest ones if there are too many.
    pub(super) fn keep_network(&mut self, network: VisionNetwork) {
        self.networks.push(network);
        let held =
            |kept: &[VisionNetwork]| kept.iter().map(VisionNetwork::parameters).sum::<usize>();
        while self.networks.len() > 1 && held(&self.networks) > KEPT_PARAMETERS {
            self.networks.remove(0);
        }
    }
}
