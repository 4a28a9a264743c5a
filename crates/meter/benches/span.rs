//! The cost of measuring: `cargo bench -p wattlab-meter`.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::{fs, time::Duration};

use divan::Bencher;
use wattlab_meter::{Estimator, Meter};

fn main() {
    divan::main();
}

const SOURCES: [&str; 4] = ["noop", "cpu-time", "cpu-time with children", "rapl, 4 zones"];

/// Begins and ends a span, which reads every channel twice.
#[divan::bench(args = SOURCES)]
fn begin_and_end(bencher: Bencher<'_, '_>, source: &str) {
    let folder = tempfile::tempdir().unwrap();
    let rare = Meter::builder().sysfs(folder.path()).interval(Duration::from_secs(3600));
    let model = Estimator::for_this_processor();
    let meter = match source {
        "noop" => Meter::noop(),
        "cpu-time" => rare.estimator(model).start().unwrap(),
        "cpu-time with children" => rare.estimator(model.with_children()).start().unwrap(),
        _ => {
            for zone in ["0", "0:0", "0:1", "1"] {
                let path = folder.path().join(format!("class/powercap/intel-rapl:{zone}"));
                fs::create_dir_all(&path).unwrap();
                fs::write(path.join("name"), format!("package-{zone}")).unwrap();
                fs::write(path.join("max_energy_range_uj"), "262143328850").unwrap();
                fs::write(path.join("energy_uj"), "123456789").unwrap();
            }
            rare.start().unwrap()
        }
    };
    bencher.bench(|| meter.span("bench").end());
}
