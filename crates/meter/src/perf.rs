//! RAPL through the kernel's perf events: 64-bit counters that do not wrap.

use std::{fs, io, path::Path, time::Duration};

// `perf-event2` opens dynamic PMUs, and needs no unsafe code here.
use perf_event::{Builder, Counter, ReadFormat, events::Dynamic};
use units::{Domain, Method, Seconds};

use crate::{
    file::read_text,
    source::{Absent, Channel, Kind, ReadError, Source},
};

/// The probe's name.
pub(crate) const NAME: &str = "rapl-perf";

/// The kernel's events, the powercap zones that show the same counters, and their domains.
const EVENTS: &[(&str, &str, Domain)] = &[
    ("energy-pkg", "", Domain::CpuPackage),
    ("energy-cores", "/core", Domain::CpuCore),
    ("energy-gpu", "/uncore", Domain::CpuUncore),
    ("energy-ram", "/dram", Domain::Dram),
    ("energy-psys", "psys", Domain::Psys),
];

/// The events of the PMU `power`, one counter for each package.
pub(crate) struct Perf {
    channels: Vec<Channel>,
    counters: Vec<Counter>,
    /// For how long the kernel did not count each of them so far.
    uncounted: Vec<Duration>,
    /// Events that exist and cannot be opened.
    pub(crate) problems: Vec<String>,
}

impl Perf {
    /// Opens the events that `<sysfs>/bus/event_source/devices/power` lists.
    pub(crate) fn open(sysfs: &Path) -> Result<Self, Absent> {
        let folder = sysfs.join("bus/event_source/devices/power");
        if !folder.is_dir() {
            return Err(Absent {
                reason: format!("`{}` does not exist", folder.display()),
                remedy: "this probe needs an Intel or AMD processor and the kernel module `rapl` \
                         (`sudo modprobe rapl`); virtual machines do not pass RAPL on"
                    .to_owned(),
            });
        }
        let mut this = Self {
            channels: Vec::new(),
            counters: Vec::new(),
            uncounted: Vec::new(),
            problems: Vec::new(),
        };
        let mask = read_text(&folder.join("cpumask"));
        let mask = mask.map_err(|reason| Absent { reason, remedy: remedy() })?;
        let cpus = cpus(&mask).ok_or_else(|| Absent {
            reason: format!(
                "cpumask of `{}` is `{mask}`, expected a list such as 0,4-6",
                folder.display()
            ),
            remedy: remedy(),
        })?;
        for (event, zone, domain) in EVENTS {
            if !folder.join("events").join(event).exists() {
                continue;
            }
            for cpu in &cpus {
                let device = match *zone {
                    "psys" => "psys".to_owned(),
                    zone => format!("{}{zone}", package(sysfs, *cpu, &cpus)),
                };
                match open_event(&folder, event, *cpu) {
                    Ok((counter, unit)) => {
                        this.counters.push(counter);
                        this.uncounted.push(Duration::ZERO);
                        this.channels.push(channel(*domain, &device, unit));
                    }
                    Err(error) => this.problems.push(format!("`{event}` on CPU {cpu}: {error}")),
                }
            }
        }
        if !this.channels.is_empty() {
            return Ok(this);
        }
        let reason = this.problems.first().cloned();
        let reason =
            reason.unwrap_or_else(|| format!("`{}` lists no energy events", folder.display()));
        Err(Absent { reason, remedy: remedy() })
    }
}

/// What to do about counters that an ordinary user may not open.
pub(crate) fn remedy() -> String {
    "run `sudo setcap cap_perfmon=ep` on this program, or `sudo sysctl kernel.perf_event_paranoid=0`"
        .to_owned()
}

fn channel(domain: Domain, device: &str, unit: f64) -> Channel {
    let kind = Kind::Counter { range: None };
    let mut channel = Channel::new(NAME, domain, device, kind, Method::Counter, unit);
    channel.identity = Some(format!("rapl/{device}"));
    let package = device.split_once('/').map(|(package, _)| package.to_owned());
    channel.inside = package.filter(|_| domain != Domain::Dram);
    // The period of the register behind it: see `powercap.rs`.
    channel.period = Seconds(1e-3);
    channel
}

fn open_event(folder: &Path, event: &str, cpu: usize) -> Result<(Counter, f64), String> {
    let events = folder.join("events");
    let unit = read_text(&events.join(format!("{event}.unit")))?;
    if unit != "Joules" {
        return Err(format!("its unit is `{unit}`, expected `Joules`"));
    }
    let scale = read_text(&events.join(format!("{event}.scale")))?;
    let scale: f64 =
        scale.parse().map_err(|_| format!("its scale is `{scale}`, expected a number"))?;
    if !(scale.is_finite() && scale > 0.0) {
        return Err(format!("its scale is {scale}, expected a positive number"));
    }
    // An absolute path replaces the folder in which the crate would look.
    let folder = fs::canonicalize(folder).map_err(|error| error.to_string())?;
    let mut dynamic = Dynamic::builder(folder).map_err(|error| error.to_string())?;
    let dynamic = dynamic
        .event(event)
        .map_err(|error| error.to_string())?
        .build()
        .map_err(|error| error.to_string())?;
    let counter = Builder::new(dynamic)
        .any_pid()
        .one_cpu(cpu)
        // A PMU of the package cannot separate these and refuses to exclude any of them.
        .include_kernel()
        .include_hv()
        .read_format(ReadFormat::TOTAL_TIME_ENABLED | ReadFormat::TOTAL_TIME_RUNNING)
        .enabled(true)
        .build()
        .map_err(|error: io::Error| error.to_string())?;
    Ok((counter, scale))
}

/// The name that powercap gives to a processor's package: `package-0`, or `package-0-die-1` if the
/// package has several dies.
fn package(sysfs: &Path, cpu: usize, cpus: &[usize]) -> String {
    let topology = |cpu: usize, file: &str| {
        let path = format!("devices/system/cpu/cpu{cpu}/topology/{file}");
        read_text(&sysfs.join(path)).ok().and_then(|text| text.parse::<u32>().ok())
    };
    let package = topology(cpu, "physical_package_id").unwrap_or(0);
    let of_package =
        cpus.iter().filter(|cpu| topology(**cpu, "physical_package_id") == Some(package));
    match topology(cpu, "die_id") {
        Some(die) if of_package.count() > 1 => format!("package-{package}-die-{die}"),
        _ => format!("package-{package}"),
    }
}

/// The numbers in a list such as `0,4-6`, which the kernel writes; `None` if it is no such list.
fn cpus(text: &str) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
        if to.checked_sub(from)? > 1 << 16 {
            return None;
        }
        all.extend(from..=to);
    }
    (!all.is_empty()).then_some(all)
}

impl Source for Perf {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn may_block(&self) -> bool {
        false
    }

    fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
        let fail = |reason: String| ReadError {
            probe: NAME.to_owned(),
            device: self.channels[channel].device.clone(),
            reason,
        };
        let data = self.counters[channel].read_full().map_err(|error| fail(error.to_string()))?;
        let enabled = data.time_enabled().unwrap_or_default();
        let uncounted = enabled.saturating_sub(data.time_running().unwrap_or_default());
        // The energy of the time in which it did not count is lost; later energy is not.
        if std::mem::replace(&mut self.uncounted[channel], uncounted) < uncounted {
            return Err(fail("the kernel counted it for only a part of the time".to_owned()));
        }
        Ok(data.count())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_of_processors_are_read() {
        assert_eq!(cpus("0,18"), Some(vec![0, 18]));
        assert_eq!(cpus("0-2,5"), Some(vec![0, 1, 2, 5]));
        for bad in ["", "x", "3-1", "1-", "0-99999999999"] {
            assert_eq!(cpus(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_list_or_refused(text in "[-0-9,]{0,20}") {
            let _ = cpus(&text);
        }
    }

    /// Uses the kernel's CPU clock instead of RAPL: a counter of nanoseconds that really counts.
    #[test]
    fn an_event_is_opened_and_counts() {
        let folder = tempfile::tempdir().unwrap();
        let power = folder.path().join("bus/event_source/devices/power");
        fs::create_dir_all(power.join("events")).unwrap();
        fs::create_dir_all(power.join("format")).unwrap();
        let write = |name: &str, text: &str| fs::write(power.join(name), text).unwrap();
        write("type", "1\n");
        write("cpumask", "0\n");
        write("format/event", "config:0-7\n");
        write("events/energy-pkg", "event=0x00\n");
        write("events/energy-pkg.scale", "1e-9\n");
        write("events/energy-pkg.unit", "Joules\n");
        let topology = folder.path().join("devices/system/cpu/cpu0/topology");
        fs::create_dir_all(&topology).unwrap();
        fs::write(topology.join("physical_package_id"), "1\n").unwrap();
        match Perf::open(folder.path()) {
            Ok(mut perf) => {
                assert_eq!(perf.channels()[0].device, "package-1");
                let before = perf.read(0).unwrap();
                let advanced = (0..100_000_000).any(|_| perf.read(0).unwrap() > before);
                assert!(advanced, "the counter does not count");
            }
            // If perf events are not permitted, the error must say so.
            Err(absent) => {
                assert!(absent.reason.contains("energy-pkg"), "{}", absent.reason);
                assert!(absent.remedy.contains("cap_perfmon"), "{}", absent.remedy);
            }
        }
        write("events/energy-pkg.unit", "Watts\n");
        let absent = Perf::open(folder.path()).err().unwrap();
        assert!(absent.reason.contains("expected `Joules`"), "{}", absent.reason);
    }
}
