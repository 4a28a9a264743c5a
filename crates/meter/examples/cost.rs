//! Measures the cost of the meter itself, as lines of JSON: `cargo run --release -p wattlab-meter
//! --example cost`.
#![expect(clippy::print_stdout, reason = "an example shows something")]

use std::{
    thread,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
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
    let waiting = thread::spawn(bare_wait).join().unwrap_or(f64::NAN);
    println!("{{\"tool\": \"nothing\", \"case\": \"bare wait\", \"cpu_per_s\": {waiting:.6}}}");
    Ok(())
}

/// CPU-seconds per second of a thread that wakes up 100 times a second and does nothing: what the
/// machine itself takes for as many wake-ups as the meter needs at 100 Hz.
fn bare_wait() -> f64 {
    let cpu = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
    };
    let (before, begin) = (cpu(), Instant::now());
    while begin.elapsed() < WATCHED {
        thread::park_timeout(Duration::from_millis(10));
    }
    (cpu() - before) / begin.elapsed().as_secs_f64()
}
