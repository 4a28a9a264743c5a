//! Our judgments of 200 runs against those of MLPerf's LoadGen, which `loadgen_peer.py` wrote down.

use std::collections::BTreeMap;

use serde_json::Value;
use wattlab_inference_sim::{BatchTimes, Scenario, ScenarioRules, Serving, judge_scenario};

const RUNS: &str = include_str!("../data/loadgen.json");

/// The latencies of a run in nanoseconds, rising.
fn latencies_ns(run: &Value) -> Vec<u64> {
    let deltas = run["latency_deltas_ns"].as_array().unwrap().iter().map(|ns| ns.as_u64().unwrap());
    deltas
        .scan(0, |sum, delta| {
            *sum += delta;
            Some(*sum)
        })
        .collect()
}

/// Queries with these latencies, the last of which begins at `last_s`.
fn serving(latencies_ns: &[u64], last_s: f64) -> Serving {
    let last = latencies_ns.len() - 1;
    let start = |number| if number == last { last_s } else { 0.0 };
    let batch = |(number, ns): (usize, &u64)| BatchTimes {
        size: 1,
        start_s: start(number),
        end_s: start(number) + *ns as f64 * 1e-9,
    };
    Serving {
        arrivals_s: (0..latencies_ns.len()).map(start).collect(),
        batches: latencies_ns.iter().enumerate().map(batch).collect(),
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    (seconds * 1e9).round() as u64
}

/// Verdict, percentiles and early stopping are equal in every run.
#[test]
fn two_hundred_runs_are_judged_as_by_loadgen() {
    let file: Value = serde_json::from_str(RUNS).unwrap();
    let runs = file["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 200);
    let mut table: BTreeMap<(String, bool), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for run in runs {
        let name = run["scenario"].as_str().unwrap();
        let bound_ns = run["bound_ns"].as_f64().unwrap_or_default();
        let scenario = match name {
            "SingleStream" => Scenario::SingleStream,
            // A query has one latency, that of its last sample.
            "MultiStream" => Scenario::MultiStream { samples: 1 },
            "Server" => Scenario::Server { rate: 1.0, bound_s: bound_ns * 1e-9 + 1e-12 },
            _ => Scenario::Offline,
        };
        let rules = ScenarioRules {
            min_queries: run["min_queries"].as_u64().unwrap() as usize,
            min_duration_s: run["min_duration_ms"].as_f64().unwrap() * 1e-3,
            confidence: 0.99,
        };
        let latencies_ns = latencies_ns(run);
        let last_s = run["last_issued_s"].as_f64().unwrap();
        let summary = judge_scenario(scenario, &rules, serving(&latencies_ns, last_s));
        let loadgen = &run["loadgen"];
        let percentile = if name == "SingleStream" { "90" } else { "99" };
        let found = [
            u64::from(summary.valid),
            nanoseconds(summary.latency_s),
            if matches!(name, "Server" | "Offline") {
                0
            } else {
                summary.early_stopping_s.map_or(0, nanoseconds)
            },
        ];
        let expected = [
            u64::from(loadgen["valid"].as_bool().unwrap()),
            loadgen["percentiles_ns"][percentile].as_u64().unwrap(),
            loadgen["early_stopping_ns"].as_u64().unwrap_or_default(),
        ];
        *table.entry((name.to_owned(), expected[0] == 1)).or_default() += 1;
        if found != expected {
            wrong.push(format!(
                "{name}, seed {}: {found:?} is not {expected:?}; {:?}, {} queries of {}, {last_s} s",
                run["seed"],
                summary.reasons,
                latencies_ns.len(),
                rules.min_queries,
            ));
        }
    }
    for ((name, valid), count) in &table {
        println!("{name:<13} {:<8} {count}", if *valid { "VALID" } else { "INVALID" });
    }
    assert!(table.len() == 8 && table.values().all(|&count| count >= 5), "{table:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
