//! The worker: does the run of a spec, measures its energy in spans, and makes the record.

mod context;
mod error;
mod evaluate;
mod infer;
mod isolation;
mod serve;
mod train;
mod trained_weights;
mod trainee;

use std::{
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use meter::{Meter, SpanReport};
use models::{Device, NetworkFile};
use record::{
    EnergyReport, Environment, InferencePrecision, RECORD_SCHEMA, RunRecord, RunSpec, SpanEnergy,
    Task, Timing,
};

use self::context::{KEPT_PARAMETERS, RunContext};
pub(crate) use self::isolation::shared_domains;
pub(crate) use self::trainee::file as network_of_file;
pub use self::{error::RunError, trained_weights::EvaluationError};
use crate::{Interrupt, config::IsolationConfig, data::DataFolder, environment::environment};

/// Does runs, one after the other, and makes their records.
pub struct Worker {
    context: RunContext,
    environment: Environment,
}

impl Worker {
    /// A worker on this machine that uses the CPU.
    #[must_use]
    pub fn new(meter: Meter, data: DataFolder, interrupt: Interrupt) -> Self {
        let environment = environment(meter.probe_uses());
        Self { context: RunContext::new(meter, data, interrupt), environment }
    }

    /// Runs networks on a device, which records name.
    #[must_use]
    pub(crate) fn on(mut self, device: Device) -> Self {
        self.environment.machine.device = match device.model_name() {
            Some(about) => format!("{} ({about})", device.name()),
            None => device.name().to_owned(),
        };
        self.context.device = device;
        self
    }

    /// Keeps measurements apart as a profile says. `together`: other runs may be measured on this
    /// machine at the same time. Temperature and clock frequency are read below `sysfs`.
    ///
    /// # Errors
    ///
    /// If sensors would measure other runs, too, and the profile does not allow it.
    pub(crate) fn isolated(
        mut self,
        config: IsolationConfig,
        together: bool,
        sysfs: &Path,
    ) -> Result<Self, RunError> {
        self.context.isolation.set(config, together, sysfs)?;
        Ok(self)
    }

    /// Sets the worker's name in records and the processors to which it is pinned.
    #[must_use]
    pub(crate) fn named(mut self, name: &str, cpus: &[usize]) -> Self {
        self.context.isolation.name(name, cpus);
        self
    }

    /// Loads what a run of this kind needs, so that bad input is found before any work is done.
    ///
    /// # Errors
    ///
    /// If images are missing or damaged, or a network cannot take them.
    pub(crate) fn prepare(&mut self, spec: &RunSpec) -> Result<(), RunError> {
        match &spec.task {
            Task::Train(task) => {
                let data = self.context.data.load(&task.data)?;
                trainee::check(&self.context.device, task, &data, spec.seed)?;
            }
            Task::Serve(task) => {
                check_side(&task.network, task.image_side)?;
                if task.photographs.is_some() {
                    let info = models::vision::network_info(&task.network)?;
                    serve::images(&self.context.data, spec, task, &info)?;
                }
            }
            Task::Infer(task) => match &task.text {
                Some(text) => {
                    NetworkFile::parse(text, &task.network)?;
                    if task.precision == InferencePrecision::Int8 {
                        // Whether 8-bit integers support its layers.
                        let named = (task.network.as_str(), Some(text.as_str()));
                        let network =
                            self.context.take_network(named, task.precision, task.image_side)?;
                        self.context.keep_network(network);
                    }
                }
                None => check_side(&task.network, task.image_side)?,
            },
            Task::Evaluate(task) => evaluate::check(&mut self.context, task)?,
        }
        Ok(())
    }

    /// Does a run. The run is repeated if other processes used the machine too much meanwhile.
    ///
    /// # Errors
    ///
    /// If it cannot be finished, or on interruption.
    pub(crate) fn run(&mut self, spec: &RunSpec) -> Result<RunRecord, RunError> {
        let mut discarded: Vec<SpanEnergy> = Vec::new();
        loop {
            self.context.isolation.rest(&self.context.interrupt)?;
            let (mut record, whole) = self.once(spec)?;
            let mut surroundings = self.context.surroundings.take().unwrap_or_default();
            surroundings.worker = self.context.isolation.worker();
            surroundings.repeats = discarded.len() as u32;
            if self.context.isolation.repeats(&surroundings) {
                discarded.push(SpanEnergy { name: "discarded".to_owned(), ..(&whole).into() });
                continue;
            }
            record.warnings.extend(self.context.isolation.warnings(&surroundings));
            record.timing.surroundings = Some(surroundings);
            let before = |span: SpanEnergy| SpanEnergy { start: span.start - whole.start, ..span };
            record.energy.spans.splice(0..0, discarded.into_iter().map(before));
            return Ok(record);
        }
    }

    /// The rest before each run.
    #[must_use]
    pub(crate) fn rest(&self) -> std::time::Duration {
        self.context.isolation.resting()
    }

    /// Whether vision networks with this many parameters in all are kept from run to run.
    #[must_use]
    pub(crate) fn keeps(parameters: usize) -> bool {
        parameters <= KEPT_PARAMETERS
    }

    /// Does a run once, whatever the load by other processes, to find out what it costs.
    ///
    /// # Errors
    ///
    /// If it cannot be finished, or on interruption.
    pub(crate) fn trial(&mut self, spec: &RunSpec) -> Result<RunRecord, RunError> {
        self.once(spec).map(|(record, _)| record)
    }

    /// Does a run once and returns its record, and the span around all of it.
    fn once(&mut self, spec: &RunSpec) -> Result<(RunRecord, SpanReport), RunError> {
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let whole = self.context.meter.span("run");
        let done = match &spec.task {
            Task::Train(task) => train::run(&mut self.context, spec, task)?,
            Task::Serve(task) => serve::run(&mut self.context, spec, task)?,
            Task::Infer(task) => infer::run(&mut self.context, spec, task)?,
            Task::Evaluate(task) => evaluate::run(&mut self.context, task)?,
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
            looks: Vec::new(),
        };
        Ok((record, whole))
    }
}

/// Whether a network takes images of this side.
fn check_side(network: &str, side: usize) -> Result<(), RunError> {
    match models::vision::network_info(network) {
        Ok(info) => Ok(info.check_size(side, side)?),
        // An unknown name is reported when the network is built.
        Err(_) => Ok(()),
    }
}
