//! A reader that has enough, and a disk that is full.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, ExitStatus, Stdio},
};

use super::{compare::folders, run, stderr, wattlab};

/// Runs with standard output and standard error in one pipe, reads so many lines and closes it.
fn cut_off(mut command: Command, lines: usize) -> (ExitStatus, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer.try_clone().unwrap()).stderr(writer).stdin(Stdio::null());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut reader = BufReader::new(reader);
    let mut text = String::new();
    for _ in 0..lines {
        reader.read_line(&mut text).unwrap();
    }
    drop(reader);
    (child.wait().unwrap(), text)
}

/// Levels with such long names that no pipe (64 KiB) holds the 276 comparisons between them.
fn wide(folder: &Path) {
    let mut text = String::from("a,y\n");
    for row in 0..96 {
        text.push_str(&format!("level-{:0200},{}\n", row % 24, row * 37 % 101));
    }
    fs::write(folder.join("wide.csv"), text).unwrap();
}

#[test]
fn a_reader_that_closes_the_pipe_early_is_not_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    wide(folder);
    folders(folder);
    let stats = |name, option, more: &[&'static str]| {
        let base = ["stats", name, "wide.csv", "--response", "y", option, "a"];
        [base.as_slice(), more].concat()
    };
    let rows: [(Vec<&str>, i32); 9] = [
        (stats("anova", "--factors", &[]), 0),
        (stats("tukey", "--factors", &[]), 0),
        (stats("tukey", "--factors", &["--json"]), 0),
        (stats("kruskal", "--factor", &["--json"]), 0),
        (vec!["probes"], 0),
        (vec!["probes", "--json"], 0),
        (vec!["datasets", "list"], 0),
        (vec!["model", "list"], 0),
        // What a code says, it says without an audience.
        (vec!["report", "compare", "a", "b", "--threshold", "0.1"], 1),
    ];
    for (args, code) in rows {
        for lines in [0, 1] {
            let (status, text) = cut_off(wattlab(folder, &args), lines);
            assert_eq!(status.code(), Some(code), "{args:?} cut off after {lines}: {text}");
            assert!(!text.contains("panicked"), "{args:?}: {text}");
        }
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") else {
        println!("skipped: no /dev/full here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut command = wattlab(folder.path(), &["model", "list"]);
    let output = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
    let output = output.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("failed to write standard output"), "{}", stderr(&output));
    assert!(run(folder.path(), &["model", "list"]).status.success());
}
