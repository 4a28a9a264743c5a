//! Measures a second of work: `cargo run -p wattlab-meter --example measure`.
#![expect(clippy::print_stdout, reason = "an example shows something")]

use std::time::{Duration, Instant};

use wattlab_meter::{Meter, MeterError};

fn main() -> Result<(), MeterError> {
    let meter = Meter::builder().start()?;
    let span = meter.span("spin");
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        std::hint::spin_loop();
    }
    let report = span.end();
    println!("{report}");
    for domain in &report.domains {
        println!("  {:<12} {}", domain.device, domain.energy());
    }
    for warning in &report.warnings {
        println!("warning: {warning}");
    }
    Ok(())
}
