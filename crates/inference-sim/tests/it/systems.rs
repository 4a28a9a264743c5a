//! Several models, priorities, deadlines, sleep, and policies that know what batches cost.

use serde_json::{Value, json};
use wattlab_inference_sim::{
    BatchEnergy, ConfigError, ControlLimit, DynamicBatching, Policy, PolicyContext, ServiceLaw,
    Triton, request_log, simulate, simulate_replicated,
};

use crate::config;

fn exponential(mean: f64) -> Value {
    json!({ "law": "exponential", "base_s": mean })
}

fn report(description: Value) -> Value {
    serde_json::to_value(simulate(&config(description, 600_000, 20_000)).unwrap()).unwrap()
}

fn near(found: &Value, expected: f64, share: f64) {
    let found = found.as_f64().unwrap();
    assert!((found - expected).abs() <= share * expected, "{found} is not {expected}");
}

/// Cobham 1954: with R = ρ/μ the mean residual service, W₁ = R/(1-ρ₁) and
/// W₂ = R/((1-ρ₁)(1-ρ₁-ρ₂)) for a queue whose service is never interrupted.
#[test]
fn waits_with_priorities_follow_cobham() {
    let single = json!({ "policy": "fixed", "size": 1 });
    let report = report(json!({
        "arrivals": { "process": "poisson", "rate": 0.5 },
        "service": exponential(1.0), "batching": single,
        "models": [{
            "arrivals": { "process": "poisson", "rate": 0.3 },
            "service": exponential(1.0), "batching": single, "queue": { "priority": 1 },
        }],
    }));
    near(&report["models"][1]["mean_wait_s"], 0.8 / 0.7, 0.03);
    near(&report["models"][0]["mean_wait_s"], 0.8 / (0.7 * 0.2), 0.06);
    near(&report["mean_wait_s"], 4.0, 0.06);
    near(&report["offered_load"], 0.8, 1e-9);
}

/// Nobody served is late when service takes what it is expected to; the others are dropped.
#[test]
fn a_deadline_is_met_by_dropping_requests() {
    let report = report(json!({
        "arrivals": { "process": "poisson", "rate": 60.0 },
        "service": { "law": "deterministic", "base_s": 0.1, "per_item_s": 0.01 },
        "batching": { "policy": "deadline", "size": 8, "deadline_s": 0.5 },
        "statistics": { "response_over_s": [0.5] },
    }));
    near(&report["response_over"][0][1], 0.0, 0.0);
    assert!(report["dropped"].as_u64().unwrap() > 10_000, "{report}");
    assert_eq!(report["stable"], true);
    near(&report["throughput_rps"], 8.0 / 0.18, 0.02);
}

/// The best of all control limits, found by simulating each, costs what the decision problem says.
#[test]
fn the_control_limit_is_the_cheapest_minimum_batch() {
    let (rate, cap, idle_w, waiting_w) = (20.0, 16, 50.0, 4.0);
    let law = ServiceLaw::deterministic(0.05, 0.005).unwrap();
    let energy = BatchEnergy::affine(20.0, 1.0).unwrap();
    let context = PolicyContext::new(rate, &law).with_energy(&energy, idle_w);
    let best = ControlLimit::new(cap, waiting_w, &context).unwrap();
    let cost = |least: usize| {
        let report = report(json!({
            "arrivals": { "process": "poisson", "rate": rate },
            "service": { "law": "deterministic", "base_s": 0.05, "per_item_s": 0.005 },
            "batching": { "policy": "min_max", "min_size": least, "size": cap },
            "power": { "idle_w": idle_w, "batch_base_j": 20.0, "batch_per_item_j": 1.0 },
        }));
        let number = |name: &str| report[name].as_f64().unwrap();
        rate * (number("energy_j_per_request") + waiting_w * number("mean_response_s"))
    };
    let costs: Vec<f64> = (1..=cap).map(cost).collect();
    let found = costs.iter().copied().enumerate().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert!(best.least() > 1 && best.least() < cap, "{best:?} is no test");
    assert!((costs[best.least() - 1] / found.1 - 1.0).abs() < 0.002, "{best:?} {found:?}");
    assert!((best.cost_w() / costs[best.least() - 1] - 1.0).abs() < 0.005, "{best:?} {costs:?}");
}

/// The energy-aware policy takes less energy than greedy batches, and its p99 meets the objective.
#[test]
fn waiting_for_cheaper_batches_saves_joules_within_the_objective() {
    let of = |batching: Value| {
        report(json!({
            "arrivals": { "process": "poisson", "rate": 30.0 },
            "service": { "law": "deterministic", "base_s": 0.02, "per_item_s": 0.004 },
            "batching": batching,
            "power": { "idle_w": 20.0, "batch_base_j": 5.0, "batch_per_item_j": 0.5 },
        }))
    };
    let greedy = of(json!({ "policy": "greedy", "size": 32 }));
    let aware = of(json!({ "policy": "energy_aware", "size": 32, "objective_s": 0.5 }));
    let number = |report: &Value, name: &str| report[name].as_f64().unwrap();
    let joules = |report| number(report, "energy_j_per_request");
    assert!(joules(&aware) < 0.5 * joules(&greedy), "{} {}", joules(&aware), joules(&greedy));
    assert!(number(&aware, "p99_response_s") <= 0.5 * 1.001, "{aware}");
}

/// The energy of a server that sleeps between rare requests is the sum over its states.
#[test]
fn the_energies_of_all_states_add_up() {
    let report = report(json!({
        "arrivals": { "process": "deterministic", "rate": 0.1 },
        "service": { "law": "deterministic", "base_s": 1.0 },
        "batching": { "policy": "greedy", "size": 4 },
        "servers": { "sleep_after_s": 2.0, "wakeup_s": 3.0 },
        "power": { "idle_w": 50.0, "busy_w": 200.0, "sleep_w": 5.0, "wakeup_w": 100.0 },
    }));
    near(&report["mean_wait_s"], 3.0, 1e-9);
    near(&report["asleep"], 0.4, 1e-9);
    near(&report["waking"], 0.3, 1e-9);
    near(&report["energy_j_per_request"], 4.0 * 5.0 + 3.0 * 100.0 + 200.0 + 2.0 * 50.0, 1e-9);
}

#[test]
fn a_daily_process_has_its_mean_rate() {
    let report = report(json!({
        "arrivals": { "process": "daily", "rate": 6.0, "amplitude": 0.9, "period_s": 1000.0 },
        "service": { "law": "deterministic", "base_s": 0.001 },
        "batching": { "policy": "greedy", "size": 1 },
    }));
    near(&report["throughput_rps"], 6.0, 0.01);
}

#[test]
fn batches_of_a_preferred_size_do_not_wait() {
    let path = wattlab_inference_sim::sample_path(&config(
        json!({
            "arrivals": { "process": "deterministic", "rate": 10.0 },
            "service": { "law": "deterministic", "base_s": 0.0 },
            "batching": {
                "policy": "window", "size": 8, "delay_s": 0.55, "preferred_sizes": [4, 6]
            },
        }),
        40,
        0,
    ));
    assert!(path.unwrap().batches.iter().all(|batch| batch.size == 4));
}

#[test]
fn a_triton_configuration_is_parsed() {
    let text = r#"
        name: "resnet" # a comment { with a brace
        max_batch_size: 16
        input [ { name: "x" dims: [3, 224, 224] } ]
        dynamic_batching {
          preferred_batch_size: [ 4, 8 ]
          max_queue_delay_microseconds: 2500
          default_queue_policy { timeout_action: REJECT max_queue_size: 32 }
        }"#;
    let found = DynamicBatching::parse(text).unwrap();
    assert!(found.dynamic && found.not_simulated.is_empty(), "{found:?}");
    assert_eq!((found.max_batch_size, found.delay_us, found.instances), (16, 2500, 1));
    assert_eq!(found.preferred_sizes, [4, 8]);
    assert_eq!((found.default_policy.max_size, found.default_policy.delays), (32, false));
    assert_eq!(Triton::new(&found).unwrap().max_size(), 16);
    for (text, words) in [
        ("dynamic_batching {", "ends inside a block"),
        ("max_batch_size: many", "`max_batch_size` is `many`"),
    ] {
        assert!(DynamicBatching::parse(text).unwrap_err().contains(words), "{text}");
    }
    let folder = tempfile::tempdir().unwrap();
    let missing = DynamicBatching::read(&folder.path().join("config.pbtxt"));
    assert!(matches!(missing, Err(ConfigError::Triton { .. })));
}

/// The same bytes from every thread, and a line for every request.
#[test]
fn a_request_log_is_the_same_bytes_on_any_thread() {
    let config = config(
        json!({
            "arrivals": { "process": "poisson", "rate": 20.0 },
            "service": exponential(0.1),
            "batching": { "policy": "greedy", "size": 2 },
            "queue": { "limit": 3 },
        }),
        5_000,
        0,
    );
    let log = || {
        let mut bytes = Vec::new();
        request_log(&config, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let first = log();
    std::thread::scope(|scope| {
        let logs: Vec<_> = (0..4).map(|_| scope.spawn(log)).collect();
        assert!(logs.into_iter().all(|log| log.join().unwrap() == first));
    });
    let report = simulate(&config).unwrap();
    assert_eq!(first.lines().count(), 5_001);
    assert_eq!(first.lines().filter(|line| line.ends_with(",rejected")).count(), report.rejected);
    assert!(report.rejected > 100);
}

/// Replications pool to the theory, the same on any number of threads.
#[test]
fn replications_pool_to_the_theoretical_mean() {
    let queue = json!({
        "arrivals": { "process": "poisson", "rate": 0.7 },
        "service": exponential(1.0),
        "batching": { "policy": "fixed", "size": 1 },
    });
    let config = config(queue, 60_000, 5_000);
    let run = |threads: usize| {
        let [twenty, threads] =
            [20, threads].map(|count| std::num::NonZeroUsize::new(count).unwrap());
        simulate_replicated(&config, twenty, threads).unwrap()
    };
    let report = run(1);
    assert_eq!(report, run(3));
    assert_eq!(report.requests, 20 * 55_000);
    let [low, high] = report.ci95.mean_wait_s.unwrap();
    assert!(low < 0.7 / 0.3 && 0.7 / 0.3 < high && high - low < 0.2, "{low} {high}");
    let p99 = report.p99_response.unwrap().0;
    assert!((p99 / (100.0_f64.ln() / 0.3) - 1.0).abs() < 0.03, "{p99}");
}
