//! RAPL energy counters in the kernel's powercap files.

mod zone;

use std::path::{Path, PathBuf};

use units::{Warning, WarningKind};

pub(crate) use self::zone::NAME;
use self::zone::{Problem, Zone, zones};
use crate::{
    file::{NumberFile, Trouble},
    source::{Absent, Channel, ReadError, Source},
};

/// The RAPL zones of a machine. Their files are kept open.
pub(crate) struct Powercap {
    folder: PathBuf,
    channels: Vec<Channel>,
    counters: Vec<NumberFile>,
    /// Zones that exist and cannot be read.
    pub(crate) problems: Vec<String>,
    troubles: Vec<Trouble>,
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
        let mut this = Self {
            folder: folder.clone(),
            channels: Vec::new(),
            counters: Vec::new(),
            problems: Vec::new(),
            troubles: Vec::new(),
        };
        for Problem { text, trouble } in this.take(&zones) {
            this.problems.push(text);
            this.troubles.push(trouble);
        }
        if !this.channels.is_empty() {
            return Ok(this);
        }
        Err(match (this.problems.first(), this.remedy(sysfs)) {
            (Some(problem), Some(remedy)) => Absent { reason: problem.clone(), remedy },
            _ => Absent {
                reason: format!("`{}` has no RAPL zone", folder.display()),
                remedy: "load the kernel module: `sudo modprobe intel_rapl_msr`; virtual machines \
                         do not pass RAPL on"
                    .to_owned(),
            },
        })
    }

    /// What to do about the zones that cannot be read; `None` if there are none.
    pub(crate) fn remedy(&self, sysfs: &Path) -> Option<String> {
        let has = |trouble| self.troubles.contains(&trouble);
        if has(Trouble::Denied) {
            return Some(permission(sysfs));
        }
        if has(Trouble::Missing) {
            return Some(format!(
                "mount all of the host's `/sys`: containers hide \
                 `{}/devices/virtual/powercap`, where the zones are. With Docker: `docker run -v \
                 /sys:/host/sys:ro`, and `--sysfs /host/sys` for this program",
                sysfs.display()
            ));
        }
        has(Trouble::Failing).then(|| {
            "look for `rapl` in the kernel's log (`sudo dmesg`); some virtual machines and \
             processors list zones that cannot be read"
                .to_owned()
        })
    }

    /// Opens the zones that are not open yet, and returns why some cannot be opened.
    fn take(&mut self, zones: &[Zone]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for zone in zones {
            let path = zone.counter();
            if self.counters.iter().any(|counter| counter.path == path) {
                continue;
            }
            match zone.open() {
                Ok((channel, file)) if !self.has_copy_of(&channel) => {
                    self.channels.push(channel);
                    self.counters.push(file);
                }
                // The MMIO copy of a counter that is open already.
                Ok(_) => {}
                Err(problem) => problems.push(problem),
            }
        }
        problems
    }

    /// Whether a zone of this name is open already. Zones of one control type have different names.
    fn has_copy_of(&self, channel: &Channel) -> bool {
        self.channels
            .iter()
            .any(|other| (&other.device, other.domain) == (&channel.device, channel.domain))
    }

    /// What is in doubt about the zones: names that appear twice.
    pub(crate) fn doubts(&self) -> Vec<Warning> {
        let zones = zones(&self.folder).unwrap_or_default();
        let open = |zone: &&Zone| self.counters.iter().any(|file| file.path == zone.counter());
        let repeats = |zone: &&Zone| zone.name.as_ref().is_ok_and(|name| name.repeated);
        let repeated = zones.iter().filter(repeats).filter(open);
        let warning = |zone: &Zone| {
            let device = zone.name.as_ref().map_or("", |name| &name.device);
            let text = format!(
                "two RAPL zones have the same name; `{}` is counted on its own as `{device}`, \
                 unless it shows the same counter as the first",
                zone.path.display()
            );
            Warning::new(WarningKind::Overlap, text)
        };
        repeated.map(warning).collect()
    }
}

/// A warning if RAPL is there and this user lacks only the permission to read it.
pub(crate) fn denied(sysfs: &Path) -> Option<Warning> {
    let zones = zones(&sysfs.join("class/powercap")).ok()?;
    let mut problems = zones.iter().filter_map(|zone| zone.open().err());
    let problem = problems.find(|problem| problem.trouble == Trouble::Denied)?;
    let text = format!(
        "this processor has energy counters (RAPL), but this user may not read them: {}; {}",
        problem.text,
        permission(sysfs)
    );
    Some(Warning::new(WarningKind::ProbeFailed, text))
}

/// What to do about counters that only root may read, which is the default since Linux 5.10.
fn permission(sysfs: &Path) -> String {
    format!(
        "make the counters readable until the next boot: `sudo chmod -R a+r \
         {}/devices/virtual/powercap/intel-rapl`; to make that permanent, put \
         `SUBSYSTEM==\"powercap\", ACTION==\"add\", RUN+=\"/bin/chmod a+r /sys%p/energy_uj\"` \
         into `/etc/udev/rules.d/70-powercap.rules`",
        sysfs.display()
    )
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
