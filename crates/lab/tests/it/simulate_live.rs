//! `wattlab simulate calibrate`, `live`, `tune --live` and `validate`, with real networks.

use std::{fs, path::Path};

use serde_json::Value;

use super::{run, stderr};

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
        "1,4,12",
        "--repetitions",
        "2",
        "--seconds",
        "0.01",
        "--threads",
        "1",
        "--pauses",
        "0.005",
        "--json",
    ];
    let output = run(folder, &calibrate);
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let sizes = document["calibration"]["sizes"].as_array().unwrap();
    let found: Vec<_> =
        sizes.iter().map(|row| (row["pause_s"].as_f64(), row["size"].as_u64().unwrap())).collect();
    let pause = Some(0.005);
    assert_eq!(found, [(None, 1), (None, 4), (None, 12), (pause, 1), (pause, 4), (pause, 12)]);
    let after = &document["service"]["after_pause"][0];
    assert_eq!(after["pause_s"].as_f64(), pause);
    assert!(document["service"]["recovery_s"].as_f64().unwrap() >= 0.0);
    assert_eq!(after["table"].as_array().unwrap().len(), 3);
    assert!(sizes.iter().all(|row| row["mean_s"].as_f64().unwrap() > 0.0));
    assert_eq!(document["calibration"]["threads"], 1);
    assert!(document["calibration"]["time"]["per_item"].as_f64().unwrap() > 0.0);

    let output = run(folder, &["simulate", "squeezenet1_1.toml", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["stable"], true);

    let args =
        ["simulate", "live", "squeezenet1_1.toml", "--requests", "12", "--rate", "50", "--json"];
    let output = run(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let live = &document["live"];
    assert_eq!(live["requests"], 12);
    let batches = live["batches"].as_array().unwrap();
    let served: u64 = batches
        .iter()
        .map(|row| row["size"].as_u64().unwrap() * row["batches"].as_u64().unwrap())
        .sum();
    assert_eq!(served, 12);
    assert!(live["mean_response_s"].as_f64() > live["mean_wait_s"].as_f64());
    assert!((0.0..1.0).contains(&live["prepare_share"].as_f64().unwrap()));
    // Requests of several images: batches and images add up.
    let text = fs::read_to_string(folder.join("squeezenet1_1.toml")).unwrap();
    let sized = text.replace("[arrivals]", "[arrivals]\nsize = { table = [[1, 0.5], [3, 0.5]] }");
    fs::write(folder.join("sized.toml"), sized).unwrap();
    let args = ["simulate", "live", "sized.toml", "--requests", "24", "--rate", "50", "--json"];
    let output = run(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let sized: Value = serde_json::from_slice(&output.stdout).unwrap();
    let images = sized["live"]["images"].as_u64().unwrap();
    assert!(sized["live"]["requests"] == 24 && images > 24 && images < 72, "{sized}");
    let rows = sized["live"]["batches"].as_array().unwrap().iter();
    let of_row = |row: &Value| row["size"].as_u64().unwrap() * row["batches"].as_u64().unwrap();
    assert_eq!(rows.map(of_row).sum::<u64>(), images);
    assert!(sized["simulated"]["mean_response_s"].as_f64().unwrap() > 0.0);
    // With a limit of 0, only requests that find the server free are served.
    let text = fs::read_to_string(folder.join("squeezenet1_1.toml")).unwrap();
    fs::write(folder.join("full.toml"), text.clone() + "\n[queue]\nlimit = 0\n").unwrap();
    let args = ["simulate", "live", "full.toml", "--requests", "200", "--rate", "100000", "--json"];
    let output = run(folder, &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let full: Value = serde_json::from_slice(&output.stdout).unwrap();
    let count = |key: &str| full["live"][key].as_u64().unwrap();
    assert_eq!(count("requests") + count("rejected"), 200);
    assert!(count("rejected") > 0);

    if live["energy"].is_null() {
        return; // This machine has neither a sensor nor an estimate.
    }
    assert!(batches.iter().all(|row| row["mean_j"].as_f64().unwrap() > 0.0));
    let tune =
        ["simulate", "tune", "squeezenet1_1.toml", "--p99", "10", "--rate", "40", "--live", "0.3"];
    let output = run(folder, &[&tune[..], &["--json", "--out", "out"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let tuning: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tuning["schema"], "wattlab.simulate-tune/1");
    let best = tuning["best"]["energy_j_per_request"].as_f64().unwrap();
    assert!(best <= tuning["batch_1"]["energy_j_per_request"].as_f64().unwrap());
    assert!(!tuning["frontier"].as_array().unwrap().is_empty());
    for name in ["batch_1", "best"] {
        let served = &tuning["live"][name];
        assert_eq!(served["requests"], 12);
        assert!(served["energy_j_per_request"].as_f64().unwrap() > 0.0);
    }
    assert_eq!(tuning["live"]["batch_1"]["mean_batch"], 1.0);
    // All joules come with their origin.
    let origin = live["energy"]["origin"].as_str().unwrap();
    assert_eq!(tuning["energy_origin"], origin);
    assert_eq!(tuning["live"]["energy_origin"], origin);
    let frontier = fs::read_to_string(folder.join("out/frontier.csv")).unwrap();
    assert!(
        frontier.lines().skip(1).all(|line| line.ends_with(&format!(",{origin}"))),
        "{frontier}"
    );
    let said = |args: &[&str]| String::from_utf8(run(folder, args).stdout).unwrap();
    let text = said(&tune);
    for part in ["single requests (joules ", "live (joules "] {
        assert!(text.contains(&format!("{part}{origin})")), "{text}");
    }
    let text =
        said(&["simulate", "live", "squeezenet1_1.toml", "--requests", "12", "--rate", "50"]);
    for part in ["J/request, ", " J "] {
        assert!(text.contains(&format!("{part}{origin}")), "{text}");
    }
    assert!(fs::read_to_string(folder.join("out/frontier.svg")).unwrap().contains("<svg"));
    assert!(fs::read_to_string(folder.join("out/frontier.csv")).unwrap().starts_with("policy,"));
}

/// Decoding is a part of the service and reported separately; a cache removes it.
#[test]
fn preparing_photographs_is_a_part_of_the_service() {
    let shared = super::shared();
    let pictures = shared.join("datasets/images");
    if !pictures.exists() {
        println!("skipped: no `{}` (set WATTLAB_SHARED)", pictures.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let pictures = pictures.to_str().unwrap();
    let json = |args: &[&str]| -> Value {
        let output = run(folder, &[&["simulate"], args, &["--json"]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let short = ["--side", "32", "--batches", "1,2", "--repetitions", "1", "--seconds", "0.02"];
    let short = [&short[..], &["--pauses", "0"]].concat();
    let calibrate = ["calibrate", "--arch", "shufflenet_v2_x0_5", "--images", pictures];
    let calibration = json(&[&calibrate[..], &short].concat())["calibration"].clone();
    assert_eq!(
        Path::new(calibration["images"].as_str().unwrap()),
        Path::new(pictures).canonicalize().unwrap()
    );
    let live = ["live", "shufflenet_v2_x0_5.toml", "--requests", "12", "--rate", "50"];
    let decoded = json(&live)["live"].clone();
    let cached =
        json(&[&live[..], &["--images", pictures, "--cache-images"]].concat())["live"].clone();
    let prepare = |report: &Value| report["prepare_s_per_request"].as_f64().unwrap();
    for report in [&decoded, &cached] {
        assert_eq!(
            (&report["requests"], &report["photographs"]),
            (&Value::from(12), &Value::from(3))
        );
        assert!(prepare(report) > 0.0, "{report}");
        assert!(report["prepare_share"].as_f64().unwrap() < 1.0, "{report}");
    }
    assert!(prepare(&cached) < 0.5 * prepare(&decoded), "{cached} {decoded}");
}

#[test]
fn an_interrupted_validation_continues_where_it_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let args = [
        "simulate",
        "validate",
        "--arch",
        "squeezenet1_1",
        "--side",
        "32",
        "--batches",
        "1,8",
        "--repetitions",
        "1",
        "--seconds",
        "0.004",
        "--pauses",
        "0.002",
        "--loads",
        "0.2",
        "--duration",
        "0.1",
        "--out",
        "v",
        "--busy",
        "--json",
    ];
    let document = |more: &[&str]| -> Value {
        let output = run(folder, &[&args[..], more].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let of = |document: &Value, key: &str| document[key].as_array().unwrap().clone();
    let first = document(&[]);
    assert_eq!((of(&first, "cells").len(), of(&first, "means").len()), (3, 3));
    let lines = fs::read_to_string(folder.join("v/cells.jsonl")).unwrap();
    let kept: String = lines.lines().take(2).map(|line| format!("{line}\n")).collect();
    fs::write(folder.join("v/cells.jsonl"), kept).unwrap();
    let second = document(&[]);
    assert_eq!(of(&first, "cells")[..2], of(&second, "cells")[..2]);
    assert_eq!(of(&second, "cells").len(), 3);
    // No queue is ever as precise as that.
    let more = ["--precision", "0.000000001", "--most-rounds", "2"];
    let third = document(&more);
    assert_eq!(of(&second, "cells")[..], of(&third, "cells")[..3]);
    assert_eq!(of(&third, "cells").len(), 6);
    assert!(of(&third, "means").iter().all(|mean| mean["rounds"] == 2));
    let mut largest = 0.0_f64;
    for mean in of(&third, "means") {
        for ratio in ["response", "energy"] {
            let of = |key: &str| mean[ratio][key].as_f64();
            if let (Some(of_mean), Some(error)) = (of("mean"), of("error")) {
                assert!(error > 0.0, "{mean}");
                largest = largest.max(error / of_mean);
            }
        }
    }
    assert!(largest > 0.0, "{third}");
    // All are as precise as the least precise of them, unless the machine was so busy that an error is
    // larger than the flag allows.
    let precision = (largest * (1.0 + 1e-9)).to_string();
    let enough = ["--precision", &precision, "--most-rounds", "9"];
    let enough = if largest < 0.99 { &enough[..] } else { &enough[2..] };
    assert_eq!(document(enough)["cells"], third["cells"]);
}
