//! `wattlab simulate calibrate --cascade`, and the live cascade beside its simulation.

use std::{fs, path::Path};

use serde_json::Value;

use super::{run, stderr};

/// The networks' files in this folder, and a description of their cascade.
fn calibrated(folder: &Path) {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/networks");
    for layers in [20, 56] {
        let file = configs.join(format!("cifar-resnet{layers}.toml"));
        fs::copy(file, folder.join(format!("resnet{layers}.toml"))).unwrap();
    }
    let calibrate = ["simulate", "calibrate", "--arch", "resnet20.toml", "--cascade"];
    let plan = ["--batches", "1,4", "--repetitions", "1", "--seconds", "0.01", "--pauses", "0"];
    let cascade = ["resnet56.toml", "--share", "0.2", "--threshold", "0.97", "--out", "queue.toml"];
    let output = run(folder, &[&calibrate[..], &cascade, &plan].concat());
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_cascade_is_calibrated_and_simulated() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    calibrated(folder);
    let text = fs::read_to_string(folder.join("queue.toml")).unwrap();
    let description: toml::Table = text.parse().unwrap();
    let cascade = &description["cascade"];
    assert_eq!(
        (cascade["share"].as_float(), cascade["threshold"].as_float()),
        (Some(0.2), Some(0.97))
    );
    assert!(cascade["network"].as_str().unwrap().ends_with("resnet56.toml"));
    assert_eq!(cascade["service"]["table"].as_array().unwrap().len(), 2);
    let output = run(folder, &["simulate", "queue.toml", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!((report["asked"].as_f64().unwrap() - 0.2).abs() < 0.01, "{report}");
    let live = ["simulate", "live", "queue.toml", "--requests", "20"];
    let without = |key: &str| {
        let kept = text.lines().filter(|line| !line.starts_with(key)).collect::<Vec<_>>();
        fs::write(folder.join("without.toml"), kept.join("\n")).unwrap();
    };
    without("threshold");
    let other = ["simulate", "live", "without.toml", "--data", "shapes-28"];
    let calibrate =
        ["simulate", "calibrate", "--arch", "resnet20.toml", "--cascade", "resnet56.toml"];
    for (args, words) in [
        (live.to_vec(), "--data is missing"),
        ([&live[..], &["--data", "nothing-here"]].concat(), "nothing-here"),
        ([&live[..], &["--data", "shapes-28"]].concat(), "--weights is missing"),
        ([&live[..], &["--data", "shapes-28", "--weights", "a.th"]].concat(), "names 1 files"),
        ([&live[..], &["--data", "shapes-28", "--weights", "a.th,b.th"]].concat(), "a.th"),
        (other.to_vec(), "`cascade.threshold` is missing"),
        (calibrate.to_vec(), "--share"),
        ([&calibrate[..], &["--share", "2", "--threshold", "0.5"]].concat(), "--share"),
        ([&calibrate[..], &["--share", "0.1", "--threshold", "nan"]].concat(), "--threshold"),
    ] {
        let output = run(folder, &args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{args:?}: {}", stderr(&output));
    }
    fs::write(folder.join("far.toml"), text.replace("threshold = 0.97", "threshold = -1e300"))
        .unwrap();
    let output = run(folder, &["simulate", "far.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`cascade.threshold` is -1e300"), "{}", stderr(&output));
}

/// The trained networks answer CIFAR-10's test images: as many are asked of the large one, and answered right, as
/// `wattlab model cascade` finds for that threshold.
#[test]
fn a_live_cascade_answers_as_well_as_measured() {
    let shared = super::shared();
    let (weights, data) = (shared.join("evidence/cifar-resnets"), shared.join("datasets"));
    if !weights.is_dir() || !data.join("cifar-10").is_dir() {
        println!("skipped: no `{}` (set WATTLAB_SHARED)", weights.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    calibrated(folder);
    let file = |name: &str| weights.join(name).to_str().unwrap().to_owned();
    let files = format!("{},{}", file("resnet20-12fca82f.th"), file("resnet56-4bfd9763.th"));
    let data = data.to_str().unwrap();
    let shared = ["--weights", &files, "--data", "cifar-10", "--data-dir", data];
    let colors = ["--mean", "0.485,0.456,0.406", "--std", "0.229,0.224,0.225", "--limit", "400"];
    let live = ["simulate", "live", "queue.toml", "--requests", "400", "--rate", "200", "--json"];
    let output = run(folder, &[&live[..], &shared, &colors].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let live = &document["live"];
    let (asked, accuracy) = (live["asked"].as_f64().unwrap(), live["accuracy"].as_f64().unwrap());
    assert!((0.05..0.25).contains(&asked) && accuracy > 0.9, "{asked} {accuracy}");
    assert!((document["simulated"]["asked"].as_f64().unwrap() - 0.2).abs() < 0.08);
    assert_eq!(live["images"], 400);
    // The same images by `model cascade`: a point of its curve for nearly that threshold.
    let networks = ["model", "cascade", "--arch", "resnet20.toml,resnet56.toml", "--json"];
    let output = run(folder, &[&networks[..], &shared, &colors].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let offline: Value = serde_json::from_slice(&output.stdout).unwrap();
    let points = offline["frontier"].as_array().unwrap().iter();
    let near = points
        .filter(|point| point["rule"] == "mean" && point["threshold"].as_f64().is_some())
        .min_by(|a, b| {
            let far = |point: &Value| (point["threshold"].as_f64().unwrap() - 0.97).abs();
            far(a).total_cmp(&far(b))
        })
        .unwrap();
    // `model cascade` measures every other image.
    assert!((near["escalated"].as_f64().unwrap() - asked).abs() < 0.06, "{near} {asked}");
    assert!((near["accuracy"].as_f64().unwrap() - accuracy).abs() < 0.04, "{near} {accuracy}");
}
