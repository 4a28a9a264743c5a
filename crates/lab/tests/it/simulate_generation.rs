//! `wattlab simulate` of generative models, and of their measured steps.

use std::{fs, path::Path};

use serde_json::Value;

use super::{run, simulate::FILE, stderr};

/// A generative model: the documented example with fewer requests.
fn generation() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/generation.toml");
    let text = fs::read_to_string(path).unwrap();
    text.replace("requests = 10_000\nwarmup = 1_000", "requests = 600\nwarmup = 100")
}

#[test]
fn a_generative_model_is_simulated_and_logged() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.toml"), generation()).unwrap();
    let output = run(folder.path(), &["simulate", "model.toml", "--json", "--log", "requests.csv"]);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "wattlab.simulate-generation/1");
    assert_eq!((&report["requests"], &report["energy_origin"]), (&500.into(), &"estimated".into()));
    for name in ["ttft", "tpot", "itl", "response", "wait"] {
        for quantile in ["mean_s", "p50_s", "p90_s", "p95_s", "p99_s", "p999_s"] {
            assert!(report[name][quantile].as_f64().is_some(), "{name} {quantile}");
        }
    }
    // The smallest step takes 7.32 ms, so no token comes sooner.
    assert!(report["tpot"]["p50_s"].as_f64().unwrap() >= 0.0073);
    assert!(report["energy_j_per_token"].as_f64().unwrap() > 0.0);
    let log = fs::read_to_string(folder.path().join("requests.csv")).unwrap();
    assert!(log.lines().count() >= 601, "{}", log.lines().count());
    let text = run(folder.path(), &["simulate", "model.toml"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("time to first token") && text.contains("J estimated"), "{text}");
}

#[test]
fn the_batch_limit_of_a_generative_model_is_tuned_and_drawn() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.toml"), generation()).unwrap();
    let tune =
        ["simulate", "tune", "model.toml", "--ttft", "1", "--tpot", "0.03", "--largest", "128"];
    let output = run(folder.path(), &[&tune[..], &["--out", "figures", "--json"]].concat());
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
    let tuning: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(tuning["schema"], "wattlab.simulate-generation-tune/1");
    let limits = tuning["limits"].as_array().unwrap();
    assert_eq!(limits.len(), 8);
    assert_eq!(limits[0]["stable"], false, "one at a time cannot keep up");
    let best = &tuning["best"];
    let joules = |limit: &Value| limit["energy_j_per_token"].as_f64().unwrap();
    let in_time = limits.iter().filter(|limit| limit["in_time"] == true);
    assert!(
        in_time.clone().count() > 0 && in_time.clone().all(|limit| joules(limit) >= joules(best))
    );
    let csv = fs::read_to_string(folder.path().join("figures/batch-limits.csv")).unwrap();
    assert_eq!(csv.lines().count(), 9);
    let svg = fs::read_to_string(folder.path().join("figures/batch-limits.svg")).unwrap();
    assert!(svg.contains("batch limit") && svg.contains("J/token"));
    let text = run(folder.path(), &tune);
    assert!(String::from_utf8(text.stdout).unwrap().contains("fewest joules per token in time"));
}

#[test]
fn options_of_the_other_kind_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.toml"), generation()).unwrap();
    fs::write(folder.path().join("queue.toml"), FILE).unwrap();
    for (args, says) in [
        (&["simulate", "tune", "model.toml", "--p99", "1"][..], "`--p99` is for queues of batches"),
        (&["simulate", "tune", "model.toml", "--load", "0.5"], "`--load` is for queues"),
        (&["simulate", "tune", "model.toml", "--live", "5"], "`--live` is for queues"),
        (&["simulate", "tune", "queue.toml"], "give `--p99`"),
        (&["simulate", "tune", "queue.toml", "--p99", "1", "--ttft", "1"], "neither `--ttft`"),
        (&["simulate", "model.toml", "--replications", "3"], "`--replications` is for queues"),
        (&["simulate", "live", "model.toml"], "describes a generative model"),
        (
            &["simulate", "mlperf", "model.toml", "--scenario", "offline"],
            "describes a generative model",
        ),
    ] {
        let output = run(folder.path(), args);
        let words = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {words}");
        assert!(words.contains(says), "{args:?}: {words}");
    }
    let longer = generation().replace("blocks = 25_000 ", "blocks = 2 ");
    fs::write(
        folder.path().join("model.toml"),
        longer.replace("mean = 200.0, cv = 1.0", "value = 33"),
    )
    .unwrap();
    let output = run(folder.path(), &["simulate", "model.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`tokens.prompt` is 33"), "{}", stderr(&output));
}

/// The steps that vidur's authors profiled, as the tests of the simulator have them.
const STEPS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../inference-sim/tests/data/vidur_steps.csv");

#[test]
fn laws_are_fitted_to_measured_steps_and_simulated() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let output = run(folder, &["simulate", "calibrate", "--steps", STEPS]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("2443 steps") && text.contains("left out are 1.7 % off"), "{text}");
    let output = run(folder, &["simulate", "steps.toml", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["ttft"]["p99_s"].as_f64().unwrap() > 0.0 && report["energy_j"].is_null());
    // With joules, and the power between the steps.
    let rows: String =
        (1..=40).map(|n| format!("{n},{},{}\n", 0.01 + 0.001 * f64::from(n), 3 + 2 * n)).collect();
    fs::write(folder.join("few.csv"), format!("tokens,seconds,joules\n{rows}")).unwrap();
    let few = ["simulate", "calibrate", "--steps", "few.csv", "--out", "few.toml", "--json"];
    let output = run(folder, &[&few[..], &["--idle", "70"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["power"]["idle_w"], 70.0);
    assert!(document["calibration"]["joules"]["left_out_worst"].as_f64().unwrap() < 1e-6);
    let output = run(folder, &["simulate", "few.toml", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["energy_origin"], "estimated");
    assert!(report["energy_j_per_token"].as_f64().unwrap() > 0.0);
}

#[test]
fn measured_steps_that_cannot_be_used_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (text, more, words) in [
        ("tokens,seconds\n1,1\n", &[][..], ["steps.csv", "at least 10"]),
        ("tokens,seconds\n1,-1\n", &[], ["steps.csv", "line 2: `seconds` is -1"]),
        ("tokens,seconds\n1,1\n2", &[], ["steps.csv", "could not be read as CSV"]),
        ("tokens,seconds,joules\n1,1,1\n", &[], ["steps.csv", "`--idle`"]),
        ("tokens,seconds\n1,1\n", &["--idle", "7"], ["--idle is 7 W", "`joules`"]),
        ("tokens,seconds\n1,1\n", &["--idle=-7"], ["--idle", "-7"]),
        ("tokens,seconds\n1,1\n", &["--arch", "resnet18"], ["--steps", "--arch"]),
    ] {
        fs::write(folder.join("steps.csv"), text).unwrap();
        let args = ["simulate", "calibrate", "--steps", "steps.csv"];
        let output = run(folder, &[&args[..], more].concat());
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}: {message}");
        assert!(words.iter().all(|word| message.contains(word)), "{text}: {message}");
        assert!(!folder.join("steps.toml").exists());
    }
    let missing = run(folder, &["simulate", "calibrate", "--steps", "nowhere.csv"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(stderr(&missing).contains("nowhere.csv"));
}
