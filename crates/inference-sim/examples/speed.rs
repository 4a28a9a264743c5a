//! Measures the speed of the simulator and prints JSON Lines; `cargo xtask bench sim` compares it
//! with other simulators.
//!
//! `speed` runs the cases of the other simulators, `speed day` a day of a service with 10⁹ requests,
//! `speed generation` a generative model, whose tokens are counted, and `speed sweep` 5 models × 6
//! policies × 5 rates × 30 seeds.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::{env, num::NonZeroUsize, time::Instant};

use wattlab_inference_sim::{
    GenerationConfig, SimulationConfig, simulate, simulate_all, simulate_generation,
};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match env::args().nth(1).as_deref() {
        None => {
            for (case, text) in [
                (
                    "M/M/1",
                    r#"arrivals = { process = "poisson", rate = 0.8 }
                    service = { law = "exponential", per_item_s = 1.0 }
                    batching = { policy = "fixed", size = 1 }"#,
                ),
                (
                    "greedy",
                    r#"arrivals = { process = "poisson", rate = 40.0 }
                    service = { law = "deterministic", base_s = 0.3, per_item_s = 0.01 }
                    batching = { policy = "greedy", size = 32 }"#,
                ),
            ] {
                let text = format!("seed = 1\nrequests = 20_000_000\nwarmup = 10_000\n{text}");
                let config: SimulationConfig = toml::from_str(&text)?;
                measure(case, 20_000_000, || {
                    simulate(&config).map(|report| report.mean_wait.map(|time| time.0))
                })?;
            }
        }
        Some("day") => {
            let config: SimulationConfig = toml::from_str(
                r#"seed = 1
                requests = 1_000_000_000
                warmup = 1_000_000
                arrivals = { process = "poisson", rate = 11574.0 }
                service = { law = "deterministic", base_s = 0.001, per_item_s = 0.00005 }
                batching = { policy = "greedy", size = 64 }"#,
            )?;
            measure("day", 1_000_000_000, || {
                simulate(&config).map(|report| report.p99_response.map(|time| time.0))
            })?;
        }
        Some("generation") => {
            // A server that keeps up with its requests.
            let config: GenerationConfig = toml::from_str(
                r#"seed = 1
                requests = 100_000
                warmup = 5_000
                arrivals = { process = "poisson", rate = 12.0 }
                tokens = { prompt = { mean = 200.0 }, output = { mean = 300.0 } }
                steps = { base_s = 0.007, per_token_s = 0.00008 }
                batching = { policy = "continuous", max_num_seqs = 256, max_num_batched_tokens = 2048 }
                cache = { block_size = 16, blocks = 4000 }
                power = { idle_w = 75.0, busy_w = 600.0 }"#,
            )?;
            let report = simulate_generation(&config)?;
            let tokens = report.output_tokens as usize;
            measure("generation", tokens, || {
                simulate_generation(&config).map(|report| report.ttft.p99.map(|time| time.0))
            })?;
        }
        Some(_) => {
            let configs = sweep()?;
            let requests = configs.iter().map(|config| config.requests).sum();
            measure("sweep", requests, || {
                simulate_all(&configs, NonZeroUsize::MIN).map(|reports| Some(reports.len() as f64))
            })?;
        }
    }
    Ok(())
}

/// 4,500 queues of 20,000 requests; equal seeds meet equal requests.
fn sweep() -> Result<Vec<SimulationConfig>, toml::de::Error> {
    let policies = [
        r#"{ policy = "fixed", size = 8 }"#,
        r#"{ policy = "greedy", size = 32 }"#,
        r#"{ policy = "min_max", min_size = 4, size = 32 }"#,
        r#"{ policy = "window", size = 16, delay_s = 0.05 }"#,
        r#"{ policy = "adaptive", size = 64, target_s = 0.2 }"#,
        r#"{ policy = "energy_aware", size = 32, objective_s = 0.5 }"#,
    ];
    let mut configs = Vec::new();
    for base_s in [0.002, 0.005, 0.01, 0.02, 0.04] {
        for policy in policies {
            for rate in [20, 40, 60, 80, 100] {
                for seed in 0..30 {
                    configs.push(toml::from_str(&format!(
                        "seed = {seed}\nrequests = 20_000\nwarmup = 1_000
                        arrivals = {{ process = \"poisson\", rate = {rate} }}
                        service = {{ law = \"lognormal\", base_s = {base_s}, per_item_s = 0.001, cv = 0.1 }}
                        batching = {policy}
                        power = {{ idle_w = 50.0, busy_w = 250.0 }}"
                    ))?);
                }
            }
        }
    }
    Ok(configs)
}

fn measure<E: std::error::Error + 'static>(
    case: &str,
    requests: usize,
    run: impl FnOnce() -> Result<Option<f64>, E>,
) -> Result<(), Box<dyn std::error::Error>> {
    let start = Instant::now();
    let value = run()?;
    let seconds = start.elapsed().as_secs_f64();
    let value = value.map_or_else(|| "null".to_owned(), |value| value.to_string());
    println!(
        r#"{{"tool": "wattlab", "case": "{case}", "requests": {requests}, "seconds": {seconds:.3}, "value": {value}, "peak_mib": {}}}"#,
        peak_mib().map_or_else(|| "null".to_owned(), |mib| format!("{mib:.1}"))
    );
    Ok(())
}

/// The peak memory of this process in MiB; `None` where `/proc` does not report it.
fn peak_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes / 1024.0)
}
