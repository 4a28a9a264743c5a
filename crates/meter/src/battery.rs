//! Batteries: the power of the whole machine while it runs on one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use units::{Domain, Method, Seconds};

use crate::{
    file::{NumberFile, read_text},
    source::{Absent, Channel, Kind, ReadError, Source},
};

/// The probe's name.
pub(crate) const NAME: &str = "battery";

/// Fuel gauges renew their values about this often; the kernel's interface does not say.
const PERIOD: Seconds = Seconds(1.0);

/// The batteries of this machine.
pub(crate) struct Battery {
    channels: Vec<Channel>,
    gauges: Vec<Gauge>,
}

/// A battery's files.
struct Gauge {
    folder: PathBuf,
    power: Power,
}

enum Power {
    /// Microwatts.
    Direct(NumberFile),
    /// Microamperes and microvolts.
    Product(NumberFile, NumberFile),
}

impl Battery {
    /// Finds the batteries below `<sysfs>/class/power_supply`, as the kernel's
    /// Documentation/ABI/testing/sysfs-class-power describes them.
    pub(crate) fn open(sysfs: &Path) -> Result<Self, Absent> {
        let folder = sysfs.join("class/power_supply");
        let mut supplies: Vec<PathBuf> = fs::read_dir(&folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        supplies.sort();
        let is_battery = |supply: &PathBuf| {
            let text = |file: &str| read_text(&supply.join(file)).unwrap_or_default();
            // The battery of a mouse or a headset does not supply this machine.
            text("type") == "Battery" && text("scope") != "Device"
        };
        let mut this = Self { channels: Vec::new(), gauges: Vec::new() };
        let (mut discharging, mut problem) = (false, None);
        // All of them, because a machine may switch from one battery to the next.
        for supply in supplies.into_iter().filter(is_battery) {
            match Gauge::open(supply.clone()) {
                Ok(mut gauge) => {
                    match gauge.read() {
                        Ok(_) => discharging = true,
                        Err(error) => problem = Some(format!("`{}`: {error}", supply.display())),
                    }
                    let name = supply.file_name().unwrap_or_default().to_string_lossy();
                    let method = Method::IntegratedPower;
                    let mut channel =
                        Channel::new(NAME, Domain::System, &name, Kind::Power, method, 1e-6);
                    channel.period = PERIOD;
                    this.channels.push(channel);
                    this.gauges.push(gauge);
                }
                Err(error) => problem = Some(format!("`{}`: {error}", supply.display())),
            }
        }
        if discharging {
            return Ok(this);
        }
        Err(match problem {
            Some(reason) => Absent {
                reason,
                remedy: "unplug the machine if it is not discharging; a battery measures only \
                         the power that it supplies"
                    .to_owned(),
            },
            None => Absent {
                reason: format!("`{}` has no battery", folder.display()),
                remedy: "none; this probe is for machines with a battery".to_owned(),
            },
        })
    }
}

impl Gauge {
    fn open(folder: PathBuf) -> Result<Self, String> {
        let file = |name: &str| {
            NumberFile::open(folder.join(name)).map_err(|error| format!("{name}: {error}"))
        };
        let power = match file("power_now") {
            Ok(power) => Power::Direct(power),
            Err(_) => Power::Product(file("current_now")?, file("voltage_now")?),
        };
        Ok(Self { power, folder })
    }

    /// Microwatts that the battery supplies.
    fn read(&mut self) -> Result<u64, String> {
        let status = read_text(&self.folder.join("status"))?;
        if status != "Discharging" {
            return Err(format!("its status is `{status}`, expected `Discharging`"));
        }
        match &mut self.power {
            Power::Direct(power) => power.read_magnitude(),
            Power::Product(current, voltage) => {
                let product =
                    u128::from(current.read_magnitude()?) * u128::from(voltage.read()?) / 1_000_000;
                u64::try_from(product)
                    .map_err(|_| "its power does not fit into 64 bits of microwatts".to_owned())
            }
        }
    }
}

impl Source for Battery {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
        let fail = |reason: String| ReadError {
            probe: NAME.to_owned(),
            device: self.channels[channel].device.clone(),
            reason,
        };
        self.gauges[channel].read().map_err(fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supply(folder: &Path, name: &str, files: &[(&str, &str)]) {
        let path = folder.join("class/power_supply").join(name);
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), format!("{text}\n")).unwrap();
        }
    }

    #[test]
    fn a_battery_is_read_while_it_discharges() {
        let folder = tempfile::tempdir().unwrap();
        supply(folder.path(), "AC", &[("type", "Mains"), ("online", "0")]);
        supply(
            folder.path(),
            "BAT0",
            &[("type", "Battery"), ("status", "Discharging"), ("power_now", "12500000")],
        );
        supply(
            folder.path(),
            "BAT1",
            &[
                ("type", "Battery"),
                ("status", "Discharging"),
                ("current_now", "-500000"),
                ("voltage_now", "12000000"),
            ],
        );
        let mouse = [("type", "Battery"), ("scope", "Device"), ("status", "Discharging")];
        supply(folder.path(), "mouse", &mouse);
        let mut found = Battery::open(folder.path()).unwrap();
        assert_eq!(found.channels().len(), 2);
        assert_eq!((found.read(0), found.read(1)), (Ok(12_500_000), Ok(6_000_000)));
        supply(folder.path(), "BAT0", &[("status", "Charging")]);
        assert!(found.read(0).unwrap_err().reason.contains("expected `Discharging`"));
    }

    #[test]
    fn a_battery_that_does_not_discharge_is_not_available() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Battery::open(folder.path()).err().unwrap().reason.contains("no battery"));
        let files = [("type", "Battery"), ("status", "Full"), ("power_now", "0")];
        supply(folder.path(), "BAT0", &files);
        let absent = Battery::open(folder.path()).err().unwrap();
        assert!(absent.reason.contains("`Full`") && absent.remedy.contains("unplug"));
    }
}
