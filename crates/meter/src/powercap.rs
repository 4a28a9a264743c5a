//! RAPL energy counters in the kernel's powercap files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use units::{Domain, Method, Seconds};

use crate::{
    file::{NumberFile, read_text},
    source::{Absent, Channel, Kind, ReadError, Source},
};

/// The probe's name.
pub(crate) const NAME: &str = "rapl";

/// The RAPL zones of a machine. Their files are kept open.
pub(crate) struct Powercap {
    folder: PathBuf,
    channels: Vec<Channel>,
    counters: Vec<NumberFile>,
    /// Zones that exist and cannot be read.
    pub(crate) problems: Vec<String>,
}

impl Powercap {
    /// Finds the zones below `<sysfs>/class/powercap`.
    pub(crate) fn open(sysfs: &Path) -> Result<Self, Absent> {
        let folder = sysfs.join("class/powercap");
        let zones = zones(&folder).map_err(|error| Absent {
            reason: format!("`{}` cannot be listed: {error}", folder.display()),
            remedy: "RAPL needs an Intel or AMD processor and the kernel module \
                     intel_rapl_common; virtual machines do not pass RAPL on"
                .to_owned(),
        })?;
        let (channels, counters) = (Vec::new(), Vec::new());
        let mut this = Self { folder: folder.clone(), channels, counters, problems: Vec::new() };
        this.problems = this.take(&zones);
        if !this.channels.is_empty() {
            return Ok(this);
        }
        Err(match this.problems.first() {
            Some(problem) => Absent { reason: problem.clone(), remedy: remedy(sysfs) },
            None => Absent {
                reason: format!("`{}` has no RAPL zone", folder.display()),
                remedy: "load the kernel module: `sudo modprobe intel_rapl_msr`; virtual machines \
                         do not pass RAPL on"
                    .to_owned(),
            },
        })
    }

    /// What to do about the zones that cannot be read; `None` if there are none.
    pub(crate) fn remedy(&self, sysfs: &Path) -> Option<String> {
        (!self.problems.is_empty()).then(|| remedy(sysfs))
    }

    /// Opens the zones that are not open yet, and returns why some cannot be opened.
    fn take(&mut self, zones: &[Zone]) -> Vec<String> {
        let mut problems = Vec::new();
        for zone in zones {
            let path = zone.path.join(COUNTER);
            if self.counters.iter().any(|counter| counter.path == path) {
                continue;
            }
            match open_zone(zone, zones) {
                Ok((channel, file)) if !self.has_copy_of(&channel) => {
                    self.channels.push(channel);
                    self.counters.push(file);
                }
                // The MMIO copy of a counter that is open already.
                Ok(_) => {}
                Err(error) => problems.push(format!("`{}`: {error}", zone.path.display())),
            }
        }
        problems
    }

    fn has_copy_of(&self, channel: &Channel) -> bool {
        self.channels
            .iter()
            .any(|other| (&other.device, other.domain) == (&channel.device, channel.domain))
    }
}

impl Source for Powercap {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn may_block(&self) -> bool {
        false
    }

    fn rescan(&mut self) -> bool {
        let before = self.channels.len();
        if let Ok(zones) = zones(&self.folder) {
            self.take(&zones);
        }
        self.channels.len() > before
    }

    fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
        let fail = |reason: String| ReadError {
            probe: NAME.to_owned(),
            device: self.channels[channel].device.clone(),
            reason,
        };
        self.counters[channel].read().map_err(fail)
    }
}

/// What to do about counters that only root may read, which is the default since Linux 5.10.
fn remedy(sysfs: &Path) -> String {
    format!(
        "make the counters readable until the next boot: `sudo chmod -R a+r \
         {}/devices/virtual/powercap/intel-rapl`; to make that permanent, put \
         `SUBSYSTEM==\"powercap\", ACTION==\"add\", RUN+=\"/bin/chmod a+r /sys%p/energy_uj\"` \
         into `/etc/udev/rules.d/70-powercap.rules`",
        sysfs.display()
    )
}

/// The name of the file with a zone's counter.
const COUNTER: &str = "energy_uj";

/// A zone's folder and its position in the tree: `[0, 1]` for `intel-rapl:0:1`.
struct Zone {
    path: PathBuf,
    control: String,
    position: Vec<u32>,
}

/// All zones, parents before children and MSR zones before MMIO zones.
fn zones(folder: &Path) -> io::Result<Vec<Zone>> {
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
            zones.push(Zone { control, position, path });
        }
    }
    zones.sort_by(|a, b| (&a.control, &a.position).cmp(&(&b.control, &b.position)));
    Ok(zones)
}

fn open_zone(zone: &Zone, all: &[Zone]) -> Result<(Channel, NumberFile), String> {
    let name = read_text(&zone.path.join("name"))?;
    let parent = all
        .iter()
        .find(|other| {
            other.control == zone.control
                && zone.position.split_last().is_some_and(|(_, parent)| other.position == parent)
        })
        .map(|parent| read_text(&parent.path.join("name")))
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
    let mut file =
        NumberFile::open(zone.path.join(COUNTER)).map_err(|error| format!("energy_uj: {error}"))?;
    file.read().map_err(|error| format!("energy_uj: {error}"))?;
    let range = read_text(&zone.path.join("max_energy_range_uj"))?;
    let range: u64 = range
        .parse()
        .map_err(|_| format!("max_energy_range_uj is `{range}`, expected a number"))?;
    // The counter takes every value from 0 to the range, inclusive.
    let kind = Kind::Counter { range: Some(range.saturating_add(1)) };
    let mut channel = Channel::new(NAME, domain, &device, kind, Method::Counter, 1e-6);
    // The kernel lists memory below its package, but the package's counter does not include it.
    channel.inside = parent.filter(|_| domain != Domain::Dram);
    channel.identity = Some(format!("rapl/{device}"));
    // Intel states no accuracy, so the gain does not widen the interval: see docs/measuring.md.
    // "Approximately 1 millisecond": Intel's Software Developer's Manual 3B on RAPL.
    channel.period = Seconds(1e-3);
    Ok((channel, file))
}
