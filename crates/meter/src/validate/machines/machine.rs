//! A machine, as the pieces of its `/sys`.

use std::{fs, io, os::unix::fs::symlink, path::Path};

/// A machine.
pub(super) struct Machine {
    /// What it is, and who reported it.
    pub(super) name: &'static str,
    /// What its tree has.
    pub(super) pieces: &'static [Piece],
    /// What a plugin measures on it.
    pub(super) boards: &'static [Board],
    /// The right power, in watts.
    pub(super) watts: f64,
    /// A part of a warning that the report must have.
    pub(super) warning: Option<&'static str>,
}

/// A piece of a machine's `/sys`.
pub(super) enum Piece {
    /// A zone of RAPL: its folder, its name, its counter at the start in joules, its power in watts.
    Zone(&'static str, &'static str, u32, f64),
    /// The text of a zone's range; empty if there is no such file.
    Range(&'static str, &'static str),
    /// A chip of hwmon: its number and its name.
    Chip(u32, &'static str),
    /// The device of a chip: a folder of `devices`.
    Device(u32, &'static str),
    /// A sensor of a chip that shows its present power: number of the chip, number of the sensor,
    /// label (or none), watts.
    Power(u32, u32, &'static str, f64),
    /// The same, for a mean power.
    Mean(u32, u32, &'static str, f64),
    /// A counter of a chip: number of the chip, number of the sensor, label (or none), joules at the
    /// start, watts.
    Energy(u32, u32, &'static str, u32, f64),
    /// A rail: number of the chip, number of the sensor, label, millivolts, milliamperes.
    Rail(u32, u32, &'static str, u32, u32),
    /// A file and its text.
    Text(&'static str, &'static str),
    /// A link to another folder of `/sys`.
    Link(&'static str, &'static str),
}

/// A board that a plugin measures: the plugin, the device, which is also its identity, and watts.
pub(super) struct Board(pub(super) &'static str, pub(super) &'static str, pub(super) f64);

impl Piece {
    /// Whether it is a counter.
    pub(super) fn counts(&self) -> bool {
        matches!(self, Self::Zone(..) | Self::Energy(..))
    }

    /// Writes its files as they are after a number of tenths of a second.
    pub(super) fn write(&self, root: &Path, step: u32) -> io::Result<()> {
        let counter = |joules: u32, watts: f64| {
            format!("{:.0}", f64::from(joules) * 1e6 + watts * f64::from(step) * 1e5)
        };
        let text = |path: String, text: &str| replace(root, &path, text);
        let chip = |number: u32| format!("class/hwmon/hwmon{number}");
        let label = |stem: String, label: &str| match label {
            "" => Ok(()),
            label => text(format!("{stem}_label"), label),
        };
        match *self {
            Self::Zone(zone, name, joules, watts) => {
                let zone = format!("class/powercap/{zone}");
                if step == 0 {
                    text(format!("{zone}/name"), name)?;
                    text(format!("{zone}/max_energy_range_uj"), "262143328850")?;
                }
                text(format!("{zone}/energy_uj"), &counter(joules, watts))
            }
            Self::Range(zone, "") => {
                fs::remove_file(root.join(format!("class/powercap/{zone}/max_energy_range_uj")))
            }
            Self::Range(zone, range) => {
                text(format!("class/powercap/{zone}/max_energy_range_uj"), range)
            }
            Self::Chip(number, name) => text(format!("{}/name", chip(number)), name),
            Self::Device(number, device) => {
                link(root, &format!("{}/device", chip(number)), &format!("devices/{device}"))
            }
            Self::Power(number, sensor, name, watts) => {
                let stem = format!("{}/power{sensor}", chip(number));
                label(stem.clone(), name)?;
                text(format!("{stem}_input"), &format!("{:.0}", watts * 1e6))
            }
            Self::Mean(number, sensor, name, watts) => {
                let stem = format!("{}/power{sensor}", chip(number));
                label(stem.clone(), name)?;
                text(format!("{stem}_average"), &format!("{:.0}", watts * 1e6))
            }
            Self::Energy(number, sensor, name, joules, watts) => {
                let stem = format!("{}/energy{sensor}", chip(number));
                label(stem.clone(), name)?;
                text(format!("{stem}_input"), &counter(joules, watts))
            }
            Self::Rail(number, sensor, name, millivolts, milliamperes) => {
                let chip = chip(number);
                label(format!("{chip}/in{sensor}"), name)?;
                text(format!("{chip}/in{sensor}_input"), &millivolts.to_string())?;
                text(format!("{chip}/curr{sensor}_input"), &milliamperes.to_string())
            }
            Self::Text(path, content) => text(path.to_owned(), content),
            Self::Link(path, target) => link(root, path, target),
        }
    }
}

/// Puts a file in the place of another in one step.
fn replace(root: &Path, path: &str, text: &str) -> io::Result<()> {
    let (path, new) = (root.join(path), root.join("new"));
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    fs::write(&new, format!("{text}\n"))?;
    fs::rename(new, path)
}

/// Links to a folder, which is made if it is not there.
fn link(root: &Path, path: &str, target: &str) -> io::Result<()> {
    let (path, target) = (root.join(path), root.join(target));
    fs::create_dir_all(&target)?;
    fs::create_dir_all(path.parent().unwrap_or(root))?;
    symlink(target, path)
}
