//! The conditions during a measurement: load by other processes, temperature, clock frequency.

use std::{fs, path::Path};

use record::Surroundings;

use crate::host_load::HostLoad;

/// Observes the conditions from its start to its end.
pub(crate) struct Watch<'a> {
    sysfs: &'a Path,
    cpus: &'a [usize],
    all: HostLoad,
    own: Option<HostLoad>,
    temperature: Option<f64>,
    clock: Option<f64>,
}

impl<'a> Watch<'a> {
    /// Starts to observe. `cpus`: the processors to which this process is pinned; empty if it is not
    /// pinned.
    pub(crate) fn start(sysfs: &'a Path, cpus: &'a [usize]) -> Self {
        let (temperature, clock) = (temperature(sysfs), clock(sysfs, cpus));
        let own = (!cpus.is_empty()).then(|| HostLoad::watch_on(cpus));
        Self { sysfs, cpus, all: HostLoad::watch(), own, temperature, clock }
    }

    /// Ends the observation.
    pub(crate) fn end(self) -> Surroundings {
        let (others_share, own) = (self.all.share(), self.own.as_ref().and_then(HostLoad::share));
        let both = |before: Option<f64>, after: Option<f64>| Some([before?, after?]);
        Surroundings {
            host: host(),
            cpus: (!self.cpus.is_empty()).then(|| self.cpus.to_vec()),
            others_share,
            others_on_own_cpus: own,
            temperature_c: both(self.temperature, temperature(self.sysfs)),
            clock_hz: both(self.clock, clock(self.sysfs, self.cpus)),
            ..Surroundings::default()
        }
    }
}

/// The name of this machine.
pub(crate) fn host() -> Option<String> {
    Some(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// The highest temperature of a processor in °C, from hwmon's processor drivers or else from thermal
/// zones; `None` if there is no such sensor.
fn temperature(sysfs: &Path) -> Option<f64> {
    let hwmon = folders(&sysfs.join("class/hwmon"), "hwmon").into_iter().filter(|folder| {
        let drivers = ["coretemp", "k10temp", "zenpower", "cpu_thermal"];
        text(&folder.join("name")).is_some_and(|name| drivers.contains(&name.as_str()))
    });
    let inputs = hwmon.flat_map(|folder| folders(&folder, "temp")).filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().ends_with("_input"))
    });
    let hottest = |files: &mut dyn Iterator<Item = std::path::PathBuf>| {
        let degrees = files.filter_map(|file| Some(number(&file)? / 1000.0));
        degrees.filter(|degrees| (-50.0..150.0).contains(degrees)).max_by(f64::total_cmp)
    };
    hottest(&mut inputs.into_iter()).or_else(|| {
        let zones = folders(&sysfs.join("class/thermal"), "thermal_zone").into_iter();
        let of_cpus = |zone: &std::path::PathBuf| {
            text(&zone.join("type"))
                .is_some_and(|kind| kind == "x86_pkg_temp" || kind.to_lowercase().contains("cpu"))
        };
        hottest(&mut zones.filter(of_cpus).map(|zone| zone.join("temp")))
    })
}

/// The mean clock frequency of some processors, or of all if `cpus` is empty, in Hz; `None` if the
/// system does not report it.
fn clock(sysfs: &Path, cpus: &[usize]) -> Option<f64> {
    let folder = sysfs.join("devices/system/cpu");
    let folders = match cpus {
        [] => folders(&folder, "cpu"),
        cpus => cpus.iter().map(|cpu| folder.join(format!("cpu{cpu}"))).collect(),
    };
    // The kernel reports kHz.
    let clocks: Vec<f64> = folders
        .iter()
        .filter_map(|cpu| Some(number(&cpu.join("cpufreq/scaling_cur_freq"))? * 1000.0))
        .collect();
    (!clocks.is_empty()).then(|| clocks.iter().sum::<f64>() / clocks.len() as f64)
}

fn folders(folder: &Path, prefix: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| entry.path())
        .collect()
}

fn text(path: &Path) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn number(path: &Path) -> Option<f64> {
    text(path)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(sysfs: &Path, file: &str, content: &str) {
        let path = sysfs.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    #[test]
    fn temperature_and_clock_frequency_are_read_from_sysfs() {
        let sysfs = tempfile::tempdir().unwrap();
        let sysfs = sysfs.path();
        assert_eq!((temperature(sysfs), clock(sysfs, &[])), (None, None));
        put(sysfs, "class/thermal/thermal_zone0/type", "acpitz\n");
        put(sysfs, "class/thermal/thermal_zone0/temp", "99000\n");
        assert_eq!(temperature(sysfs), None);
        put(sysfs, "class/thermal/thermal_zone1/type", "x86_pkg_temp\n");
        put(sysfs, "class/thermal/thermal_zone1/temp", "41000\n");
        assert_eq!(temperature(sysfs), Some(41.0));
        put(sysfs, "class/hwmon/hwmon0/name", "nvme\n");
        put(sysfs, "class/hwmon/hwmon0/temp1_input", "70000\n");
        put(sysfs, "class/hwmon/hwmon1/name", "coretemp\n");
        put(sysfs, "class/hwmon/hwmon1/temp1_input", "52000\n");
        put(sysfs, "class/hwmon/hwmon1/temp2_input", "55500\n");
        put(sysfs, "class/hwmon/hwmon1/temp2_max", "100000\n");
        assert_eq!(temperature(sysfs), Some(55.5));
        put(sysfs, "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2000000\n");
        put(sysfs, "devices/system/cpu/cpu1/cpufreq/scaling_cur_freq", "3000000\n");
        put(sysfs, "devices/system/cpu/cpufreq/policy0/scaling_cur_freq", "9\n");
        assert_eq!(clock(sysfs, &[]), Some(2.5e9));
        assert_eq!(clock(sysfs, &[1]), Some(3e9));
        let seen = Watch::start(sysfs, &[0]).end();
        assert_eq!(seen.temperature_c, Some([55.5, 55.5]));
        assert_eq!(seen.clock_hz, Some([2e9, 2e9]));
        assert_eq!(seen.cpus, Some(vec![0]));
    }
}
