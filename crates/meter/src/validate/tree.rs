//! A simulated powercap tree in a temporary folder.

use std::{fs, io, path::PathBuf};

use tempfile::TempDir;

/// The tree, for [`crate::Builder::sysfs`].
pub(super) struct Tree {
    pub(super) folder: TempDir,
}

impl Tree {
    pub(super) fn new() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::create_dir_all(folder.path().join("class/powercap"))?;
        Ok(Self { folder })
    }

    pub(super) fn zone(&self, zone: &str) -> PathBuf {
        self.folder.path().join("class/powercap").join(zone)
    }

    /// Adds a zone with its counter at 0.
    pub(super) fn add(&self, zone: &str, name: &str) -> io::Result<()> {
        let path = self.zone(zone);
        fs::create_dir_all(&path)?;
        fs::write(path.join("name"), format!("{name}\n"))?;
        fs::write(path.join("max_energy_range_uj"), "262143328850\n")?;
        self.set(zone, "0\n")
    }

    /// Replaces the text of a zone's counter file in one step.
    pub(super) fn set(&self, zone: &str, text: &str) -> io::Result<()> {
        let path = self.zone(zone);
        fs::write(path.join("new"), text)?;
        fs::rename(path.join("new"), path.join("energy_uj"))
    }
}
