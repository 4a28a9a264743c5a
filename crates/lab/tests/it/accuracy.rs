//! RQ5 with accuracy that is measured: trained networks on labeled images.

use std::{fs, path::Path};

use record::{InferencePrecision, Outcome, RunRecord, Task, read_journal};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{run, stderr};

const NETWORK: &str = r#"
name = "small"
input = [1, 28, 28]
classes = 10

[[layers]]
kind = "conv2d"
out = 4
kernel = 3
stride = 2

[[layers]]
kind = "relu"

[[layers]]
kind = "flatten"

[[layers]]
kind = "linear"
out = "classes"
"#;

/// A folder with a network, trained weights of it below `data`, and the weights' checksum.
fn trained() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("small.toml"), NETWORK).unwrap();
    fs::create_dir(folder.path().join("data")).unwrap();
    let data = ["--data", "shapes-28", "--train-images", "64", "--test-images", "8"];
    let how = ["--epochs", "2", "--batch", "16", "--out", "data/small.safetensors"];
    let command = ["model", "train", "--arch", "small.toml"];
    let output = run(folder.path(), &[&command[..], &data, &how].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let weights = fs::read(folder.path().join("data/small.safetensors")).unwrap();
    let sha256 = Sha256::digest(weights).iter().map(|byte| format!("{byte:02x}")).collect();
    (folder, sha256)
}

fn profile(data: &str, more: &str, weights: &str, sha256: &str) -> String {
    format!(
        r#"
name = "accuracy"
seed = 1

[accuracy]
data           = "{data}"
images         = 300
batch          = 64
warmup_batches = 1
repetitions    = 2
{more}

[[accuracy.network]]
network = "small.toml"
weights = {{ file = "{weights}", sha256 = "{sha256}" }}
year    = 1998
"#
    )
}

fn reproduce(folder: &Path, profile: &str, more: &[&str]) -> std::process::Output {
    fs::write(folder.join("p.toml"), profile).unwrap();
    let args = ["reproduce", "--profile", "p.toml", "--out", "out", "--data-dir", "data"];
    run(folder, &[&args[..], more].concat())
}

fn records(folder: &Path) -> Vec<RunRecord> {
    read_journal(&folder.join("out/journal.jsonl")).unwrap()
}

#[test]
fn accuracy_and_joules_come_from_the_same_runs() {
    let (folder, sha256) = trained();
    let folder = folder.path();
    let more = "mean = [0.5]\ndeviation = [0.25]";
    let done = reproduce(folder, &profile("shapes-28", more, "small.safetensors", &sha256), &[]);
    assert!(done.status.success(), "{}", stderr(&done));
    let records = records(folder);
    assert_eq!(records.len(), 2);
    let of = |record: &RunRecord| match (&record.spec.task, &record.outcome) {
        (Task::Evaluate(task), Outcome::Evaluated(outcome)) => {
            assert!(task.text.as_ref().unwrap().contains("conv2d"));
            assert_eq!((outcome.data.train, outcome.data.test), (0, 300));
            assert_eq!(outcome.parameters, 9 * 4 + 4 + 13 * 13 * 4 * 10 + 10);
            outcome.clone()
        }
        _ => unreachable!(),
    };
    let first = of(&records[0]);
    assert_eq!(first, of(&records[1]), "the spec determines the outcome");
    // `model eval` finds the same accuracy on the same images: the first 300 of its 2,000.
    let command = ["model", "eval", "--json", "--arch", "small.toml", "--data", "shapes-28"];
    let weights = ["--weights", "data/small.safetensors", "--mean", "0.5", "--std", "0.25"];
    let output = run(folder, &[&command[..], &weights].concat());
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let share = first.correct as f64 / 300.0;
    assert!((share - all["top1"].as_f64().unwrap()).abs() < 0.1, "{share} {all}");
    let report = fs::read_to_string(folder.join("out/report/report.md")).unwrap();
    assert!(report.contains("accuracy and energy, both measured here"), "{report}");
    assert!(report.contains("| small | 1998 |"), "{report}");
    for command in
        [&["check", "out"][..], &["journal", "verify", "out"], &["journal", "show", "out"]]
    {
        let output = run(folder, command);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    // The runs do not depend on where the data are, and a second start finds nothing to do.
    let again = reproduce(folder, &profile("shapes-28", more, "small.safetensors", &sha256), &[]);
    assert!(again.status.success());
    assert_eq!(crate::accuracy::records(folder), records);
}

#[test]
fn precisions_are_compared_in_one_study() {
    let (folder, sha256) = trained();
    let folder = folder.path();
    let more = "precision = [\"float32\", \"int8\"]";
    let queues = "\n[batching]\nnetworks = [\"resnet18\"]\nimage_side = 32\nrates_per_s = [500.0]\njitter = 0.2\n\
                  requests = 8\npolicies = [{ fixed = 4 }]\nwarmup_batches = 1\nrepetitions = 1\n";
    let decade = "\n[timeline]\nnetworks = [\"mobilenet_v2\", \"small.toml\"]\nimage_side = 32\nbatch = 2\n\
                  batches = 2\nwarmup_batches = 1\nrepetitions = 1\n";
    let text = profile("shapes-28", more, "small.safetensors", &sha256)
        + &format!("{queues}{more}\n{decade}{more}\n");
    let done = reproduce(folder, &text, &[]);
    assert!(done.status.success(), "{}", stderr(&done));
    let records = records(folder);
    assert_eq!(records.len(), 2 * (2 + 1 + 2));
    let correct = |int8: InferencePrecision| {
        records.iter().find_map(|record| match (&record.spec.task, &record.outcome) {
            (Task::Evaluate(task), Outcome::Evaluated(outcome)) if task.precision == int8 => {
                Some(outcome.correct)
            }
            _ => None,
        })
    };
    let [single, int8] =
        [InferencePrecision::Float32, InferencePrecision::Int8].map(|of| correct(of).unwrap());
    assert!(single.abs_diff(int8) <= 15, "{single} and {int8} of 300 images");
    let report = fs::read_to_string(folder.join("out/report/report.md")).unwrap();
    for row in ["| small, int8 | 1998 |", "| resnet18, int8 |", "| mobilenet_v2, int8 |"] {
        assert!(report.contains(row), "{row}: {report}");
    }
    let planned = run(folder, &["reproduce", "--profile", "p.toml", "--plan"]);
    assert!(planned.status.success(), "{}", stderr(&planned));
    let shown = run(folder, &["journal", "show", "out"]);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("resnet18, int8 at 500/s"));
    let silu = NETWORK.replace("\"relu\"", "\"silu\"");
    fs::write(folder.join("small.toml"), silu).unwrap();
    let text = text.replace("seed = 1", "seed = 2");
    fs::remove_dir_all(folder.join("out")).unwrap();
    let refused = reproduce(folder, &text, &[]);
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("Silu is not supported in int8"), "{}", stderr(&refused));
}

#[test]
fn weights_and_images_that_do_not_fit_are_refused() {
    let (folder, sha256) = trained();
    let folder = folder.path();
    let file = "small.safetensors";
    fs::write(folder.join("data/noise.th"), b"not weights").unwrap();
    let noise: String =
        Sha256::digest(b"not weights").iter().map(|byte| format!("{byte:02x}")).collect();
    let other = "0".repeat(64);
    let refused = |profile: String, words: &[&str]| {
        let done = reproduce(folder, &profile, &[]);
        let text = stderr(&done);
        assert_eq!(done.status.code(), Some(2), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{words:?} {text}");
        assert!(!folder.join("out/journal.jsonl").exists());
    };
    refused(profile("shapes-28", "", file, &other), &[&sha256, &other, "small.safetensors"]);
    refused(profile("shapes-28", "", "noise.th", &noise), &["noise.th"]);
    refused(profile("shapes-28", "", "none.th", &sha256), &["none.th", "--data-dir"]);
    refused(
        profile("shapes-28", "", "../data/small.safetensors", &sha256),
        &["weights.file", ".."],
    );
    refused(profile("shapes-28", "", file, "abc"), &["weights.sha256", "sha256sum"]);
    refused(profile("shapes-32", "", file, &sha256), &["small.toml", "32"]);
    refused(profile("shapes-30", "", file, &sha256), &["accuracy.data", "shapes-28"]);
    refused(
        profile("shapes-28", "mean = [0.5, 0.5]", file, &sha256),
        &["accuracy.mean", "2 values"],
    );
    refused(profile("shapes-28", "deviation = [0.0]", file, &sha256), &["accuracy.deviation"]);
    let huge = profile("shapes-28", "", file, &sha256).replace("= 300", "= 100000000");
    refused(huge, &["images"]);
}

#[test]
fn a_plan_needs_neither_weights_nor_images() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("small.toml"), NETWORK).unwrap();
    for (data, words) in [("shapes-28", "weights `w.th`"), ("fashion-mnist", "`fashion-mnist`")] {
        fs::write(folder.join("p.toml"), profile(data, "", "w.th", &"0".repeat(64))).unwrap();
        let planned = run(folder, &["reproduce", "--profile", "p.toml", "--plan"]);
        let text = format!("{}{}", String::from_utf8_lossy(&planned.stdout), stderr(&planned));
        assert!(planned.status.success() && text.contains("RQ5 accuracy"), "{text}");
        assert!(text.contains(words), "{text}");
    }
}

/// The trained ResNets for CIFAR-10 answer as many of the first 2,000 test images correctly as in PyTorch.
#[test]
fn trained_resnets_have_the_accuracy_of_pytorch() {
    let shared = super::shared();
    let (evidence, images) =
        (shared.join("evidence/cifar-resnets"), shared.join("datasets/cifar-10"));
    let Ok(expected) = fs::read(evidence.join("expected.json")) else {
        println!("skipped: no `{}` (set WATTLAB_SHARED)", evidence.display());
        return;
    };
    let expected: Value = serde_json::from_slice(&expected).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("data")).unwrap();
    std::os::unix::fs::symlink(images.canonicalize().unwrap(), folder.join("data/cifar-10"))
        .unwrap();
    let mut text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/accuracy.toml"))
            .unwrap()
            .replace("images         = 10000", "images = 2000")
            .replace("repetitions    = 5", "repetitions = 1");
    for (file, _) in expected["nets"].as_object().unwrap() {
        fs::copy(evidence.join(file), folder.join("data").join(file)).unwrap();
    }
    let networks = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/networks");
    text = text.replace("configs/networks", networks);
    let done = reproduce(folder, &text, &[]);
    assert!(done.status.success(), "{}", stderr(&done));
    let records = records(folder);
    assert_eq!(records.len(), 4);
    for record in records {
        let (Task::Evaluate(task), Outcome::Evaluated(outcome)) =
            (record.spec.task, record.outcome)
        else {
            unreachable!()
        };
        let golden = &expected["nets"][&task.weights.file];
        assert_eq!(outcome.correct as u64, golden["measured_correct_of_first_2000"], "{task:?}");
    }
}
