//! `wattlab simulate mlperf`.

use std::fs;

use serde_json::Value;

use super::{run, simulate::changed, stderr};

#[test]
fn mlperf_scenarios_print_the_summary_of_loadgen() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = changed(&[
        ("\"exponential\"", "\"deterministic\""),
        ("per_item_s = 1.0", "per_item_s = 0.5"),
    ]);
    fs::write(folder.join("queue.toml"), text).unwrap();
    let run_of = |args: &[&str]| {
        let command = ["simulate", "mlperf", "queue.toml", "--scenario"];
        run(folder, &[&command[..], args].concat())
    };
    let output = run_of(&["single-stream", "--queries", "100", "--duration", "60"]);
    insta::assert_snapshot!(String::from_utf8(output.stdout).unwrap(), @r"
    scenario                  SingleStream
    result is                 VALID
    queries                   121
    duration (s)              60.500
    samples per second        2.000
    p90 latency (s)           0.500000
    early stopping bound (s)  0.500000
    ");
    // M/D/1 within 4 service times in 99 of 100: some rate between idle and full.
    let server = ["server", "--bound", "2", "--queries", "20000", "--trace", "t.json", "--json"];
    let output = run_of(&server);
    assert!(output.status.success(), "{}", stderr(&output));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rate = summary["rate"].as_f64().unwrap();
    assert!(0.5 < rate && rate < 1.6, "{summary}");
    assert_eq!(summary["valid"], true);
    let trace: Value = serde_json::from_slice(&fs::read(folder.join("t.json")).unwrap()).unwrap();
    assert!(trace["traceEvents"].as_array().unwrap().len() > 1000);
    let output = run_of(&["server", "--bound", "0.1"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("raise `--bound`"), "{}", stderr(&output));
    assert_eq!(run_of(&["server"]).status.code(), Some(2));
}
