//! What batching does to energy and response: one load, several policies, the same requests.
//! `cargo run --release -p wattlab-inference-sim --example what_if`
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::num::NonZeroUsize;

use wattlab_inference_sim::{
    ArrivalConfig, BatchingConfig, PowerConfig, ServiceConfig, SimulationConfig, simulate_all,
    tune_batching,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A network that takes 20 ms and 4 J for one request, 150 ms and 40 J for 32.
    let queue = SimulationConfig::new(
        ArrivalConfig::poisson(30.0),
        ServiceConfig::table(vec![(1, 0.02), (8, 0.05), (32, 0.15)]),
        BatchingConfig::greedy(1),
    )
    .with_requests(400_000, 20_000)
    .with_power(PowerConfig::table(50.0, vec![(1, 4.0), (32, 40.0)]));
    let policies = [
        BatchingConfig::greedy(1),
        BatchingConfig::greedy(32),
        BatchingConfig::fixed(8),
        BatchingConfig::window(16, 0.1),
        BatchingConfig::control_limit(32, 10.0),
    ];
    let queues = policies.clone().map(|policy| queue.clone().with_batching(policy));
    println!("{:<32} {:>12} {:>12}", "policy", "p99, s", "J/request");
    for (policy, report) in policies.iter().zip(simulate_all(&queues, NonZeroUsize::MIN)?) {
        let p99 = report.p99_response.map_or(f64::NAN, |time| time.0);
        let joules = report.energy_per_request.map_or(f64::NAN, |energy| energy.0);
        println!("{:<32} {p99:>12.4} {joules:>12.4}", policy.to_string());
    }
    let tuning = tune_batching(&queue, 0.5, 32, NonZeroUsize::MIN)?;
    if let (Some(best), Some(saving)) = (tuning.best, tuning.saving) {
        let (policy, saving) = (best.batching, 100.0 * saving);
        println!("within 0.5 s: {policy} saves {saving:.1} % of the joules of single requests");
    }
    Ok(())
}
