//! What batching does to energy and response: one load, every policy, the same requests.
//! `cargo run --release -p wattlab-inference-sim --example what_if`
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::num::NonZeroUsize;

use wattlab_inference_sim::{SimulationConfig, simulate_all, tune};

/// A network that takes 20 ms and 4 J for one request, 150 ms and 40 J for 32.
const QUEUE: &str = r#"
    seed = 1
    requests = 400_000
    warmup = 20_000
    arrivals = { process = "poisson", rate = 30.0 }
    service = { law = "table", table = [[1, 0.02], [8, 0.05], [32, 0.15]] }
    power = { idle_w = 50.0, batch_table_j = [[1, 4.0], [32, 40.0]] }
"#;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let policies = [
        r#"{ policy = "greedy", size = 1 }"#,
        r#"{ policy = "greedy", size = 32 }"#,
        r#"{ policy = "fixed", size = 8 }"#,
        r#"{ policy = "window", size = 16, delay_s = 0.1 }"#,
        r#"{ policy = "control_limit", size = 32, waiting_w = 10.0 }"#,
    ];
    let configs: Vec<SimulationConfig> = policies
        .iter()
        .map(|policy| toml::from_str(&format!("{QUEUE}\nbatching = {policy}")))
        .collect::<Result<_, _>>()?;
    println!("{:<58} {:>12} {:>12}", "policy", "p99, s", "J/request");
    for (policy, report) in policies.iter().zip(simulate_all(&configs, NonZeroUsize::MIN)?) {
        let p99 = report.p99_response.map_or(f64::NAN, |it| it.0);
        let joules = report.energy_per_request.map_or(f64::NAN, |it| it.0);
        println!("{policy:<58} {p99:>12.4} {joules:>12.4}");
    }
    let tuning = tune(&configs[0], 0.5, 32, NonZeroUsize::MIN)?;
    if let (Some(best), Some(saving)) = (tuning.best, tuning.saving) {
        let (policy, saving) = (best.batching.policy, 100.0 * saving);
        println!("within 0.5 s: {policy:?} saves {saving:.1} % of the joules of single requests");
    }
    Ok(())
}
