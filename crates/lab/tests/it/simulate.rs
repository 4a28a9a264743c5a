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

#[test]
fn a_network_is_calibrated_and_its_batches_are_tuned() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let calibrate = [
        "simulate",
        "calibrate",
        "--arch",
        "squeezenet1_1",
        "--side",
        "32",
        "--batches",
        "1,2,4",
        "--repetitions",
        "2",
        "--seconds",
        "0.02",
        "--json",
    ];
    let output = run(folder, &calibrate);
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sizes = document["calibration"]["sizes"].as_array().unwrap();
    assert_eq!(sizes.iter().map(|it| it["size"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 4]);
    assert!(sizes.iter().all(|it| it["mean_s"].as_f64().unwrap() > 0.0));
    assert!(document["calibration"]["time"]["per_item"].as_f64().unwrap() > 0.0);

    let output = run(folder, &["simulate", "squeezenet1_1.toml", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["stable"], true);

    if document["power"].is_null() {
        return; // Nothing here tells joules.
    }
    let tune = ["simulate", "tune", "squeezenet1_1.toml", "--p99", "10", "--json", "--out", "out"];
    let output = run(folder, &tune);
    assert!(output.status.success(), "{}", stderr(&output));
    let tuning: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tuning["schema"], "wattlab.simulate-tune/1");
    let best = tuning["best"]["energy_j_per_request"].as_f64().unwrap();
    assert!(best <= tuning["batch_1"]["energy_j_per_request"].as_f64().unwrap());
    assert!(!tuning["frontier"].as_array().unwrap().is_empty());
    assert!(fs::read_to_string(folder.join("out/frontier.svg")).unwrap().contains("<svg"));
    assert!(fs::read_to_string(folder.join("out/frontier.csv")).unwrap().starts_with("policy,"));
}

#[test]
fn calibrating_and_tuning_refuse_what_makes_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("queue.toml"), FILE).unwrap();
    fs::write(folder.join("dark.toml"), changed(&[("[power]\nidle_w = 50.0\nbusy_w = 250.0", "")]))
        .unwrap();
    let calibrate = ["simulate", "calibrate", "--arch"];
    for (args, words) in [
        ([&calibrate[..], &["resnet81"]].concat(), vec!["`resnet81`", "did you mean `resnet18`?"]),
        ([&calibrate[..], &["resnet18", "--batches", "4"]].concat(), vec!["[4]", "two or more"]),
        ([&calibrate[..], &["resnet18", "--batches", "0,4"]].concat(), vec!["[0, 4]", "from 1"]),
        ([&calibrate[..], &["alexnet", "--side", "8"]].concat(), vec!["`--side` is 8", "63"]),
        (vec!["simulate", "tune", "queue.toml", "--p99", "0"], vec!["`objective` is 0", "above 0"]),
        (
            vec!["simulate", "tune", "dark.toml", "--p99", "1"],
            vec!["dark.toml", "`power` is missing"],
        ),
        (vec!["simulate"], vec!["FILE"]),
    ] {
        let output = run(folder, &args);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        assert!(words.iter().all(|it| message.contains(it)), "{args:?}: {message}");
        assert!(output.stdout.is_empty());
    }
}
