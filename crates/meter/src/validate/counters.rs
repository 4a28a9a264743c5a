//! Counters: wraps, resets, failed readings and resolution.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use units::{Domain, Joules, WarningKind};

use super::{Sensor, SensorFault, Wave, cases::Cases};
use crate::{clock::VirtualClock, meter::Meter, source::Source, span_report::SpanReport};

/// A 32-bit counter of 2^-14 J, in microjoules, as powercap shows it.
const RANGE: u64 = 262_143_328_850;
const UNIT: f64 = 1e-6;

/// Converts seconds to nanoseconds.
pub(super) fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

/// The report of a span from `from` to `to` seconds. The sources are sampled every `interval` seconds
/// from time 0 on, except at the times at which `paused` is true.
pub(super) fn watch(
    sources: Vec<Box<dyn Source>>,
    clock: &VirtualClock,
    (from, to, interval): (f64, f64, f64),
    paused: impl Fn(f64) -> bool,
) -> SpanReport {
    let meter = Meter::with_sources(sources, Box::new(clock.clone()));
    let mut now = 0.0;
    let mut go_on = |until: f64| {
        while now + interval < until {
            clock.advance(nanoseconds(interval));
            now += interval;
            if !paused(now) {
                meter.sample();
            }
        }
        clock.advance(nanoseconds(until - now));
        now = until;
    };
    go_on(from);
    let span = meter.span("case");
    go_on(to);
    span.end()
}

fn joules(report: &SpanReport) -> f64 {
    report.total.map_or(f64::NAN, |total| total.joules.0)
}

fn has(report: &SpanReport, kind: WarningKind) -> bool {
    report.warnings.iter().any(|warning| warning.kind == kind)
}

/// Whether the true energy is within the interval of the total.
pub(super) fn holds(report: &SpanReport, truth: f64) -> bool {
    report
        .total
        .is_some_and(|total| (total.joules.0 - truth).abs() <= total.uncertainty.0 * (1.0 + 1e-9))
}

const NEVER: fn(f64) -> bool = |_| false;

pub(super) fn run(cases: &mut Cases<'_>) {
    wraps(cases);
    resets(cases);
    failures(cases);
    resolution(cases);
}

fn wraps(cases: &mut Cases<'_>) {
    const GROUP: &str = "a counter wraps";
    let (power, length) = (100.0, 2.0);
    // The wrap happens at every hundredth of a second of the span, at its ends and between samples.
    let mut worst = 0.0_f64;
    for at in 0..=200_u32 {
        let clock = VirtualClock::default();
        let before = (power * (1.0 + length * f64::from(at) / 200.0) / UNIT) as u64;
        let range = (UNIT, 0.0, Some(RANGE));
        let sensor = Sensor::counter(&clock, Domain::CpuPackage, Wave::Constant(power), range)
            .starting_at(RANGE - before);
        let report = watch(vec![Box::new(sensor)], &clock, (1.0, 1.0 + length, 0.1), NEVER);
        worst = worst.max((joules(&report) - power * length).abs());
    }
    cases.close(GROUP, "at each of 201 times of a span", (0.0, worst, 2e-6));
    for wraps in 2..=5_u32 {
        let clock = VirtualClock::default();
        let range = 50_000_000;
        let sensor = Sensor::counter(
            &clock,
            Domain::CpuPackage,
            Wave::Constant(power),
            (UNIT, 0.0, Some(range)),
        );
        let end = 1.0 + 0.5 * f64::from(wraps);
        // 50 J at 2 kW take 25 ms; it is read more than twice in that time.
        let report = watch(vec![Box::new(sensor)], &clock, (1.0, end, 0.01), NEVER);
        let name = format!("{wraps} times in a span that is sampled often enough");
        cases.close(GROUP, name, (power * (end - 1.0), joules(&report), 2e-6));
    }
    let clock = VirtualClock::default();
    let range = (UNIT, 0.0, Some(RANGE));
    let sensor = Sensor::counter(&clock, Domain::CpuPackage, Wave::Constant(1500.0), range);
    let asleep = |now: f64| now > 5.0;
    let report = watch(vec![Box::new(sensor)], &clock, (1.0, 400.0, 1.0), asleep);
    let told = has(&report, WarningKind::SensorGap) && holds(&report, 1500.0 * 399.0);
    let detail = format!("{:?} J, warning: {told}", report.total.map(|total| total.joules));
    cases.add(
        GROUP,
        "more than once between two readings: a warning, and the truth is in the interval",
        told,
        detail,
    );
}

fn resets(cases: &mut Cases<'_>) {
    const GROUP: &str = "a counter is reset";
    let run = |faults: Vec<SensorFault>| {
        let clock = VirtualClock::default();
        let range = (UNIT, 0.0, Some(RANGE));
        let sensor = Sensor::counter(&clock, Domain::CpuPackage, Wave::Constant(100.0), range)
            .starting_at(90_000_000_000)
            .with(faults);
        watch(vec![Box::new(sensor)], &clock, (1.0, 4.0, 0.1), NEVER)
    };
    let report = run(vec![SensorFault::Resets(2.05)]);
    // The energy between the last sample and the reset, 0.05 s later, is lost.
    cases.close(GROUP, "in a span", (300.0, joules(&report), 10.0));
    let told = has(&report, WarningKind::SensorGap) && holds(&report, 300.0);
    cases.equal(GROUP, "a warning, and the truth is in the interval", (true, told));
    let report = run(vec![SensorFault::Shows(2.0, 2.3, 15)]);
    cases.close(
        GROUP,
        "no reset, but three readings are cut short",
        (300.0, joules(&report), 1e-3),
    );
    let report = run(vec![SensorFault::Resets(1.55), SensorFault::Resets(2.55)]);
    cases.close(GROUP, "twice in a span", (300.0, joules(&report), 20.0));
}

fn failures(cases: &mut Cases<'_>) {
    const GROUP: &str = "readings fail";
    for reason in ["Input/output error", "Permission denied", "`` is not a number", "GPU is lost"] {
        for (name, from, to) in [
            ("from before the span into it", 0.5, 1.5),
            ("in the middle of the span", 2.0, 2.6),
            ("until its end", 3.5, 9.0),
            ("always", 0.5, 9.0),
        ] {
            let clock = VirtualClock::default();
            let wave = Wave::Constant(100.0);
            let range = (UNIT, 0.0, Some(RANGE));
            let sensor = Sensor::counter(&clock, Domain::CpuPackage, wave, range)
                .with([SensorFault::Fails(from, to, reason)]);
            let report = watch(vec![Box::new(sensor)], &clock, (1.0, 4.0, 0.1), NEVER);
            let told = has(&report, WarningKind::ProbeFailed);
            let right = match name {
                "always" => report.total.is_none() && report.absent.len() == 1,
                "in the middle of the span" => (joules(&report) - 300.0).abs() < 1e-3,
                _ => holds(&report, 300.0),
            };
            let detail = format!("{:?}, warning: {told}", report.total);
            cases.add(GROUP, format!("{reason}: {name}"), right && told, detail);
        }
    }
}

fn resolution(cases: &mut Cases<'_>) {
    const GROUP: &str = "below a sensor's resolution";
    // A counter that is renewed every 100 ms, and spans of 10 to 30 ms: most contain no update.
    let clock = VirtualClock::default();
    let shape = (1e-3, 0.1, None);
    let sensor = Sensor::counter(&clock, Domain::Gpu, Wave::Constant(300.0), shape);
    let meter = Meter::with_sources(vec![Box::new(sensor)], Box::new(clock.clone()));
    let (mut zeros, mut inside, windows) = (0_u32, 0_u32, 500_u32);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    for _ in 0..windows {
        let span = meter.span("short");
        let length = random.random_range(0.01..0.03);
        clock.advance(nanoseconds(length));
        let report = span.end();
        let energy = report.total.map_or(Joules(f64::NAN), |total| total.joules);
        let width = report.total.map_or(Joules(f64::NAN), |total| total.uncertainty);
        zeros += u32::from(energy == Joules(0.0) && width == Joules(0.0));
        inside += u32::from(holds(&report, 300.0 * length));
    }
    cases.equal(GROUP, "no span has 0 J without uncertainty", (0, zeros));
    let share = f64::from(inside) / f64::from(windows);
    cases.add(
        GROUP,
        "the truth is in the interval",
        share >= 0.93,
        format!("in {:.1} % of {windows} spans", share * 100.0),
    );
}
