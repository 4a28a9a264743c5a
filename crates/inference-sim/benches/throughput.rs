//! Simulated requests per second: `cargo bench -p wattlab-inference-sim`.

use divan::{Bencher, black_box, counter::ItemsCount};
use wattlab_inference_sim::{SimulationConfig, simulate};

const REQUESTS: usize = 2_000_000;

const CASES: [(&str, &str); 5] = [
    (
        "M/M/1, load 0.8",
        r#"
        arrivals = { process = "poisson", rate = 0.8 }
        service = { law = "exponential", per_item_s = 1.0 }
        batching = { policy = "fixed", size = 1 }"#,
    ),
    (
        "M/D/1, greedy batches of at most 32",
        r#"
        arrivals = { process = "poisson", rate = 40.0 }
        service = { law = "deterministic", base_s = 0.3, per_item_s = 0.01 }
        batching = { policy = "greedy", size = 32 }"#,
    ),
    (
        "jittered arrivals, greedy batches of at most 32",
        r#"
        arrivals = { process = "jittered", rate = 40.0, jitter = 0.2 }
        service = { law = "deterministic", base_s = 0.3, per_item_s = 0.01 }
        batching = { policy = "greedy", size = 32 }"#,
    ),
    (
        "M/M/8, load 0.8",
        r#"
        arrivals = { process = "poisson", rate = 6.4 }
        service = { law = "exponential", per_item_s = 1.0 }
        batching = { policy = "fixed", size = 1 }
        servers = { count = 8 }"#,
    ),
    (
        "M/G/1 log-normal, window of 16 or 0.1 s",
        r#"
        arrivals = { process = "poisson", rate = 100.0 }
        service = { law = "lognormal", base_s = 0.05, per_item_s = 0.001, cv = 0.3 }
        batching = { policy = "window", size = 16, delay_s = 0.1 }"#,
    ),
];

fn main() {
    divan::main();
}

#[divan::bench(args = CASES.map(|(name, _)| name), sample_count = 10)]
fn simulated_requests(bencher: Bencher, name: &str) {
    let (_, text) = CASES.iter().find(|(case, _)| *case == name).expect("it is one of them");
    let text = format!("seed = 1\nrequests = {REQUESTS}\n{text}");
    let config: SimulationConfig = toml::from_str(&text).expect("the cases are valid");
    bencher.counter(ItemsCount::new(REQUESTS)).bench(|| simulate(black_box(&config)));
}
