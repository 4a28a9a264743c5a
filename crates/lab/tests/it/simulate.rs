//! `wattlab simulate`: the promised file and document, and every mistake by its name.

use std::{fs, path::Path};

use serde_json::Value;

use super::{run, stderr};

/// The promised file, but shorter.
const FILE: &str = r#"
seed = 1
requests = 40_000
warmup = 2_000
[arrivals]
process = "poisson"
rate = 0.8
[service]
law = "exponential"
base_s = 0.0
per_item_s = 1.0
cv = 1.0
[batching]
policy = "fixed"
size = 1
[servers]
count = 1
[power]
idle_w = 50.0
busy_w = 250.0
"#;

fn simulate(folder: &Path, text: &str) -> (Option<i32>, String, String) {
    fs::write(folder.join("queue.toml"), text).unwrap();
    let output = run(folder, &["simulate", "queue.toml", "--json"]);
    let stdout = String::from_utf8(output.stdout.clone()).unwrap();
    (output.status.code(), stdout, stderr(&output))
}

fn changed(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(FILE.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replace(old, new)
    })
}

#[test]
fn the_promised_document_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = simulate(folder.path(), FILE);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["schema"], "wattlab.simulate/1");
    assert_eq!(report["requests"], 38_000);
    for name in [
        "mean_wait_s",
        "mean_response_s",
        "p50_response_s",
        "p90_response_s",
        "p99_response_s",
        "max_wait_s",
        "utilisation",
        "mean_batch",
        "throughput_rps",
        "duration_s",
        "energy_j",
        "energy_j_per_request",
    ] {
        assert!(report[name].is_number(), "{name}");
    }
    let [low, high] = [0, 1].map(|end| report["ci95"]["mean_wait_s"][end].as_f64().unwrap());
    assert!(low < 4.0 && 4.0 < high, "M/M/1 waits 4 s, not {low} to {high}");
    assert_eq!(simulate(folder.path(), FILE).1, stdout, "the same seed gives the same bytes");
}

#[test]
fn people_get_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let text = changed(&[
        ("\"poisson\"", "\"deterministic\""),
        ("\"exponential\"", "\"deterministic\""),
        ("rate = 0.8", "rate = 0.5"),
        ("40_000", "20"),
        ("2_000", "0"),
    ]);
    fs::write(folder.path().join("queue.toml"), text).unwrap();
    let output = run(folder.path(), &["simulate", "queue.toml"]);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    requests                      20
    mean wait                      0 s
    mean response                  1 s
    median response                1 s
    p90 response                   1 s
    p99 response                   1 s
    longest wait                   0 s
    utilization             0.512821
    mean batch                     1 requests
    throughput              0.512821 requests/s
    duration                      39 s
    energy                      5950 J
    energy per request       297.500 J
    offered load            0.500000
    ");
}

#[test]
fn an_unstable_queue_is_no_mean_but_a_growth() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = simulate(folder.path(), &changed(&[("rate = 0.8", "rate = 2.0")]));
    assert_eq!(code, Some(0));
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(report["stable"], false);
    for name in ["mean_wait_s", "mean_response_s", "p50_response_s", "p99_response_s"] {
        assert!(report[name].is_null(), "{name}");
    }
    let growth = |key: &str| report["growth"][key].as_f64().unwrap();
    assert!((growth("wait_s_per_s") - 1.0).abs() < 0.05, "{stdout}");
    assert!((growth("requests_per_s") - 1.0).abs() < 0.05, "{stdout}");
    assert!(stderr.contains("unstable") && stderr.contains("lower `arrivals.rate`"), "{stderr}");
}

#[test]
fn mistakes_name_file_key_value_and_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("empty.csv"), "arrival_s\n").unwrap();
    fs::write(folder.join("unsorted.csv"), "arrival_s\n2\n1\n").unwrap();
    let trace = |file: &str| {
        changed(&[("\"poisson\"\nrate = 0.8", &format!("\"trace\"\nfile = \"{file}\""))])
    };
    let rows = [
        (changed(&[("rate = 0.8", "rate = -0.8")]), vec!["`arrivals.rate` is -0.8", "above 0"]),
        (changed(&[("rate = 0.8", "rate = 0")]), vec!["`arrivals.rate` is 0", "above 0"]),
        (changed(&[("size = 1", "size = 0")]), vec!["`batching.size` is 0", "at least 1"]),
        (changed(&[("size = 1", "size = -4")]), vec!["line", "size = -4", "usize"]),
        (changed(&[("size = 1", "size = 1\nsized = 2")]), vec!["`sized`", "did you mean `size`?"]),
        (changed(&[("\"fixed\"", "\"greddy\"")]), vec!["`greddy`", "did you mean `greedy`?"]),
        (changed(&[("per_item_s = 1.0", "per_item_s = -1.0")]), vec!["`service.per_item_s` is -1"]),
        (changed(&[("idle_w = 50.0", "idle_w = -50.0")]), vec!["`power.idle_w` is -50", "watts"]),
        (changed(&[("count = 1", "count = 0")]), vec!["`servers.count` is 0", "1 to 1000000"]),
        (changed(&[("2_000", "40_000")]), vec!["`warmup` is 40000", "less than `requests`"]),
        (
            changed(&[("\"fixed\"", "\"window\"\ndelay_s = 1e-12")]),
            vec!["`batching.delay_s` is 0.000000000001", "tick"],
        ),
        (trace("none.csv"), vec!["none.csv", "could not be read"]),
        (trace("empty.csv"), vec!["empty.csv", "at least one arrival"]),
        (trace("unsorted.csv"), vec!["unsorted.csv", "line 3", "no earlier than the line before"]),
        (String::new(), vec!["missing field `seed`"]),
    ];
    for (text, words) in rows {
        let (code, stdout, stderr) = simulate(folder, &text);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{text}");
        assert!(stderr.contains("simulation `queue.toml`"), "{stderr}");
        for word in words {
            assert!(stderr.contains(word), "lacks `{word}`: {stderr}");
        }
    }
    let missing = run(folder, &["simulate", "nowhere.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(super::stderr(&missing).contains("nowhere.toml"));
}
