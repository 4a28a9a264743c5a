//! Recorded requests: sizes, and files as cloud providers publish them.

use std::{fs, path::Path};

use serde_json::{Value, json};
use wattlab_inference_sim::{
    ConfigError, SimulationConfig, SimulationError, sample_path, simulate,
};

fn config(file: &Path, requests: usize, arrivals: &Value, batching: &Value) -> SimulationConfig {
    let mut description = json!({
        "seed": 1, "requests": requests,
        "arrivals": { "process": "trace", "file": file },
        "service": { "law": "deterministic", "per_item_s": 0.0625 },
        "batching": batching,
    });
    if let (Some(all), Some(more)) = (description["arrivals"].as_object_mut(), arrivals.as_object())
    {
        all.extend(more.clone());
    }
    serde_json::from_value(description).unwrap()
}

/// Server #6013: 8 + 4 + 4 images are one batch of 16.
#[test]
fn requests_of_several_images_share_a_batch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.csv");
    fs::write(&file, "arrival_s,size\n0,8\n0,4\n0,4\n0,20\n0,1\n").unwrap();
    let greedy = json!({ "policy": "greedy", "size": 16 });
    let queue = config(&file, 5, &json!({}), &greedy);
    let report = simulate(&queue).unwrap();
    // 16 images, then 20, which fit into no batch, alone, then 1.
    assert!((report.duration.0 - 37.0 / 16.0).abs() < 1e-9, "{report:?}");
    assert!((report.mean_batch_images.unwrap() - 37.0 / 3.0).abs() < 1e-9);
    let path = sample_path(&queue).unwrap();
    let sizes: Vec<usize> = path.batches.iter().map(|batch| batch.size).collect();
    assert_eq!(sizes, [3, 1, 1]);
    // A window waits for 8 images, not 8 requests.
    fs::write(&file, "arrival_s,size\n0,4\n1,4\n2,1\n").unwrap();
    let window = json!({ "policy": "window", "size": 8, "delay_s": 100.0 });
    let path = sample_path(&config(&file, 3, &json!({}), &window)).unwrap();
    assert_eq!((path.batches[0].size, path.batches[0].start_s), (2, 1.0));
}

/// Columns by other names, times of day, out of order: the form of Azure's published traces.
#[test]
fn a_column_map_reads_published_traces() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("azure.csv");
    let text = "TIMESTAMP,ContextTokens,Images\n\
        2023-11-16 18:15:47.1805900,4808,2\n\
        2023-11-16 18:15:46.6805900,374,1\n\
        2023-11-16T18:15:50.6805900Z,9,3\n";
    fs::write(&file, text).unwrap();
    let columns = json!({ "columns": { "arrival": "TIMESTAMP", "size": "Images" } });
    let greedy = json!({ "policy": "greedy", "size": 1 });
    let path = sample_path(&config(&file, 3, &columns, &greedy)).unwrap();
    for (found, expected) in path.arrivals_s.iter().zip([0.0, 0.5, 4.0]) {
        assert!((found - expected).abs() < 1e-6, "{:?}", path.arrivals_s);
    }
    let services: Vec<f64> =
        path.batches.iter().map(|batch| (batch.end_s - batch.start_s) / 0.0625).collect();
    for (found, expected) in services.iter().zip([1.0, 2.0, 3.0]) {
        assert!((found - expected).abs() < 1e-9, "{services:?}");
    }
    // Microseconds since 1970.
    fs::write(&file, "time,kind\n1700000000500000,a\n1700000000000000,b\n").unwrap();
    let columns = json!({ "columns": { "arrival": "time" }, "unit_s": 1e-6 });
    let path = sample_path(&config(&file, 2, &columns, &greedy)).unwrap();
    assert!((path.arrivals_s[1] - 0.5).abs() < 1e-9, "{:?}", path.arrivals_s);
}

#[test]
fn what_a_trace_must_not_have_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.csv");
    let greedy = json!({ "policy": "greedy", "size": 1 });
    let message = |text: &str, arrivals: Value| {
        fs::write(&file, text).unwrap();
        match simulate(&config(&file, 1, &arrivals, &greedy)) {
            Err(SimulationError::Config(error)) => error,
            other => panic!("{text}: {other:?}"),
        }
    };
    let unknown = message("arrival_s,sise\n0,1\n", json!({}));
    assert!(matches!(unknown, ConfigError::TraceUnknownColumn { .. }), "{unknown}");
    assert!(
        unknown.to_string().contains("`sise`") && unknown.to_string().contains("arrivals.columns")
    );
    let map = json!({ "columns": { "arrival": "time" } });
    for (text, arrivals, words) in [
        ("arrival_s,size\n0,0\n", json!({}), "line 2: `size` is `0`"),
        ("arrival_s,size\n0,1.5\n", json!({}), "`size` is `1.5`"),
        ("arrival_s,timeout_s\n0,-1\n", json!({}), "`timeout_s` is `-1`"),
        ("arrival_s,priority\n0,x\n", json!({}), "`priority` is `x`"),
        ("arrival_s\n0\n", map.clone(), "no column `time`"),
        ("time\n0\n2023-11-16 18:15:46\n", map.clone(), "line 3: `time`"),
        ("time\nyesterday\n", map, "`time` is `yesterday`"),
        ("arrival_s\n0\n", json!({ "unit_s": 1.0 }), "`arrivals.unit_s` is not used"),
        ("arrival_s\n0\n", json!({ "clients": 3 }), "`arrivals.clients` is not used"),
        ("arrival_s\n0\n", json!({ "group": { "mean": 2.0 } }), "`arrivals.group` is not used"),
        ("arrival_s\n0\n", json!({ "size": { "mean": 0.5 } }), "`arrivals.size` is 0.5"),
        ("arrival_s\n0\n", json!({ "size": {} }), "`arrivals.size` is missing"),
    ] {
        let error = message(text, arrivals).to_string();
        assert!(error.contains(words), "{error}");
    }
}
