//! Reads sensors that wattlab does not know, with `wattlab-meter` as the only dependency.

use std::process::ExitCode;

use wattlab_meter::{
    Channel, Domain, Estimator, Kind, Meter, MeterError, Method, ReadError, Source, SpanReport,
};

/// A simulated board with an energy counter of half a joule per unit. Each reading is 7 units further,
/// and the counter wraps at 50.
struct Board {
    channels: Vec<Channel>,
    units: u64,
}

const RANGE: u64 = 50;
const STEP: u64 = 7;
const JOULES_PER_UNIT: f64 = 0.5;

impl Board {
    fn new() -> Self {
        let kind = Kind::Counter { range: Some(RANGE) };
        let counter =
            Channel::new("board", Domain::Other, "board-0", kind, Method::Counter, JOULES_PER_UNIT);
        // This counter wraps close to the end, so that every run of the program sees a wrap.
        Self { channels: vec![counter], units: RANGE - 1 }
    }
}

impl Source for Board {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    // A board on a slow bus: the meter reads it on a thread of its own. This is also the default.
    fn may_block(&self) -> bool {
        true
    }

    fn read(&mut self, _channel: usize) -> Result<u64, ReadError> {
        self.units = (self.units + STEP) % RANGE;
        Ok(self.units)
    }
}

/// A simulated heater that always draws 42 W and answers at once.
struct Heater {
    channels: Vec<Channel>,
}

const MILLIWATTS: u64 = 42_000;

impl Heater {
    fn new() -> Self {
        let method = Method::IntegratedPower;
        let mut power =
            Channel::new("heater", Domain::Other, "heater-0", Kind::Power, method, 1e-3);
        // Its maker states ±1 %.
        power.relative_error = Some(0.01);
        Self { channels: vec![power] }
    }
}

impl Source for Heater {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn may_block(&self) -> bool {
        false
    }

    fn read(&mut self, _channel: usize) -> Result<u64, ReadError> {
        Ok(MILLIWATTS)
    }
}

fn main() -> Result<ExitCode, MeterError> {
    let meter = Meter::builder()
        .source(Board::new())
        .source(Heater::new())
        .estimator(Estimator::none())
        .start()?;
    for status in meter.probes().iter().filter(|status| status.available) {
        println!("probe {}: {}", status.probe, status.reason.as_deref().unwrap_or_default());
    }
    let span = meter.span("work");
    for _ in 0..20 {
        meter.sample();
    }
    let report = span.end();
    println!("{report}");
    for domain in &report.domains {
        println!("  {}: {}", domain.device, domain.energy());
    }
    let problems = problems(&report);
    for problem in &problems {
        eprintln!("wrong: {problem}");
    }
    Ok(ExitCode::from(u8::from(!problems.is_empty())))
}

/// What is wrong with the report, if anything.
fn problems(report: &SpanReport) -> Vec<String> {
    let mut problems = Vec::new();
    let domain = |device: &str| report.domains.iter().find(|domain| domain.device == device);
    match domain("board-0") {
        None => problems.push("the board was not read".to_owned()),
        Some(board) => {
            // Every reading after the first adds 3.5 J, also across a wrap.
            let steps = board.samples - 1;
            let expected = (steps * STEP) as f64 * JOULES_PER_UNIT;
            if (board.joules.0 - expected).abs() > 1e-9 || steps * STEP < RANGE {
                problems.push(format!("board: {} in {steps} steps", board.joules));
            }
        }
    }
    match domain("heater-0") {
        None => problems.push("the heater was not read".to_owned()),
        Some(heater) => {
            // The two outer readings enclose the span, less than a second apart from it.
            let (low, high) = (42.0 * report.duration.0, 42.0 * (report.duration.0 + 1.0));
            if !(low..high).contains(&heater.joules.0) || heater.uncertainty.0 <= 0.0 {
                problems.push(format!("heater: {} in {}", heater.joules, report.duration));
            }
        }
    }
    if report.total.is_none() {
        problems.push("there is no total".to_owned());
    }
    problems
}
