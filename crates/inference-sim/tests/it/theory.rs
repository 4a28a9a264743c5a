//! Closed forms of queueing theory, and what must hold in the long run.

use serde_json::{Value, json};
use wattlab_inference_sim::{ArrivalProcess, sample_path, simulate};

use crate::{compare, config};

const REQUESTS: usize = 320_000;
const WARMUP: usize = 16_000;

fn check(description: Value, expected: &[(&str, f64)]) {
    let wrong = compare(&config(description.clone(), REQUESTS, WARMUP), expected, 0.03);
    assert!(wrong.is_empty(), "{description}: {wrong:#?}");
}

fn single(process: Value, service: Value) -> Value {
    json!({ "arrivals": process, "service": service, "batching": { "policy": "fixed", "size": 1 } })
}

fn poisson(rate: f64) -> Value {
    json!({ "process": "poisson", "rate": rate })
}

/// Responses are exponential with mean 1/(μ-λ).
#[test]
fn an_m_m_1_queue_has_exponential_responses() {
    for load in [0.3, 0.8] {
        let mut queue = single(poisson(load), json!({ "law": "exponential", "per_item_s": 1.0 }));
        queue["power"] = json!({ "idle_w": 50.0, "busy_w": 250.0 });
        let response = 1.0 / (1.0 - load);
        check(
            queue,
            &[
                ("mean_wait_s", load * response),
                ("mean_response_s", response),
                ("p50_response_s", response * 2.0_f64.ln()),
                ("p90_response_s", response * 10.0_f64.ln()),
                ("p99_response_s", response * 100.0_f64.ln()),
                ("utilisation", load),
                ("throughput_rps", load),
                ("energy_j_per_request", (50.0 + 200.0 * load) / load),
                ("offered_load", load),
            ],
        );
    }
}

/// Pollaczek and Khinchine: W = λ E[S²] / (2 (1-ρ)).
#[test]
fn an_m_g_1_queue_follows_pollaczek_and_khinchine() {
    let laws: [(Value, f64); 4] = [
        (json!({ "law": "deterministic", "base_s": 0.4, "per_item_s": 0.6 }), 0.0),
        (json!({ "law": "gamma", "per_item_s": 1.0, "cv": 1.5 }), 1.5),
        (json!({ "law": "lognormal", "per_item_s": 1.0, "cv": 0.7 }), 0.7),
        (json!({ "law": "table", "table": [[1, 1.0]] }), 0.0),
    ];
    for (law, cv) in laws {
        let wait = 0.7 * (1.0 + cv * cv) / (2.0 * 0.3);
        check(single(poisson(0.7), law), &[("mean_wait_s", wait), ("utilisation", 0.7)]);
    }
}

/// Erlang C: W = C(c, λ/μ) / (cμ - λ).
#[test]
fn an_m_m_c_queue_follows_erlang() {
    for (servers, rate) in [(2, 1.5_f64), (8, 6.4), (30, 27.0)] {
        let erlang_b =
            (1..=servers).fold(1.0, |blocked, n| rate * blocked / (f64::from(n) + rate * blocked));
        let load = rate / f64::from(servers);
        let erlang_c = erlang_b / (1.0 - load * (1.0 - erlang_b));
        let mut queue = single(poisson(rate), json!({ "law": "exponential", "per_item_s": 1.0 }));
        queue["servers"] = json!({ "count": servers });
        let wait = erlang_c / (f64::from(servers) - rate);
        check(queue, &[("mean_wait_s", wait), ("utilisation", load), ("throughput_rps", rate)]);
    }
}

/// Full batches of even arrivals that are served before the next is full: a request waits for
/// those behind it, (b-1)/2λ on average.
#[test]
fn full_batches_of_even_arrivals_have_exact_times() {
    let queue = json!({
        "arrivals": { "process": "deterministic", "rate": 16.0 },
        "service": { "law": "deterministic", "base_s": 0.01, "per_item_s": 0.002 },
        "batching": { "policy": "fixed", "size": 16 },
        "power": { "idle_w": 50.0, "busy_w": 250.0 },
    });
    let report = simulate(&config(queue, 16_000, 0)).unwrap();
    let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9 * expected);
    near(report.mean_wait.unwrap().0, 15.0 / 32.0);
    near(report.mean_response.unwrap().0, 15.0 / 32.0 + 0.042);
    near(report.max_wait.0, 15.0 / 16.0);
    near(report.mean_batch, 16.0);
    near(report.duration.0, 15_999.0 / 16.0 + 0.042);
    near(report.energy.unwrap().0, 50.0 * report.duration.0 + 200.0 * 42.0);
    assert!((report.p50_response.unwrap().0 - (7.0 / 16.0 + 0.042)).abs() < 0.000_5);
    near(report.ci95.mean_wait_s.unwrap()[0], 15.0 / 32.0);
}

/// M/M^[1,b]/1: the number waiting while the server is busy is geometric with ratio r, the root in
/// (0, 1) of μ r^(b+1) - (λ+μ) r + λ = 0 (Gross and Harris, Fundamentals of Queueing Theory, bulk
/// service).
#[test]
fn greedy_batches_of_an_m_m_1_queue_follow_bulk_service_theory() {
    for (rate, cap) in [(0.9, 2), (5.0, 8), (20.0, 32)] {
        let root = {
            let (mut low, mut high) = (0.0_f64, 1.0 - 1e-9);
            for _ in 0..200 {
                let r = (low + high) / 2.0;
                if r.powi(cap + 1) - (rate + 1.0) * r + rate > 0.0 { low = r } else { high = r }
            }
            low
        };
        let idle = (1.0 - root) / (1.0 - root + rate);
        let waiting = (1.0 - idle) * root / (1.0 - root);
        let queue = json!({
            "arrivals": poisson(rate),
            "service": { "law": "exponential", "base_s": 1.0 },
            "batching": { "policy": "greedy", "size": cap },
        });
        let batch = rate / (1.0 - idle);
        check(
            queue,
            &[
                ("mean_wait_s", waiting / rate),
                ("mean_response_s", waiting / rate + 1.0),
                ("utilisation", 1.0 - idle),
                ("mean_batch", batch),
            ],
        );
    }
}

/// The mean rate and the limiting index of dispersion of counts of a two-state process,
/// 1 + 2 (λ₁-λ₂)² q₁q₂ / ((q₁+q₂)² (λ₁q₂+λ₂q₁)) (Fischer and Meier-Hellstern 1993).
#[test]
fn a_modulated_process_has_the_mean_and_dispersion_of_theory() {
    let process = ArrivalProcess::mmpp([1.0, 9.0], [3.0, 1.0]).unwrap();
    let (q1, q2) = (1.0 / 3.0, 1.0);
    let rate = (1.0 * q2 + 9.0 * q1) / (q1 + q2);
    assert!((process.mean_rate() - rate).abs() < 1e-12);
    let dispersion = 1.0 + 2.0 * 64.0 * q1 * q2 / ((q1 + q2) * (q1 + q2) * (1.0 * q2 + 9.0 * q1));
    let window = 200.0;
    let mut counts = vec![0.0_f64; 2_000];
    for time in process.times(5) {
        match counts.get_mut((time / window) as usize) {
            Some(count) => *count += 1.0,
            None => break,
        }
    }
    let n = counts.len() as f64;
    let mean = counts.iter().sum::<f64>() / n;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (n - 1.0);
    assert!((mean / window / rate - 1.0).abs() < 0.01, "{mean}");
    // The sample variance of 2,000 counts has a relative standard error of √(2/2000) = 3 %.
    assert!((variance / mean / dispersion - 1.0).abs() < 0.12, "{} {dispersion}", variance / mean);
}

/// A process whose states are alike is Poisson.
#[test]
fn a_modulated_process_of_equal_rates_is_poisson() {
    let process = json!({ "process": "mmpp", "rates": [0.7, 0.7], "mean_sojourns_s": [2.0, 5.0] });
    let service = json!({ "law": "exponential", "per_item_s": 1.0 });
    check(single(process, service), &[("mean_wait_s", 0.7 / 0.3), ("throughput_rps", 0.7)]);
}

/// 0.1 + 0.01 n s within 0.3 s allows batches of 20; additive increase tries 21, and no more.
#[test]
fn an_adaptive_policy_keeps_to_its_target() {
    let queue = json!({
        "arrivals": { "process": "deterministic", "rate": 65.0 },
        "service": { "law": "deterministic", "base_s": 0.1, "per_item_s": 0.01 },
        "batching": { "policy": "adaptive", "size": 128, "target_s": 0.3001 },
    });
    let path = sample_path(&config(queue, 20_000, 0)).unwrap();
    let largest = path.batches.iter().map(|batch| batch.size).max().unwrap();
    assert_eq!(largest, 21);
    let late = &path.batches[path.batches.len() / 2..];
    let mean = late.iter().map(|batch| batch.size).sum::<usize>() as f64 / late.len() as f64;
    assert!((18.0..=21.0).contains(&mean), "{mean}");
}

#[test]
fn a_queue_is_stable_if_its_load_is_below_one() {
    let load = |rate: f64, policy: &str, size: usize, servers: usize| {
        let queue = json!({
            "arrivals": { "process": "deterministic", "rate": rate },
            "service": { "law": "deterministic", "base_s": 0.08, "per_item_s": 0.02 },
            "batching": { "policy": policy, "size": size },
            "servers": { "count": servers },
        });
        let report = simulate(&config(queue, 2_000, 0)).unwrap();
        (report.offered_load, report.stable)
    };
    let (single, stable) = load(16.0, "fixed", 1, 1);
    assert!((single - 1.6).abs() < 1e-12 && !stable);
    let (double, stable) = load(16.0, "fixed", 1, 2);
    assert!((double - 0.8).abs() < 1e-12 && stable);
    let (greedy, stable) = load(16.0, "greedy", 16, 1);
    assert!((greedy - 0.4).abs() < 1e-12 && stable);
}

/// D/D/1 at twice the capacity: request n waits n (D - 1/λ).
#[test]
fn an_overloaded_deterministic_queue_keeps_its_figures() {
    let queue = single(
        json!({ "process": "deterministic", "rate": 16.0 }),
        json!({ "law": "deterministic", "per_item_s": 0.1 }),
    );
    let report = simulate(&config(queue, 8192, 0)).unwrap();
    assert!((report.mean_wait.unwrap().0 - 153.581_25).abs() < 1e-6);
    assert!((report.max_wait.0 - 307.162_5).abs() < 1e-6);
    assert!((report.duration.0 - 819.2).abs() < 1e-6);
    assert!(!report.stable);
    assert_eq!(report.ci95.mean_wait_s, None, "there is no mean to be near to");
}

/// Of 60 intervals of 95 %, binomially 51 or more cover with probability 0.999.
#[test]
fn about_95_percent_of_the_intervals_cover_the_true_mean() {
    let queue = single(poisson(0.5), json!({ "law": "exponential", "per_item_s": 1.0 }));
    let covered = (0..60)
        .filter(|&seed| {
            let mut config = config(queue.clone(), 21_000, 1_000);
            config.seed = seed;
            let [low, high] = simulate(&config).unwrap().ci95.mean_wait_s.unwrap();
            assert!(high - low < 0.4, "{low} to {high} says little about 1");
            (low..=high).contains(&1.0)
        })
        .count();
    assert!(covered >= 51, "{covered} of 60");
}

#[test]
fn policies_with_the_same_seed_get_the_same_arrivals() {
    let path = |policy: &str| {
        let queue = json!({
            "arrivals": poisson(5.0),
            "service": { "law": "gamma", "base_s": 0.1, "cv": 0.5 },
            "batching": { "policy": policy, "size": 4 },
        });
        sample_path(&config(queue, 500, 0)).unwrap()
    };
    let (fixed, greedy) = (path("fixed"), path("greedy"));
    assert_eq!(fixed.arrivals_s, greedy.arrivals_s);
    assert_ne!(fixed.batches, greedy.batches);
}
