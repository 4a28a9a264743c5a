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
    our_estimators_are_compared(&found);
    assert!(!found["synthesis"].as_array().unwrap().is_empty());
}

/// The estimators' table: CodeCarbon beside a plug meter, our models, and power readings beside a power meter.
fn our_estimators_are_compared(found: &Value) {
    let estimators = found["estimators"].as_array().unwrap();
    let coverage = |estimator: &str, device: &str| {
        let row = estimators.iter().find(|row| {
            let text = |key: &str| row[key].as_str().unwrap();
            text("estimator").contains(estimator) && text("device").contains(device)
        });
        row.unwrap_or_else(|| panic!("{estimator}, {device}"))["coverage95"].clone()
    };
    assert!(coverage("CodeCarbon", "RTX 4090").is_null(), "it states no interval");
    // What was computed from the same rows with NumPy.
    for (device, expected) in [("GTX 750 Ti", 0.0), ("RTX 3070", 1.0)] {
        assert_eq!(coverage("our GPU model", device), expected, "{device}");
    }
    assert_eq!(coverage("at most", "i9-13900K"), 32.0 / 120.0);
    // The figures of `wattlab meter validate --real`, for windows of 1 s.
    for (device, least) in [("A100", 0.98), ("A5000", 0.93), ("K40m", 1.0), ("RTX 3090", 0.99)] {
        let share = coverage("with the readings after it", device).as_f64().unwrap();
        assert!(share >= least, "{device}: {share}");
    }
    let share = coverage("with the readings after it", "RTX 4090").as_f64().unwrap();
    assert!((0.4..0.6).contains(&share), "this board is known to be odd: {share}");
    for row in estimators {
        let number = |key: &str| row[key].as_f64().unwrap();
        let ends = row["ci95"].as_array().unwrap();
        let [low, high] = [0, 1].map(|at: usize| ends[at].as_f64().unwrap());
        assert!(low <= number("ratio") && number("ratio") <= high, "{row}");
    }
}

#[test]
fn the_copies_of_recordings_say_the_same_as_the_published_ones() {
    let Some(folder) = published() else { return };
    let of = |folder: &str| {
        let found = json(&["reproduce", "--published", "--reference", folder, "--json"]);
        let rows = found["estimators"].as_array().unwrap().iter();
        rows.filter(|row| row["data"] == "gpu-power-meter").cloned().collect::<Vec<Value>>()
    };
    let copies = concat!(env!("CARGO_MANIFEST_DIR"), "/../../datasets/evidence");
    let (copies, published) = (of(copies), of(&folder.to_string_lossy()));
    assert_eq!((copies.len(), published.len()), (20, 20));
    for (copy, whole) in copies.iter().zip(&published) {
        for key in ["ratio", "ratio_of_sums", "coverage95"] {
            let [copy, whole] = [copy, whole].map(|row| row[key].as_f64().unwrap());
            assert!((copy - whole).abs() < 0.02, "{key}: {copy} {whole}");
        }
    }
}

#[test]
fn a_damaged_recording_gives_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let head = adapter("", "").split_once("[[files]]").unwrap().0.to_owned();
    let recording = "[[recordings]]\nname = \"x-step\"\ndevice = \"X\"\npower_cap_w = 100\n";
    fs::write(folder.path().join("own.toml"), head + recording).unwrap();
    let place = folder.path().join("own/x-step");
    fs::create_dir_all(&place).unwrap();
    fs::write(place.join("nvidia_smi.csv"), "time_s,power_draw_w\n0,5\n9,1e308\n").unwrap();
    fs::write(place.join("meter.csv"), "time_s,watts\n0,5\n2,6\n").unwrap();
    let output = run(folder.path(), &["reproduce", "--published", "--reference", "."]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("line 3: `power_draw_w` is `1e308`"), "{}", stderr(&output));
}

/// A journal of `results`.
fn results(name: &str) -> String {
    format!("{}/../../results/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn predictions_from_our_own_runs_say_where_the_joules_come_from() {
    let decade = results("decade");
    let args = ["predict", "resnet50", "--journal", &decade, "--layers", "--json"];
    let found = json(&args);
    let number = |value: &Value| value.as_f64().unwrap();
    assert_eq!((&found["phase"], &found["origin"]), (&"inference".into(), &"estimated".into()));
    assert_eq!(found["fitted_on_joules"], "estimated");
    assert!(number(&found["model"]["median_error"]) < 0.25, "{found}");
    let coverage = number(&found["model"]["coverage95"]);
    assert!((0.85..=1.0).contains(&coverage), "architectures left out: {coverage}");
    // The layers' joules are those of the network.
    let layers = found["by_layer"].as_array().unwrap();
    let sum: f64 = layers.iter().map(|layer| number(&layer["joules"])).sum();
    assert!((sum / number(&found["joules"]) - 1.0).abs() < 1e-9, "{sum} {found}");
    // The uncertainty of estimates makes the interval wider than that of a record.
    let ends = |value: &Value| [0, 1].map(|at: usize| number(&value[at]));
    let [low, high] = ends(&found["interval95"]);
    let [recorded_low, recorded_high] = ends(&found["journal"]["interval95_as_recorded"]);
    assert!(low < recorded_low && recorded_high < high, "{found}");
    assert_eq!(found["journal"]["uncertainty_of_joules"], 0.5);
    // A batch of one reads all weights for one image.
    let alone = json(&["predict", "resnet50", "--journal", &decade, "--batch", "1", "--json"]);
    assert!(number(&alone["joules"]) >= number(&found["joules"]), "{alone}");

    let fashion = results("fashion-mnist");
    let network = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/networks/simple-cnn.toml");
    let found = json(&["predict", network, "--journal", &fashion, "--json"]);
    assert_eq!((&found["phase"], &found["journal"]["batch"]), (&"training".into(), &512.into()));
    // The mean of the 128 trainings of this network in the journal: 8.5 J for 60,000 images.
    assert!((0.7..1.4).contains(&(number(&found["joules"]) / 1.42e-4)), "{found}");
}

#[test]
fn journals_that_say_nothing_are_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("empty.jsonl"), "").unwrap();
    fs::write(folder.path().join("text.jsonl"), "no journal\n").unwrap();
    let decade = results("decade/journal.jsonl");
    let whole = fs::read_to_string(&decade).unwrap();
    let few: Vec<&str> = whole.lines().take(2).collect();
    fs::write(folder.path().join("few.jsonl"), few.join("\n") + "\n").unwrap();
    let half = whole.len() / 2;
    fs::write(folder.path().join("half.jsonl"), &whole[..half]).unwrap();
    let hostile = whole.replace("\"uncertainty_j\":", "\"uncertainty_j\":-");
    fs::write(folder.path().join("hostile.jsonl"), hostile).unwrap();
    let photographs = results("photographs");
    let tune = results("tune-compare/fashion-mnist.jsonl");
    let rows: [(&[&str], &str); 10] = [
        (&["--journal", "empty.jsonl"], "has no runs to learn from"),
        (&["--journal", "text.jsonl"], "no record of a run"),
        (&["--journal", "few.jsonl"], "at least 4"),
        (&["--journal", "hostile.jsonl"], "no record of a run"),
        (&["--journal", "nowhere"], "nowhere"),
        (&["--journal", &photographs], "queues, whose joules"),
        (&["--journal", &tune], "expected a journal that `wattlab reproduce` wrote"),
        (&["--journal", &decade, "--device", "Other"], "it has inferences on"),
        (&["--journal", &decade, "--phase", "training"], "choose by `--device` and `--phase`"),
        (&["--device", " "], "expected the name of a device"),
    ];
    for (args, word) in rows {
        let output = run(folder.path(), &[&["predict", "resnet18"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(word), "{args:?} lacks `{word}`: {}", stderr(&output));
    }
    // An unfinished last line is no damage.
    let output = run(folder.path(), &["predict", "resnet18", "--journal", "half.jsonl"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let output = run(folder.path(), &["predict", "resnet18", "--phase", "inference"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn a_device_name_that_is_nearly_right_is_named() {
    let on = |device: &str| {
        json(&["predict", "resnet18", "--image-side", "64", "--device", device, "--json"])
    };
    for name in ["Tesla V100-SXM2-16GB", "nvidia v100", "V-100"] {
        assert_eq!(on(name)["device"], "V100", "{name}");
    }
    for (name, meant) in [("V10", "V100"), ("RTX 6000", "Quadro RTX 6000"), ("P1OO", "P100")] {
        let found = on(name);
        assert_eq!(found["device_is_known"], false, "{name}");
        assert_eq!(found["device_did_you_mean"], meant, "{name}");
    }
    assert!(on("H200 NVL")["device_did_you_mean"].is_null());
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
