//! `wattlab report`: the formats that a user can ask for.

use std::{fs, path::Path};

use super::{compare::folders, run, stderr};

/// Runs `report` on a folder and returns its exit code and message.
fn report(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = run(folder, &[&["report", "a"], args].concat());
    (output.status.code(), stderr(&output))
}

#[test]
fn only_the_formats_asked_for_are_written() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path());
    let (code, message) = report(folder.path(), &["--format", "md,csv"]);
    assert_eq!(code, Some(0), "{message}");
    let report = folder.path().join("a/report");
    assert!(report.join("report.md").exists());
    assert!(!report.join("index.html").exists() && !report.join("records.csv").exists());
    let figures = fs::read_dir(report.join("figures")).unwrap();
    let names: Vec<_> = figures.map(|file| file.unwrap().file_name()).collect();
    assert!(!names.is_empty());
    assert!(names.iter().all(|name| name.to_string_lossy().ends_with(".csv")), "{names:?}");
}

#[test]
fn a_format_that_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    folders(folder.path());
    let (code, message) = report(folder.path(), &["--format", "docx"]);
    assert_eq!(code, Some(2), "{message}");
    assert!(message.contains("`docx`") && message.contains("html, md"), "{message}");
    let (code, message) = report(folder.path(), &["--format", "pdf"]);
    if cfg!(feature = "pdf") {
        assert_eq!(code, Some(0), "{message}");
        let files = fs::read_dir(folder.path().join("a/report/figures")).unwrap();
        assert!(files.count() > 0);
    } else {
        assert_eq!(code, Some(2), "{message}");
        assert!(message.contains("`pdf`") && message.contains("`--features pdf`"), "{message}");
        assert!(!folder.path().join("a/report").exists());
    }
}
