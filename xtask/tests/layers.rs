//! The crates depend on one another as ARCHITECTURE.md draws it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// Each crate, and the crates of this workspace that it uses.
const LAYERS: &[(&str, &[&str])] = &[
    ("wattlab-units", &[]),
    ("wattlab-record", &["wattlab-units"]),
    ("wattlab-probe-abi", &[]),
    ("wattlab-meter", &["wattlab-probe-abi", "wattlab-units"]),
    ("wattlab-models", &["wattlab-record", "wattlab-units"]),
    ("wattlab-hpo", &["wattlab-units"]),
    ("wattlab-tuner", &["wattlab-hpo", "wattlab-record", "wattlab-units"]),
    ("wattlab-inference-sim", &["wattlab-units"]),
    ("wattlab-report", &["wattlab-record", "wattlab-units"]),
    (
        "wattlab",
        &[
            "wattlab-hpo",
            "wattlab-inference-sim",
            "wattlab-meter",
            "wattlab-models",
            "wattlab-record",
            "wattlab-report",
            "wattlab-tuner",
            "wattlab-units",
        ],
    ),
    (
        "wattlab-python",
        &[
            "wattlab-hpo",
            "wattlab-inference-sim",
            "wattlab-meter",
            "wattlab-report",
            "wattlab-tuner",
            "wattlab-units",
        ],
    ),
    ("xtask", &[]),
];

/// A plugin uses the probe interface and no other crate of this workspace.
const PLUGIN: &[&str] = &["wattlab-probe-abi"];

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    match metadata["packages"].take() {
        Value::Array(packages) => packages,
        other => panic!("cargo metadata lists no packages: {other}"),
    }
}

fn is_plugin(package: &Value) -> bool {
    package["manifest_path"].as_str().unwrap().contains("/plugins/")
}

/// The crates of this workspace that a package uses in its code, its build script and its tests.
fn uses(package: &Value) -> Vec<String> {
    let dependencies = package["dependencies"].as_array().unwrap();
    let mut uses: Vec<String> = dependencies
        .iter()
        .filter(|dependency| dependency["path"].is_string())
        .map(|dependency| dependency["name"].as_str().unwrap().to_owned())
        .collect();
    uses.sort();
    uses.dedup();
    uses
}

#[test]
fn crates_depend_only_downwards() {
    let actual: BTreeMap<String, Vec<String>> = packages()
        .iter()
        .filter(|package| !is_plugin(package))
        .map(|package| (package["name"].as_str().unwrap().to_owned(), uses(package)))
        .collect();
    let expected: BTreeMap<String, Vec<String>> = LAYERS
        .iter()
        .map(|(name, uses)| {
            ((*name).to_owned(), uses.iter().map(|name| (*name).to_owned()).collect())
        })
        .collect();
    assert_eq!(actual, expected);
}

#[test]
fn a_plugin_is_a_shared_library_and_depends_on_the_interface_only() {
    let packages = packages();
    let plugins: Vec<&Value> = packages.iter().filter(|package| is_plugin(package)).collect();
    assert!(!plugins.is_empty());
    for plugin in plugins {
        assert_eq!(uses(plugin), PLUGIN, "{}", plugin["name"]);
        for target in plugin["targets"].as_array().unwrap() {
            let kind = target["kind"][0].as_str().unwrap();
            let allowed = ["cdylib", "test", "example", "custom-build"];
            assert!(allowed.contains(&kind), "{}: a {kind}", plugin["name"]);
        }
    }
}
