//! Work that is repeated, on a counter that stands still in between.

use units::Domain;

use crate::fake::Script;

const MS: u64 = 1_000_000;

/// Energies of thirty runs of 20 ms, each of which adds 1 J at its end, 50 ms apart. The counter is
/// read every 10 ms. A slow counter's power is known after ten of its updates.
fn energies(forget: bool) -> Vec<f64> {
    let script = Script::counter(Domain::CpuPackage, None);
    script.set(Some(0));
    let (meter, clock) = script.meter();
    let wait = |readings: u32| {
        for _ in 0..readings {
            clock.advance(10 * MS);
            meter.sample();
        }
    };
    let runs = (1..=30).map(|run| {
        wait(5);
        if forget {
            meter.forget_update_periods();
        }
        let span = meter.span("run");
        wait(1);
        clock.advance(10 * MS);
        script.set(Some(run));
        span.end().total.unwrap().joules.0
    });
    runs.collect()
}

#[test]
fn each_run_is_measured_as_if_it_were_the_only_one() {
    assert_eq!(energies(true), [1.0; 30]);
    // Otherwise the time from run to run looks like the period of the sensor.
    let spread = energies(false);
    assert!(spread.iter().any(|joules| (joules - 1.0).abs() > 0.1), "{spread:?}");
}
