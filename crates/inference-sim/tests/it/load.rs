//! Realistic load against closed forms and published values.

use std::num::NonZeroUsize;

use serde_json::{Value, json};
use wattlab_inference_sim::{
    ArrivalProcess, CountLaw, SimulationReport, simulate, simulate_replicated,
};

use crate::{compare, config};

/// One server, requests one by one, with these arrivals and exponential service of mean 1.
fn single(arrivals: Value) -> Value {
    json!({
        "arrivals": arrivals,
        "service": { "law": "exponential", "base_s": 1.0 },
        "batching": { "policy": "fixed", "size": 1 },
    })
}

/// The same with one key more.
fn with(mut description: Value, key: &str, value: Value) -> Value {
    description[key] = value;
    description
}

/// The long-run figures to four standard errors over 20 replications.
fn agrees(description: Value, requests: usize, expected: &[(&str, f64)]) {
    let config = config(description, requests, requests / 20);
    let report =
        simulate_replicated(&config, NonZeroUsize::new(20).unwrap(), NonZeroUsize::new(2).unwrap());
    let report = serde_json::to_value(report.unwrap()).unwrap();
    for &(name, expected) in expected {
        let found = report[name].as_f64().unwrap_or(f64::NAN);
        let half = report["ci95"][name].as_array().map_or(0.01 * expected, |interval| {
            (interval[1].as_f64().unwrap() - interval[0].as_f64().unwrap()) / 2.0
        });
        let allowed = 2.0 * half.max(1e-3 * expected);
        println!("{name}: {found}, expected {expected}, allowed {allowed}");
        assert!((found - expected).abs() <= allowed, "{name}: {found} is not {expected}");
        assert!(half < 0.2 * expected, "{name} is only known to {half}");
    }
}

fn report(description: Value, requests: usize, warmup: usize) -> SimulationReport {
    simulate(&config(description, requests, warmup)).unwrap()
}

/// The root σ in (0, 1) of σ = A*((1 − σ) μ) for μ = 1, where A* is the Laplace transform of the times between
/// requests; the mean wait of GI/M/1 is σ / (1 − σ) (Kleinrock 1975, Queueing Systems 1, section 6.4).
fn wait_of_gi_m_1(transform: impl Fn(f64) -> f64) -> f64 {
    let (mut low, mut high) = (1e-9, 1.0 - 1e-6);
    for _ in 0..200 {
        let middle = f64::midpoint(low, high);
        if transform(1.0 - middle) > middle { low = middle } else { high = middle }
    }
    low / (1.0 - low)
}

#[test]
fn renewal_arrivals_wait_as_gi_m_1() {
    for cv in [0.5, 3.0] {
        let (shape, scale) = (1.0 / (cv * cv), cv * cv / 0.7);
        let gamma = wait_of_gi_m_1(|s| (1.0 + s * scale).powf(-shape));
        let arrivals = json!({ "process": "gamma", "rate": 0.7, "cv": cv });
        agrees(single(arrivals), 200_000, &[("mean_wait_s", gamma)]);
    }
    // Γ(1 + 2 · 2) / Γ(1 + 2)² − 1 = 24 / 4 − 1: a Weibull time of shape 1/2 has cv = √5 and mean 2 · scale.
    let scale = 1.0 / 0.7 / 2.0;
    let transform = |s: f64| {
        // Over u = (t / scale)^(1/2) by Simpson's rule.
        let value = |u: f64| (-s * scale * u * u - u).exp();
        let (steps, width) = (60_000, 1e-3);
        let sum: f64 = (0..=steps)
            .map(|step| {
                let weight = match step {
                    0 => 1.0,
                    step if step == steps => 1.0,
                    step => 2.0 + 2.0 * f64::from(step % 2),
                };
                weight * value(f64::from(step) * width)
            })
            .sum();
        sum * width / 3.0
    };
    let arrivals = json!({ "process": "weibull", "rate": 0.7, "cv": 5.0_f64.sqrt() });
    agrees(single(arrivals), 200_000, &[("mean_wait_s", wait_of_gi_m_1(transform))]);
    let poisson = json!({ "process": "weibull", "rate": 0.7, "cv": 1.0 });
    agrees(single(poisson), 200_000, &[("mean_wait_s", 0.7 / 0.3)]);
}

/// M^X/M/1: the mean number inside is ρ / (1 − ρ) · (E[X²] + E[X]) / (2 E[X]) (Chaudhry and Templeton 1983, A First
/// Course in Bulk Queues, section 3.1).
#[test]
fn requests_that_come_together_wait_as_in_bulk_queues() {
    let inside = |mean: f64, square: f64| 0.7 / 0.3 * (square + mean) / (2.0 * mean);
    for (group, mean, square) in [
        (json!({ "mean": 3.0 }), 3.0, 15.0),
        (json!({ "value": 3 }), 3.0, 9.0),
        (json!({ "table": [[1, 1.0], [5, 1.0]] }), 3.0, 13.0),
    ] {
        let arrivals = json!({ "process": "poisson", "rate": 0.7, "group": group });
        let response = inside(mean, square) / 0.7;
        agrees(single(arrivals), 200_000, &[("mean_response_s", response)]);
    }
    let poisson = ArrivalProcess::poisson(6.0).unwrap();
    let grouped = poisson.in_groups(CountLaw::fixed(3, "group").unwrap()).unwrap();
    assert!((grouped.mean_rate() - 6.0).abs() < 1e-12);
}

/// The numbers of arrivals in parts of a ramp are those of its integral.
#[test]
fn a_ramp_has_the_arrivals_of_its_integral() {
    let ramp = ArrivalProcess::ramp(&[(0.0, 0.0), (10.0, 20.0), (20.0, 0.0), (21.0, 5.0)]).unwrap();
    let mut counts = [0.0; 4];
    let seeds = 2_000;
    for seed in 0..seeds {
        for time in ramp.times(seed).take_while(|&time| time < 31.0) {
            let part = [5.0, 10.0, 20.0].iter().filter(|&&end| time >= end).count();
            counts[part] += 1.0 / seeds as f64;
        }
    }
    for (found, expected) in counts.iter().zip([25.0_f64, 75.0, 100.0, 2.5 + 50.0]) {
        let allowed = 4.0 * (expected / seeds as f64).sqrt();
        assert!((found - expected).abs() < allowed, "{counts:?}");
    }
}

/// Requests of geometric size alone on a server: the formula of Pollaczek and Khinchine.
#[test]
fn sizes_of_requests_are_service_times() {
    let description = json!({
        "arrivals": { "process": "poisson", "rate": 1.5, "size": { "mean": 4.0 } },
        "service": { "law": "deterministic", "per_item_s": 0.1 },
        "batching": { "policy": "fixed", "size": 1 },
    });
    // E[S] = 0.4 and E[S²] = 0.01 (2 · 16 − 4).
    let wait = 1.5 * 0.28 / (2.0 * 0.4);
    agrees(description, 100_000, &[("mean_wait_s", wait), ("utilisation", 0.6)]);
}

/// M/M/1+M, the Erlang-A model: the share of those who leave from the chain of requests inside.
#[test]
fn impatient_clients_leave_as_in_erlang_a() {
    let (rate, leaving) = (1.2, 0.5);
    let (mut sum, mut weight, mut waiting, mut inside) = (1.0, 1.0, 0.0, 0.0);
    while weight > 1e-16 {
        inside += 1.0;
        weight *= rate / (1.0 + (inside - 1.0) * leaving);
        sum += weight;
        waiting += (inside - 1.0) * weight;
    }
    let loss = leaving * waiting / sum / rate;
    let patience = json!({ "law": "exponential", "mean_s": 1.0 / leaving });
    let description = with(
        single(json!({ "process": "poisson", "rate": rate })),
        "queue",
        json!({ "patience": patience }),
    );
    let report = report(description.clone(), 1_000_000, 10_000);
    assert!(report.stable && report.abandoned > 0 && report.rejected == 0);
    assert!((report.p_loss - loss).abs() < 0.003, "{} {loss}", report.p_loss);
    agrees(description, 100_000, &[("throughput_rps", rate * (1.0 - loss))]);
}

/// Clients that would leave, servers that would sleep and batches that would not wait any longer do not fill the memory
/// with events, and change nothing.
#[test]
fn times_that_never_come_change_nothing() {
    let queue = |key: &str, value: Value| {
        let description = with(single(json!({ "process": "poisson", "rate": 0.8 })), key, value);
        report(description, 100_000, 5_000)
    };
    let plain = queue("queue", json!({ "limit": 1_000_000 }));
    let patience = json!({ "law": "exponential", "mean_s": 1e9 });
    let patient = queue("queue", json!({ "patience": patience, "limit": 1_000_000 }));
    let awake = queue("servers", json!({ "sleep_after_s": 1e9 }));
    let window = json!({ "policy": "window", "size": 2, "delay_s": 1e9 });
    let delayed = |queue: Value| {
        let mut description = single(json!({ "process": "poisson", "rate": 0.8 }));
        description["batching"] = window.clone();
        report(with(description, "queue", queue), 100_000, 5_000)
    };
    for (found, expected) in [
        (patient, plain.mean_wait),
        (awake, plain.mean_wait),
        (delayed(json!({ "limit": 1_000_000 })), delayed(json!({})).mean_wait),
    ] {
        assert_eq!(found.mean_wait, expected);
    }
}

/// M/M/1+D: those who wait longer than a timeout leave (Barrer 1957, Operations Research 5(5)).
#[test]
fn timeouts_lose_requests_as_barrer_computed() {
    for (rate, limit_s) in [(0.8_f64, 1.5), (0.8, 0.0), (1.5, 2.0)] {
        let left = (-(1.0 - rate) * limit_s).exp();
        let loss = (1.0 - rate) * rate * left / (1.0 - rate * rate * left);
        let queue = json!({ "patience": { "law": "deterministic", "mean_s": limit_s } });
        let description =
            with(single(json!({ "process": "poisson", "rate": rate })), "queue", queue);
        let report = report(description, 1_000_000, 10_000);
        assert!((report.p_loss - loss).abs() < 0.003, "{rate} {limit_s}: {} {loss}", report.p_loss);
        assert!(report.max_wait.0 <= limit_s + 1e-9);
    }
}

/// M/M/1 with retries and no queue: ρ² (μ + θ) / ((1 − ρ) θ) requests are between two attempts (Falin and Templeton
/// 1997, Retrial Queues, section 1.2).
#[test]
fn rejected_requests_come_again() {
    let queue = json!({ "limit": 0, "retry": { "attempts": 10_000, "delay_s": 2.0 } });
    let description = with(single(json!({ "process": "poisson", "rate": 0.5 })), "queue", queue);
    let between = 0.25 * (1.0 + 0.5) / (0.5 * 0.5);
    agrees(description, 100_000, &[("mean_wait_s", between / 0.5), ("throughput_rps", 0.5)]);
    // Without a further attempt: Erlang's loss formula.
    let lost =
        with(single(json!({ "process": "poisson", "rate": 0.5 })), "queue", json!({ "limit": 0 }));
    let report = report(lost, 400_000, 1_000);
    assert!((report.p_loss - 1.0 / 3.0).abs() < 0.004, "{}", report.p_loss);
}

/// Clients that think are the machines of the repairman's model: with n of N inside,
/// p(n) ∝ N! / (N − n)! · (1 / (think μ))ⁿ / (1 · … · min(n, c)).
#[test]
fn closed_loops_are_the_repairmans_model() {
    let (clients, think_s, servers) = (10_u32, 2.0, 2_u32);
    let (mut weight, mut sum, mut busy) = (1.0, 1.0, 0.0);
    for n in 1..=clients {
        weight *= f64::from(clients - n + 1) / think_s / f64::from(n.min(servers));
        sum += weight;
        busy += f64::from(n.min(servers)) * weight;
    }
    let throughput = busy / sum;
    let arrivals = json!({ "process": "closed", "clients": clients, "think_s": think_s });
    let description = with(single(arrivals), "servers", json!({ "count": servers }));
    let response = f64::from(clients) / throughput - think_s;
    agrees(description, 100_000, &[("throughput_rps", throughput), ("mean_response_s", response)]);
    // Without a time to think, one server is always busy.
    let arrivals = json!({ "process": "closed", "clients": 8, "think_s": 0.0 });
    agrees(single(arrivals), 100_000, &[("throughput_rps", 1.0), ("mean_response_s", 8.0)]);
    // A policy that waits for more requests than there are clients serves those that wait.
    let few = json!({
        "arrivals": { "process": "closed", "clients": 3 },
        "service": { "law": "deterministic", "base_s": 1.0 },
        "batching": { "policy": "fixed", "size": 8 },
    });
    let report = report(few, 300, 0);
    assert_eq!((report.requests, report.mean_batch), (300, 3.0));
}

/// The mean time at many replicas is Σ λ^(2ⁱ − 2) with the better of two, and 1 / (1 − λ) at random (Mitzenmacher
/// 2001); two replicas by turns are E₂/M/1.
#[test]
fn the_power_of_two_choices_is_that_of_the_paper() {
    let rate = 0.9_f64;
    let replicas = 200.0;
    let routed = |routing: &str, count: f64, rate: f64| {
        let description = single(json!({ "process": "poisson", "rate": rate * count }));
        with(description, "replicas", json!({ "count": count as usize, "routing": routing }))
    };
    let of_two: f64 = (1..12).map(|i| rate.powf(2.0_f64.powi(i) - 2.0)).sum();
    let report = report(routed("power-of-two", replicas, rate), 2_000_000, 200_000);
    let found = report.mean_response.unwrap().0;
    // His simulation of 100 servers is 1.2 % above the limit of infinitely many.
    assert!((found / of_two - 1.0).abs() < 0.02, "{found} {of_two}");
    agrees(routed("random", 5.0, 0.7), 100_000, &[("mean_response_s", 1.0 / 0.3)]);
    // Erlang times of two stages with rate 2 · 0.7 each.
    let by_turns = wait_of_gi_m_1(|s| (1.4 / (1.4 + s)).powi(2));
    agrees(routed("round-robin", 2.0, 0.7), 100_000, &[("mean_wait_s", by_turns)]);
    let least = self::report(routed("least-loaded", 10.0, 0.9), 400_000, 40_000);
    let two = self::report(routed("power-of-two", 10.0, 0.9), 400_000, 40_000);
    assert!(least.mean_wait.unwrap().0 < two.mean_wait.unwrap().0);
}

/// Replicas that start with the load: the times of a small example, and the energy of all states.
#[test]
fn replicas_start_when_they_are_wanted_and_stop_when_they_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.csv");
    // The first request starts a replica, which serves it after 3 s. At 10 four more come.
    std::fs::write(&file, "arrival_s\n0\n10\n10\n10\n10\n40\n").unwrap();
    let autoscale = json!({
        "min": 0, "max": 3, "target": 2.0, "interval_s": 1.0, "start_s": 3.0, "keep_s": 5.0,
    });
    let description = json!({
        "arrivals": { "process": "trace", "file": file },
        "service": { "law": "deterministic", "base_s": 2.0 },
        "batching": { "policy": "fixed", "size": 1 },
        "replicas": { "count": 0, "autoscale": autoscale },
        "power": { "idle_w": 10.0, "busy_w": 100.0, "sleep_w": 1.0, "wakeup_w": 50.0 },
    });
    assert!(simulate(&config(description.clone(), 6, 0)).is_err(), "`count` is at least 1");
    let description = with(description, "replicas", json!({ "count": 1, "autoscale": autoscale }));
    let queue = config(description, 6, 0);
    let mut log = Vec::new();
    wattlab_inference_sim::request_log(&queue, &mut log).unwrap();
    let log = String::from_utf8(log).unwrap();
    let start = |number: &str| -> f64 {
        let line = log.lines().skip(1).find(|line| line.split(',').next() == Some(number));
        line.unwrap().split(',').nth(3).unwrap().parse().unwrap()
    };
    // At once, by the replica of the beginning, which stops at 8 (idle since 2, decided at 3).
    assert_eq!(start("0"), 0.0);
    // At 10 one replica starts for the four requests; at 11 a second one. They are ready at 13 and 14.
    let mut starts = ["1", "2", "3", "4"].map(start);
    starts.sort_by(f64::total_cmp);
    assert_eq!(starts, [13.0, 15.0, 17.0, 19.0], "all went to the replica that was starting");
    // All have stopped again.
    assert_eq!(start("5"), 43.0);
    let report = simulate(&queue).unwrap();
    let duration = 45.0;
    assert!((report.duration.0 - duration).abs() < 1e-9);
    // Three cold starts of 3 s of 3 servers' 135 s.
    assert!((report.waking - 9.0 / 135.0).abs() < 1e-9, "{report:?}");
    assert!((report.utilization - 12.0 / 135.0).abs() < 1e-9);
    let idle_s = 135.0 * (1.0 - report.asleep - report.waking - report.utilization);
    let joules = 1200.0 + 450.0 + 10.0 * idle_s + 135.0 * report.asleep;
    assert!((report.energy.unwrap().0 - joules).abs() < 1e-6);
}

/// A load that rises and falls takes fewer joules with replicas that follow it, and waits little longer.
#[test]
fn scaling_follows_a_ramp() {
    let queue = |scales: bool| {
        let mut description = with(
            single(json!({ "process": "ramp", "points": [[0, 0.5], [5_000, 8.0], [10_000, 0.5]] })),
            "power",
            json!({ "idle_w": 100.0, "busy_w": 150.0 }),
        );
        description["replicas"] = json!({ "count": 10, "routing": "least-loaded" });
        if scales {
            description["replicas"]["autoscale"] = json!({
                "min": 1, "max": 10, "target": 1.0, "interval_s": 10.0, "start_s": 5.0, "keep_s": 30.0
            });
        }
        report(description, 42_000, 0)
    };
    let (fixed, scaled) = (queue(false), queue(true));
    let joules = |report: &SimulationReport| report.energy_per_request.unwrap().0;
    assert!(joules(&scaled) < 0.85 * joules(&fixed), "{} {}", joules(&scaled), joules(&fixed));
    let wait = |report: &SimulationReport| report.mean_wait.unwrap().0;
    assert!(wait(&scaled) > wait(&fixed) && wait(&scaled) < 2.0, "{}", wait(&scaled));
}

/// If the slowness outlasts busy periods, the wait is the mean of M/D/1's over the factors f:
/// E[λ f² / (2 (1 − λ f))].
#[test]
fn a_slow_server_waits_as_the_mean_over_its_factors() {
    let (rate, cv) = (0.5, 0.1_f64);
    let sigma = (cv * cv).ln_1p().sqrt();
    let (mut sum, mut weights) = (0.0, 0.0);
    for step in -600..=600 {
        let normal = f64::from(step) / 100.0;
        let weight = (-normal * normal / 2.0).exp();
        let factor = (sigma * normal - sigma * sigma / 2.0).exp();
        sum += weight * rate * factor * factor / (2.0 * (1.0 - rate * factor));
        weights += weight;
    }
    let expected = sum / weights;
    assert!(expected > 1.02 * 0.5, "the slowness matters: {expected}");
    let description = json!({
        "arrivals": { "process": "poisson", "rate": rate },
        "service": {
            "law": "deterministic", "base_s": 1.0, "slowness": { "cv": cv, "fades_s": 300.0 },
        },
        "batching": { "policy": "fixed", "size": 1 },
    });
    agrees(description, 200_000, &[("mean_wait_s", expected)]);
}

/// M/M/1's responses are exponential with rate 1 − ρ.
#[test]
fn quantiles_and_histogram_are_those_of_the_exponential() {
    let description = with(
        single(json!({ "process": "poisson", "rate": 0.5 })),
        "statistics",
        json!({ "histogram": true }),
    );
    let config = config(description, 2_000_000, 20_000);
    let quantile = |share: f64| -(1.0 - share).ln() / 0.5;
    let expected = [
        ("p50_response_s", quantile(0.5)),
        ("p90_response_s", quantile(0.9)),
        ("p95_response_s", quantile(0.95)),
        ("p99_response_s", quantile(0.99)),
        ("p999_response_s", quantile(0.999)),
    ];
    let wrong = compare(&config, &expected, 0.03);
    assert!(wrong.is_empty(), "{wrong:?}");
    let report = simulate(&config).unwrap();
    let total: u64 = report.histogram.iter().map(|row| row.2).sum();
    assert_eq!(total as usize, report.requests);
    for pair in report.histogram.windows(2) {
        assert_eq!(pair[0].1, pair[1].0);
    }
    for &(from_s, to_s, count) in &report.histogram {
        let share = (-0.5 * from_s).exp() - (-0.5 * to_s).exp();
        let found = count as f64 / total as f64;
        assert!((found - share).abs() < 0.002, "{from_s} to {to_s}: {found} is not {share}");
    }
}

/// Numbers that would take memory or time without end are refused.
#[test]
fn load_that_cannot_be_simulated_is_an_error() {
    let queue =
        |queue: Value| with(single(json!({ "process": "poisson", "rate": 0.5 })), "queue", queue);
    let replicas = |replicas: Value| {
        with(single(json!({ "process": "poisson", "rate": 0.5 })), "replicas", replicas)
    };
    let service = |slowness: Value| {
        let mut description = single(json!({ "process": "poisson", "rate": 0.5 }));
        description["service"]["slowness"] = slowness;
        description
    };
    let two = json!({ "min": 1, "max": 2, "target": 1.0, "interval_s": 1.0, "start_s": 0.0 });
    let scale = |key: &str, value: f64| {
        let mut autoscale =
            json!({ "min": 1, "max": 2, "target": 1.0, "interval_s": 1.0, "start_s": 0.0 });
        autoscale[key] = json!(value);
        replicas(json!({ "count": 1, "autoscale": autoscale }))
    };
    for (description, words) in [
        (single(json!({ "process": "gamma", "rate": 0.5, "cv": 0.0 })), "arrivals.cv"),
        (single(json!({ "process": "gamma", "rate": 0.5 })), "`arrivals.cv` is missing"),
        (single(json!({ "process": "weibull", "rate": 0.5, "cv": 1e9 })), "arrivals.cv"),
        (single(json!({ "process": "ramp", "points": [[0, 0.0]] })), "arrivals.points"),
        (single(json!({ "process": "ramp", "rate": 1.0 })), "`arrivals.rate` is not used"),
        (single(json!({ "process": "closed", "clients": 0 })), "arrivals.clients"),
        (single(json!({ "process": "closed", "clients": 9_000_000 })), "arrivals.clients"),
        (single(json!({ "process": "closed", "clients": 1, "think_s": -1.0 })), "arrivals.think_s"),
        (queue(json!({ "patience": { "law": "table", "mean_s": 1.0 } })), "queue.patience.law"),
        (queue(json!({ "patience": { "law": "gamma", "mean_s": -1.0 } })), "queue.patience.mean_s"),
        (
            queue(json!({ "patience": { "law": "gamma", "mean_s": 1.0, "cv": 0.0 } })),
            "queue.patience.cv",
        ),
        (
            queue(json!({ "retry": { "attempts": 1_000_000, "delay_s": 0.0 } })),
            "queue.retry.attempts",
        ),
        (queue(json!({ "retry": { "attempts": 1, "delay_s": -1.0 } })), "queue.retry.delay_s"),
        (
            queue(json!({ "retry": { "attempts": 1, "delay_s": 1.0, "backoff": 0.5 } })),
            "queue.retry.backoff",
        ),
        (replicas(json!({ "count": 0 })), "replicas.count"),
        (replicas(json!({ "count": 100_000 })), "replicas.count"),
        (scale("interval_s", 0.0), "replicas.autoscale.interval_s"),
        (scale("target", 0.0), "replicas.autoscale.target"),
        (replicas(json!({ "count": 3, "autoscale": two })), "replicas.count"),
        (scale("start_s", -1.0), "replicas.autoscale.start_s"),
        (service(json!({ "cv": 0.1, "fades_s": 0.0 })), "service.slowness.fades_s"),
        (service(json!({ "cv": -0.1, "fades_s": 1.0 })), "service.slowness.cv"),
    ] {
        let text = description.to_string();
        let mut description = description;
        description["seed"] = json!(1);
        description["requests"] = json!(1_000);
        let message = match serde_json::from_value(description) {
            Ok(config) => simulate(&config).map(|_| ()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let message = message.expect_err(&text);
        assert!(message.contains(words), "{text}: {message}");
    }
}
