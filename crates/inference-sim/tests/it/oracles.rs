//! The shared tables of exact values: every number of every row, over 20 replications of a
//! million requests. The test profile optimizes this crate for it.

use std::{env, fs, num::NonZeroUsize, path::PathBuf, thread};

use serde_json::{Value, json};
use wattlab_inference_sim::{SimulationConfig, simulate_all};

use crate::config;

/// Enough that four standard errors say something.
const REPLICATIONS: u64 = 20;
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

/// Reports of independent replications.
pub(crate) fn replicate(config: &SimulationConfig) -> Vec<Value> {
    let configs: Vec<_> = (1..=REPLICATIONS).map(|seed| config.clone().with_seed(seed)).collect();
    let threads = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let reports = simulate_all(&configs, threads).unwrap();
    reports.iter().map(|report| serde_json::to_value(report).unwrap()).collect()
}

/// Compares the mean over replications: to four standard errors, and what never varies to 1e-9.
/// A quantile may also be as far off as its sketch. Returns what is wrong.
pub(crate) fn compare(
    reports: &[Value],
    name: &str,
    expected: f64,
    value: &dyn Fn(&Value) -> f64,
) -> Option<String> {
    let values: Vec<f64> = reports.iter().map(value).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let sketch = if name.ends_with("_response_s") && name.starts_with('p') { 1e-3 } else { 1e-9 };
    let allowed = 4.0 * (variance / n).sqrt() + sketch * expected.abs();
    println!("  {name:<28} expected {expected:<14.9} found {mean:<14.9} allowed {allowed:.9}");
    let off = (mean - expected).abs();
    let wrong = off.is_nan() || off > allowed || allowed > 0.1 * expected.abs().max(0.01);
    wrong.then(|| format!("{name}: expected {expected}, found {mean}, allowed {allowed}"))
}

fn number(report: &Value, name: &str) -> f64 {
    report[name].as_f64().unwrap_or(f64::NAN)
}

#[test]
fn every_row_of_the_queue_table_agrees() {
    let Some(table) = shared("queues.json") else { return };
    let mut wrong = Vec::new();
    for case in table["cases"].as_array().unwrap() {
        println!("{}", case["name"]);
        let reports = replicate(&config(case["config"].clone(), REQUESTS, WARMUP));
        for (name, expected) in case["expect"].as_object().unwrap() {
            let value = |report: &Value| number(report, name);
            let found = compare(&reports, name, expected.as_f64().unwrap(), &value);
            wrong.extend(found.map(|line| format!("{}: {line}", case["name"])));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_row_of_the_queue_oracle_agrees() {
    let Some(table) = shared("queue_oracle.json") else { return };
    let mut wrong = Vec::new();
    for row in table["rows"].as_array().unwrap() {
        println!("{}", row["id"]);
        let expected = row["expected"].as_object().unwrap();
        let mut description = describe(row);
        description["statistics"] = json!({
            "wait_over_s": limits(expected, "P(wait>"),
            "response_over_s": limits(expected, "P(sojourn>"),
        });
        let whole = row["params"]["n"].as_u64();
        let (requests, warmup) = whole.map_or((REQUESTS, WARMUP), |n| (n as usize, 0));
        let mut reports = replicate(&config(description.clone(), requests, warmup));
        let mut checked = 0;
        for (name, expected) in expected {
            let Some(expected) = expected.as_f64() else { continue };
            if name == "energy_per_request_affine" {
                let power = json!({ "idle_w": 60.0, "batch_base_j": 2.0, "batch_per_item_j": 1.5 });
                description["power"] = power;
                reports = replicate(&config(description.clone(), requests, warmup));
            }
            if name == "max_wait_upper" {
                assert!(reports.iter().all(|report| number(report, "max_wait_s") <= expected));
            } else if let Some(value) = value(name, row) {
                let found = compare(&reports, name, expected, &value);
                wrong.extend(found.map(|line| format!("{}: {line}", row["id"])));
            } else {
                continue;
            }
            checked += 1;
        }
        assert!(checked > 2, "{} expects little", row["id"]);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn limits(expected: &serde_json::Map<String, Value>, prefix: &str) -> Vec<f64> {
    let limits = expected.keys().filter_map(|name| name.strip_prefix(prefix));
    limits.map(|limit| limit.trim_end_matches(')').parse().unwrap()).collect()
}

type Reading = Box<dyn Fn(&Value) -> f64>;

/// How an expected value follows from a report; `None` for constants of the derivation.
fn value(name: &str, row: &Value) -> Option<Reading> {
    let field = |field: &'static str| -> Option<Reading> {
        Some(Box::new(move |report| number(report, field)))
    };
    let over = |field: &'static str, limit: &str| -> Option<Reading> {
        let limit: f64 = limit.trim_end_matches(')').parse().unwrap();
        Some(Box::new(move |report| {
            let rows = report[field].as_array().unwrap();
            rows.iter().find(|row| row[0] == limit).unwrap()[1].as_f64().unwrap()
        }))
    };
    if let Some(limit) = name.strip_prefix("P(wait>") {
        return over("wait_over", limit);
    }
    if let Some(limit) = name.strip_prefix("P(sojourn>") {
        return over("response_over", limit);
    }
    // In the table, several servers are one device that shares its power between them.
    let servers = row["params"]["c"].as_f64().unwrap_or(1.0);
    let square = |report: &Value| number(report, "wait_sd_s").powi(2);
    match name {
        "util" => field("utilisation"),
        "mean_wait" => field("mean_wait_s"),
        "mean_sojourn" => field("mean_response_s"),
        "Lq" => field("mean_waiting"),
        "mean_batch" => field("mean_batch"),
        "max_wait" => field("max_wait_s"),
        "makespan" => field("duration_s"),
        "erlang_c" => field("p_wait"),
        "p_loss" => field("p_loss"),
        "throughput" => field("throughput_rps"),
        "p_off" => field("asleep"),
        "p_setup" => field("waking"),
        "batches_per_s" => {
            Some(Box::new(|report| number(report, "throughput_rps") / number(report, "mean_batch")))
        }
        "var_wait" => Some(Box::new(square)),
        "second_moment_wait" => {
            Some(Box::new(move |report| square(report) + number(report, "mean_wait_s").powi(2)))
        }
        "energy_per_request" | "energy_per_request_affine" => {
            Some(Box::new(move |report| number(report, "energy_j_per_request") / servers))
        }
        _ => None,
    }
}

fn describe(row: &Value) -> Value {
    let number = |key: &str| row["params"][key].as_f64();
    let size = row["params"]["b"].as_u64();
    let family = row["family"].as_str().unwrap();
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
            let service =
                json!({ "law": "exponential", "base_s": number("mu_batch").unwrap().recip() });
            (service, batches(if number("a").unwrap() == 1.0 { "greedy" } else { "fixed" }))
        }
        "M/D_{S(n)}^[a,b]/1" => {
            let (base, each) = (number("alpha").unwrap(), number("beta").unwrap());
            let service = json!({ "law": "deterministic", "base_s": base, "per_item_s": each });
            (service, batches(if number("a") == number("b") { "fixed" } else { "greedy" }))
        }
        "U/D^[b,b]/1, no batch queueing" => (constant("S"), batches("fixed")),
        "D/D^128/1" => (constant("D"), batches("fixed")),
        "batch window: size b or timeout T, service 0" => {
            let mut window = batches("window");
            window["delay_s"] = json!(number("T").unwrap());
            (json!({ "law": "deterministic", "base_s": 0.0 }), window)
        }
        "M/M/1/K" | "M/M/c/c" => (exponential(), single),
        "M/D/1 with sleep + deterministic wake-up" => (constant("D"), single),
        other => panic!("a new family: {other}"),
    };
    let rate = number("lam").or(number("f")).or(number("gap").map(f64::recip)).unwrap();
    let arrivals = match &family[..1] {
        "U" => json!({ "process": "jittered", "rate": rate, "jitter": 0.2 }),
        "D" => json!({ "process": "deterministic", "rate": rate }),
        _ => json!({ "process": "poisson", "rate": rate }),
    };
    let servers = row["params"]["c"].as_u64().unwrap_or(1);
    let mut description = json!({
        "arrivals": arrivals,
        "service": service,
        "batching": batching,
        "servers": { "count": servers },
        "power": { "idle_w": 60.0, "busy_w": 250.0 },
    });
    // The table counts requests in the system, the description those that wait.
    match family {
        "M/M/1/K" => description["queue"] = json!({ "limit": number("K").unwrap() as u64 - 1 }),
        "M/M/c/c" => description["queue"] = json!({ "limit": 0 }),
        _ => {}
    }
    if let Some(wakeup) = number("setup") {
        description["servers"] = json!({ "sleep_after_s": 0.0, "wakeup_s": wakeup });
        description["power"] = json!({
            "idle_w": 60.0, "busy_w": number("P_busy").unwrap(),
            "sleep_w": number("P_sleep").unwrap(), "wakeup_w": number("P_setup").unwrap(),
        });
    }
    description
}
