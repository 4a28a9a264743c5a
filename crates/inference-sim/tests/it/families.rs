//! Families of queues beyond the shared tables: losses, tails, other arrivals, bulk service, bursts.

use std::fs;

use serde_json::{Value, json};

use crate::{
    config,
    oracles::{compare, replicate},
};

const REQUESTS: usize = 400_000;
const WARMUP: usize = 20_000;

type Reading<'a> = &'a dyn Fn(&Value) -> f64;

/// Compares means over replications, to four standard errors.
fn check(description: Value, expected: &[(&str, f64, Reading<'_>)]) {
    let reports = replicate(&config(description.clone(), REQUESTS, WARMUP));
    let wrong: Vec<String> = expected
        .iter()
        .filter_map(|(name, expected, value)| compare(&reports, name, *expected, value))
        .collect();
    assert!(wrong.is_empty(), "{description}: {wrong:#?}");
}

fn field(name: &'static str) -> impl Fn(&Value) -> f64 {
    move |report| report[name].as_f64().unwrap_or(f64::NAN)
}

fn over(name: &'static str, at: usize) -> impl Fn(&Value) -> f64 {
    move |report| report[name][at][1].as_f64().unwrap_or(f64::NAN)
}

fn exponential(mean: f64) -> Value {
    json!({ "law": "exponential", "per_item_s": mean })
}

fn poisson(rate: f64) -> Value {
    json!({ "process": "poisson", "rate": rate })
}

fn single(process: Value, service: Value, servers: usize) -> Value {
    json!({
        "arrivals": process, "service": service, "servers": { "count": servers },
        "batching": { "policy": "fixed", "size": 1 },
    })
}

/// M/M/c/K: a birth-death process. Loss = P(K); the wait of those served by Little's law.
#[test]
fn an_m_m_c_k_queue_loses_requests_when_it_is_full() {
    for (servers, places, rate) in [(1, 5, 0.9), (2, 6, 1.8), (4, 4, 5.0), (3, 10, 4.0)] {
        let mut weights = vec![1.0];
        for n in 1..=places {
            let down = f64::from(n.min(servers));
            weights.push(weights[weights.len() - 1] * rate / down);
        }
        let sum: f64 = weights.iter().sum();
        let loss = weights[weights.len() - 1] / sum;
        let waiting =
            |(n, weight): (usize, &f64)| n.saturating_sub(servers as usize) as f64 * weight / sum;
        let waiting: f64 = weights.iter().enumerate().map(waiting).sum();
        let mut queue = single(poisson(rate), exponential(1.0), servers as usize);
        queue["queue"] = json!({ "limit": places - servers });
        let accepted = rate * (1.0 - loss);
        check(
            queue,
            &[
                ("p_loss", loss, &field("p_loss")),
                ("mean_wait", waiting / accepted, &field("mean_wait_s")),
                ("utilization", accepted / f64::from(servers), &field("utilisation")),
                ("throughput", accepted, &field("throughput_rps")),
            ],
        );
    }
}

/// M/E_k/1 and M/H/1-like variance by gamma service: Pollaczek and Khinchine.
#[test]
fn an_m_e_k_1_queue_follows_pollaczek_and_khinchine() {
    for (stages, load) in [(2.0_f64, 0.5), (3.0, 0.8), (10.0, 0.9), (0.25, 0.5)] {
        let wait = load * (1.0 + 1.0 / stages) / (2.0 * (1.0 - load));
        let service = json!({ "law": "gamma", "per_item_s": 1.0, "cv": stages.powf(-0.5) });
        check(
            single(poisson(load), service, 1),
            &[
                ("mean_wait", wait, &field("mean_wait_s")),
                ("mean_response", wait + 1.0, &field("mean_response_s")),
                ("p_wait", load, &field("p_wait")),
            ],
        );
    }
}

/// A table whose times spread as they were measured: Pollaczek and Khinchine again.
#[test]
fn a_table_with_a_spread_follows_pollaczek_and_khinchine() {
    for (load, cv) in [(0.6, 0.0), (0.6, 0.5), (0.8, 1.0)] {
        let wait = load * (1.0 + cv * cv) / (2.0 * (1.0 - load));
        let service = json!({ "law": "table", "table": [[1, 1.0]], "table_cv": cv });
        check(single(poisson(load), service, 1), &[("mean_wait", wait, &field("mean_wait_s"))]);
    }
}

/// GI/M/1: with σ in (0, 1) the root of σ = A*(μ(1-σ)), W = σ / (μ(1-σ)) and P(W > t) =
/// σ exp(-μ(1-σ) t). For even and for jittered arrivals.
#[test]
fn a_gi_m_1_queue_has_the_wait_of_its_root() {
    for (rate, jitter) in [(0.5_f64, 0.0), (0.8, 0.0), (0.9, 0.2), (0.7, 1.0)] {
        let transform = |s: f64| {
            let gap = 1.0 / rate;
            let centre = (-s * gap).exp();
            let half = s * gap * jitter;
            if half > 0.0 { centre * half.sinh() / half } else { centre }
        };
        let mut sigma = 0.0;
        for _ in 0..10_000 {
            sigma = transform(1.0 - sigma);
        }
        let process = if jitter > 0.0 {
            json!({ "process": "jittered", "rate": rate, "jitter": jitter })
        } else {
            json!({ "process": "deterministic", "rate": rate })
        };
        let mut queue = single(process, exponential(1.0), 1);
        queue["statistics"] = json!({ "wait_over_s": [1.0, 3.0] });
        let tail = |t: f64| sigma * (-(1.0 - sigma) * t).exp();
        check(
            queue,
            &[
                ("mean_wait", sigma / (1.0 - sigma), &field("mean_wait_s")),
                ("p_wait", sigma, &field("p_wait")),
                ("P(W>1)", tail(1.0), &over("wait_over", 0)),
                ("P(W>3)", tail(3.0), &over("wait_over", 1)),
            ],
        );
    }
}

/// M/M/c: P(W > t) = C exp(-(cμ-λ) t); M/M/1: the response is exponential too.
#[test]
fn an_m_m_c_queue_has_exponential_tails() {
    for (servers, rate) in [(1, 0.8_f64), (2, 1.6), (8, 7.0)] {
        let c = f64::from(servers);
        let erlang_b =
            (1..=servers).fold(1.0, |blocked, n| rate * blocked / (f64::from(n) + rate * blocked));
        let erlang_c = erlang_b / (1.0 - rate / c * (1.0 - erlang_b));
        let mut queue = single(poisson(rate), exponential(1.0), servers as usize);
        queue["statistics"] = json!({ "wait_over_s": [0.5, 2.0], "response_over_s": [4.0] });
        let tail = |t: f64| erlang_c * (-(c - rate) * t).exp();
        let (short, long, response) =
            (over("wait_over", 0), over("wait_over", 1), over("response_over", 0));
        let mut expected: Vec<(&str, f64, Reading<'_>)> =
            vec![("P(W>0.5)", tail(0.5), &short), ("P(W>2)", tail(2.0), &long)];
        if servers == 1 {
            expected.push(("P(T>4)", (-(1.0 - rate) * 4.0).exp(), &response));
        }
        check(queue, &expected);
    }
}

/// M/M^[a,b]/1 (Neuts): the stationary distribution of (idle with j < a waiting, busy with n
/// waiting), by iteration of the uniformized chain, cut off where it is negligible.
#[test]
fn bulk_service_with_a_minimum_batch_follows_theory() {
    for (least, cap, rate) in [(2_usize, 4_usize, 2.0_f64), (4, 8, 5.0), (5, 5, 3.0)] {
        const CUT: usize = 400;
        let mut idle = vec![1.0 / least as f64; least];
        let mut busy = vec![0.0; CUT];
        let step = 1.0 / (rate + 1.0);
        for _ in 0..40_000 {
            let (mut to_idle, mut to_busy) = (vec![0.0; least], vec![0.0; CUT]);
            for (n, &p) in idle.iter().enumerate() {
                // The only events of an idle server are arrivals.
                to_idle[n] += p * step;
                if n + 1 < least {
                    to_idle[n + 1] += p * rate * step;
                } else {
                    to_busy[0] += p * rate * step;
                }
            }
            for (n, &p) in busy.iter().enumerate() {
                to_busy[(n + 1).min(CUT - 1)] += p * rate * step;
                if n >= least {
                    to_busy[n - n.min(cap)] += p * step;
                } else {
                    to_idle[n] += p * step;
                }
            }
            (idle, busy) = (to_idle, to_busy);
        }
        let count =
            |states: &[f64]| -> f64 { states.iter().enumerate().map(|(n, p)| n as f64 * p).sum() };
        let utilization: f64 = busy.iter().sum();
        let wait = (count(&idle) + count(&busy)) / rate;
        let queue = json!({
            "arrivals": poisson(rate),
            "service": { "law": "exponential", "base_s": 1.0 },
            "batching": { "policy": "min_max", "min_size": least, "size": cap },
        });
        check(
            queue,
            &[
                ("mean_wait", wait, &field("mean_wait_s")),
                ("utilization", utilization, &field("utilisation")),
                ("mean_batch", rate / utilization, &field("mean_batch")),
            ],
        );
    }
}

/// MMPP/M/1 by the matrix-geometric method: R = A₀ (-A₁ - R A₂)⁻¹ by iteration, π₀ from the
/// boundary (Neuts 1981); the mean number by Σ n π₀ Rⁿ, the wait by Little's law.
#[test]
fn modulated_arrivals_wait_as_the_matrix_geometric_method_says() {
    type Matrix = [[f64; 2]; 2];
    let times = |a: &Matrix, b: &Matrix| -> Matrix {
        [0, 1].map(|i| [0, 1].map(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
    };
    let inverse = |m: &Matrix| -> Matrix {
        let d = m[0][0] * m[1][1] - m[0][1] * m[1][0];
        [[m[1][1] / d, -m[0][1] / d], [-m[1][0] / d, m[0][0] / d]]
    };
    for (rates, sojourns) in
        [([0.2, 1.2], [5.0, 5.0]), ([0.5, 0.9], [20.0, 10.0]), ([0.0, 2.0], [3.0, 1.0])]
    {
        let leave = [1.0 / sojourns[0], 1.0 / sojourns[1]];
        let up: Matrix = [[rates[0], 0.0], [0.0, rates[1]]];
        let local = |served: f64| -> Matrix {
            [[-leave[0] - rates[0] - served, leave[0]], [leave[1], -leave[1] - rates[1] - served]]
        };
        let mut r: Matrix = [[0.0; 2]; 2];
        for _ in 0..100_000 {
            let stay = local(1.0);
            // Service is at rate 1 in both states, so R A₂ = R.
            r = times(&up, &inverse(&[0, 1].map(|i| [0, 1].map(|j| -stay[i][j] - r[i][j]))));
        }
        // π₀ (B + R A₂) = 0 with B = local(0); π₀ (I - R)⁻¹ 1 = 1.
        let b = local(0.0);
        let m = [0, 1].map(|i| [0, 1].map(|j| b[i][j] + r[i][j]));
        let ratio = -m[0][0] / m[1][0];
        let rest = inverse(&[[1.0 - r[0][0], -r[0][1]], [-r[1][0], 1.0 - r[1][1]]]);
        let row = |v: [f64; 2], m: &Matrix| [0, 1].map(|j| v[0] * m[0][j] + v[1] * m[1][j]);
        let mass = row([1.0, ratio], &rest);
        let pi = [1.0, ratio].map(|weight| weight / (mass[0] + mass[1]));
        let number = row(row(row(pi, &r), &rest), &rest);
        let share = sojourns[0] / (sojourns[0] + sojourns[1]);
        let rate = share * rates[0] + (1.0 - share) * rates[1];
        let response = (number[0] + number[1]) / rate;
        let process = json!({ "process": "mmpp", "rates": rates, "mean_sojourns_s": sojourns });
        check(
            single(process, exponential(1.0), 1),
            &[
                ("mean_response", response, &field("mean_response_s")),
                ("mean_wait", response - 1.0, &field("mean_wait_s")),
                ("utilization", rate, &field("utilisation")),
            ],
        );
    }
}

/// Groups of g at even times, by a trace: the n-th of a group waits n service times, exactly.
#[test]
fn requests_of_a_group_wait_for_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("groups.csv");
    let lines: String = (0..1000).map(|n| format!("{}\n", n / 5)).collect();
    fs::write(&path, format!("arrival_s\n{lines}")).unwrap();
    let process = json!({ "process": "trace", "file": path });
    let service = json!({ "law": "deterministic", "per_item_s": 0.125 });
    let report = &replicate(&config(single(process, service, 1), 1000, 0))[0];
    assert_eq!(field("mean_wait_s")(report), 0.25);
    assert_eq!(field("max_wait_s")(report), 0.5);
    assert_eq!(field("mean_response_s")(report), 0.375);
}

/// What `interfaces.md` leaves open has a default.
#[test]
fn optional_keys_have_their_documented_defaults() {
    let mut bursty = single(json!({ "process": "mmpp", "rate": 5.0 }), exponential(0.01), 1);
    check(bursty.clone(), &[("throughput", 5.0, &field("throughput_rps"))]);
    bursty["batching"] = json!({ "policy": "adaptive", "size": 8 });
    bursty["arrivals"] = poisson(50.0);
    bursty["service"] = json!({ "law": "deterministic", "base_s": 0.1, "per_item_s": 0.002 });
    // With the whole of the size as its cap it is greedy in the end.
    let mut greedy = bursty.clone();
    greedy["batching"]["policy"] = json!("greedy");
    let wait = |queue: Value| field("mean_wait_s")(&replicate(&config(queue, REQUESTS, WARMUP))[0]);
    assert_eq!(wait(bursty), wait(greedy));
    let gamma = single(poisson(0.5), json!({ "law": "gamma", "per_item_s": 1.0 }), 1);
    check(gamma, &[("mean_wait", 1.0, &field("mean_wait_s"))]);
}
