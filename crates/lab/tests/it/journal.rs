//! `wattlab journal`: verify, show, export, merge and repair.

use std::{fs, path::Path};

use record::{Outcome, RunRecord, read_journal};
use serde_json::Value;

use super::{compare::folders, run, stderr, tiny};

fn json(folder: &Path, args: &[&str]) -> Value {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Runs a command that must exit with code 2 and a message that contains all of the words.
fn refused(folder: &Path, args: &[&str], words: &[&str]) {
    let output = run(folder, args);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
    for word in words {
        assert!(stderr(&output).contains(word), "{args:?} lacks `{word}`: {}", stderr(&output));
    }
}

#[test]
fn journals_are_verified_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    folders(folder);
    let state = json(folder, &["journal", "verify", "a", "--json"]);
    assert_eq!(state["records"], 12);
    assert_eq!(state["experiments"]["timeline"], 12);
    assert_eq!(state["unsealed"], 12, "as earlier versions wrote them");
    assert_eq!(state["damage"], Value::Array(vec![]));

    let table = run(folder, &["journal", "show", "a"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert_eq!(table.lines().count(), 1 + 12);
    assert!(table.contains("alexnet, batches of"), "{table}");
    let none = json(folder, &["journal", "show", "a", "--experiment", "tuning", "--json"]);
    assert_eq!(none["runs"], Value::Array(vec![]));
    let runs = json(folder, &["journal", "show", "a/journal.jsonl", "--json"]);
    let id = runs["runs"][3]["id"].as_str().unwrap().to_owned();
    let one: RunRecord =
        serde_json::from_value(json(folder, &["journal", "show", "a", "--id", &id[..12]])).unwrap();
    assert_eq!(one, read_journal(&folder.join("a/journal.jsonl")).unwrap()[3]);
    refused(folder, &["journal", "show", "a", "--id", "xyz"], &["`xyz`", "`wattlab journal show`"]);
    refused(folder, &["journal", "show", "a", "--id", ""], &["12 runs", "give more digits"]);
    refused(folder, &["journal", "verify", "none"], &["failed to read journal `none`"]);
}

#[test]
fn journals_are_exported() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    folders(folder);
    for name in ["a.csv", "a.jsonl"] {
        let done = json(folder, &["journal", "export", "a", "--to", name, "--json"]);
        assert_eq!(done["records"], 12, "{name}");
    }
    let csv = fs::read_to_string(folder.join("a.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 12);
    assert!(csv.lines().next().unwrap().contains("energy.total.joules"));
    let parquet = ["journal", "export", "a", "--to", "a.parquet", "--json"];
    if cfg!(feature = "parquet") {
        assert_eq!(json(folder, &parquet)["records"], 12);
        assert!(fs::read(folder.join("a.parquet")).unwrap().starts_with(b"PAR1"));
    } else {
        refused(folder, &parquet, &["`parquet`", "`--features parquet`"]);
        assert!(!folder.join("a.parquet").exists());
    }
    let lines = fs::read_to_string(folder.join("a.jsonl")).unwrap();
    let records: Vec<RunRecord> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records, read_journal(&folder.join("a/journal.jsonl")).unwrap());
    let only = ["journal", "export", "a", "--to", "b.csv", "--experiment", "layers", "--json"];
    assert_eq!(json(folder, &only)["records"], 0);
    refused(folder, &["journal", "export", "a", "--to", "a.txt"], &["`a.txt`", "`--format`"]);
    refused(folder, &["journal", "export", "none", "--to", "n.csv"], &["none"]);
    assert!(!folder.join("n.csv").exists());
}

#[test]
fn a_study_is_disclosed_in_the_forms_that_others_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    folders(folder);
    let args = [
        "journal",
        "disclose",
        "a",
        "--json",
        "--region",
        "FRA",
        "--sci",
        "inference=1200",
        "--mlflow",
        "mlruns",
    ];
    let told = json(folder, &args);
    assert_eq!((&told["runs"], &told["mlflow"]["runs"]), (&12.into(), &12.into()));
    let records = read_journal(&folder.join("a/journal.jsonl")).unwrap();
    let joules: f64 =
        records.iter().filter_map(|record| record.energy.total).map(|sum| sum.joules.0).sum();
    assert!((told["energy"]["joules"].as_f64().unwrap() - joules).abs() < 1e-9 * joules.abs());
    let sci = &told["sci"];
    // Nobody gave embodied emissions, so there is no score.
    assert!(
        sci["score_g_per_unit"].is_null() && sci["operational_g_per_unit"].as_f64().unwrap() >= 0.0
    );
    let experiments = fs::read_dir(folder.join("mlruns")).unwrap().flatten();
    let runs: usize = experiments
        .map(|entry| {
            fs::read_dir(entry.path()).unwrap().flatten().filter(|run| run.path().is_dir()).count()
        })
        .sum();
    assert_eq!(runs, 12);
    refused(
        folder,
        &["journal", "disclose", "a", "--ai-act", "a.md"],
        &["--ai-act", "no trainings"],
    );
    refused(folder, &["journal", "disclose", "a", "--sci", "inference=1"], &["--region"]);
    refused(folder, &["journal", "disclose", "a", "--experiment", "layers"], &["no such runs"]);
    refused(folder, &["journal", "disclose", "none"], &["none"]);
}

#[test]
fn journals_are_merged() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    folders(folder);
    // Folders `a` and `b` hold the same runs, `other` holds different ones.
    let merged = json(folder, &["journal", "merge", "a", "b", "other", "--out", "all", "--json"]);
    assert_eq!((&merged["records"], &merged["doubled"]), (&24.into(), &12.into()));
    let all = read_journal(&folder.join("all/journal.jsonl")).unwrap();
    let mut expected = read_journal(&folder.join("a/journal.jsonl")).unwrap();
    expected.extend(read_journal(&folder.join("other/journal.jsonl")).unwrap());
    assert_eq!(all, expected, "of a repeated run, the record of the first journal is kept");
    let state = json(folder, &["journal", "verify", "all", "--json"]);
    assert_eq!(state["unsealed"], 0);

    refused(folder, &["journal", "merge", "a", "b", "--out", "all"], &["already exists"]);
    refused(folder, &["journal", "merge", "a", "none", "--out", "new"], &["none"]);
    // A run with different outcomes in two journals.
    let mut records = read_journal(&folder.join("b/journal.jsonl")).unwrap();
    let Outcome::Inferred(outcome) = &mut records[4].outcome else { panic!() };
    outcome.mean_logit += 1.0;
    let lines = records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n");
    fs::write(folder.join("b/journal.jsonl"), lines.collect::<String>()).unwrap();
    refused(
        folder,
        &["journal", "merge", "a", "b", "--out", "new"],
        &["line 5 of `a/journal.jsonl`", "line 5 of `b/journal.jsonl`", "another"],
    );
    assert!(!folder.join("new").exists());
}

/// Every command refuses a damaged journal until it is repaired; then the missing runs are done again.
#[test]
fn damage_stops_a_study_until_it_is_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let profile = tiny(folder.path());
    let folder = folder.path();
    let study = ["reproduce", "--profile", &profile, "--rq", "5", "--sysfs", ".", "--out", "out"];
    let whole = run(folder, &study);
    assert!(whole.status.success(), "{}", stderr(&whole));
    let path = folder.join("out/journal.jsonl");
    let sound = fs::read_to_string(&path).unwrap();
    let joules = sound.find("\"joules\":").unwrap() + "\"joules\":".len();
    let mut damaged = sound.clone().into_bytes();
    damaged[joules] = if damaged[joules] == b'1' { b'2' } else { b'1' };
    fs::write(&path, &damaged).unwrap();

    let words = ["`out/journal.jsonl` is damaged", "line 1: checksum mismatch", "repair"];
    let verify = ["journal", "verify", "out"];
    let export = ["journal", "export", "out", "--to", "all.csv"];
    for args in [&study[..], &["report", "out"], &verify, &export, &["journal", "show", "out"]] {
        refused(folder, args, &words);
    }
    let output = run(folder, &["journal", "verify", "out", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    let state: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&state["damage"][0]["line"], &state["damage"][0]["fault"]),
        (&1.into(), &"seal".into())
    );
    assert_eq!(fs::read(&path).unwrap(), damaged, "the journal was changed");

    let mut repairing = study.to_vec();
    repairing.push("--repair");
    let repaired = run(folder, &repairing);
    assert!(repaired.status.success(), "{}", stderr(&repaired));
    assert!(stderr(&repaired).contains("1 lines moved to `out/journal.damaged-1.jsonl`"));
    let aside = fs::read(folder.join("out/journal.damaged-1.jsonl")).unwrap();
    assert!(damaged.starts_with(&aside) && aside.ends_with(b"\n"));
    let outcome = |record: RunRecord| (record.id, record.outcome);
    let mut after: Vec<_> = read_journal(&path).unwrap().into_iter().map(outcome).collect();
    fs::write(&path, sound).unwrap();
    let mut before: Vec<_> = read_journal(&path).unwrap().into_iter().map(outcome).collect();
    after.sort_by(|a, b| a.0.cmp(&b.0));
    before.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(after, before, "its run was done again");

    // The command `repair` alone.
    fs::write(&path, &damaged).unwrap();
    let done = json(folder, &["journal", "repair", "out", "--json"]);
    assert_eq!(done["moved"][0]["line"], 1);
    assert!(done["aside"].as_str().unwrap().ends_with("journal.damaged-2.jsonl"));
    assert!(run(folder, &verify).status.success());
}
