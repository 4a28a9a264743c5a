//! What does a second of work cost here? `cargo run -p wattlab-meter --example measure`
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
    for it in &report.domains {
        let origin = it.origin.word();
        println!("{:<12} {:>8.2} ± {:.2}  {origin}", it.device, it.joules, it.uncertainty);
    }
    for warning in &report.warnings {
        println!("{}", warning.text);
    }
    Ok(())
}
