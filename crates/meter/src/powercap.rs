//! RAPL through the kernel's powercap files.

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

/// The RAPL zones of a machine, their files kept open.
pub(crate) struct Powercap {
    folder: PathBuf,
    channels: Vec<Channel>,
    counters: Vec<NumberFile>,
    /// Zones that are there and cannot be read.
    pub(crate) problems: Vec<String>,
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

    /// What to do about the problems.
    pub(crate) fn remedy(&self, sysfs: &Path) -> Option<String> {
        (!self.problems.is_empty()).then(|| remedy(sysfs))
    }

    /// Opens the zones that are not open yet; those that cannot be are told.
    fn take(&mut self, zones: &[Zone]) -> Vec<String> {
        let mut problems = Vec::new();
        for zone in zones {
            let path = zone.path.join(COUNTER);
            if self.counters.iter().any(|it| it.path == path) {
                continue;
            }
            match open_zone(zone, zones) {
                Ok((channel, file)) if !self.has_copy_of(&channel) => {
                    self.channels.push(channel);
                    self.counters.push(file);
                }
                // The MMIO copy of a counter that is there already.
                Ok(_) => {}
                Err(error) => problems.push(format!("`{}`: {error}", zone.path.display())),
            }
        }
        problems
    }

    fn has_copy_of(&self, channel: &Channel) -> bool {
        self.channels.iter().any(|it| it.device == channel.device && it.domain == channel.domain)
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

/// For counters that only root may read, as kernels since 5.10 have it.
fn remedy(sysfs: &Path) -> String {
    format!(
        "make the counters readable: `sudo chmod -R a+r {}/devices/virtual/powercap/intel-rapl` \
         (until the next boot); to keep it, put `SUBSYSTEM==\"powercap\", ACTION==\"add\", \
         RUN+=\"/bin/chmod a+r /sys%p/energy_uj\"` into `/etc/udev/rules.d/70-powercap.rules`",
        sysfs.display()
    )
}

/// The file of a zone's counter.
const COUNTER: &str = "energy_uj";

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

fn open_zone(zone: &Zone, all: &[Zone]) -> Result<(Channel, NumberFile), String> {
    let name = read_text(&zone.path.join("name"))?;
    let parent = all
        .iter()
        .find(|it| {
            it.control == zone.control
                && zone.place.split_last().is_some_and(|(_, up)| it.place == up)
        })
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
    let mut file =
        NumberFile::open(zone.path.join(COUNTER)).map_err(|error| format!("energy_uj: {error}"))?;
    file.read().map_err(|error| format!("energy_uj: {error}"))?;
    let range = read_text(&zone.path.join("max_energy_range_uj"))?;
    let range: u64 = range.parse().map_err(|_| format!("max_energy_range_uj is `{range}`"))?;
    // The counter takes every value up to and including the range.
    let kind = Kind::Counter { range: Some(range.saturating_add(1)) };
    let mut channel = Channel::new(NAME, domain, &device, kind, Method::Counter, 1e-6);
    // The kernel lists memory below its package, but a package's counter does not cover it.
    channel.inside = parent.filter(|_| domain != Domain::Dram);
    channel.identity = Some(format!("rapl/{device}"));
    // Intel states no accuracy, so the gain adds nothing to the interval: see docs/measuring.md.
    // "Approximately 1 millisecond": Intel's Software Developer's Manual 3B on RAPL.
    channel.period = Seconds(1e-3);
    Ok((channel, file))
}
