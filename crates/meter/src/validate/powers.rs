//! Sensors of power, and the peculiarities of GPUs.

use units::{Domain, WarningKind};

use super::{
    Sensor, SensorFault, Wave,
    cases::Cases,
    counters::{holds, watch},
};
use crate::{clock::VirtualClock, source::Source};

const WAVES: [(&str, Wave); 4] = [
    ("constant", Wave::Constant(120.0)),
    ("ramp", Wave::Ramp(50.0, 30.0)),
    ("sine of 0.8 s", Wave::Sine(150.0, 100.0, 0.8)),
    ("square of 0.5 s", Wave::Square(300.0, 60.0, 0.5, 0.4)),
];

pub(super) fn run(cases: &mut Cases<'_>) {
    waves(cases);
    gpus(cases);
}

fn waves(cases: &mut Cases<'_>) {
    const GROUP: &str = "a wave is followed";
    for (name, wave) in WAVES {
        for (kind, counts) in [("counter", true), ("power", false)] {
            for (sampling, interval) in [("100 Hz", 0.01), ("10 Hz", 0.1)] {
                let clock = VirtualClock::default();
                let sensor = if counts {
                    Sensor::counter(&clock, Domain::CpuPackage, wave, (1e-6, 1e-3, None))
                } else {
                    Sensor::power(&clock, Domain::Gpu, wave, (1e-3, 0.0, 0.0))
                };
                let window = (1.0, 11.0, interval * 0.997);
                let report = watch(vec![Box::new(sensor)], &clock, window, |_| false);
                let truth = wave.energy(11.0) - wave.energy(1.0);
                let found = report.total.map_or(f64::NAN, |total| total.joules.0);
                let tolerance = if counts { 0.5 } else { truth * 0.02 };
                let name = format!("{name}, {kind}, read at {sampling}");
                cases.close(GROUP, name, (truth, found, tolerance));
            }
        }
        let clock = VirtualClock::default();
        let sensor = Sensor::power(&clock, Domain::Gpu, wave, (1e-3, 0.0, 0.0))
            .with([SensorFault::Fails(4.0, 4.3, "busy")]);
        let report = watch(vec![Box::new(sensor)], &clock, (1.0, 11.0, 0.01), |_| false);
        let truth = wave.energy(11.0) - wave.energy(1.0);
        let gap = report.domains.first().map_or(0.0, |energy| energy.gap.0);
        let right = holds(&report, truth) && (0.25..0.35).contains(&gap);
        let detail = format!("truth {truth:.2} J, {:?}, gap {gap:.3} s", report.total);
        cases.add(GROUP, format!("{name}, power, 0.3 s without readings"), right, detail);
    }
}

fn gpus(cases: &mut Cases<'_>) {
    const GROUP: &str = "a GPU is read";
    let wave = Wave::Square(350.0, 80.0, 1.7, 0.5);
    let truth = wave.energy(11.0) - wave.energy(1.0);
    for period in [0.01, 0.02, 0.1] {
        let clock = VirtualClock::default();
        let sensor = Sensor::counter(&clock, Domain::Gpu, wave, (1e-3, period, None));
        let report = watch(vec![Box::new(sensor)], &clock, (1.0, 11.0, 0.1), |_| false);
        let detail = format!("truth {truth:.2} J, {:?}", report.total);
        let name = format!("its counter is renewed every {} ms", period * 1e3);
        cases.add(GROUP, name, holds(&report, truth), detail);
    }
    let clock = VirtualClock::default();
    let sensor = Sensor::power(&clock, Domain::Gpu, wave, (1e-3, 0.1, 1.0));
    let report = watch(vec![Box::new(sensor)], &clock, (1.0, 11.0, 0.1), |_| false);
    let detail = format!("truth {truth:.2} J, {:?}", report.total);
    cases.add(GROUP, "its power is the mean of the last second", holds(&report, truth), detail);
    let clock = VirtualClock::default();
    let steady = Wave::Sine(200.0, 40.0, 5.0);
    let sensor = Sensor::power(&clock, Domain::Gpu, steady, (1e-3, 0.1, 0.0)).duty(0.25);
    let report = watch(vec![Box::new(sensor)], &clock, (1.0, 11.0, 0.1), |_| false);
    let truth_of_steady = steady.energy(11.0) - steady.energy(1.0);
    let detail = format!("truth {truth_of_steady:.2} J, {:?}", report.total);
    let name = "its sensor samples a quarter of the time, under a slow load";
    cases.add(GROUP, name, holds(&report, truth_of_steady), detail);

    let clock = VirtualClock::default();
    let boards: Vec<Box<dyn Source>> = (0..8_u32)
        .map(|index| {
            let wave = Wave::Constant(100.0 + 10.0 * f64::from(index));
            let board = Sensor::counter(&clock, Domain::Gpu, wave, (1e-3, 0.02, None))
                .named("simulated", &format!("GPU-{index}"));
            let lost =
                if index == 3 { Some(SensorFault::Fails(5.0, 99.0, "GPU is lost")) } else { None };
            Box::new(board.with(lost)) as Box<dyn Source>
        })
        .collect();
    let report = watch(boards, &clock, (1.0, 11.0, 0.1), |_| false);
    let others = report.domains.iter().enumerate().filter(|(at, _)| *at != 3);
    let right = others.clone().all(|(at, energy)| {
        (energy.joules.0 - 1000.0 - 100.0 * at as f64).abs() <= energy.uncertainty.0
    });
    cases.equal(GROUP, "one of eight is lost: the others are right", (true, right));
    let told = report.warnings.iter().any(|warning| warning.kind == WarningKind::ProbeFailed);
    cases.equal(GROUP, "one of eight is lost: there is a warning", (true, told));
}
