//! RAPL through the kernel's powercap files.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use record::{Domain, Method, Seconds};

use crate::source::{Channel, Kind, ReadError, Source};

/// The probe's name.
pub(crate) const NAME: &str = "rapl";

/// The RAPL zones of a machine, their files kept open.
pub(crate) struct Powercap {
    channels: Vec<Channel>,
    files: Vec<File>,
}

/// Why there is no RAPL here, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Absent {
    pub(crate) reason: String,
    pub(crate) remedy: String,
}

impl Powercap {
    /// Finds the zones below `<sysfs>/class/powercap`.
    pub(crate) fn open(sysfs: &Path) -> Result<Self, Absent> {
        let folder = sysfs.join("class/powercap");
        let zones = zones(&folder).map_err(|error| Absent {
            reason: format!("`{}` cannot be listed: {error}", folder.display()),
            remedy: "needs an Intel or AMD processor and the kernel module intel_rapl_common; \
                     virtual machines do not pass RAPL on"
                .to_owned(),
        })?;
        let mut this = Self { channels: Vec::new(), files: Vec::new() };
        let mut problems = Vec::new();
        for zone in &zones {
            match open_zone(zone, &zones) {
                Ok((channel, file)) if !this.has_copy_of(&channel) => {
                    this.channels.push(channel);
                    this.files.push(file);
                }
                // The MMIO copy of a counter that is there already.
                Ok(_) => {}
                Err(error) => problems.push(format!("`{}`: {error}", zone.path.display())),
            }
        }
        if !this.channels.is_empty() {
            return Ok(this);
        }
        Err(match problems.first() {
            Some(problem) => Absent {
                reason: problem.clone(),
                remedy: format!(
                    "make the counters readable: `sudo chmod a+r {}/intel-rapl:*/energy_uj` (until \
                     the next start; a udev rule keeps it)",
                    folder.display()
                ),
            },
            None => Absent {
                reason: format!("`{}` has no RAPL zone", folder.display()),
                remedy: "load the kernel module: `sudo modprobe intel_rapl_msr`; virtual machines \
                         do not pass RAPL on"
                    .to_owned(),
            },
        })
    }

    fn has_copy_of(&self, channel: &Channel) -> bool {
        self.channels.iter().any(|it| it.device == channel.device && it.domain == channel.domain)
    }
}

impl Source for Powercap {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
        let fail = |reason: String| ReadError {
            probe: NAME.to_owned(),
            device: self.channels[channel].device.clone(),
            reason,
        };
        let mut buffer = [0; 32];
        let length =
            self.files[channel].read_at(&mut buffer, 0).map_err(|error| fail(error.to_string()))?;
        number(&buffer[..length]).ok_or_else(|| {
            fail(format!("`{}` is not a number", String::from_utf8_lossy(&buffer[..length])))
        })
    }
}

/// A zone's folder with its place in the tree: `intel-rapl:0:1` is `[0, 1]`.
struct Zone {
    path: PathBuf,
    control: String,
    place: Vec<u32>,
}

/// The zones, parents before children, MSR before MMIO.
fn zones(folder: &Path) -> io::Result<Vec<Zone>> {
    let mut zones = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|it| it.to_str()) else { continue };
        let mut parts = name.split(':');
        let control = parts.next().unwrap_or_default().to_owned();
        let place: Option<Vec<u32>> = parts.map(|it| it.parse().ok()).collect();
        if let (true, Some(place)) = (control.starts_with("intel-rapl"), place)
            && !place.is_empty()
        {
            zones.push(Zone { control, place, path });
        }
    }
    zones.sort_by(|a, b| (&a.control, &a.place).cmp(&(&b.control, &b.place)));
    Ok(zones)
}

fn open_zone(zone: &Zone, all: &[Zone]) -> Result<(Channel, File), String> {
    let name = read_text(&zone.path.join("name"))?;
    let parent = all
        .iter()
        .find(|it| it.control == zone.control && zone.place.split_last().is_some_and(|(_, up)| it.place == up))
        .map(|it| read_text(&it.path.join("name")))
        .transpose()?;
    let domain = match name.as_str() {
        "psys" => Domain::Psys,
        "core" => Domain::CpuCore,
        "uncore" => Domain::CpuUncore,
        "dram" => Domain::Dram,
        name if name.starts_with("package-") => Domain::CpuPackage,
        _ => Domain::Other,
    };
    let device = match &parent {
        Some(parent) => format!("{parent}/{name}"),
        None => name,
    };
    let file = File::open(zone.path.join("energy_uj")).map_err(|error| format!("energy_uj: {error}"))?;
    let mut buffer = [0; 32];
    let length = file.read_at(&mut buffer, 0).map_err(|error| format!("energy_uj: {error}"))?;
    number(&buffer[..length]).ok_or("energy_uj is not a number")?;
    let range = read_text(&zone.path.join("max_energy_range_uj"))?;
    let range: u64 = range.parse().map_err(|_| format!("max_energy_range_uj is `{range}`"))?;
    let channel = Channel {
        probe: NAME.to_owned(),
        domain,
        device,
        // The kernel lists memory below its package, but a package's counter does not cover it.
        inside: parent.filter(|_| domain != Domain::Dram),
        // The counter takes every value up to and including the range.
        kind: Kind::Counter { range: Some(range.saturating_add(1)) },
        method: Method::Counter,
        unit: 1e-6,
        // Khan et al. 2018 (RAPL in Action) find package counters within about 5 % of the wall.
        relative_error: 0.05,
        // The counters are updated about every millisecond (Intel SDM 3B, section 15.10).
        period: Seconds(1e-3),
        model: None,
    };
    Ok((channel, file))
}

fn read_text(path: &Path) -> Result<String, String> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    Ok(text.trim().to_owned())
}

fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}
