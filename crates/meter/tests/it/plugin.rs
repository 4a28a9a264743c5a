use std::{
    env,
    ffi::CStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use probe_abi::{Channel, Domain, Failure, Kind, Options, Probe, Refusal, Table};
use units::{Method, WarningKind};
use wattlab_meter::{LoadError, Meter, MeterError, Plugin, Source, VirtualClock};

use crate::fake::Tree;

/// Builds a plugin of this workspace as the user would, and finds the library it becomes.
pub(crate) fn build(package: &str) -> PathBuf {
    let library = format!("lib{}{}", package.replace('-', "_"), env::consts::DLL_SUFFIX);
    cargo_build(&["-p", package], &library)
}

/// Builds, and finds the file of that name that it made.
pub(crate) fn cargo_build(args: &[&str], name: &str) -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--message-format=json"])
        .args(args)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8(output.stdout).unwrap();
    messages
        .lines()
        .filter(|line| line.contains("compiler-artifact"))
        .flat_map(|line| line.split('"'))
        .find(|text| text.ends_with(&format!("/{name}")))
        .unwrap_or_else(|| panic!("no `{name}` in {messages}"))
        .into()
}

/// Compiles C, or says visibly that it cannot.
#[expect(clippy::print_stderr, reason = "says visibly that it skips")]
pub(crate) fn compile(source: &Path, library: &Path) -> bool {
    let include = concat!(env!("CARGO_MANIFEST_DIR"), "/../probe-abi/include");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I", include]);
    match cc.arg(source).arg("-o").arg(library).status() {
        Ok(status) => {
            assert!(status.success());
            true
        }
        Err(error) => {
            eprintln!("skipped: no C compiler (`cc`): {error}");
            false
        }
    }
}

#[test]
fn the_example_to_copy_is_read() {
    let meter = Tree::new().builder().plugin(build("wattlab-probe-constant")).start().unwrap();
    let status = meter.probes().iter().find(|it| it.probe == "constant").unwrap();
    assert!(status.available);
    assert_eq!(status.channels[0].device, "board-0");
    let report = meter.span("fit").end();
    let board = &report.domains[0];
    assert_eq!((board.domain, board.method), (units::Domain::Other, Method::IntegratedPower));
    let peak = board.joules.0 / report.duration.0;
    // The readings lie just outside of the span's ends, microseconds that count in a short span.
    assert!(peak >= 42.0, "{report:?}");
}

/// On a machine without NVIDIA's driver the probe is unavailable, with a reason; on one with a GPU
/// it is read. Both are right, a crash is not.
#[test]
fn nvml_is_read_or_says_why_not() {
    let meter = Tree::new().builder().plugin(build("wattlab-probe-nvml")).start().unwrap();
    let status = meter.probes().iter().find(|it| it.probe == "nvml").unwrap();
    if status.available {
        assert!(status.channels.iter().all(|it| it.device.starts_with("GPU-")), "{status:?}");
    } else {
        assert!(status.reason.is_some() && status.remedy.is_some(), "{status:?}");
    }
}

#[test]
fn a_probe_in_c_is_read_and_takes_the_place_of_the_estimate() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../../plugins/example-c/probe.c");
    let folder = tempfile::tempdir().unwrap();
    let library =
        folder.path().join(format!("libwattlab_probe_example{}", env::consts::DLL_SUFFIX));
    if !compile(source.as_ref(), &library) {
        return;
    }
    let meter = Meter::builder().sysfs(folder.path()).plugin_dir(folder.path()).start().unwrap();
    let span = meter.span("fit");
    meter.sample();
    let report = span.end();
    let package = &report.domains[0];
    assert_eq!((package.probe.as_str(), package.device.as_str()), ("example-c", "package-0"));
    // A joule a reading, and the sampling thread may have read, too.
    assert_eq!(package.joules.0, (package.samples - 1) as f64);
    assert!(package.samples >= 3);
    assert_eq!(report.domains.len(), 1);
}

#[test]
fn a_library_of_another_abi_or_without_a_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, expected: &dyn Fn(&LoadError) -> bool| {
        let source = folder.path().join("bad.c");
        // A fresh name: a loaded library stays loaded.
        let library = tempfile::Builder::new().suffix(".so").tempfile_in(&folder).unwrap();
        fs::write(&source, text).unwrap();
        if compile(&source, library.path()) {
            let error = Plugin::load(library.path()).unwrap_err();
            assert!(expected(&error), "{error:?}");
        }
    };
    check("unsigned t[2] = {2, 64}; void *wattlab_probe(void) { return t; }", &|it| {
        matches!(it, LoadError::Abi { found: 2, .. })
    });
    check("unsigned t[2] = {1, 8}; void *wattlab_probe(void) { return t; }", &|it| {
        matches!(it, LoadError::Table { refusal: Refusal::Size(8), .. })
    });
    check("void *wattlab_probe(void) { return 0; }", &|it| {
        matches!(it, LoadError::Table { refusal: Refusal::Null, .. })
    });
    check(
        "#include \"probe.h\"\nstatic const wattlab_probe_table t = {1, sizeof t, \"x\", 0, 0, 0, 0, 0};\nconst wattlab_probe_table *wattlab_probe(void) { return &t; }",
        &|it| matches!(it, LoadError::Table { refusal: Refusal::Incomplete, .. }),
    );
    check("int nothing;", &|it| matches!(it, LoadError::Library { .. }));
}

#[test]
fn a_file_that_anybody_can_replace_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("open");
    fs::create_dir(&inner).unwrap();
    let file = inner.join("libwattlab_probe_x.so");
    fs::write(&file, "").unwrap();
    let chmod = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let culprit = || match Plugin::load(&file).unwrap_err() {
        LoadError::WorldWritable { culprit, .. } => Some(culprit.canonicalize().unwrap()),
        _ => None,
    };
    chmod(&file, 0o666);
    assert_eq!(culprit(), Some(file.canonicalize().unwrap()));
    chmod(&file, 0o644);
    chmod(&inner, 0o777);
    assert_eq!(culprit(), Some(inner.canonicalize().unwrap()));
    chmod(&inner, 0o1777);
    assert_eq!(culprit(), None);
}

#[test]
fn a_missing_plugin_is_an_error_that_names_it() {
    let error = Meter::builder().plugin("no/such.so").start().unwrap_err();
    assert!(matches!(error, MeterError::Plugin(LoadError::File { .. })));
    assert_eq!(error.to_string(), "failed to find plugin `no/such.so`; check the path");
}

/// A probe whose every function panics or fails, as told by its channel's number.
struct Broken;

impl Probe for Broken {
    const NAME: &'static CStr = c"broken";

    fn open(_: &Options) -> Result<Self, Failure> {
        Ok(Self)
    }

    fn channels(&self, describe: &mut dyn FnMut(Channel<'_>)) {
        for device in ["panics", "fails", "works"] {
            let channel = Channel::new(Kind::Counter, Domain::Other, device, 1.0);
            describe(Channel { relative_error: f64::NAN, ..channel });
        }
    }

    fn read(&mut self, channel: usize) -> Result<u64, Failure> {
        match channel {
            0 => panic!("on purpose"),
            1 => Err(Failure { code: -9, reason: "on purpose" }),
            _ => Ok(5),
        }
    }
}

#[test]
fn a_probe_that_panics_or_fails_is_told_and_the_rest_is_read() {
    let mut plugin = Plugin::open(const { &Table::of::<Broken>() }).unwrap();
    assert_eq!(plugin.read(0).unwrap_err().reason, "the probe panicked (code -127)");
    assert_eq!(plugin.read(1).unwrap_err().reason, "on purpose (code -9)");
    assert_eq!(plugin.read(2).unwrap(), 5);
    let meter = Meter::with_sources(vec![Box::new(plugin)], Box::new(VirtualClock::default()));
    let report = meter.span("fit").end();
    assert_eq!(report.domains.len(), 1);
    assert_eq!(report.domains[0].device, "works");
    let failed = report.warnings.iter().filter(|it| it.kind == WarningKind::ProbeFailed);
    assert_eq!(failed.count(), 2);
}

/// A probe without its hardware, and one that panics while it looks for it.
struct Absent<const PANICS: bool>;

impl<const PANICS: bool> Probe for Absent<PANICS> {
    const NAME: &'static CStr = c"absent";

    fn open(_: &Options) -> Result<Self, Failure> {
        assert!(!PANICS, "on purpose");
        Err(Failure { code: -3, reason: "no such board\nplug it in" })
    }

    fn channels(&self, _: &mut dyn FnMut(Channel<'_>)) {}

    fn read(&mut self, _: usize) -> Result<u64, Failure> {
        Ok(0)
    }
}

#[test]
fn hardware_that_is_absent_has_a_reason_and_a_remedy() {
    let error = Plugin::open(const { &Table::of::<Absent<false>>() }).unwrap_err();
    let LoadError::Open { code, reason, remedy, .. } = error else { panic!("{error:?}") };
    assert_eq!(
        (code, reason.as_str(), remedy.as_deref()),
        (-3, "no such board", Some("plug it in"))
    );
    let error = Plugin::open(const { &Table::of::<Absent<true>>() }).unwrap_err();
    assert!(matches!(error, LoadError::Open { code: probe_abi::PANICKED, .. }), "{error:?}");
}
