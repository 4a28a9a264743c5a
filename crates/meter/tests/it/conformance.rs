//! The conformance check passes good plugins and says what is wrong with others.

use std::{fs, path::Path, process::Command, time::Duration};

use wattlab_meter::conformance::{CheckStatus, Report, check, check_within};

use crate::plugin::{build, cargo_build, compile, fake_plugin};

fn status(report: &Report, id: &str) -> Option<CheckStatus> {
    report.checks.iter().find(|check| check.id == id).map(|check| check.status)
}

/// This is also the test of every plugin of the workspace, new ones included.
#[test]
fn every_plugin_of_the_workspace_keeps_the_contract() {
    let plugins = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins");
    let mut count = 0;
    for entry in fs::read_dir(plugins).unwrap() {
        let folder = entry.unwrap().path();
        if !folder.join("Cargo.toml").exists() {
            continue;
        }
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let report = check(&build(&format!("wattlab-probe-{name}")), &[]);
        // If its hardware is missing, a plugin says so and the rest is skipped.
        assert!(report.passed(), "{report:#?}");
        assert_eq!(report.plugin.as_deref(), Some(name.as_str()));
        count += 1;
    }
    assert!(count >= 2);
}

#[test]
fn the_plugin_in_c_keeps_the_contract_with_and_without_options() {
    let folder = tempfile::tempdir().unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/example-c/probe.c");
    let library = folder.path().join("libexample.so");
    if !compile(source.as_ref(), &library) {
        return;
    }
    let option = |key: &str, value: &str| [(key.to_owned(), value.to_owned())];
    for options in [&[][..], &option("step", "3")] {
        let report = check(&library, options);
        assert!(report.passed() && report.checks.len() == 9, "{report:#?}");
        assert!(
            report.checks.iter().all(|check| check.status == CheckStatus::Passed),
            "{report:#?}"
        );
    }
    for (key, value) in [("color", "red"), ("step", "0")] {
        let report = check(&library, &option(key, value));
        assert_eq!(status(&report, "load"), Some(CheckStatus::Failed));
        let words = &report.checks[0].words;
        assert!(words.contains("`example-c`") && words.contains(&format!("`{key}`")), "{words}");
    }
}

/// Builds what `cargo xtask new-probe` writes, in a workspace of its own.
#[test]
fn a_new_probe_keeps_the_contract_before_it_is_changed() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut xtask = Command::new(cargo_build(&["-p", "xtask"], "xtask"));
    xtask.args(["new-probe", "my-board", "--into"]).arg(folder.path().join("plugins"));
    assert!(xtask.output().unwrap().status.success());
    let text = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let shared =
        text.split_once("[workspace.package]").unwrap().1.split("[profile").next().unwrap();
    let interface = root.join("crates/probe-abi");
    let shared = shared.replace("crates/probe-abi", interface.to_str().unwrap());
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"plugins/*\"]\n[workspace.package]{shared}"
    );
    fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    fs::copy(root.join("Cargo.lock"), folder.path().join("Cargo.lock")).unwrap();
    let manifest = folder.path().join("Cargo.toml");
    let target = folder.path().join("target");
    let library = cargo_build(
        &[
            "--offline",
            "--manifest-path",
            manifest.to_str().unwrap(),
            "--target-dir",
            target.to_str().unwrap(),
        ],
        "libwattlab_probe_my_board.so",
    );
    let report = check(&library, &[]);
    assert!(report.checks.iter().all(|check| check.status == CheckStatus::Passed), "{report:#?}");
    assert_eq!((report.plugin.as_deref(), report.checks.len()), (Some("my-board"), 9));
    // Its option works, and a missing file gives a reason and a remedy.
    let missing = [("file".to_owned(), "/no/such/file".to_owned())];
    assert_eq!(status(&check(&library, &missing), "open"), Some(CheckStatus::Skipped));
}

#[test]
fn each_broken_rule_fails_its_check() {
    let folder = tempfile::tempdir().unwrap();
    let good = include_str!("../../../../plugins/example-c/probe.c");
    let cases = [
        ("out->kind = WATTLAB_KIND_COUNTER;", "out->kind = 9;", "load"),
        ("out->unit = 1.0;", "out->unit = 0.0;", "load"),
        ("out->range = RANGE;", "out->range = RANGE; out->period_ns = ~0ull;", "channels"),
        ("strcpy(out->device, \"package-0\");", "", "channels"),
        ("return 1;\n}", "return 0;\n}", "channels"),
        ("*value = it->joules;", "*value = it->joules + RANGE;", "counters"),
        ("*value = it->joules;", "*value = RANGE - 1 - it->joules;", "counters"),
        ("if (channel != 0) {", "if (it->joules % 7 == 6) {", "read"),
        ("\"example-c\"", "\"Example C\"", "name"),
    ];
    for (index, (from, to, id)) in cases.into_iter().enumerate() {
        assert!(good.contains(from), "{from}");
        let source = folder.path().join("probe.c");
        fs::write(
            &source,
            good.replacen(from, to, 1)
                .replace("uint32_t channel,", "uint32_t channel __attribute__((unused)),"),
        )
        .unwrap();
        let library = folder.path().join(format!("lib{index}.so"));
        if compile(&source, &library) {
            let report = check(&library, &[]);
            assert_eq!(status(&report, id), Some(CheckStatus::Failed), "{to}: {report:#?}");
        }
    }
}

#[test]
fn a_plugin_that_hangs_fails_a_check() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = fake_plugin(folder.path(), "#define HANGS_IN_OPEN") else { return };
    let report = check_within(&library, &[], Duration::from_millis(100));
    assert_eq!(status(&report, "open"), Some(CheckStatus::Failed), "{report:#?}");
    assert!(report.checks[0].words.contains("took longer than 0.1 s"), "{report:#?}");
}

/// The program that checks a plugin without the rest of wattlab.
#[test]
fn the_program_checks_a_plugin_in_a_process_of_its_own() {
    let program = env!("CARGO_BIN_EXE_wattlab-probe-check");
    let run = |arguments: &[&str]| Command::new(program).args(arguments).output().unwrap();
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&["no/such.so"]).status.code(), Some(2));
    assert_eq!(run(&["Cargo.toml,x"]).status.code(), Some(2));
    let text = run(&["Cargo.toml"]);
    assert_eq!(text.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&text.stdout).starts_with("failed   load"), "{text:?}");
    let folder = tempfile::tempdir().unwrap();
    let good = include_str!("../../../../plugins/example-c/probe.c");
    let crashing = good.replace("state *it = opaque;", "abort(); state *it = opaque;");
    // What it prints is not in the report's way.
    let printing = good.replace(
        "state *it = opaque;",
        "extern int printf(const char *, ...); printf(\"{}\\n{\"); state *it = opaque;",
    );
    // It crashes when its process ends.
    let ending =
        format!("{good}\n__attribute__((destructor)) static void end(void) {{ abort(); }}");
    for (name, source, code, check) in [
        ("good", good, 0, "passed   reopen"),
        ("printing", &printing, 0, "passed   reopen"),
        ("bad", &crashing, 1, "failed   crash"),
        ("ending", &ending, 1, "failed   crash"),
    ] {
        let file = folder.path().join(format!("{name}.c"));
        fs::write(&file, source).unwrap();
        let library = folder.path().join(format!("lib{name}.so"));
        if compile(&file, &library) {
            let output = run(&[&format!("{},step=3", library.display())]);
            assert_eq!(output.status.code(), Some(code), "{output:?}");
            assert!(String::from_utf8_lossy(&output.stdout).contains(check), "{output:?}");
        }
    }
}
