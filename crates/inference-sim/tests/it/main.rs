//! The simulator against queueing theory, its engines against each other, and messages for wrong
//! input.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "a test shows what it compared, or why it was skipped")]

mod cascades;
mod description;
mod families;
mod generation;
mod laws;
mod live;
mod load;
mod loadgen;
mod ml_energy;
mod oracles;
mod policies;
mod replay;
mod scenario;
mod servers;
mod step_fit;
mod systems;
mod theory;
mod traces;
mod triton;
mod vidur;
mod vllm;

use serde_json::{Value, json};
use wattlab_inference_sim::{SimulationConfig, simulate};

/// A description from JSON, with a seed and a number of requests.
fn config(mut description: Value, requests: usize, warmup: usize) -> SimulationConfig {
    description["seed"] = json!(1);
    description["requests"] = json!(requests);
    description["warmup"] = json!(warmup);
    serde_json::from_value(description).expect("the description is valid")
}

/// Compares fields of a report with expected values: those with an interval to four standard errors,
/// the others to a relative `tolerance`. Returns the differences.
fn compare(config: &SimulationConfig, expected: &[(&str, f64)], tolerance: f64) -> Vec<String> {
    const T_975: f64 = 2.093;
    let report = serde_json::to_value(simulate(config).unwrap()).unwrap();
    let mut wrong = Vec::new();
    for &(name, expected) in expected {
        let found = report[name].as_f64().unwrap_or(f64::NAN);
        let allowed = match &report["ci95"][name] {
            Value::Array(interval) => {
                let half = (interval[1].as_f64().unwrap() - interval[0].as_f64().unwrap()) / 2.0;
                if half > 0.2 * expected.abs() {
                    wrong.push(format!("{name}: {expected} is only known to {half}"));
                }
                (4.0 * half / T_975).max(1e-4 * expected.abs())
            }
            _ => tolerance * expected.abs(),
        };
        let off = (found - expected).abs();
        println!("  {name:<22} expected {expected:<12.6} found {found:<12.6} allowed {allowed:.6}");
        if off.is_nan() || off > allowed {
            wrong.push(format!("{name}: expected {expected}, found {found}, allowed {allowed}"));
        }
    }
    wrong
}
