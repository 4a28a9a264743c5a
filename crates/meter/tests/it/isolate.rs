//! Plugins in C that crash or cannot be loaded, each in a process of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use wattlab_meter::{
    Source, VirtualClock,
    isolate::{IsolateError, Isolated},
};

use crate::{
    fake::Tree,
    plugin::{cargo_build, compile, fake_plugin},
};

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
    let text = "failed to find plugin `no/such.so`; check the path: No such file or directory";
    assert!(error.to_string().starts_with(text), "{error}");
    let nothing = || Command::new("true");
    let error = Isolated::start(nothing, Arc::new(VirtualClock::default())).unwrap_err();
    assert_eq!(error.to_string(), "the plugin's process ended: exit status: 0");
}

/// What the plugin prints is no answer, and what it reads is no request.
#[test]
fn a_plugin_that_prints_and_reads_disturbs_no_reading() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = fake_plugin(folder.path(), "#define PRINTS") else { return };
    let mut plugin = start(library, &VirtualClock::default()).unwrap();
    assert_eq!(plugin.channels().len(), 1);
    for _ in 0..20 {
        assert_eq!(plugin.read(0), Ok(1000));
    }
}

#[test]
fn a_plugin_without_its_hardware_says_so_in_the_parent() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = fake_plugin(folder.path(), "#define FAILS_TO_OPEN") else { return };
    let error = start(library.clone(), &VirtualClock::default()).unwrap_err();
    let IsolateError::Open { name, code, remedy, .. } = &error else { panic!("{error:?}") };
    assert_eq!((name.as_str(), *code, remedy.as_deref()), ("wall", -1, Some("plug it in")));
    // The meter says the same as without a process of its own.
    let child = child();
    let isolated = move |path: &Path, _: &[(String, String)]| {
        let mut command = Command::new(&child);
        command.arg(path);
        command
    };
    let builder = || Tree::new().builder().plugin(&library);
    let plain = builder().start().unwrap_err().to_string();
    let apart = builder().isolate(isolated.clone()).start().unwrap_err().to_string();
    assert_eq!((plain, error.to_string()), (apart.clone(), apart));
    let meter = builder().isolate(isolated).fall_back().start().unwrap();
    assert_eq!(
        meter.warnings()[0].text,
        "plugin `wall` is not read: no meter on /dev/ttyUSB0; plug it in"
    );
}

/// Whether a process has ended, waited for or not.
fn ended(process: &str) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat"))
        .map_or(true, |stat| stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

#[test]
fn a_plugin_that_hangs_ends_with_all_that_it_has_started() {
    let folder = tempfile::tempdir().unwrap();
    let told = folder.path().join("processes");
    let macros = format!("#define HANGS_IN_OPEN\n#define PID_FILE \"{}\"", told.display());
    let Some(library) = fake_plugin(folder.path(), &macros) else { return };
    let child = child();
    let command = move || {
        let mut command = Command::new(&child);
        command.arg(&library);
        command
    };
    let clock = Arc::new(VirtualClock::default());
    let error = Isolated::start_within(command, clock, Duration::from_secs(2)).unwrap_err();
    let text = "the plugin's process did not open the plugin within 2 s";
    assert_eq!(error.to_string(), text);
    let told = fs::read_to_string(&told).unwrap();
    assert_eq!(told.split_whitespace().count(), 2, "{told}");
    for process in told.split_whitespace() {
        let limit = Instant::now() + Duration::from_secs(20);
        while !ended(process) {
            assert!(Instant::now() < limit, "process {process} lives");
            thread::sleep(Duration::from_millis(5));
        }
    }
}
