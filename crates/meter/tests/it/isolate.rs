//! Plugins in C that crash or cannot be loaded, each in a process of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use wattlab_meter::{
    Source, VirtualClock,
    isolate::{IsolateError, Isolated},
};

use crate::plugin::{cargo_build, compile};

/// The program of the child process.
fn child() -> PathBuf {
    cargo_build(&["-p", "wattlab-meter", "--example", "isolated"], "isolated")
}

/// The example in C, compiled so that the third reading in each process runs `third`.
fn library(folder: &Path, third: &str) -> Option<PathBuf> {
    let text = include_str!("../../../../plugins/example-c/probe.c");
    let text = text.replace(
        "state *it = opaque;",
        &format!("state *it = opaque; if (it->joules == 2) {{ {third} }}"),
    );
    fs::write(folder.join("probe.c"), text).unwrap();
    let library = folder.join("libprobe.so");
    compile(&folder.join("probe.c"), &library).then_some(library)
}

fn start(library: PathBuf, clock: &VirtualClock) -> Result<Isolated, IsolateError> {
    let child = child();
    let command = move || {
        let mut command = Command::new(&child);
        command.arg(&library);
        command
    };
    Isolated::start(command, Arc::new(clock.clone()))
}

#[test]
fn a_plugin_that_aborts_is_started_again_and_does_not_end_this_process() {
    let folder = tempfile::tempdir().unwrap();
    // The half line that it prints first must not be taken for an answer.
    let third = "extern int printf(const char *, ...); printf(\"{\\\"value\\\"\"); abort();";
    let Some(library) = library(folder.path(), third) else { return };
    let clock = VirtualClock::default();
    let mut plugin = start(library, &clock).unwrap();
    assert_eq!(plugin.channels()[0].device, "package-0");
    for (round, pause) in [1_u64, 1].into_iter().enumerate() {
        assert_eq!((plugin.read(0), plugin.read(0)), (Ok(1), Ok(2)), "round {round}");
        let reason = plugin.read(0).unwrap_err().reason;
        assert!(reason.starts_with("its process ended: signal: 6"), "{reason}");
        let reason = plugin.read(0).unwrap_err().reason;
        assert_eq!(reason, "its process ended and will be started again later");
        clock.advance(pause * 1_000_000_000 + 1_000);
    }
    assert_eq!(plugin.read(0), Ok(1));
    assert_eq!(plugin.read(7).unwrap_err().reason, "no channel 7");
}

#[test]
fn a_plugin_that_cannot_be_loaded_is_an_error_in_the_parent() {
    let error = start("no/such.so".into(), &VirtualClock::default()).unwrap_err();
    assert_eq!(error.to_string(), "failed to find plugin `no/such.so`; check the path");
    let nothing = || Command::new("true");
    let error = Isolated::start(nothing, Arc::new(VirtualClock::default())).unwrap_err();
    assert_eq!(error.to_string(), "the plugin's process ended: exit status: 0");
}
