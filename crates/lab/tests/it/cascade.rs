//! `wattlab model cascade`.

use std::path::Path;

use serde_json::Value;

use super::{run, stderr};

const NETWORKS: &str = "resnet20.toml,resnet56.toml";

/// The networks' files in this folder.
fn networks(folder: &Path) {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/networks");
    for layers in [20, 56] {
        let file = configs.join(format!("cifar-resnet{layers}.toml"));
        std::fs::copy(file, folder.join(format!("resnet{layers}.toml"))).unwrap();
    }
}

#[test]
fn a_cascade_needs_two_networks_with_their_weights() {
    let folder = tempfile::tempdir().unwrap();
    networks(folder.path());
    let cascade = ["model", "cascade", "--data", "shapes-28"];
    for (more, words) in [
        (vec!["--arch", "resnet20.toml"], "expected two"),
        (vec!["--arch", NETWORKS, "--weights", "one.th"], "--weights names 1 files"),
        (vec!["--arch", NETWORKS], "--weights is missing"),
        (vec!["--arch", NETWORKS, "--weights", "one.th,two.th"], "one.th"),
        (vec!["--arch", NETWORKS, "--limit", "3"], "at least 4"),
        (vec!["--arch", NETWORKS, "--gain", "2"], "--gain"),
    ] {
        let output = run(folder.path(), &[cascade.as_slice(), more.as_slice()].concat());
        assert_eq!(output.status.code(), Some(2), "{more:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{more:?}: {}", stderr(&output));
    }
}

/// The trained networks on images of CIFAR-10's test set: the costs add up, and asking more often costs more.
#[test]
fn resnets_of_cifar_10_make_a_frontier() {
    let shared = super::shared();
    let (weights, data) = (shared.join("evidence/cifar-resnets"), shared.join("datasets"));
    if !weights.is_dir() || !data.join("cifar-10").is_dir() {
        println!("skipped: no `{}` (set WATTLAB_SHARED)", weights.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    networks(folder.path());
    let file = |name: &str| weights.join(name).to_str().unwrap().to_owned();
    let files = format!("{},{}", file("resnet20-12fca82f.th"), file("resnet56-4bfd9763.th"));
    let output = run(
        folder.path(),
        &[
            "model",
            "cascade",
            "--arch",
            NETWORKS,
            "--weights",
            &files,
            "--data",
            "cifar-10",
            "--data-dir",
            data.to_str().unwrap(),
            "--mean",
            "0.485,0.456,0.406",
            "--std",
            "0.229,0.224,0.225",
            "--limit",
            "400",
            "--svg",
            "cascade.svg",
            "--json",
        ],
    );
    assert!(output.status.success(), "{}", stderr(&output));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(document["chosen_on"], 200);
    assert_eq!(document["measured_on"], 200);
    let number = |value: &Value| value.as_f64().unwrap();
    let [small, large] = [0_usize, 1].map(|place| &document["networks"][place]);
    assert!(number(&small["accuracy"]) > 0.85 && number(&large["accuracy"]) > 0.85);
    assert!(number(&small["cost"]) < number(&large["cost"]));
    let choice = &document["choices"][0];
    let cost = number(&small["cost"]) + number(&choice["escalated"]) * number(&large["cost"]);
    assert!((number(&choice["cost"]) / cost - 1.0).abs() < 1e-9, "{choice}");
    let saved = 1.0 - cost / number(&large["cost"]);
    assert!((number(&choice["saved"]) - saved).abs() < 1e-9, "{choice}");
    let frontier = document["frontier"].as_array().unwrap();
    assert!(frontier.len() > 20);
    assert_eq!(number(&frontier[0]["accuracy"]), number(&small["accuracy"]));
    let figure = std::fs::read_to_string(folder.path().join("cascade.svg")).unwrap();
    assert!(figure.starts_with("<svg") && figure.contains("both answer"));
}
