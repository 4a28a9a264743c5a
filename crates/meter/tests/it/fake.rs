//! Fake hardware: a powercap tree of files, and a source that a test scripts.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use tempfile::TempDir;
use units::{Domain, Method};
use wattlab_meter::{Builder, Channel, Estimator, Kind, Meter, ReadError, Source, VirtualClock};

/// A powercap tree in a temporary folder.
pub(crate) struct Tree {
    folder: TempDir,
}

/// Range of a 32-bit counter of 2^-14 J, as Intel's server processors show it.
pub(crate) const RANGE: u64 = 262_143_328_850;

impl Tree {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("class/powercap")).unwrap();
        Self { folder }
    }

    /// Adds a zone such as `intel-rapl:0`, whose counter shows `energy_uj` microjoules.
    pub(crate) fn zone(self, zone: &str, name: &str, energy_uj: u64) -> Self {
        let path = self.path(zone);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("name"), format!("{name}\n")).unwrap();
        fs::write(path.join("max_energy_range_uj"), format!("{RANGE}\n")).unwrap();
        self.set(zone, energy_uj);
        self
    }

    /// Puts a file into the tree, in one step.
    pub(crate) fn put(self, path: &str, text: &str) -> Self {
        self.replace(path, text);
        self
    }

    /// Replaces a file of the tree in one step.
    pub(crate) fn replace(&self, path: &str, text: &str) {
        let (new, path) = (self.sysfs().join("new"), self.sysfs().join(path));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&new, format!("{text}\n")).unwrap();
        fs::rename(new, path).unwrap();
    }

    /// Puts a link to a folder of the tree into it; the folder is made unless `dangling`.
    pub(crate) fn link(self, path: &str, target: &str, dangling: bool) -> Self {
        let (path, target) = (self.sysfs().join(path), self.sysfs().join(target));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        if !dangling {
            fs::create_dir_all(&target).unwrap();
        }
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    /// Puts a folder in place of the counter's file: not even root can read it.
    pub(crate) fn unreadable(self, zone: &str) -> Self {
        let path = self.path(zone).join("energy_uj");
        fs::remove_file(&path).unwrap();
        fs::create_dir(path).unwrap();
        self
    }

    /// Sets a zone's counter.
    pub(crate) fn set(&self, zone: &str, energy_uj: u64) {
        self.write(zone, &format!("{energy_uj}\n"));
    }

    /// Replaces the text of a zone's counter file in one step: sysfs shows a reader the old value
    /// or the new one, never half of it.
    pub(crate) fn write(&self, zone: &str, text: &str) {
        let (new, file) = (self.path(zone).join("new"), self.path(zone).join("energy_uj"));
        fs::write(&new, text).unwrap();
        fs::rename(&new, &file).unwrap();
    }

    pub(crate) fn path(&self, zone: &str) -> PathBuf {
        self.sysfs().join("class/powercap").join(zone)
    }

    pub(crate) fn sysfs(&self) -> &Path {
        self.folder.path()
    }

    /// A meter over this tree, without a model of what no sensor measures.
    pub(crate) fn builder(&self) -> Builder {
        Meter::builder().sysfs(self.sysfs()).estimator(Estimator::none())
    }

    /// A meter that reads the tree when a test begins or ends a span or calls `sample`, and at no
    /// other time.
    pub(crate) fn meter(&self) -> Meter {
        self.builder().sampled_by_hand().start().unwrap()
    }
}

/// A source of one channel whose value a test sets; a reading of `None` fails.
#[derive(Clone)]
pub(crate) struct Script {
    channels: Vec<Channel>,
    answer: Arc<Mutex<Option<u64>>>,
}

impl Script {
    pub(crate) fn new(channel: Channel) -> Self {
        Self { channels: vec![channel], answer: Arc::default() }
    }

    pub(crate) fn power(domain: Domain) -> Self {
        let method = Method::IntegratedPower;
        Self::new(Channel::new("script", domain, "device", Kind::Power, method, 1.0))
    }

    pub(crate) fn counter(domain: Domain, range: Option<u64>) -> Self {
        let kind = Kind::Counter { range };
        Self::new(Channel::new("script", domain, "device", kind, Method::Counter, 1.0))
    }

    pub(crate) fn set(&self, answer: Option<u64>) {
        *self.answer.lock().unwrap() = answer;
    }

    pub(crate) fn meter(&self) -> (Meter, VirtualClock) {
        let clock = VirtualClock::default();
        let meter = Meter::with_sources(vec![Box::new(self.clone())], Box::new(clock.clone()));
        (meter, clock)
    }
}

impl Source for Script {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, _channel: usize) -> Result<u64, ReadError> {
        self.answer.lock().unwrap().ok_or_else(|| ReadError {
            probe: "script".to_owned(),
            device: "device".to_owned(),
            reason: "told to fail".to_owned(),
        })
    }
}
