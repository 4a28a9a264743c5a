//! The NVML plugin with a fake of NVIDIA's library.

use std::{
    fs,
    path::{Path, PathBuf},
};

use units::{Domain, Method, Seconds};
use wattlab_meter::{LoadError, Plugin, Source, conformance, sensor_comparison};

use crate::plugin::{build, compile};

/// A fake driver whose GPUs behave as the control file says.
struct Driver {
    folder: tempfile::TempDir,
}

impl Driver {
    /// `None` without a C compiler.
    fn new(define: &str) -> Option<Self> {
        let driver = Self { folder: tempfile::tempdir().unwrap() };
        let control = driver.folder.path().join("control");
        let source = driver.folder.path().join("nvml.c");
        let text = include_str!("../fake-nvml/nvml.c");
        let header = format!("#define CONTROL \"{}\"\n{define}\n", control.display());
        fs::write(&source, header + text).unwrap();
        compile(&source, &driver.library()).then_some(driver)
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("libnvidia-ml.so.1")
    }

    fn show(&self, gpus: &str) {
        fs::write(self.folder.path().join("control"), gpus).unwrap();
    }

    fn options(&self) -> [(String, String); 1] {
        [("library".to_owned(), self.library().display().to_string())]
    }

    fn open(&self, plugin: &Path) -> Result<Plugin, LoadError> {
        Plugin::load_with(plugin, &self.options())
    }
}

#[test]
fn eight_different_gpus_are_read_and_a_lost_one_disturbs_no_other() {
    let Some(driver) = Driver::new("") else { return };
    let library = build("wattlab-probe-nvml");
    driver.show("8 ok ok power none lost ok ok ok");
    let mut plugin = driver.open(&library).unwrap();
    let names: Vec<_> = plugin.channels().iter().map(|channel| channel.device.as_str()).collect();
    // The fourth has nothing to read; the fifth is lost and listed all the same.
    let expected = ["GPU-00000000", "GPU-00000001", "GPU-00000002", "gpu-4"];
    assert_eq!((names.len(), &names[..4]), (7, &expected[..]));
    assert!(
        plugin
            .channels()
            .iter()
            .all(|channel| channel.domain == Domain::Gpu && channel.unit == 1e-3)
    );
    assert_eq!(plugin.channels()[0].identity.as_deref(), Some("GPU-00000000"));
    assert_eq!(plugin.channels()[2].method, Method::IntegratedPower);
    // The truth is up to 6 % above what five boards showed, and their power is a mean over up to 1 s.
    let known = |channel: usize| {
        let channel = &plugin.channels()[channel];
        (channel.relative_error, channel.averaging)
    };
    assert_eq!((known(0), known(2)), ((Some(0.1), Seconds(0.0)), (Some(0.1), Seconds(1.0))));
    let before = plugin.read(0).unwrap();
    assert_eq!((plugin.read(0).unwrap() - before, plugin.read(2)), (1000, Ok(75_000)));
    let reason = plugin.read(3).unwrap_err().reason;
    assert!(reason.starts_with("the GPU is lost") && reason.ends_with("(code -7)"), "{reason}");
    // That GPU comes back, and another one is lost.
    driver.show("8 lost ok power none ok ok ok ok");
    assert!(plugin.read(0).is_err());
    assert!(plugin.read(3).is_ok() && plugin.read(1).is_ok());
}

#[test]
fn power_is_read_if_an_old_driver_lacks_the_counter() {
    let Some(driver) = Driver::new("#define OLD_DRIVER") else { return };
    driver.show("2 ok ok");
    let mut plugin = driver.open(&build("wattlab-probe-nvml")).unwrap();
    assert_eq!(plugin.channels().len(), 2);
    assert_eq!(plugin.channels()[0].method, Method::IntegratedPower);
    assert_eq!(plugin.read(1), Ok(75_000));
}

#[test]
fn a_driver_without_a_readable_gpu_gives_the_reason() {
    let Some(driver) = Driver::new("") else { return };
    let library = build("wattlab-probe-nvml");
    let reason = |error| match error {
        LoadError::Open { code, reason, remedy: Some(_), .. } => (code, reason),
        other => panic!("{other:?}"),
    };
    // Without its control file the fake reports that the driver is not loaded.
    let check = |expected| {
        assert_eq!(reason(driver.open(&library).unwrap_err()), expected);
    };
    check((-2, "the NVIDIA driver is not loaded".to_owned()));
    driver.show("0");
    check((-5, "the driver shows no GPU".to_owned()));
    driver.show("1 none");
    check((-8, "the GPU shows neither energy nor power".to_owned()));
    let missing = [("library".to_owned(), "/no/such.so".to_owned())];
    let error = Plugin::load_with(&library, &missing).unwrap_err();
    assert_eq!(reason(error), (-1, "the library `libnvidia-ml.so.1` was not found".to_owned()));
}

#[test]
fn the_plugin_passes_the_conformance_check() {
    let Some(driver) = Driver::new("") else { return };
    driver.show("2 ok power");
    let report = conformance::check(&build("wattlab-probe-nvml"), &driver.options());
    assert!(report.passed() && report.checks.len() == 9, "{report:#?}");
}

#[test]
fn an_option_adds_the_power_beside_the_counter() {
    let Some(driver) = Driver::new("") else { return };
    driver.show("3 ok power ok");
    let library = build("wattlab-probe-nvml");
    let [named] = driver.options();
    let with = |power: &str| {
        let options = [named.clone(), ("power".to_owned(), power.to_owned())];
        Plugin::load_with(&library, &options)
    };
    let mut plugin = with("beside").unwrap();
    assert_eq!(sensor_comparison::pairs(plugin.channels()), [(0, 3), (2, 4)]);
    assert_eq!((plugin.read(4), plugin.read(1)), (Ok(75_000), Ok(75_000)));
    let before = plugin.read(2).unwrap();
    assert_eq!(plugin.read(2).unwrap() - before, 1000);
    assert!(matches!(with("only").unwrap_err(), LoadError::Open { code: -11, .. }));
}
