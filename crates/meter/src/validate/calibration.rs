//! Intervals: they contain the true energy in about 95 % of windows, not much less and not much more.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use units::Domain;

use super::{
    Sensor, Wave,
    cases::Cases,
    counters::{holds, nanoseconds},
};
use crate::{clock::VirtualClock, meter::Meter};

const WINDOWS: u32 = 1000;

/// The share of windows with the truth in the interval that passes, in percent.
const GOAL: std::ops::RangeInclusive<f64> = 93.0..=97.0;

pub(super) fn run(cases: &mut Cases<'_>) {
    const GROUP: &str = "intervals of 95 %";
    let slow_square = Wave::Square(200.0, 40.0, 20.0, 0.5);
    for (name, wave, shape, interval) in [
        ("renewed every 1 ms, constant", Wave::Constant(100.0), (6.1e-5, 1e-3, None), 0.1),
        ("renewed every 1 ms, slow square", slow_square, (6.1e-5, 1e-3, None), 0.1),
        (
            "renewed every 1 ms, sine of 2 s",
            Wave::Sine(100.0, 60.0, 2.0),
            (6.1e-5, 1e-3, None),
            0.02,
        ),
        ("renewed every 20 ms, constant", Wave::Constant(300.0), (1e-3, 0.02, None), 0.1),
        ("renewed every 100 ms, constant", Wave::Constant(300.0), (1e-3, 0.1, None), 0.1),
        ("with a coarse unit of 1 J", Wave::Constant(100.0), (1.0, 1e-3, None), 0.1),
    ] {
        let share = share(wave, shape, interval);
        let detail = format!("the truth was in the interval in {share:.1} % of {WINDOWS} windows");
        cases.add(GROUP, format!("counter {name}"), GOAL.contains(&share), detail);
    }
}

/// The percentage of windows of random start and length (0.2 to 3 s) whose interval contains the
/// truth.
fn share(wave: Wave, shape: (f64, f64, Option<u64>), interval: f64) -> f64 {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let clock = VirtualClock::default();
    let sensor = Sensor::counter(&clock, Domain::CpuPackage, wave, shape)
        .phase(random.random_range(0.0..1.0) * shape.1);
    let meter = Meter::with_sources(vec![Box::new(sensor)], Box::new(clock.clone()));
    let mut now = 0.0;
    let mut due = interval;
    let mut go_on = |length: f64, now: &mut f64| {
        let until = *now + length;
        while due < until {
            clock.advance(nanoseconds(due) - nanoseconds(*now));
            *now = due;
            meter.sample();
            due += interval;
        }
        clock.advance(nanoseconds(until) - nanoseconds(*now));
        *now = until;
    };
    let mut inside = 0;
    for _ in 0..WINDOWS {
        go_on(random.random_range(0.5..1.5), &mut now);
        let from = now;
        let span = meter.span("window");
        go_on(random.random_range(0.2..3.0), &mut now);
        inside += u32::from(holds(&span.end(), wave.energy(now) - wave.energy(from)));
    }
    f64::from(inside) * 100.0 / f64::from(WINDOWS)
}
