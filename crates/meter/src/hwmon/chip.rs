//! One chip that hwmon shows: its folder, its sensors and their labels.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::chips::{APU, APU_WITH_MEMORY};
use crate::{file::read_text, identity::is_pci};

/// A chip.
pub(super) struct Chip {
    /// The folder of its sensors.
    pub(super) folder: PathBuf,
    /// The name of its folder in `class/hwmon`.
    pub(super) hwmon: String,
    pub(super) name: String,
    /// How the catalog calls it.
    pub(super) kind: String,
    /// The device that it belongs to, such as a PCI address.
    pub(super) device: Option<String>,
}

/// A sensor of a chip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sensor {
    /// `power1`, `energy2`, or `in3` for a voltage with its current.
    pub(super) stem: String,
    /// The label, if the driver gives one.
    pub(super) label: Option<String>,
    pub(super) shows: Shows,
}

/// What a sensor shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// `energyN_input`, in microjoules.
    Energy,
    /// `powerN_average` and `powerN_input`, in microwatts; whether each exists.
    Power { average: bool, input: bool },
    /// `inN_input` in millivolts and `currN_input` in milliamperes.
    Product,
    /// `in_powerN_input`, in milliwatts.
    Milliwatts,
}

impl Sensor {
    /// The label, or the number in its place.
    pub(super) fn label(&self) -> &str {
        self.label.as_deref().unwrap_or(&self.stem)
    }

    /// Whether an energy is the same quantity as this power.
    pub(super) fn is_power_of(&self, energy: &Self) -> bool {
        let number = |stem: &str| stem.trim_start_matches(char::is_alphabetic).to_owned();
        match (&self.label, &energy.label) {
            (Some(label), Some(other)) => label == other,
            _ => number(&self.stem) == number(&energy.stem),
        }
    }
}

impl Chip {
    /// The chip of a folder of `class/hwmon`; `None` if it repeats a power supply of the kernel, such
    /// as a battery, which has a source of its own.
    pub(super) fn open(sysfs: &Path, path: &Path) -> Option<Self> {
        let hwmon = path.file_name()?.to_string_lossy().into_owned();
        let device = path.join("device");
        // Drivers of the old interface, as `acpi_power_meter` was, put their files there.
        let named = |folder: &Path| read_text(&folder.join("name")).ok();
        let (own, of_device) = (named(path), named(&device));
        let folder = if own.is_none() && of_device.is_some()
            || readings(path).is_empty() && !readings(&device).is_empty()
        {
            device.clone()
        } else {
            path.to_owned()
        };
        let name = own.or(of_device).unwrap_or_else(|| "unnamed".to_owned());
        let target = fs::canonicalize(&device).ok();
        if is_power_supply(sysfs, &name, target.as_deref()) {
            return None;
        }
        let device = target.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        let mut chip = Self { folder, hwmon, kind: name.clone(), name, device };
        if chip.name == "amdgpu" {
            chip.kind = chip.amdgpu_kind(path).to_owned();
        }
        Some(chip)
    }

    /// The monitors of a Jetson with JetPack 4, whose driver `ina3221x` is not part of hwmon.
    pub(super) fn jetpack4(sysfs: &Path) -> Vec<Self> {
        let driver = sysfs.join(format!("bus/i2c/drivers/{JETPACK4}"));
        let mut chips = Vec::new();
        for device in files(&driver) {
            let folder = driver.join(&device);
            for hwmon in files(&folder).into_iter().filter(|name| name.starts_with("iio:device")) {
                let (name, kind) = (JETPACK4.to_owned(), JETPACK4.to_owned());
                let folder = folder.join(&hwmon);
                chips.push(Self { folder, hwmon, name, kind, device: Some(device.clone()) });
            }
        }
        chips
    }

    /// Whether an AMD chip is an APU: only those have a voltage `vddnb`, except for MI300A, which is
    /// known by its PCI device (`hwmon_attributes_visible` in `amdgpu_pm.c`).
    fn amdgpu_kind(&self, path: &Path) -> &'static str {
        const MI300A: &str = "0x74a0";
        let names = files(&self.folder);
        let labels = names.iter().filter(|name| name.starts_with("in") && name.ends_with("_label"));
        let has_vddnb = labels
            .filter_map(|name| read_text(&self.folder.join(name)).ok())
            .any(|label| label == "vddnb");
        if has_vddnb {
            APU
        } else if read_text(&path.join("device/device")).is_ok_and(|id| id == MI300A) {
            APU_WITH_MEMORY
        } else {
            "amdgpu"
        }
    }

    /// Its PCI address.
    pub(super) fn pci(&self) -> Option<&str> {
        self.device.as_deref().filter(|device| is_pci(device))
    }

    /// Its sensors of energy or power, in the order of their numbers.
    pub(super) fn sensors(&self) -> Vec<Sensor> {
        let names = files(&self.folder);
        if self.name == JETPACK4 {
            return self.milliwatts(&names);
        }
        let mut stems: Vec<(&str, u32)> = names
            .iter()
            .filter_map(|name| {
                let (kind, number) = reading(name)?;
                let product = kind == "in" && self.multiplies() && (1..=3).contains(&number);
                (kind != "in" || product).then_some((kind, number))
            })
            .collect();
        stems.sort_unstable();
        stems.dedup();
        let has = |name: String| names.contains(&name);
        let sensor = |(kind, number): (&str, u32)| {
            let stem = format!("{kind}{number}");
            let shows = match kind {
                "energy" => Shows::Energy,
                "power" => Shows::Power {
                    average: has(format!("{stem}_average")),
                    input: has(format!("{stem}_input")),
                },
                _ if has(format!("curr{number}_input")) && self.is_enabled(number) => {
                    Shows::Product
                }
                _ => return None,
            };
            Some(Sensor { label: self.label(&stem, number), stem, shows })
        };
        stems.into_iter().filter_map(sensor).collect()
    }

    /// The rails of `ina3221x`, and their names.
    fn milliwatts(&self, names: &BTreeSet<String>) -> Vec<Sensor> {
        let numbers = (0..3).filter(|number| names.contains(&format!("in_power{number}_input")));
        numbers
            .map(|number| Sensor {
                stem: format!("in_power{number}"),
                label: self.text(&format!("rail_name_{number}")),
                shows: Shows::Milliwatts,
            })
            .collect()
    }

    /// Whether power is the product of its voltages and currents: it has no register of power.
    fn multiplies(&self) -> bool {
        self.name.starts_with("ina3221")
    }

    /// Whether the driver reads a channel: `inN_enable` of `ina3221`.
    fn is_enabled(&self, number: u32) -> bool {
        read_text(&self.folder.join(format!("in{number}_enable"))).map_or(true, |text| text != "0")
    }

    /// The driver's label; what the firmware says that an ACPI meter measures; or the name that the
    /// device tree gives to the voltage of a monitor, whose power is that of the same rail.
    fn label(&self, stem: &str, number: u32) -> Option<String> {
        let monitor = ["ina", "isl2", "ltc", "sq5", "sy2", "tmp51"]
            .iter()
            .any(|chip| self.name.starts_with(chip));
        let mut files = vec![format!("{stem}_label"), format!("{stem}_oem_info")];
        if monitor {
            files.extend([format!("in{number}_label"), format!("curr{number}_label")]);
        }
        files.iter().find_map(|file| self.text(file))
    }

    /// The printable text of a file; `None` if there is none.
    fn text(&self, file: &str) -> Option<String> {
        let text = read_text(&self.folder.join(file)).ok()?;
        let printable: String = text.chars().filter(|letter| !letter.is_control()).collect();
        let label: String = printable.trim().chars().take(LONGEST_LABEL).collect();
        (!label.is_empty()).then_some(label)
    }
}

/// NVIDIA's driver of the rails of Jetson modules up to JetPack 4.
const JETPACK4: &str = "ina3221x";

/// A label is cut off here.
const LONGEST_LABEL: usize = 64;

/// Whether the kernel registered the chip for a power supply (`power_supply_hwmon.c`, which writes
/// `_` for `-`).
fn is_power_supply(sysfs: &Path, name: &str, device: Option<&Path>) -> bool {
    let below = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with("power_supply"));
    let named = || {
        let folder = sysfs.join("class/power_supply");
        let names: BTreeSet<String> = files(&folder);
        names.iter().any(|supply| supply.replace('-', "_") == name)
    };
    device.is_some_and(below) || name.starts_with("ucsi_source_psy") || named()
}

/// The names in a folder, sorted; none if it cannot be listed.
fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The readings of energy and power in a folder.
fn readings(folder: &Path) -> Vec<String> {
    let is_reading = |name: &String| reading(name).is_some();
    files(folder).into_iter().filter(is_reading).collect()
}

/// The kind and number of a reading's file: `("power", 1)` for `power1_average`. `None` if the file
/// is no reading of energy, power or voltage.
fn reading(file: &str) -> Option<(&str, u32)> {
    let (stem, what) = file.split_once('_')?;
    let digits = stem.find(|letter: char| letter.is_ascii_digit())?;
    let (kind, number) = stem.split_at(digits);
    let known = matches!((kind, what), ("energy" | "power" | "in", "input") | ("power", "average"));
    (known && number.bytes().all(|digit| digit.is_ascii_digit()))
        .then(|| number.parse().ok())?
        .map(|number| (kind, number))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn files_are_readings_or_not() {
        assert_eq!(reading("power1_average"), Some(("power", 1)));
        assert_eq!(reading("energy12_input"), Some(("energy", 12)));
        for other in [
            "power1_cap",
            "power1_average_interval",
            "temp1_input",
            "power_input",
            "powerx1_input",
            "",
        ] {
            assert_eq!(reading(other), None, "{other}");
        }
    }

    #[test]
    fn a_power_and_an_energy_are_one_by_label_or_else_by_number() {
        let sensor = |stem: &str, label: Option<&str>, shows| Sensor {
            stem: stem.to_owned(),
            label: label.map(str::to_owned),
            shows,
        };
        let power = Shows::Power { average: false, input: true };
        let energy = sensor("energy1", Some("System"), Shows::Energy);
        assert!(sensor("power3", Some("System"), power).is_power_of(&energy));
        assert!(!sensor("power1", Some("Chip 0"), power).is_power_of(&energy));
        assert!(sensor("power1", None, power).is_power_of(&energy));
        assert!(!sensor("power11", None, power).is_power_of(&energy));
    }

    proptest! {
        #[test]
        fn any_file_name_is_a_reading_or_not(name in "[a-zé]{0,6}[0-9]{0,12}_?[a-z]{0,8}") {
            if let Some((kind, number)) = reading(&name) {
                prop_assert!(["power", "energy", "in"].contains(&kind));
                let stem = format!("{kind}{number}");
                prop_assert!(name.starts_with(kind) && name.len() > stem.len());
            }
        }
    }
}
