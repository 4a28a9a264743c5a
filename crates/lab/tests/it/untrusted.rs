//! Files that other programs change while a study runs, or that somebody else wrote.

use std::{
    fs,
    io::Write,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use record::{Lines, read_journal};
use serde_json::{Value, json};

use super::{TINY, run, stderr, wattlab};

/// A record that an earlier version wrote, without a seal.
const OLD: &str = include_str!("../../../record/tests/it/record-1.jsonl");

/// Waits until a condition holds, for at most a minute.
fn wait_until(mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "waited for a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_journal_that_is_replaced_during_a_run_loses_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    fs::write(folder.join("long.toml"), TINY.replace("trials      = 8", "trials      = 60"))
        .unwrap();
    let mut reproduce = wattlab(folder, &["reproduce", "--profile", "long.toml", "--out", "out"]);
    let child = reproduce.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let journal = folder.join("out/journal.jsonl");
    let lines = || fs::read_to_string(&journal).map_or(0, |text| text.matches('\n').count());
    wait_until(|| lines() >= 3);
    // As an editor, rsync or `git checkout` does.
    fs::copy(&journal, folder.join("copy")).unwrap();
    fs::rename(folder.join("copy"), &journal).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("was replaced by another file"), "{}", stderr(&output));
    let rescued = read_journal(&folder.join("out/journal.rescued-1.jsonl")).unwrap();
    assert!(rescued.len() > lines(), "{} and {}", rescued.len(), lines());
    // What was rescued can be put in place.
    fs::rename(folder.join("out/journal.rescued-1.jsonl"), &journal).unwrap();
    let verified = run(folder, &["journal", "verify", "out"]);
    assert!(verified.status.success(), "{}", stderr(&verified));
}

fn study(folder: &Path) {
    fs::create_dir(folder.join("out")).unwrap();
    fs::write(folder.join("out/journal.jsonl"), OLD).unwrap();
}

#[test]
fn a_status_file_of_somebody_else_does_no_harm() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    study(folder);
    let status = |changes: Value| {
        let mut status = json!({
            "schema": "wattlab.status/1", "state": "running", "profile": "p", "executor": "x", "pid": 1,
            "host": "elsewhere", "started_unix_s": 0.0, "updated_unix_s": 0.0, "experiments": [],
            "queued": 0, "running": 0, "lost": 0, "joules": null, "left_s": null, "ends_unix_s": null,
        });
        for (key, value) in changes.as_object().unwrap() {
            status[key] = value.clone();
        }
        fs::write(folder.join("out/status.json"), status.to_string()).unwrap();
        run(folder, &["status", "out"])
    };
    for left in [1e20, -5.0, 1e308] {
        let output = status(json!({"left_s": left, "ends_unix_s": left}));
        assert!(output.status.success(), "{left}: {}", stderr(&output));
    }
    let output = status(json!({"profile": "a\u{1b}[31mb\nc", "host": "h\u{7}"}));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("a?[31mb?c") && !text.contains(['\u{1b}', '\u{7}']), "{text}");
    // A pipe in its place would block.
    fs::remove_file(folder.join("out/status.json")).unwrap();
    let pipe = folder.join("out/status.json");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    assert!(run(folder, &["status", "out"]).status.success());
}

#[test]
fn status_refuses_a_journal_that_verify_refuses() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    study(folder);
    assert!(run(folder, &["status", "out"]).status.success());
    let mut journal =
        fs::OpenOptions::new().append(true).open(folder.join("out/journal.jsonl")).unwrap();
    journal.write_all(b"{\"schema\": 1}\n").unwrap();
    for command in ["status", "report"] {
        let output = run(folder, &[command, "out"]);
        assert_eq!(output.status.code(), Some(2), "{command}: {}", stderr(&output));
        assert!(stderr(&output).contains("journal repair"), "{}", stderr(&output));
    }
    assert!(!folder.join("out/results.json").exists());
}

/// The summary of a record is sound, and the rest of it is not.
#[test]
fn a_report_is_not_half_written() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    fs::create_dir(folder.join("out")).unwrap();
    let mut record: Value = serde_json::from_str(OLD).unwrap();
    record["environment"]["machine"]["unknown"] = json!(1);
    let (mut lines, _, _) = Lines::open::<Value>(&folder.join("out/journal.jsonl")).unwrap();
    lines.append(&record).unwrap();
    drop(lines);
    let output = run(folder, &["report", "out"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(!folder.join("out/results.json").exists());
}

/// A pipe has no end as long as somebody could write to it, and `/dev/zero` has none at all.
#[test]
fn pipes_and_devices_in_place_of_files_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path();
    fs::create_dir(folder.join("out")).unwrap();
    let space = "metric = \"m\"\nbudget = { trials = 1 }\n[[space]]\nname = \"x\"\nkind = \"float\"\n\
                 low = 0.0\nhigh = 1.0\n";
    fs::write(folder.join("space.toml"), space).unwrap();
    let pipe = |name: &str| {
        let made = std::process::Command::new("mkfifo").arg(folder.join(name)).status();
        assert!(made.unwrap().success());
    };
    pipe("pipe");
    pipe("out/results.json");
    for file in ["pipe", "/dev/zero"] {
        for args in [
            &["reproduce", "--profile", file, "--plan"][..],
            &["tune", "import", "new.jsonl", file, "--space", "space.toml"],
            &["tune", "import", "new.jsonl", "space.toml", "--space", file],
            &["model", "bench", "--arch", "n.toml", "--batch", "1"],
            &["check", "out"],
        ] {
            // A network's file is known by the end of its name.
            if args.contains(&"n.toml") {
                let _ = fs::remove_file(folder.join("n.toml"));
                std::os::unix::fs::symlink(file, folder.join("n.toml")).unwrap();
            }
            let output = super::bad_models::ended(folder, args);
            assert_eq!(output.status.code(), Some(2), "{args:?}: {}", stderr(&output));
        }
    }
    // A worker of another call left a pipe where its lock should be.
    fs::create_dir_all(folder.join("study/work/taken/w")).unwrap();
    pipe("study/work/taken/w/alive");
    let worker = ["worker", "study/work", "--name", "w"];
    assert_eq!(super::bad_models::ended(folder, &worker).status.code(), Some(2));
    let settings = include_str!("../../../../xtask/src/fuzz/samples/settings.json");
    fs::write(folder.join("study/work/settings.json"), settings).unwrap();
    let output = super::bad_models::ended(folder, &worker);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn an_unfinished_file_is_removed() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("index.html");
    let mut file = report::WholeFile::create(&path).unwrap();
    file.write_all(b"half").unwrap();
    drop(file);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn an_error_that_quotes_a_file_sends_no_control_characters() {
    let scratch = tempfile::tempdir().unwrap();
    fs::write(scratch.path().join("queue.toml"), "seed = \"\u{1b}[31m\u{7}").unwrap();
    let output = run(scratch.path(), &["simulate", "queue.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!stderr(&output).contains(['\u{1b}', '\u{7}']), "{}", stderr(&output));
}
