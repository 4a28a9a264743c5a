//! `wattlab report compare`: exit codes that a build can rely on.

use std::{fs, path::Path};

use record::{RunRecord, Task};
use serde_json::Value;

use super::{run, stderr};

/// Folders `a`, `b` (AlexNet takes a fifth more energy), `other` (other networks) and `empty`.
pub(crate) fn folders(folder: &Path) {
    journal(&folder.join("a"), &runs(1.0, ["alexnet", "resnet18"]));
    journal(&folder.join("b"), &runs(1.2, ["alexnet", "resnet18"]));
    journal(&folder.join("other"), &runs(1.0, ["vgg11", "vgg16"]));
    journal(&folder.join("empty"), &[]);
}

fn runs(factor: f64, networks: [&str; 2]) -> Vec<RunRecord> {
    let text = include_str!("../../../report/tests/page/record.json");
    let one: RunRecord = serde_json::from_str(text).unwrap();
    let make = |network: &str, repetition: u32| {
        let mut run = one.clone();
        run.spec.repetition = repetition;
        if let Task::Infer(task) = &mut run.spec.task {
            network.clone_into(&mut task.network);
        }
        run.id = run.spec.id();
        let noise = 1.0 + f64::from(repetition % 3) * 0.01;
        let scale = if network == "alexnet" { factor } else { 1.0 };
        run.energy.total.as_mut().unwrap().joules.0 *= noise * scale;
        run.timing.main.0 *= noise;
        run
    };
    networks.iter().flat_map(|network| (0..6).map(|at| make(network, at))).collect()
}

fn journal(folder: &Path, runs: &[RunRecord]) {
    fs::create_dir_all(folder).unwrap();
    let lines = runs.iter().map(|run| serde_json::to_string(run).unwrap() + "\n");
    fs::write(folder.join("journal.jsonl"), lines.collect::<String>()).unwrap();
}

#[test]
fn a_difference_above_the_threshold_gives_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path());
    let compare = |args: &[&str]| run(folder.path(), &[&["report", "compare"], args].concat());

    for (args, code) in [
        (["a", "b", "--threshold", "0.1"], 1),
        (["a", "b", "--threshold", "0.25"], 0),
        (["b", "a", "--threshold", "0.15"], 1),
        (["a", "a", "--threshold", "0"], 0),
    ] {
        let output = compare(&args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {}", stderr(&output));
        let above = stderr(&output).contains("1 of 4 effects differ by more than");
        assert_eq!(above, code == 1, "{args:?}: {}", stderr(&output));
    }
    let plain = compare(&["b", "a"]);
    assert_eq!(plain.status.code(), Some(0), "no threshold, no judgment");
    let text = String::from_utf8(plain.stdout).unwrap();
    assert!(text.starts_with("\u{2212}16.7 [\u{2212}17.6 to \u{2212}15.7] %"), "{text}");
    assert!(text.contains("estimated") && text.contains("1 of 4 effects differ"), "{text}");

    let output = compare(&["a", "b", "--threshold", "0.1", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let changes: Vec<f64> = found["differences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|difference| difference["change"].as_f64().unwrap())
        .collect();
    assert_eq!(changes.len(), 4);
    assert!((changes[0] - 0.2).abs() < 1e-12 && changes[1..].iter().all(|change| *change == 0.0));
}

#[test]
fn folders_that_cannot_be_compared_give_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path());
    fs::create_dir(folder.path().join("damaged")).unwrap();
    fs::write(folder.path().join("damaged/journal.jsonl"), "{}\n{}\n").unwrap();
    for (args, words) in [
        (["a", "none", "--threshold", "0.1"], ["none/journal.jsonl", "check that its folder"]),
        (["none", "a", "--threshold", "0.1"], ["none/journal.jsonl", "check that its folder"]),
        (["a", "damaged", "--threshold", "0.1"], ["line 1", "damaged/journal.jsonl"]),
        (["a", "other", "--threshold", "0.1"], ["no experiment in common", "the same profile"]),
        (["a", "empty", "--threshold", "0.1"], ["no experiment in common", "the same profile"]),
        (["a", "b", "--threshold", "NaN"], ["--threshold", "relative change is NaN"]),
        (["a", "b", "--threshold", "=-1"], ["--threshold", "-1"]),
    ] {
        let output = run(folder.path(), &[&["report", "compare"], args.as_slice()].concat());
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {message}");
        for word in words {
            assert!(message.contains(word), "{args:?} lacks `{word}`: {message}");
        }
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}
