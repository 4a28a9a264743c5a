//! Reads the files of one sensor.

use std::path::PathBuf;

use super::chip::{Chip, Sensor, Shows};
use crate::file::{NumberFile, Trouble};

/// What a power meter of ACPI answers when it cannot measure: 0xffffffff milliwatts (ACPI 6.5, 10.4.1,
/// `_PMM`), in microwatts.
const ACPI_ERROR: u64 = 0xffff_ffff * 1000;

/// No sensor in a machine shows more power, in microwatts: a whole rack draws a tenth of it.
const MOST_POWER: u64 = 1_000_000_000_000;

/// The open files of a sensor.
pub(super) enum Gauge {
    /// Microjoules.
    Energy(NumberFile),
    /// Microwatts, and whether they are from ACPI.
    Power(NumberFile, bool),
    /// Millivolts and milliamperes.
    Product(NumberFile, NumberFile),
    Milliwatts(NumberFile),
}

/// Why a sensor cannot be read.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) text: String,
    pub(super) trouble: Trouble,
}

impl Gauge {
    /// Opens a sensor and reads it once. Of a mean power and a present one the first that can be read
    /// is taken, beginning with the present one if `present`. Returns whether it is a mean, too.
    pub(super) fn open(
        chip: &Chip,
        sensor: &Sensor,
        present: bool,
    ) -> Result<(Self, bool), Problem> {
        let file = |name: String| chip.folder.join(name);
        let stem = &sensor.stem;
        match sensor.shows {
            Shows::Energy => {
                let gauge = number(file(format!("{stem}_input")))?;
                checked(Self::Energy(gauge)).map(|gauge| (gauge, false))
            }
            Shows::Power { average, input } => {
                let mut choices = [(average, "average"), (input, "input")];
                if present {
                    choices.reverse();
                }
                let mut problem = None;
                for (_, what) in choices.into_iter().filter(|(exists, _)| *exists) {
                    let acpi = chip.name == "power_meter";
                    let opened = number(file(format!("{stem}_{what}")));
                    match opened.and_then(|file| checked(Self::Power(file, acpi))) {
                        Ok(gauge) => return Ok((gauge, what == "average")),
                        Err(error) => problem = problem.or(Some(error)),
                    }
                }
                Err(problem.unwrap_or_else(|| Problem {
                    text: format!("`{}`: it has no reading", file(stem.clone()).display()),
                    trouble: Trouble::Missing,
                }))
            }
            Shows::Milliwatts => {
                let gauge = number(file(format!("{stem}_input")))?;
                checked(Self::Milliwatts(gauge)).map(|gauge| (gauge, false))
            }
            Shows::Product => {
                let voltage = number(file(format!("{stem}_input")))?;
                let current = number(file(format!("{}_input", stem.replace("in", "curr"))))?;
                checked(Self::Product(voltage, current)).map(|gauge| (gauge, false))
            }
        }
    }

    /// Microjoules or microwatts; on failure the reason in words.
    pub(super) fn read(&mut self) -> Result<u64, String> {
        let power = match self {
            Self::Energy(file) => return file.read(),
            Self::Power(file, acpi) => match file.read()? {
                ACPI_ERROR.. if *acpi => {
                    return Err(
                        "it shows 0xffffffff mW, which is ACPI's value for an error".to_owned()
                    );
                }
                power => power,
            },
            Self::Milliwatts(file) => file.read_at_least_zero()?.saturating_mul(1000),
            Self::Product(voltage, current) => {
                let (voltage, current) =
                    (voltage.read_at_least_zero()?, current.read_at_least_zero()?);
                voltage.saturating_mul(current)
            }
        };
        if power > MOST_POWER {
            return Err(format!(
                "it shows {:.0} W, more than any machine draws",
                power as f64 * 1e-6
            ));
        }
        Ok(power)
    }

    /// The file that a message names.
    fn path(&self) -> &PathBuf {
        match self {
            Self::Energy(file)
            | Self::Power(file, _)
            | Self::Product(file, _)
            | Self::Milliwatts(file) => &file.path,
        }
    }
}

fn number(path: PathBuf) -> Result<NumberFile, Problem> {
    NumberFile::open(path.clone()).map_err(|error| Problem {
        text: format!("`{}`: {error}", path.display()),
        trouble: Trouble::of(&path),
    })
}

/// The sensor, if it can be read.
fn checked(mut gauge: Gauge) -> Result<Gauge, Problem> {
    match gauge.read() {
        Ok(_) => Ok(gauge),
        Err(reason) => Err(Problem {
            text: format!("`{}`: {reason}", gauge.path().display()),
            trouble: Trouble::of(gauge.path()),
        }),
    }
}
