//! `cargo xtask new-probe` writes a probe that compiles and passes its test, and refuses bad names.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn new_probe(name: &str, folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["new-probe", name, "--into"])
        .arg(folder)
        .output()
        .unwrap()
}

/// Builds the probe in another workspace, which has the probe interface and nothing else of ours.
#[test]
fn a_new_probe_compiles_without_a_warning_and_passes_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    assert!(new_probe("my-board", &folder.path().join("plugins")).status.success());
    let text = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    // The workspace's versions and lints, and the interface alone of our crates.
    let rest = text.split_once("[workspace.package]").unwrap().1.split("[profile").next().unwrap();
    let interface = root.join("crates/probe-abi");
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"plugins/*\"]\n\n[workspace.package]{}",
        rest.replace("crates/probe-abi", interface.to_str().unwrap())
    );
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["test", "--quiet", "--offline", "-p", "wattlab-probe-my-board"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", folder.path().join("target"))
        .env("RUSTFLAGS", "-D warnings")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let readme = fs::read_to_string(folder.path().join("plugins/my-board/README.md")).unwrap();
    assert!(readme.starts_with("# wattlab-probe-my-board\n") && !readme.contains("{{"));
}

#[test]
fn bad_names_and_existing_folders_are_bad_input() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["", "9x", "Board", "a_b", "a/b", "..", "a-", "a--b", "ä", &"a".repeat(41)] {
        let output = new_probe(name, folder.path());
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("expected at most 40 of a-z"),
            "{name}"
        );
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    fs::create_dir(folder.path().join("taken")).unwrap();
    let output = new_probe("taken", folder.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("exists"));
}
