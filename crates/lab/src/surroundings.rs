//! What goes on around a run while it is measured: others' load, temperature, clocks.

use std::{fs, path::Path};

use record::Surroundings;

use crate::others::Others;

/// Observes from now on.
pub(crate) struct Watch<'a> {
    sysfs: &'a Path,
    cpus: &'a [usize],
    all: Others,
    own: Option<Others>,
    temperature: Option<f64>,
    clock: Option<f64>,
}

impl<'a> Watch<'a> {
    /// For a process that is pinned to those processors, or to none.
    pub(crate) fn start(sysfs: &'a Path, cpus: &'a [usize]) -> Self {
        let (temperature, clock) = (temperature(sysfs), clock(sysfs, cpus));
        let own = (!cpus.is_empty()).then(|| Others::watch_on(cpus));
        Self { sysfs, cpus, all: Others::watch(), own, temperature, clock }
    }

    /// What was observed.
    pub(crate) fn end(self) -> Surroundings {
        let (others_share, own) = (self.all.share(), self.own.as_ref().and_then(Others::share));
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

/// The machine's name.
pub(crate) fn host() -> Option<String> {
    Some(rustix::system::uname().nodename().to_string_lossy().into_owned())
}

/// The highest temperature of a processor in °C: hwmon's drivers of processors, or thermal zones.
fn temperature(sysfs: &Path) -> Option<f64> {
    let hwmon = folders(&sysfs.join("class/hwmon"), "hwmon").into_iter().filter(|it| {
        let drivers = ["coretemp", "k10temp", "zenpower", "cpu_thermal"];
        text(&it.join("name")).is_some_and(|it| drivers.contains(&it.as_str()))
    });
    let inputs = hwmon
        .flat_map(|it| folders(&it, "temp"))
        .filter(|it| it.file_name().is_some_and(|it| it.to_string_lossy().ends_with("_input")));
    let hottest = |files: &mut dyn Iterator<Item = std::path::PathBuf>| {
        let degrees = files.filter_map(|it| Some(number(&it)? / 1000.0));
        degrees.filter(|it| (-50.0..150.0).contains(it)).max_by(f64::total_cmp)
    };
    hottest(&mut inputs.into_iter()).or_else(|| {
        let zones = folders(&sysfs.join("class/thermal"), "thermal_zone").into_iter();
        let of_cpus = |it: &std::path::PathBuf| {
            text(&it.join("type"))
                .is_some_and(|it| it == "x86_pkg_temp" || it.to_lowercase().contains("cpu"))
        };
        hottest(&mut zones.filter(of_cpus).map(|it| it.join("temp")))
    })
}

/// The mean clock of those processors, or of all, in Hz.
fn clock(sysfs: &Path, cpus: &[usize]) -> Option<f64> {
    let folder = sysfs.join("devices/system/cpu");
    let folders = match cpus {
        [] => folders(&folder, "cpu"),
        cpus => cpus.iter().map(|it| folder.join(format!("cpu{it}"))).collect(),
    };
    // The kernel tells kHz.
    let clocks: Vec<f64> = folders
        .iter()
        .filter_map(|it| Some(number(&it.join("cpufreq/scaling_cur_freq"))? * 1000.0))
        .collect();
    (!clocks.is_empty()).then(|| clocks.iter().sum::<f64>() / clocks.len() as f64)
}

fn folders(folder: &Path, prefix: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter(|it| it.file_name().to_string_lossy().starts_with(prefix))
        .map(|it| it.path())
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
    fn temperature_and_clocks_are_read_where_there_are_some() {
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
