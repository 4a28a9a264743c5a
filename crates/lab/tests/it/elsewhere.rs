//! The studies' claims on other people's measurements, and predictions from them.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::PathBuf,
    thread,
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{run, stderr};

/// The folder with the published files, where it exists.
fn published() -> Option<PathBuf> {
    let folder = super::stats::reference()?.parent()?.join("evidence");
    folder.is_dir().then_some(folder)
}

fn json(args: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), args);
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

const TABLE: &str = "network,batch,joules\na,1,8\na,2,4\na,4,2.2\nb,1,3\nb,2,3.1\nb,4,3\n";

fn adapter(download: &str, sha256: &str) -> String {
    format!(
        r#"
name        = "own"
title       = "Own"
about       = "two networks"
measured_by = "a meter"
origin      = "measured"
scope       = "computer"
phase       = "inference"
unit        = "image"

[source]
citation = "us"
address  = "https://example.org"
revision = "1"
form     = "CSV"
{download}

[licence]
name         = "CC0"
redistribute = true

[[files]]
name   = "runs.csv"
sha256 = "{sha256}"

[columns]
network = "network"
batch   = "batch"
joules  = ["joules"]

[constants]
device = "a computer"
"#
    )
}

fn sum(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Serves the table to some requests; returns the address of its folder.
fn server(requests: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for _ in 0..requests {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            for line in lines.map_while(Result::ok) {
                if line.is_empty() {
                    break;
                }
            }
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{TABLE}", TABLE.len())
                .unwrap();
        }
    });
    address
}

#[test]
fn measurements_are_downloaded_verified_and_tested_like_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let download = format!("download = \"{}\"", server(1));
    fs::write(folder.path().join("own.toml"), adapter(&download, &sum(TABLE))).unwrap();
    let args = ["datasets", "fetch", "own.toml", "--to", "data"];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        fs::read_to_string(folder.path().join("data/evidence/own/runs.csv")).unwrap(),
        TABLE
    );
    // The second time, nothing is asked of the server, which has ended.
    let output = run(folder.path(), &args);
    assert!(stderr(&output).contains("already downloaded"), "{}", stderr(&output));

    fs::copy(folder.path().join("own.toml"), folder.path().join("data/evidence/own.toml")).unwrap();
    let args = ["reproduce", "--published", "--reference", "data/evidence", "--json"];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let own = found["evidence"].as_array().unwrap().iter().filter(|cell| cell["data"] == "own");
    assert_eq!(own.count(), 2, "both claims on batches");
    let page = folder.path().join("target/reproduce/published/index.html");
    let page = fs::read_to_string(page).unwrap();
    assert!(
        page.contains("Elsewhere") && page.contains("own, a computer") && !page.contains("NaN")
    );

    let output =
        run(folder.path(), &["datasets", "condense", "own.toml", "--from", "data/evidence"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let copy = fs::read_to_string(folder.path().join("datasets/evidence/own/runs.csv")).unwrap();
    assert!(copy.starts_with("network,batch,joules\na,1,8\n"), "all columns are used: {copy}");
}

#[test]
fn what_cannot_be_fetched_says_why_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let download = format!("download = \"{}\"", server(1));
    fs::write(folder.path().join("own.toml"), adapter(&download, "0123456789")).unwrap();
    fs::create_dir(folder.path().join("other")).unwrap();
    fs::write(folder.path().join("other/training.csv"), "a,b\n1,2\n").unwrap();
    let rows: [(&[&str], &str); 6] = [
        (&["fetch", "own.toml", "--to", "data"], "expected 0123456789"),
        (&["fetch", "ec-nas"], "cannot be downloaded as a table"),
        (&["fetch", "wall-meter-2025"], "because of its licence"),
        (&["fetch", "training-2023", "--from", "other", "--to", "data"], "has SHA-256"),
        (&["fetch", "training-2023", "--from", "nowhere", "--to", "data"], "failed to read"),
        (&["condense", "nothing", "--from", "."], "expected one of `ec-nas`"),
    ];
    for (args, word) in rows {
        let output = run(folder.path(), &[&["datasets"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(word), "{args:?} lacks `{word}`: {}", stderr(&output));
    }
    let output = run(folder.path(), &["datasets", "condense", "wall-meter-2025", "--from", "."]);
    assert_ne!(output.status.code(), Some(0));
    assert!(!folder.path().join("datasets").exists(), "nothing is written");
}

#[test]
fn with_the_published_files_the_matrix_has_at_least_twenty_cells() {
    let Some(folder) = published() else { return };
    let folder = folder.to_string_lossy();
    let found = json(&["reproduce", "--published", "--reference", &folder, "--json"]);
    let cells = found["evidence"].as_array().unwrap();
    assert!(cells.len() >= 20, "{}", cells.len());
    let mut data: Vec<&str> = cells.iter().map(|cell| cell["data"].as_str().unwrap()).collect();
    data.dedup();
    assert_eq!(data.len(), 4, "{data:?}");
    for cell in cells {
        for field in ["claim", "data", "verdict", "effect", "ci95", "n", "origin", "scope", "note"]
        {
            assert!(!cell[field].is_null(), "{field}: {cell}");
        }
    }
    let search = cells.iter().find(|cell| cell["claim"] == "rq1-bayesian-dominates").unwrap();
    assert_eq!((&search["data"], &search["n"]), (&"ec-nas".into(), &10.into()));
    assert!(
        found["evidence_missing"].as_array().unwrap().iter().all(|cell| cell["reason"].is_string())
    );
    assert_eq!(found["estimators"].as_array().unwrap().len(), 2);
    assert!(!found["synthesis"].as_array().unwrap().is_empty());
}

#[test]
fn predictions_have_intervals_that_cover_what_they_say() {
    let on = |device: &str| {
        json(&["predict", "resnet18", "--image-side", "64", "--device", device, "--json"])
    };
    let found = on("Quadro RTX 6000");
    let number = |value: &Value| value.as_f64().unwrap();
    assert!(number(&found["model"]["median_error"]) < 0.15, "{found}");
    let coverage = number(&found["model"]["coverage95"]);
    assert!((0.9..=1.0).contains(&coverage), "{found}");
    assert_eq!((&found["origin"], &found["scope"]), (&"estimated".into(), &"gpu".into()));
    let width = |found: &Value| {
        let ends = found["interval95"].as_array().unwrap();
        number(&ends[1]) / number(&ends[0])
    };
    let (known, other) = (on("a40"), on("Some GPU"));
    assert_eq!(known["device_is_known"], true);
    assert_eq!(other["device_is_known"], false);
    assert!(
        width(&found) < width(&known) && width(&known) < width(&other),
        "wider where less is known"
    );
    // The work of ResNet-18 at 64×64 pixels: 148 million multiply-adds, a twelfth of that at 224.
    let flops = number(&found["forward_flops_per_image"]);
    assert!((flops / 2.97e8 - 1.0).abs() < 0.05, "{flops}");

    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["predict", "resnet17"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

/// Joules per image of ResNet-50 on ImageNet at the largest batch and the highest power limit, from Zeus
/// (`summary_power_*.csv`: seconds per epoch times watts over 1,281,167 images). The model has not seen them.
#[test]
fn the_intervals_of_another_network_on_other_devices_cover_what_others_measured() {
    for (device, measured) in
        [("V100", 0.5976), ("A40", 0.7523), ("Quadro RTX 6000", 0.9240), ("P100", 0.8108)]
    {
        let found = json(&["predict", "resnet50", "--device", device, "--json"]);
        let ends = found["interval95"].as_array().unwrap();
        let [low, high] = [0, 1].map(|at: usize| ends[at].as_f64().unwrap());
        assert!(
            low < measured && measured < high,
            "{device}: {low} to {high}, measured {measured}"
        );
        assert!(high / low < 200.0, "{device}: an interval that says nothing");
        let predicted = found["joules"].as_f64().unwrap();
        assert!((0.5..2.0).contains(&(predicted / measured)), "{device}: {predicted}, {measured}");
    }
}

#[test]
fn a_plan_predicts_its_trainings_on_a_gpu() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), super::TINY).unwrap();
    let args =
        ["reproduce", "--profile", "tiny.toml", "--rq", "2", "--plan", "--on", "V100", "--json"];
    let output = run(folder.path(), &args);
    assert!(output.status.success(), "{}", stderr(&output));
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap();
    let predicted = &plan["predicted"];
    assert_eq!(predicted["device"], "V100");
    assert_eq!(predicted["origin"], "estimated");
    let trainings: u64 = plan["experiments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["runs"].as_u64().unwrap())
        .sum();
    assert_eq!(predicted["trainings"].as_u64().unwrap(), trainings);
    let joules = predicted["joules"].as_f64().unwrap();
    let ends = predicted["interval95"].as_array().unwrap();
    assert!(
        ends[0].as_f64().unwrap() < joules && joules < ends[1].as_f64().unwrap(),
        "{predicted}"
    );
}
