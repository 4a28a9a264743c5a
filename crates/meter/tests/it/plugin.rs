//! Plugins: they are built, loaded, read, and refused if they are not valid.

use std::{
    env,
    ffi::CStr,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use probe_abi::{Channel, Domain, Failure, Kind, Options, Probe, ProbeTable, Refusal};
use units::{Method, WarningKind};
use wattlab_meter::{
    Builder, LoadError, Meter, MeterError, Plugin, Source, TrustFault, VirtualClock,
};

use crate::fake::Tree;

/// Builds a plugin of this workspace as a user would, and finds its library.
pub(crate) fn build(package: &str) -> PathBuf {
    let library = format!("lib{}{}", package.replace('-', "_"), env::consts::DLL_SUFFIX);
    cargo_build(&["-p", package], &library)
}

/// Builds a target, and finds the file of this name that cargo made.
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

/// Compiles C; without a C compiler it says so and returns false.
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

/// The fake plugin with these macros defined; `None` without a C compiler.
pub(crate) fn fake_plugin(folder: &Path, macros: &str) -> Option<PathBuf> {
    let source = folder.join("plugin.c");
    fs::write(&source, format!("{macros}\n{}", include_str!("../fake-plugin/plugin.c"))).unwrap();
    // A new name each time, because a loaded library stays loaded.
    let library = tempfile::Builder::new().suffix(".so").tempfile_in(folder).unwrap();
    let library = library.into_temp_path().keep().unwrap();
    compile(&source, &library).then_some(library)
}

#[test]
fn the_example_plugin_is_read() {
    let meter = Tree::new().builder().plugin(build("wattlab-probe-constant")).start().unwrap();
    let status = meter.probes().iter().find(|status| status.probe == "constant").unwrap();
    assert!(status.available);
    assert_eq!(status.channels[0].device, "board-0");
    let report = meter.span("fit").end();
    let board = &report.domains[0];
    assert_eq!((board.domain, board.method), (units::Domain::Other, Method::IntegratedPower));
    let peak = board.joules.0 / report.duration.0;
    // The readings enclose the span, so a short span gets a little more than its duration.
    assert!(peak >= 42.0, "{report:?}");
}

/// On a machine with a GPU the probe is read; on any other it is unavailable, with a reason.
#[test]
fn the_nvml_plugin_is_read_or_gives_a_reason() {
    let meter = Tree::new().builder().offer_plugin(build("wattlab-probe-nvml")).start().unwrap();
    let status = meter.probes().iter().find(|status| status.probe == "nvml").unwrap();
    if status.available {
        assert!(
            status.channels.iter().all(|channel| channel.device.starts_with("GPU-")),
            "{status:?}"
        );
    } else {
        assert!(status.reason.is_some() && status.remedy.is_some(), "{status:?}");
    }
}

#[test]
fn a_probe_in_c_is_read_and_replaces_the_estimate() {
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
    // One joule per reading; the sampling thread may have read too.
    assert_eq!(package.joules.0, (package.samples - 1) as f64);
    assert!(package.samples >= 3);
    assert_eq!(report.domains.len(), 1);
}

#[test]
fn a_library_without_a_compatible_function_table_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, expected: &dyn Fn(&LoadError) -> bool| {
        let source = folder.path().join("bad.c");
        // A new name each time, because a loaded library stays loaded.
        let library = tempfile::Builder::new().suffix(".so").tempfile_in(&folder).unwrap();
        fs::write(&source, text).unwrap();
        if compile(&source, library.path()) {
            let error = Plugin::load(library.path()).unwrap_err();
            assert!(expected(&error), "{error:?}");
        }
    };
    check("unsigned t[2] = {2, 64}; void *wattlab_probe(void) { return t; }", &|error| {
        matches!(error, LoadError::Abi { found: 2, .. })
    });
    check("unsigned t[2] = {1, 8}; void *wattlab_probe(void) { return t; }", &|error| {
        matches!(error, LoadError::Table { refusal: Refusal::Size(8), .. })
    });
    check("void *wattlab_probe(void) { return 0; }", &|error| {
        matches!(error, LoadError::Table { refusal: Refusal::Null, .. })
    });
    check(
        "#include \"probe.h\"\nstatic const wattlab_probe_table t = {1, sizeof t, \"x\", 0, 0, 0, 0, 0};\nconst wattlab_probe_table *wattlab_probe(void) { return &t; }",
        &|error| matches!(error, LoadError::Table { refusal: Refusal::Incomplete, .. }),
    );
    check("int nothing;", &|error| matches!(error, LoadError::Library { .. }));
}

/// Who could replace a plugin, and what of it.
fn distrusted(file: &Path) -> Option<(PathBuf, TrustFault)> {
    match Plugin::load(file).unwrap_err() {
        LoadError::Untrusted { culprit, fault, .. } => {
            Some((culprit.canonicalize().unwrap(), fault))
        }
        LoadError::Library { .. } => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_file_that_others_can_replace_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let (outer, inner) = (folder.join("outer"), folder.join("outer/inner"));
    fs::create_dir_all(&inner).unwrap();
    let file = inner.join("libwattlab_probe_x.so");
    fs::write(&file, "").unwrap();
    let chmod = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    [&outer, &inner, &file].iter().for_each(|path| chmod(path, 0o755));
    assert_eq!(distrusted(&file), None);
    // A group that is neither private nor the test's.
    let group = rustix::process::getegid().as_raw() + 1;
    let grouped = std::os::unix::fs::chown(&file, None, Some(group)).is_ok();
    for place in [&file, &inner, &outer] {
        chmod(place, 0o777);
        assert_eq!(distrusted(&file), Some((place.clone(), TrustFault::WorldWritable)));
        if grouped {
            std::os::unix::fs::chown(place, None, Some(group)).unwrap();
            chmod(place, 0o775);
            let fault = TrustFault::GroupWritable(group);
            assert_eq!(distrusted(&file), Some((place.clone(), fault)));
        }
        chmod(place, 0o755);
    }
    // Nobody can replace the files of others in a sticky folder.
    chmod(&outer, 0o1777);
    assert_eq!(distrusted(&file), None);
    // What counts is where a link leads.
    let link = folder.join("link.so");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert_eq!(distrusted(&link), None);
    chmod(&inner, 0o757);
    assert_eq!(distrusted(&link), Some((inner.clone(), TrustFault::WorldWritable)));
    chmod(&inner, 0o755);
    let text = Plugin::load(&inner).unwrap_err().to_string();
    assert!(text.ends_with("is not a file; name a shared library"), "{text}");
}

#[test]
#[expect(clippy::print_stderr, reason = "says visibly that it skips")]
fn a_file_of_another_user_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let file = folder.join("libwattlab_probe_x.so");
    fs::write(&file, "").unwrap();
    let chown = |path: &Path, user| std::os::unix::fs::chown(path, Some(user), None);
    if chown(&file, 4_000_000).is_err() {
        eprintln!("skipped: only root can give a file to another user");
        return;
    }
    assert_eq!(distrusted(&file), Some((file.clone(), TrustFault::Owner(4_000_000))));
    let text = Plugin::load(&file).unwrap_err().to_string();
    assert!(text.contains("belongs to user 4000000, expected root or the user"), "{text}");
    chown(&file, 0).unwrap();
    assert_eq!(distrusted(&file), None);
    chown(&folder, 4_000_000).unwrap();
    assert_eq!(distrusted(&file), Some((folder.clone(), TrustFault::Owner(4_000_000))));
}

/// A smart plug that is not plugged in: the joules must not become an estimate without a word.
#[test]
fn a_named_plugin_that_cannot_open_is_an_error_or_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = fake_plugin(folder.path(), "#define FAILS_TO_OPEN") else { return };
    let tree = Tree::new();
    let error = tree.builder().plugin(&library).start().unwrap_err();
    assert!(matches!(error, MeterError::Plugin(LoadError::Open { code: -1, .. })));
    assert_eq!(
        error.to_string(),
        "plugin `wall` cannot open its hardware: no meter on /dev/ttyUSB0 (code -1); plug it in"
    );
    let warnings = |builder: Builder| {
        let meter = builder.start().unwrap();
        let status = meter.probes().iter().find(|status| status.probe == "wall").unwrap();
        assert!(!status.available);
        assert_eq!(status.remedy.as_deref(), Some("plug it in"));
        let texts: Vec<String> = meter
            .span("fit")
            .end()
            .warnings
            .into_iter()
            .filter(|warning| warning.kind == WarningKind::ProbeFailed)
            .map(|warning| warning.text)
            .collect();
        texts
    };
    let told = ["plugin `wall` is not read: no meter on /dev/ttyUSB0; plug it in"];
    assert_eq!(warnings(tree.builder().plugin(&library).fall_back()), told);
    assert_eq!(warnings(tree.builder().want_plugin_with(&library, Vec::new())), told);
    assert!(warnings(tree.builder().offer_plugin(&library)).is_empty());
    // A file that is no plugin remains an error, and one that was offered is told of.
    let text = folder.path().join("libwattlab_probe_text.so");
    fs::write(&text, "no library ".repeat(100)).unwrap();
    let error = tree.builder().plugin(&text).fall_back().start().unwrap_err();
    assert!(matches!(error, MeterError::Plugin(LoadError::Library { .. })), "{error:?}");
    let meter = tree.builder().offer_plugin(&text).start().unwrap();
    assert!(meter.warnings()[0].text.contains("invalid ELF header"), "{:?}", meter.warnings());
}

#[test]
fn a_named_plugin_without_channels_or_with_a_hanging_open_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let Some(library) = fake_plugin(folder.path(), "#define EMPTY") else { return };
    let error = Tree::new().builder().plugin(&library).start().unwrap_err();
    assert!(error.to_string().ends_with(": it lists no channels"), "{error}");
    let Some(library) = fake_plugin(folder.path(), "#define HANGS_IN_OPEN") else { return };
    let builder = || Tree::new().builder().plugin_timeout(Duration::from_millis(50));
    let error = builder().plugin(&library).start().unwrap_err();
    let text = "plugin `wall` cannot open its hardware: it did not open within 0.05 s (code -125); \
                check whether its device answers";
    assert_eq!(error.to_string(), text);
    // One that was only offered and hangs is no missing hardware.
    let meter = builder().offer_plugin(&library).start().unwrap();
    assert!(meter.warnings()[0].text.contains("did not open within"), "{:?}", meter.warnings());
}

#[test]
fn a_missing_plugin_is_an_error_that_names_the_file() {
    let error = Meter::builder().plugin("no/such.so").start().unwrap_err();
    assert!(matches!(error, MeterError::Plugin(LoadError::File { .. })));
    assert_eq!(error.to_string(), "failed to find plugin `no/such.so`; check the path");
}

/// A probe whose channels panic, fail and work.
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
fn a_channel_that_panics_or_fails_has_a_warning_and_the_others_are_read() {
    let mut plugin = Plugin::open(const { &ProbeTable::of::<Broken>() }).unwrap();
    assert_eq!(plugin.read(0).unwrap_err().reason, "the probe panicked (code -127)");
    assert_eq!(plugin.read(1).unwrap_err().reason, "on purpose (code -9)");
    assert_eq!(plugin.read(2).unwrap(), 5);
    let meter = Meter::with_sources(vec![Box::new(plugin)], Box::new(VirtualClock::default()));
    let report = meter.span("fit").end();
    assert_eq!(report.domains.len(), 1);
    assert_eq!(report.domains[0].device, "works");
    let failed = report.warnings.iter().filter(|warning| warning.kind == WarningKind::ProbeFailed);
    assert_eq!(failed.count(), 2);
}

/// A probe whose hardware is missing, or that panics while it looks for it.
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
fn missing_hardware_has_a_reason_and_a_remedy() {
    let error = Plugin::open(const { &ProbeTable::of::<Absent<false>>() }).unwrap_err();
    let LoadError::Open { code, reason, remedy, .. } = error else { panic!("{error:?}") };
    assert_eq!(
        (code, reason.as_str(), remedy.as_deref()),
        (-3, "no such board", Some("plug it in"))
    );
    let error = Plugin::open(const { &ProbeTable::of::<Absent<true>>() }).unwrap_err();
    assert!(matches!(error, LoadError::Open { code: probe_abi::PANICKED, .. }), "{error:?}");
}
