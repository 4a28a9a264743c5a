//! The shared tables of exact values, each simulated.

use std::{env, fs, path::PathBuf};

use serde_json::{Value, json};
use wattlab_inference_sim::sample_path;

use crate::{compare, config};

/// A multiple of every batch size in the tables, so that no partial batch is left.
const REQUESTS: usize = 1_024_000;
const WARMUP: usize = 51_200;

fn shared(file: &str) -> Option<Value> {
    let folder = env::var_os("WATTLAB_SHARED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
        PathBuf::from,
    );
    let path = folder.join("oracles").join(file);
    if !path.exists() {
        println!("skipped: {} is not there", path.display());
        return None;
    }
    Some(serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
}

#[test]
fn queues() {
    let Some(table) = shared("queues.json") else { return };
    let mut wrong = Vec::new();
    for case in table["cases"].as_array().unwrap() {
        let expected: Vec<_> = case["expect"]
            .as_object()
            .unwrap()
            .iter()
            // The probability of waiting is no field of the report.
            .filter(|(name, _)| *name != "p_wait")
            .map(|(name, value)| (name.as_str(), value.as_f64().unwrap()))
            .collect();
        println!("{}", case["name"]);
        // The quantiles of an M/M/1 queue at load 0.95 vary by several percent in so short a run.
        let found = compare(&config(case["config"].clone(), REQUESTS, WARMUP), &expected, 0.1);
        wrong.extend(found.into_iter().map(|line| format!("{}: {line}", case["name"])));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn queue_oracle() {
    let Some(table) = shared("queue_oracle.json") else { return };
    let mut wrong = Vec::new();
    let mut checked = 0;
    for row in table["rows"].as_array().unwrap() {
        let Some(description) = describe(row) else {
            println!("skipped: {} (requests are lost, or servers sleep)", row["id"]);
            continue;
        };
        checked += 1;
        let whole = row["params"]["n"].as_u64();
        let (requests, warmup) = whole.map_or((REQUESTS, WARMUP), |n| (n as usize, 0));
        let config = config(description, requests, warmup);
        let expected: Vec<_> = row["expected"]
            .as_object()
            .unwrap()
            .iter()
            .filter_map(|(name, value)| Some((field(name, row)?, value.as_f64()?)))
            .collect();
        assert!(expected.len() > 1, "{} expects nothing", row["id"]);
        println!("{}", row["id"]);
        let mut found = compare(&config, &expected, 1e-6);
        found.extend(tails(&sample_path(&config).unwrap(), warmup, &row["expected"]));
        wrong.extend(found.into_iter().map(|line| format!("{}: {line}", row["id"])));
    }
    assert!(checked >= 20, "only {checked} rows were understood");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The report's field of an expected value, if it has one.
fn field(name: &str, row: &Value) -> Option<&'static str> {
    match name {
        "util" => Some("utilisation"),
        "mean_wait" => Some("mean_wait_s"),
        "mean_sojourn" => Some("mean_response_s"),
        "mean_batch" => Some("mean_batch"),
        "max_wait" => Some("max_wait_s"),
        "makespan" => Some("duration_s"),
        // The table's several servers are one device.
        "energy_per_request" if row["params"]["c"].as_u64().is_none_or(|c| c == 1) => {
            Some("energy_j_per_request")
        }
        _ => None,
    }
}

/// Checks the shares of requests that wait, or take, longer than so many seconds.
fn tails(path: &record::Serving, warmup: usize, expected: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, share) in expected.as_object().unwrap() {
        let (times, limit): (Vec<f64>, &str) = if let Some(limit) = name.strip_prefix("P(wait>") {
            (path.waits().skip(warmup).collect(), limit)
        } else if let Some(limit) = name.strip_prefix("P(sojourn>") {
            (path.responses().skip(warmup).collect(), limit)
        } else {
            continue;
        };
        let limit: f64 = limit.trim_end_matches(')').parse().unwrap();
        let found = times.iter().filter(|&&time| time > limit).count() as f64 / times.len() as f64;
        if (found - share.as_f64().unwrap()).abs() > 0.015 {
            wrong.push(format!("{name}: expected {share}, found {found}"));
        }
    }
    wrong
}

fn describe(row: &Value) -> Option<Value> {
    let number = |key: &str| row["params"][key].as_f64();
    let size = row["params"]["b"].as_u64();
    let family = row["family"].as_str()?;
    let exponential =
        || json!({ "law": "exponential", "per_item_s": number("mu").unwrap().recip() });
    let constant = |key| json!({ "law": "deterministic", "base_s": number(key).unwrap() });
    let single = json!({ "policy": "fixed", "size": 1 });
    let batches = |policy| json!({ "policy": policy, "size": size.unwrap() });
    let (service, batching) = match family {
        "M/M/1" | "M/M/c" | "D/M/1" | "U/M/1 (1/f*U(0.8,1.2) arrivals)" => (exponential(), single),
        "M/D/1" | "M/D/c" | "D/D/1 overload" => (constant("D"), single),
        "M/G/1" if row["id"] == "mg1_erlang4" => {
            (json!({ "law": "gamma", "per_item_s": 0.08, "cv": 0.5 }), single)
        }
        "M/G/1" if row["id"] == "mg1_lognormal" => {
            let cv = 0.25_f64.exp_m1().sqrt();
            (json!({ "law": "lognormal", "per_item_s": 0.05, "cv": cv }), single)
        }
        "M/M^[1,b]/1" | "M/M^[b,b]/1" => {
            let service = json!({ "law": "exponential", "base_s": number("mu_batch")?.recip() });
            (service, batches(if number("a")? == 1.0 { "greedy" } else { "fixed" }))
        }
        "M/D_{S(n)}^[a,b]/1" => {
            let (base, each) = (number("alpha")?, number("beta")?);
            let service = json!({ "law": "deterministic", "base_s": base, "per_item_s": each });
            (service, batches(if number("a") == number("b") { "fixed" } else { "greedy" }))
        }
        "U/D^[b,b]/1, no batch queueing" => (constant("S"), batches("fixed")),
        "D/D^128/1" => (constant("D"), batches("fixed")),
        "batch window: size b or timeout T, service 0" => {
            let mut window = batches("window");
            window["delay_s"] = json!(number("T")?);
            (json!({ "law": "deterministic", "base_s": 0.0 }), window)
        }
        _ => return None,
    };
    let rate = number("lam").or(number("f")).or(number("gap").map(f64::recip))?;
    let arrivals = match family.chars().next()? {
        'U' => json!({ "process": "jittered", "rate": rate, "jitter": 0.2 }),
        'D' => json!({ "process": "deterministic", "rate": rate }),
        _ => json!({ "process": "poisson", "rate": rate }),
    };
    let servers = row["params"]["c"].as_u64().unwrap_or(1);
    Some(json!({
        "arrivals": arrivals,
        "service": service,
        "batching": batching,
        "servers": { "count": servers },
        "power": { "idle_w": 60.0, "busy_w": 250.0 },
    }))
}
