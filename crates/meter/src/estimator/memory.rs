//! The estimate for memory without a sensor, from the number of bytes in use.

use std::{
    fs,
    path::{Path, PathBuf},
};

use units::{Domain, Method};

use crate::source::{Absent, Channel, Kind, ReadError, Source};

/// The probe's name.
pub(crate) const NAME: &str = "memory-model";

/// Watts per byte: "about 3 W for every 8 GB" from Crucial's advice on DDR3 and DDR4 modules, which
/// CodeCarbon also uses.
const WATTS_PER_BYTE: f64 = 3.0 / 8e9;

/// The number, voltage and clock of the modules change their power by about this share.
const UNCERTAINTY: f64 = 0.5;

/// Bytes in use × power per byte.
pub(crate) struct MemoryModel {
    channels: Vec<Channel>,
    meminfo: PathBuf,
}

impl MemoryModel {
    pub(crate) fn open(procfs: &Path) -> Result<Self, Absent> {
        let method = Method::Model;
        let mut channel =
            Channel::new(NAME, Domain::Dram, "memory", Kind::Power, method, WATTS_PER_BYTE);
        channel.relative_error = Some(UNCERTAINTY);
        channel.model = Some(format!(
            "used memory of the whole machine × 3 W per 8 GB (±{:.0} %)",
            UNCERTAINTY * 100.0
        ));
        let this = Self { channels: vec![channel], meminfo: procfs.join("meminfo") };
        match this.used() {
            Ok(_) => Ok(this),
            Err(reason) => {
                Err(Absent { reason, remedy: "this model needs Linux's `/proc`".to_owned() })
            }
        }
    }

    /// The number of bytes in use.
    fn used(&self) -> Result<u64, String> {
        let path = self.meminfo.display();
        let text =
            fs::read_to_string(&self.meminfo).map_err(|error| format!("`{path}`: {error}"))?;
        let total = kibibytes(&text, "MemTotal:");
        let available = kibibytes(&text, "MemAvailable:");
        let used = total.zip(available).and_then(|(total, available)| total.checked_sub(available));
        used.map(|kibibytes| kibibytes * 1024)
            .ok_or_else(|| format!("`{path}` lacks `MemTotal` or `MemAvailable`"))
    }
}

fn kibibytes(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

impl Source for MemoryModel {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, _channel: usize) -> Result<u64, ReadError> {
        self.used().map_err(|reason| ReadError {
            probe: NAME.to_owned(),
            device: "memory".to_owned(),
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_not_available_is_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let text = "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    6000000 kB\n";
        fs::write(folder.path().join("meminfo"), text).unwrap();
        let mut model = MemoryModel::open(folder.path()).unwrap();
        assert_eq!(model.read(0), Ok(10_000_000 * 1024));
        let watts = model.channels()[0].watts(10_000_000 * 1024);
        assert!((watts.0 - 3.84).abs() < 1e-9, "{watts}");
        fs::write(folder.path().join("meminfo"), "MemTotal: x").unwrap();
        assert!(model.read(0).is_err());
    }
}
