//! Clocks that jump and file systems that fail: what a study does then.
//!
//! `faults.c` stands between the program and the C library, and does what a clock that is set by a day, NFS, or a
//! file system without locks does.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use record::{Outcome, RunId, RunRecord, read_journal};
use serde_json::Value;

use super::{TINY, run, stderr, wattlab};

/// The library with the faults; `None` without a C compiler.
fn faults(folder: &Path) -> Option<PathBuf> {
    let library = folder.join("faults.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/faults.c");
    let mut cc = Command::new("cc");
    cc.args(["-std=c11", "-shared", "-fPIC", "-Wall", "-Werror", source, "-o"]).arg(&library);
    match cc.arg("-ldl").status() {
        Ok(status) => {
            assert!(status.success());
            Some(library)
        }
        Err(error) => {
            println!("skipped: no C compiler (`cc`): {error}");
            None
        }
    }
}

fn with_fault(folder: &Path, library: &Path, fault: &str, args: &[&str]) -> Output {
    let mut command = wattlab(folder, args);
    command.env("LD_PRELOAD", library).env("WATTLAB_FAULT", fault).output().unwrap()
}

/// A study of some runs, without the slow ones.
fn profile(folder: &Path) {
    let text = TINY
        .replace(r#"["grid", "random", "paper-pi", "gp"]"#, r#"["random"]"#)
        .replace("trials      = 8", "trials      = 4")
        .replace(r#"["dense-poly", "simple-cnn"]"#, r#"["dense-poly"]"#);
    fs::write(folder.join("tiny.toml"), text).unwrap();
}

fn reproduce(out: &str) -> Vec<&str> {
    let mut args = vec!["reproduce", "--profile", "tiny.toml", "--out", out];
    if std::thread::available_parallelism().unwrap().get() >= 2 {
        args.extend(["--workers", "2"]);
    } else {
        println!("in one process: two workers need two processors");
    }
    args
}

fn records(folder: &Path) -> Vec<RunRecord> {
    read_journal(&folder.join("journal.jsonl")).unwrap()
}

fn outcomes(folder: &Path) -> BTreeMap<RunId, Outcome> {
    let records = records(folder);
    let count = records.len();
    let outcomes: BTreeMap<_, _> =
        records.into_iter().map(|record| (record.id, record.outcome)).collect();
    assert_eq!(outcomes.len(), count, "a run is in the journal twice");
    outcomes
}

#[test]
fn a_study_survives_clock_jumps_lost_answers_and_late_renames() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let Some(library) = faults(folder) else { return };
    profile(folder);
    let output = with_fault(folder, &library, "none", &reproduce("none"));
    assert!(output.status.success(), "{}", stderr(&output));
    let expected = outcomes(&folder.join("none"));
    for fault in ["clock", "rename", "late"] {
        let output = with_fault(folder, &library, fault, &reproduce(fault));
        assert!(output.status.success(), "{fault}: {}", stderr(&output));
        let out = folder.join(fault);
        assert_eq!(outcomes(&out), expected, "{fault}");
        let left = fs::read_dir(out.join("work/failed")).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{fault}: {}", stderr(&output));
        for record in records(&out) {
            // A day is 86,400 s; with the clock of the calendar, half of the times would be wrong by two.
            let timing = &record.timing;
            for seconds in [timing.duration.0, timing.main.0] {
                assert!((0.0..3600.0).contains(&seconds), "{fault}: {seconds} s");
            }
            for span in &record.energy.spans {
                assert!((0.0..3600.0).contains(&span.duration.0), "{fault}: {}", span.duration.0);
                assert!((0.0..3600.0).contains(&span.start.0), "{fault}: {}", span.start.0);
            }
        }
        let verified = run(folder, &["journal", "verify", fault]);
        assert!(verified.status.success(), "{fault}: {}", stderr(&verified));
    }
}

#[test]
fn a_search_and_a_measurement_survive_clock_jumps() {
    const SPACE: &str = "metric = \"loss\"\nbudget = { trials = 6 }\n[[space]]\nname = \"x\"\nkind = \"float\"\n\
                         low = 0.0\nhigh = 1.0\n";
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let Some(library) = faults(folder) else { return };
    fs::write(folder.join("space.toml"), SPACE).unwrap();
    let tune = ["tune", "run", "space.toml", "--journal", "study.jsonl", "--workers", "2"];
    let echo = ["--", "echo", "loss: 0.5"];
    let output = with_fault(folder, &library, "clock", &[&tune[..], &echo].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = run(folder, &["tune", "show", "study.jsonl", "--json"]);
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["parallel_coordinates"].as_array().unwrap().len(), 6);

    let measure = ["measure", "--json", "--", "sleep", "0.2"];
    let output = with_fault(folder, &library, "clock", &measure);
    assert!(output.status.success(), "{}", stderr(&output));
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let seconds = told["duration_s"].as_f64().unwrap();
    assert!((0.2..60.0).contains(&seconds), "{seconds}");
}

#[test]
fn without_locks_nothing_is_written_and_everything_can_be_read() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    let Some(library) = faults(folder) else { return };
    fs::create_dir(folder.join("out")).unwrap();
    let journal = include_str!("../../../record/tests/it/record-1.jsonl");
    fs::write(folder.join("out/journal.jsonl"), journal).unwrap();
    profile(folder);
    for fault in ["no-locks", "unsupported-locks"] {
        for args in [
            &["reproduce", "--profile", "tiny.toml", "--out", "out"][..],
            &["reproduce", "--profile", "tiny.toml", "--out", "new"],
            &["journal", "repair", "out/journal.jsonl"],
        ] {
            let output = with_fault(folder, &library, fault, args);
            let text = stderr(&output);
            assert_eq!(output.status.code(), Some(2), "{args:?}: {text}");
            assert!(text.contains("has no locks") && text.contains("local disk"), "{text}");
        }
        for args in [&["journal", "verify", "out"][..], &["status", "out"], &["report", "out"]] {
            let output = with_fault(folder, &library, fault, args);
            assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        }
    }
    assert_eq!(fs::read_to_string(folder.join("out/journal.jsonl")).unwrap(), journal);
}
