//! Hardware that does as it is told.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::TempDir;
use units::{Domain, Method};
use wattlab_meter::{Builder, Channel, Estimator, Kind, Meter, ReadError, Source, Virtual};

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

    /// Adds a zone, as `intel-rapl:0` is one, at so many microjoules.
    pub(crate) fn zone(self, zone: &str, name: &str, energy_uj: u64) -> Self {
        let path = self.path(zone);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("name"), format!("{name}\n")).unwrap();
        fs::write(path.join("max_energy_range_uj"), format!("{RANGE}\n")).unwrap();
        self.set(zone, energy_uj);
        self
    }

    /// A folder in place of the counter cannot be read, not even by root.
    pub(crate) fn unreadable(self, zone: &str) -> Self {
        let path = self.path(zone).join("energy_uj");
        fs::remove_file(&path).unwrap();
        fs::create_dir(path).unwrap();
        self
    }

    pub(crate) fn set(&self, zone: &str, energy_uj: u64) {
        fs::write(self.path(zone).join("energy_uj"), format!("{energy_uj}\n")).unwrap();
    }

    pub(crate) fn path(&self, zone: &str) -> PathBuf {
        self.sysfs().join("class/powercap").join(zone)
    }

    pub(crate) fn sysfs(&self) -> &Path {
        self.folder.path()
    }

    /// A meter that reads the tree at the edges of spans only: its thread sleeps for an hour.
    pub(crate) fn builder(&self) -> Builder {
        Meter::builder()
            .sysfs(self.sysfs())
            .interval(Duration::from_secs(3600))
            .estimator(Estimator::none())
    }

    pub(crate) fn meter(&self) -> Meter {
        self.builder().start().unwrap()
    }
}

/// A source of one channel that answers what it was told last; `None` fails.
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

    pub(crate) fn meter(&self) -> (Meter, Virtual) {
        let clock = Virtual::default();
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
