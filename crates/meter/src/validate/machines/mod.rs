//! Machines that exist: trees of sensors rebuilt from reports, with the power that is right. Each is
//! read through the meter's own sources, in virtual time.

mod boards;
mod machine;
mod modules;
mod processors;
mod rapl;
mod supplies;

use std::io;

use units::{Domain, Method};

use self::machine::{Board, Machine};
use super::cases::Cases;
use crate::{
    battery::Battery,
    clock::{Clock, VirtualClock},
    hwmon::Hwmon,
    meter::Meter,
    powercap::Powercap,
    source::{Channel, Kind, ReadError, Source},
    span_report::SpanReport,
};

/// The power of the model of the processor that each machine has, in watts.
const MODEL: f64 = 7.0;

/// Length of a measurement in tenths of a second.
const STEPS: u32 = 20;

pub(super) fn run(cases: &mut Cases<'_>) {
    const GROUP: &str = "a real machine";
    let kinds = [
        rapl::MACHINES,
        processors::MACHINES,
        boards::MACHINES,
        supplies::MACHINES,
        modules::MACHINES,
    ];
    for machine in kinds.into_iter().flatten() {
        match measure(machine) {
            Ok(report) => {
                let (pass, detail) = judge(machine, &report);
                cases.add(GROUP, machine.name, pass, detail);
            }
            Err(error) => {
                cases.add(GROUP, machine.name, false, format!("no temporary folder: {error}"));
            }
        }
    }
}

/// Whether a report is right, and what counted.
fn judge(machine: &Machine, report: &SpanReport) -> (bool, String) {
    let joules = report.total.map_or(f64::NAN, |total| total.joules.0);
    let truth = machine.watts * f64::from(STEPS) / 10.0;
    let has = |text: &str| report.warnings.iter().any(|warning| warning.text.contains(text));
    let told = machine.warning.is_none_or(has);
    let counted: Vec<String> = report
        .domains
        .iter()
        .filter(|energy| energy.in_total)
        .map(|energy| format!("{} `{}`", energy.domain.word(), energy.device))
        .collect();
    let detail = format!(
        "expected {truth:.3} J, found {joules:.3} J: {}{}",
        counted.join(", "),
        if told { "" } else { "; a warning is missing" }
    );
    ((joules - truth).abs() <= 1e-3 * truth && told, detail)
}

fn measure(machine: &Machine) -> io::Result<SpanReport> {
    let root = tempfile::tempdir()?;
    for piece in machine.pieces {
        piece.write(root.path(), 0)?;
    }
    let clock = VirtualClock::default();
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    take(&mut sources, Powercap::open(root.path()));
    take(&mut sources, Hwmon::open(root.path()));
    take(&mut sources, Battery::open(root.path()));
    for board in machine.boards {
        sources.push(Box::new(Simulated::board(board, &clock)));
    }
    sources.push(Box::new(Simulated::model(&clock)));
    let meter = Meter::with_sources(sources, Box::new(clock.clone()));
    let span = meter.span("case");
    for step in 1..=STEPS {
        clock.advance(100_000_000);
        for piece in machine.pieces.iter().filter(|piece| piece.counts()) {
            piece.write(root.path(), step)?;
        }
        meter.sample();
    }
    Ok(span.end())
}

fn take<S: Source + 'static, E>(sources: &mut Vec<Box<dyn Source>>, source: Result<S, E>) {
    if let Ok(source) = source {
        sources.push(Box::new(source));
    }
}

/// A power of a plugin, or the model.
struct Simulated {
    channels: Vec<Channel>,
    clock: VirtualClock,
    watts: f64,
}

impl Simulated {
    fn board(&Board(probe, device, watts): &Board, clock: &VirtualClock) -> Self {
        let method = Method::IntegratedPower;
        let mut channel = Channel::new(probe, Domain::Gpu, device, Kind::Power, method, 1e-3);
        channel.identity = Some(device.to_owned());
        Self { channels: vec![channel], clock: clock.clone(), watts }
    }

    fn model(clock: &VirtualClock) -> Self {
        let kind = Kind::Counter { range: None };
        let domain = Domain::CpuProcess;
        let channel = Channel::new("cpu-time", domain, "process", kind, Method::Model, 1e-3);
        Self { channels: vec![channel], clock: clock.clone(), watts: MODEL }
    }
}

impl Source for Simulated {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn may_block(&self) -> bool {
        false
    }

    fn read(&mut self, _channel: usize) -> Result<u64, ReadError> {
        let counted = match self.channels[0].kind {
            Kind::Power => self.watts,
            Kind::Counter { .. } => self.watts * self.clock.now().0,
        };
        Ok((counted / self.channels[0].unit).round() as u64)
    }
}
