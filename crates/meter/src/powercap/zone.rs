//! The zones of RAPL: their places in the tree, their names, and what each counts.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use units::{Domain, Method, Seconds};

use crate::{
    file::{NumberFile, Trouble, read_text},
    source::{Channel, Kind},
};

/// The probe's name.
pub(crate) const NAME: &str = "rapl";

/// The name of the file with a zone's counter.
const COUNTER: &str = "energy_uj";

/// A zone's folder and its position in the tree: `[0, 1]` for `intel-rapl:0:1`.
pub(super) struct Zone {
    pub(super) path: PathBuf,
    pub(super) control: String,
    position: Vec<u32>,
    /// Its name after those of the zones that contain it: `package-0/core`. A name that is there
    /// already has a number: `package-0#2`. On failure the reason.
    pub(super) name: Result<Name, Problem>,
}

/// The name of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) device: String,
    /// The device that contains it.
    outer: Option<String>,
    /// Whether an earlier zone of the same kind has the same name.
    pub(super) repeated: bool,
}

/// Why a zone cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) text: String,
    pub(super) trouble: Trouble,
}

impl Zone {
    pub(super) fn counter(&self) -> PathBuf {
        self.path.join(COUNTER)
    }

    fn problem(&self, text: &str, file: &Path) -> Problem {
        let zone = self.path.display();
        let text = match fs::read_link(&self.path) {
            Ok(target) if !self.path.exists() => {
                format!("`{zone}` is a link to `{}`, which does not exist", target.display())
            }
            _ => format!("`{zone}`: {text}"),
        };
        Problem { text, trouble: Trouble::of(file) }
    }

    /// Opens its counter and reads it once.
    pub(super) fn open(&self) -> Result<(Channel, NumberFile), Problem> {
        let Name { device, outer, .. } = self.name.clone()?;
        let counter = self.counter();
        let fail = |error: String| self.problem(&format!("{COUNTER}: {error}"), &counter);
        let mut file =
            NumberFile::open(counter.clone()).map_err(|error| fail(error.to_string()))?;
        let value = file.read().map_err(fail)?;
        let domain = domain(device.rsplit('/').next().unwrap_or_default());
        let kind = Kind::Counter { range: range(&self.path, value) };
        let mut channel = Channel::new(NAME, domain, &device, kind, Method::Counter, 1e-6);
        // The kernel lists memory below its package, but the package's counter does not include it.
        channel.inside = outer.filter(|_| domain != Domain::Dram);
        channel.identity = Some(format!("rapl/{device}"));
        // Intel states no accuracy, so the gain does not widen the interval: see docs/measuring.md.
        // "Approximately 1 millisecond": Intel's Software Developer's Manual 3B on RAPL.
        channel.period = Seconds(1e-3);
        Ok((channel, file))
    }
}

/// What the last part of a zone's name stands for. The names are those of `intel_rapl_common.c`, which
/// calls the platform of the second socket and later ones `psys-1` and so on.
fn domain(name: &str) -> Domain {
    let numbered = |word: &str| {
        let rest = name.strip_prefix(word)?;
        (rest.is_empty() || rest.starts_with(['-', '#'])).then_some(())
    };
    match name.split('#').next().unwrap_or_default() {
        "core" => Domain::CpuCore,
        "uncore" => Domain::CpuUncore,
        "dram" => Domain::Dram,
        _ if numbered("psys").is_some() => Domain::Psys,
        _ if name.starts_with("package-") => Domain::CpuPackage,
        _ => Domain::Other,
    }
}

/// One more than the highest value of the counter, which takes every value from 0 to that one.
/// `None` if the kernel does not say: the file is missing (a container, or rights to the counter
/// alone), it is 0 (some older systems), or the counter is beyond it.
fn range(zone: &Path, value: u64) -> Option<u64> {
    let highest: u64 = read_text(&zone.join("max_energy_range_uj")).ok()?.parse().ok()?;
    (highest > 0 && value <= highest).then(|| highest.saturating_add(1))
}

/// All zones, parents before children and MSR zones before MMIO zones.
pub(super) fn zones(folder: &Path) -> io::Result<Vec<Zone>> {
    let mut zones = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let mut parts = name.split(':');
        let control = parts.next().unwrap_or_default().to_owned();
        let position: Option<Vec<u32>> = parts.map(|number| number.parse().ok()).collect();
        if let (true, Some(position)) = (control.starts_with("intel-rapl"), position)
            && !position.is_empty()
        {
            let device = String::new();
            let name = Ok(Name { device, outer: None, repeated: false });
            zones.push(Zone { path, control, position, name });
        }
    }
    zones.sort_by(|a, b| (&a.control, &a.position).cmp(&(&b.control, &b.position)));
    for at in 0..zones.len() {
        zones[at].name = name(&zones[at], &zones[..at]);
    }
    Ok(zones)
}

/// The name of a zone, given the zones before it with their names.
fn name(zone: &Zone, earlier: &[Zone]) -> Result<Name, Problem> {
    let file = zone.path.join("name");
    let own = read_text(&file).map_err(|error| zone.problem(&error, &file))?;
    let of_kind = || earlier.iter().filter(|other| other.control == zone.control);
    let parent = of_kind().find(|other| {
        zone.position.split_last().is_some_and(|(_, parent)| other.position == parent)
    });
    let outer = match parent {
        Some(parent) => Some(parent.name.clone()?.device),
        None => None,
    };
    let base = match &outer {
        Some(outer) => format!("{outer}/{own}"),
        None => own,
    };
    let used = |device: &str| {
        of_kind().any(|other| other.name.as_ref().is_ok_and(|name| name.device == device))
    };
    let mut device = base.clone();
    let mut number = 1;
    while used(&device) {
        number += 1;
        device = format!("{base}#{number}");
    }
    Ok(Name { device, outer, repeated: number > 1 })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_names_of_the_kernel_have_domains() {
        for (name, expected) in [
            ("package-0", Domain::CpuPackage),
            ("package-11-die-1", Domain::CpuPackage),
            ("package-0#2", Domain::CpuPackage),
            ("psys", Domain::Psys),
            ("psys-1", Domain::Psys),
            ("core", Domain::CpuCore),
            ("dram", Domain::Dram),
            ("uncore#2", Domain::CpuUncore),
            ("psystem", Domain::Other),
            ("mmio", Domain::Other),
            ("", Domain::Other),
        ] {
            assert_eq!(domain(name), expected, "{name}");
        }
    }

    #[test]
    fn a_range_that_cannot_be_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let with = |text: &str, value| {
            fs::write(folder.path().join("max_energy_range_uj"), text).unwrap();
            range(folder.path(), value)
        };
        assert_eq!(range(folder.path(), 5), None);
        assert_eq!(with("262143328850\n", 5), Some(262_143_328_851));
        assert_eq!(with("262143328850\n", 262_143_328_850), Some(262_143_328_851));
        assert_eq!(with("18446744073709551615\n", 5), Some(u64::MAX));
        for text in ["0\n", "", "unknown\n", "-1\n", "4\n", "99999999999999999999999\n"] {
            assert_eq!(with(text, 5), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_tree_of_names_has_names_of_its_own(
            names in prop::collection::vec("(package-[01]|psys|core)", 0..8),
        ) {
            let folder = tempfile::tempdir().unwrap();
            for (at, name) in names.iter().enumerate() {
                let zone = folder.path().join(format!("intel-rapl:{at}"));
                fs::create_dir(&zone).unwrap();
                fs::write(zone.join("name"), name).unwrap();
            }
            let zones = zones(folder.path()).unwrap();
            let mut devices: Vec<String> =
                zones.iter().map(|zone| zone.name.clone().unwrap().device).collect();
            devices.sort();
            devices.dedup();
            prop_assert_eq!(devices.len(), names.len());
        }
    }
}
