//! The worker: does the run of a spec, measures its energy in spans, and makes the record.

mod infer;
mod isolation;
mod serve;
mod train;

use std::{
    cell::RefCell,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use meter::{Meter, MeterError, Span, SpanReport};
use models::{
    DataError, Device, DeviceError, Precision, TrainError,
    vision::{VisionError, VisionNetwork},
};
use record::{
    EnergyReport, Environment, Outcome, RECORD_SCHEMA, RunRecord, RunSpec, Seconds, Serving,
    SpanEnergy, Surroundings, Task, Timing, Warning,
};

use self::isolation::Isolation;
pub use self::isolation::shared_domains;
use crate::{
    Interrupt, config::IsolationConfig, data::DataFolder, environment::environment,
    images::PhotographsError, surroundings::Watch,
};

/// Why a run could not be finished.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The user or the system asked the program to stop.
    #[error("interrupted")]
    Interrupted,
    /// The images of a training are missing or damaged.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The network cannot be trained.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The device cannot be used.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The vision network cannot be built or run.
    #[error(transparent)]
    Vision(#[from] VisionError),
    /// The photographs that requests ask for are missing or damaged.
    #[error(transparent)]
    Photographs(#[from] PhotographsError),
    /// The arrivals or the batching policy of a queue are not valid.
    #[error(transparent)]
    Arrivals(#[from] inference_sim::ConfigError),
    /// Other runs may be measured at the same time by the same sensors.
    #[error(
        "several runs at once would be measured by the same sensors ({domains}), and each would \
         count the energy of all; do one run at a time (without `--workers`; with `exclusive = \
         true` in `[slurm]`), or set `shared_domains = true` in the profile's `[isolation]`, so \
         that each record carries a warning"
    )]
    SharedDomain {
        /// The domains that these sensors measure, in words.
        domains: String,
    },
}

/// Starts a meter with this machine's sensors, and with estimates for parts without a sensor.
///
/// # Errors
///
/// If a plugin cannot be loaded.
pub fn meter(sysfs: Option<&Path>, plugins: &[PathBuf]) -> Result<Meter, MeterError> {
    builder(sysfs, plugins).start()
}

/// Starts a meter with this machine's sensors alone: every joule is measured, and parts without a
/// sensor are left out.
///
/// # Errors
///
/// If a plugin cannot be loaded.
pub fn sensors(sysfs: Option<&Path>, plugins: &[PathBuf]) -> Result<Meter, MeterError> {
    builder(sysfs, plugins).estimator(None).start()
}

fn builder(sysfs: Option<&Path>, plugins: &[PathBuf]) -> meter::Builder {
    let mut builder = Meter::builder();
    if let Some(sysfs) = sysfs {
        builder = builder.sysfs(sysfs);
    }
    plugins.iter().fold(builder, |builder, plugin| builder.plugin(plugin))
}

/// Does runs, one after the other, and makes their records.
pub struct Worker {
    meter: Meter,
    data: DataFolder,
    interrupt: Interrupt,
    environment: Environment,
    /// The device on which networks run.
    device: Device,
    isolation: Isolation,
    /// The conditions during the last main span.
    surroundings: RefCell<Option<Surroundings>>,
    /// The vision networks used last. They are kept because building one takes longer than running
    /// it.
    networks: Vec<VisionNetwork>,
}

/// The largest number of parameters of all networks that are kept: about 1.2 GB.
const KEPT_PARAMETERS: usize = 300_000_000;
/// The number of classes of the vision networks: ImageNet's.
const CLASSES: usize = 1000;
/// The seed of the vision networks' random weights, on which neither time nor energy depends.
const WEIGHTS_SEED: u64 = 1;

/// The result of a task.
struct Done {
    outcome: Outcome,
    main: SpanReport,
    /// The other spans, in the order of their start.
    spans: Vec<SpanReport>,
    serving: Option<Serving>,
    preparing: Option<Seconds>,
    warnings: Vec<Warning>,
}

impl Worker {
    /// A worker on this machine that uses the CPU.
    #[must_use]
    pub fn new(meter: Meter, data: DataFolder, interrupt: Interrupt) -> Self {
        let environment = environment(meter.probe_uses());
        let isolation = Isolation::alone(&meter);
        Self {
            meter,
            data,
            interrupt,
            environment,
            device: Device::cpu(),
            isolation,
            surroundings: RefCell::default(),
            networks: Vec::new(),
        }
    }

    /// Runs networks on a device, which records name.
    #[must_use]
    pub fn on(mut self, device: Device) -> Self {
        self.environment.machine.device = match device.about() {
            Some(about) => format!("{} ({about})", device.name()),
            None => device.name().to_owned(),
        };
        self.device = device;
        self
    }

    /// Keeps measurements apart as a profile says. `together`: other runs may be measured on this
    /// machine at the same time. Temperature and clock frequency are read below `sysfs`.
    ///
    /// # Errors
    ///
    /// If sensors would measure other runs, too, and the profile does not allow it.
    pub fn isolated(
        mut self,
        config: IsolationConfig,
        together: bool,
        sysfs: &Path,
    ) -> Result<Self, RunError> {
        self.isolation.set(config, together, sysfs)?;
        Ok(self)
    }

    /// Sets the worker's name in records and the processors to which it is pinned.
    #[must_use]
    pub fn named(mut self, name: &str, cpus: &[usize]) -> Self {
        self.isolation.name(name, cpus);
        self
    }

    /// Loads what a run of this kind needs, so that bad input is found before any work is done.
    ///
    /// # Errors
    ///
    /// If images are missing or damaged, or a network cannot take them.
    pub fn prepare(&mut self, spec: &RunSpec) -> Result<(), RunError> {
        match &spec.task {
            Task::Train(task) => {
                let data = self.data.load(&task.data)?;
                let (channels, side) = (data.channels, data.side);
                models::Network::new(&task.network, channels, side, data.classes, spec.seed)
                    .map_err(TrainError::from)?;
            }
            Task::Serve(task) => {
                check_side(&task.network, task.image_side)?;
                serve::images(&self.data, spec, task)?;
            }
            Task::Infer(task) => check_side(&task.network, task.image_side)?,
        }
        Ok(())
    }

    /// Does a run. The run is repeated if other processes used the machine too much meanwhile.
    ///
    /// # Errors
    ///
    /// If it cannot be finished, or on interruption.
    pub fn run(&mut self, spec: &RunSpec) -> Result<RunRecord, RunError> {
        let mut discarded: Vec<SpanEnergy> = Vec::new();
        loop {
            self.isolation.rest(&self.interrupt)?;
            let (mut record, whole) = self.once(spec)?;
            let mut surroundings = self.surroundings.take().unwrap_or_default();
            surroundings.worker = self.isolation.worker();
            surroundings.repeats = discarded.len() as u32;
            if self.isolation.repeats(&surroundings) {
                discarded.push(SpanEnergy { name: "discarded".to_owned(), ..(&whole).into() });
                continue;
            }
            record.warnings.extend(self.isolation.warnings(&surroundings));
            record.timing.surroundings = Some(surroundings);
            let before = |span: SpanEnergy| SpanEnergy { start: span.start - whole.start, ..span };
            record.energy.spans.splice(0..0, discarded.into_iter().map(before));
            return Ok(record);
        }
    }

    /// The rest before each run.
    #[must_use]
    pub fn rest(&self) -> std::time::Duration {
        self.isolation.resting()
    }

    /// Whether vision networks with this many parameters in all are kept from run to run.
    #[must_use]
    pub fn keeps(parameters: usize) -> bool {
        parameters <= KEPT_PARAMETERS
    }

    /// Does a run once, whatever the load by other processes, to find out what it costs.
    ///
    /// # Errors
    ///
    /// If it cannot be finished, or on interruption.
    pub fn trial(&mut self, spec: &RunSpec) -> Result<RunRecord, RunError> {
        self.once(spec).map(|(record, _)| record)
    }

    /// Does a run once and returns its record, and the span around all of it.
    fn once(&mut self, spec: &RunSpec) -> Result<(RunRecord, SpanReport), RunError> {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let whole = self.meter.span("run");
        let done = match &spec.task {
            Task::Train(task) => train::run(self, spec, task)?,
            Task::Serve(task) => serve::run(self, spec, task)?,
            Task::Infer(task) => infer::run(self, spec, task)?,
        };
        let whole = whole.end();
        let mut warnings = done.main.warnings.clone();
        warnings.extend(done.warnings);
        let mut reports = done.spans;
        reports.push(done.main.clone());
        reports.sort_by(|a, b| a.start.0.total_cmp(&b.start.0));
        // The start of a span counts from the start of the run.
        let spans = reports
            .iter()
            .map(|report| SpanEnergy { start: report.start - whole.start, ..report.into() });
        let record = RunRecord {
            schema: RECORD_SCHEMA.to_owned(),
            id: spec.id(),
            spec: spec.clone(),
            outcome: done.outcome,
            energy: EnergyReport {
                span: spec.task.main_span().to_owned(),
                total: done.main.total,
                spans: spans.collect(),
                domains: done.main.domains,
            },
            timing: Timing {
                started_unix_s: started.as_secs_f64(),
                duration: whole.duration,
                main: done.main.duration,
                main_cpu: Some(done.main.cpu),
                order: 0,
                serving: done.serving,
                preparing: done.preparing,
                surroundings: None,
            },
            environment: self.environment.clone(),
            warnings,
        };
        Ok((record, whole))
    }

    /// Measures the main span, and observes the conditions meanwhile.
    fn main<T>(
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
    fn measured<T>(
        &self,
        name: &str,
        work: impl FnOnce(&Span) -> Result<T, RunError>,
    ) -> Result<(T, SpanReport), RunError> {
        let span = self.meter.span(name);
        let value = work(&span)?;
        Ok((value, span.end()))
    }

    /// Takes a vision network from those that are kept, or builds it.
    fn take_network(&mut self, name: &str) -> Result<VisionNetwork, RunError> {
        match self.networks.iter().position(|network| network.architecture().name == name) {
            Some(at) => Ok(self.networks.remove(at)),
            None => {
                let network = VisionNetwork::random(name, CLASSES, WEIGHTS_SEED)?;
                Ok(network.on(&self.device, Precision::default()))
            }
        }
    }

    /// Keeps a network for the next run, and drops the oldest ones if there are too many.
    fn keep_network(&mut self, network: VisionNetwork) {
        self.networks.push(network);
        let held =
            |kept: &[VisionNetwork]| kept.iter().map(VisionNetwork::parameters).sum::<usize>();
        while self.networks.len() > 1 && held(&self.networks) > KEPT_PARAMETERS {
            self.networks.remove(0);
        }
    }
}

/// Whether a network takes images of this side.
fn check_side(network: &str, side: usize) -> Result<(), RunError> {
    match models::vision::Architecture::named(network) {
        Ok(architecture) => Ok(architecture.takes(side, side)?),
        // An unknown name is reported when the network is built.
        Err(_) => Ok(()),
    }
}
