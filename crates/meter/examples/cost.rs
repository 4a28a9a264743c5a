//! Measures the cost of the meter itself, as lines of JSON: `cargo run --release -p wattlab-meter
//! --example cost`.
#![expect(clippy::print_stdout, reason = "an example shows something")]

use std::{
    thread,
    time::{Duration, Instant},
};

use wattlab_meter::{Meter, MeterError};

/// How long sampling is measured, after two seconds in which update periods are learnt.
const WATCHED: Duration = Duration::from_secs(10);

fn main() -> Result<(), MeterError> {
    let meter = Meter::builder().interval(Duration::from_secs(1)).start()?;
    let rounds = 20_000_u32;
    let mut times: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            let span = meter.span("cost");
            let begun = start.elapsed();
            drop(span.end());
            begun.as_secs_f64().max((start.elapsed() - begun).as_secs_f64()) * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{{\"tool\": \"wattlab\", \"case\": \"edge\", \"us\": {:.3}}}",
        times[times.len() / 2]
    );
    drop(meter);
    for hertz in [1_u32, 100] {
        let meter = Meter::builder().interval(Duration::from_secs(1) / hertz).start()?;
        thread::sleep(Duration::from_secs(2));
        let before = meter.own_cpu();
        thread::sleep(WATCHED);
        let per_second = (meter.own_cpu() - before).0 / WATCHED.as_secs_f64();
        println!(
            "{{\"tool\": \"wattlab\", \"case\": \"{hertz} Hz\", \"cpu_per_s\": {per_second:.6}}}"
        );
    }
    Ok(())
}
