//! Sensors of the kernel's hwmon interface: power monitors of boards, graphics cards, and AMD's energy
//! counters.

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
pub(crate) const NAME: &str = "hwmon";

/// Sensors that show power or energy.
pub(crate) struct Hwmon {
    channels: Vec<Channel>,
    files: Vec<NumberFile>,
    /// Sensors that exist and cannot be read.
    pub(crate) problems: Vec<String>,
}

impl Hwmon {
    /// Finds `energy*_input` (microjoules) and `power*_average` or `power*_input` (microwatts) below
    /// `<sysfs>/class/hwmon`, as the kernel's Documentation/hwmon/sysfs-interface.rst describes them.
    pub(crate) fn open(sysfs: &Path) -> Result<Self, Absent> {
        let folder = sysfs.join("class/hwmon");
        let mut this = Self { channels: Vec::new(), files: Vec::new(), problems: Vec::new() };
        let mut chips: Vec<PathBuf> = fs::read_dir(&folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        chips.sort();
        for chip in &chips {
            this.take(chip);
        }
        if !this.channels.is_empty() {
            return Ok(this);
        }
        Err(match this.problems.first() {
            Some(problem) => Absent {
                reason: problem.clone(),
                remedy: "make the file readable: `sudo chmod a+r FILE`".to_owned(),
            },
            None => Absent {
                reason: format!("`{}` has no sensor of power or energy", folder.display()),
                remedy: "load the driver of the board's sensor if it has one, such as `ina2xx`, \
                         `acpi_power_meter` or `amdgpu`"
                    .to_owned(),
            },
        })
    }

    fn take(&mut self, chip: &Path) {
        let name = read_text(&chip.join("name")).unwrap_or_else(|_| "unnamed".to_owned());
        let mut files: Vec<String> = fs::read_dir(chip)
            .map(|entries| entries.flatten().map(|entry| entry.file_name()).collect::<Vec<_>>())
            .unwrap_or_default()
            .into_iter()
            .filter_map(|name| name.into_string().ok())
            .collect();
        files.sort();
        // A counter is better than the power of the same number, and a mean power is better than an
        // instantaneous one.
        for file in &files {
            let Some((kind, number)) = sensor(file) else { continue };
            let averaged = format!("{kind}{number}_average");
            let counter = format!("energy{number}_input");
            let replaced = kind == "power"
                && (files.contains(&counter) || (files.contains(&averaged) && *file != averaged));
            if replaced {
                continue;
            }
            match open_sensor(chip, &name, (kind, number), file) {
                Ok((mut channel, file)) => {
                    // Two sensors with the same label are two channels.
                    if self.channels.iter().any(|other| other.device == channel.device) {
                        channel.device = format!("{}/{kind}{number}", channel.device);
                    }
                    self.channels.push(channel);
                    self.files.push(file);
                }
                Err(error) => {
                    self.problems.push(format!("`{}`: {error}", chip.join(file).display()))
                }
            }
        }
    }
}

/// The kind and number of a sensor's file: `("power", "1")` for `power1_average`. `None` if the file is
/// no reading of power or energy.
fn sensor(file: &str) -> Option<(&str, &str)> {
    let (stem, what) = file.split_once('_')?;
    let digits = stem.find(|letter: char| letter.is_ascii_digit())?;
    let (kind, number) = stem.split_at(digits);
    let reading = matches!((kind, what), ("energy" | "power", "input") | ("power", "average"));
    (reading && number.bytes().all(|digit| digit.is_ascii_digit())).then_some((kind, number))
}

fn open_sensor(
    chip: &Path,
    name: &str,
    (kind, number): (&str, &str),
    file: &str,
) -> Result<(Channel, NumberFile), String> {
    let text = |what: &str| read_text(&chip.join(format!("{kind}{number}_{what}"))).ok();
    let number_of = |text: Option<String>| text.and_then(|text| text.parse::<f64>().ok());
    let label = text("label").unwrap_or_else(|| format!("{kind}{number}"));
    let mut numbers = NumberFile::open(chip.join(file)).map_err(|error| error.to_string())?;
    numbers.read()?;
    let card = fs::canonicalize(chip.join("device")).ok();
    let card = card.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
    let device = match &card {
        Some(card) => format!("{name}/{card}/{label}"),
        None => format!("{name}/{label}"),
    };
    // The unit is a microjoule or a microwatt.
    let (shape, method) = if kind == "energy" {
        (Kind::Counter { range: None }, Method::Counter)
    } else {
        (Kind::Power, Method::IntegratedPower)
    };
    let domain = domain(name, &label);
    let mut channel = Channel::new(NAME, domain, &device, shape, method, 1e-6);
    // A sensor of the whole card, or of a part of it (such as Intel's `pkg`).
    if domain == Domain::Gpu {
        let whole = matches!(label.as_str(), "power1" | "energy1" | "PPT" | "card");
        match card {
            Some(card) if whole => channel.identity = Some(format!("pci/{card}")),
            Some(card) => channel.inside = Some(format!("{name}/{card}/card")),
            None => {}
        }
    }
    // The driver does not say to which socket a core belongs. For the total it is enough that it is
    // in one of them.
    if domain == Domain::CpuCore {
        let mut labels: Vec<String> = fs::read_dir(chip)
            .map(|entries| {
                entries.flatten().filter_map(|entry| read_text(&entry.path()).ok()).collect()
            })
            .unwrap_or_default();
        labels.sort();
        let socket = labels.iter().find(|label| label.starts_with("Esocket"));
        channel.inside = socket.map(|socket| device.replace(&label, socket));
    }
    let interval = number_of(read_text(&chip.join("update_interval")).ok());
    channel.period = Seconds(interval.unwrap_or(0.0).max(0.0) * 1e-3);
    let averaging = number_of(text("average_interval")).filter(|_| file.ends_with("_average"));
    channel.averaging = Seconds(averaging.unwrap_or(0.0).max(0.0) * 1e-3);
    // The kernel's documentation: "Accuracy of the power meter", in percent.
    let accuracy = text("accuracy").map(|percent| percent.trim_end_matches('%').to_owned());
    if let Some(accuracy) = number_of(accuracy).filter(|percent| (0.0..=100.0).contains(percent)) {
        channel.relative_error = 1.0 - accuracy / 100.0;
    }
    Ok((channel, numbers))
}

fn domain(chip: &str, label: &str) -> Domain {
    match chip {
        "amd_energy" if label.starts_with("Esocket") => Domain::CpuPackage,
        "amd_energy" => Domain::CpuCore,
        "amdgpu" | "i915" | "xe" | "nouveau" => Domain::Gpu,
        "power_meter" => Domain::System,
        _ => Domain::Other,
    }
}

impl Source for Hwmon {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
        let fail = |reason: String| ReadError {
            probe: NAME.to_owned(),
            device: self.channels[channel].device.clone(),
            reason,
        };
        self.files[channel].read().map_err(fail)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chip(folder: &Path, number: u32, files: &[(&str, &str)]) {
        let path = folder.join(format!("class/hwmon/hwmon{number}"));
        fs::create_dir_all(&path).unwrap();
        for (name, text) in files {
            fs::write(path.join(name), format!("{text}\n")).unwrap();
        }
    }

    #[test]
    fn the_sensors_of_every_kind_of_chip_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        chip(path, 0, &[("name", "coretemp"), ("temp1_input", "40000")]);
        chip(
            path,
            1,
            &[
                ("name", "amd_energy"),
                ("energy1_label", "Ecore000"),
                ("energy1_input", "1000000"),
                ("energy2_label", "Esocket0"),
                ("energy2_input", "9000000"),
            ],
        );
        chip(path, 2, &[("name", "amdgpu"), ("power1_average", "35000000"), ("power1_input", "1")]);
        chip(
            path,
            3,
            &[
                ("name", "power_meter"),
                ("power1_average", "150000000"),
                ("power1_average_interval", "1000"),
                ("power1_accuracy", "97.5%"),
            ],
        );
        chip(
            path,
            4,
            &[("name", "ina226"), ("power1_input", "2500000"), ("update_interval", "140")],
        );
        let mut found = Hwmon::open(path).unwrap();
        let devices: Vec<(Domain, &str)> = found
            .channels()
            .iter()
            .map(|channel| (channel.domain, channel.device.as_str()))
            .collect();
        assert_eq!(
            devices,
            [
                (Domain::CpuCore, "amd_energy/Ecore000"),
                (Domain::CpuPackage, "amd_energy/Esocket0"),
                (Domain::Gpu, "amdgpu/power1"),
                (Domain::System, "power_meter/power1"),
                (Domain::Other, "ina226/power1"),
            ]
        );
        let channels = found.channels();
        assert_eq!(channels[0].inside.as_deref(), Some("amd_energy/Esocket0"));
        assert_eq!(channels[3].averaging, Seconds(1.0));
        assert!((channels[3].relative_error - 0.025).abs() < 1e-12);
        assert_eq!(channels[4].period, Seconds(0.14));
        let raw: Vec<u64> = (0..5).map(|channel| found.read(channel).unwrap()).collect();
        assert_eq!(raw, [1_000_000, 9_000_000, 35_000_000, 150_000_000, 2_500_000]);
    }

    #[test]
    fn a_machine_without_sensors_gets_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Hwmon::open(folder.path()).err().unwrap().reason.contains("no sensor"));
    }

    proptest! {
        #[test]
        fn any_file_name_is_a_sensor_or_not(name in "[a-z]{0,6}[0-9]{0,3}_?[a-z]{0,8}") {
            if let Some((kind, number)) = sensor(&name) {
                prop_assert!(kind == "power" || kind == "energy");
                prop_assert!(number.parse::<u64>().is_ok());
            }
        }
    }
}
