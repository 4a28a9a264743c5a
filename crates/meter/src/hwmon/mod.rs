//! Sensors of the kernel's hwmon interface: power monitors of boards, power supplies, graphics cards,
//! and AMD's energy counters.

mod catalog;
mod chip;
mod chips;
mod gauge;

use std::{fs, path::Path};

use units::{Domain, Method, Seconds};

use self::{
    catalog::{Entry, Part, Within, matches, number},
    chip::{Chip, Sensor, Shows},
    gauge::{Gauge, Problem},
};
use crate::{
    file::{Trouble, read_text},
    source::{Absent, Channel, Kind, ReadError, Source},
};

/// The probe's name.
pub(crate) const NAME: &str = "hwmon";

/// Sensors that show power or energy.
pub(crate) struct Hwmon {
    channels: Vec<Channel>,
    gauges: Vec<Gauge>,
    /// Sensors that exist and cannot be read.
    pub(crate) problems: Vec<String>,
    /// Whether this user may not read one of them.
    denied: bool,
}

/// A sensor that can be read, before it is known what contains it.
struct Found {
    /// The place of its chip in the list of chips.
    chip: usize,
    label: String,
    entry: &'static Entry,
    channel: Channel,
    gauge: Gauge,
}

impl Hwmon {
    /// Finds `energy*_input` (microjoules), `power*_average` or `power*_input` (microwatts), and
    /// voltages with their currents, below `<sysfs>/class/hwmon`, as the kernel's
    /// Documentation/hwmon/sysfs-interface.rst describes them. The order of the channels is that of
    /// the catalog, which is the order of preference.
    pub(crate) fn open(sysfs: &Path) -> Result<Self, Absent> {
        let folder = sysfs.join("class/hwmon");
        let chips = chips(sysfs, &folder);
        let mut this =
            Self { channels: Vec::new(), gauges: Vec::new(), problems: Vec::new(), denied: false };
        let mut found: Vec<Found> = Vec::new();
        for (at, chip) in chips.iter().enumerate() {
            this.take(at, chip, &mut found);
        }
        let inside: Vec<Option<String>> =
            (0..found.len()).map(|at| outer(&chips, &found, at)).collect();
        for (sensor, inside) in found.into_iter().zip(inside) {
            let mut channel = sensor.channel;
            // Of two sensors of one board that lie in no other, the first counts.
            channel.identity = channel.identity.filter(|_| inside.is_none());
            channel.inside = inside;
            this.channels.push(channel);
            this.gauges.push(sensor.gauge);
        }
        if !this.channels.is_empty() {
            return Ok(this);
        }
        Err(match (this.problems.first(), this.remedy()) {
            (Some(problem), Some(remedy)) => Absent { reason: problem.clone(), remedy },
            _ => Absent {
                reason: format!("`{}` has no sensor of power or energy", folder.display()),
                remedy: "load the driver of the board's sensor if it has one, such as `ina2xx`, \
                         `acpi_power_meter` or `amdgpu`"
                    .to_owned(),
            },
        })
    }

    /// What to do about the sensors that cannot be read; `None` if there are none.
    pub(crate) fn remedy(&self) -> Option<String> {
        let remedy = if self.denied {
            "make the file readable: `sudo chmod a+r FILE`"
        } else {
            "look for the sensor's driver in the kernel's log (`sudo dmesg`); a graphics card that \
             sleeps can be read when a program uses it"
        };
        (!self.problems.is_empty()).then(|| remedy.to_owned())
    }

    /// Opens the sensors of a chip.
    fn take(&mut self, at: usize, chip: &Chip, found: &mut Vec<Found>) {
        let (energies, powers): (Vec<Sensor>, Vec<Sensor>) =
            chip.sensors().into_iter().partition(|sensor| sensor.shows == Shows::Energy);
        // A counter is better than the power of the same quantity.
        let mut counted: Vec<Sensor> = Vec::new();
        for sensor in energies.into_iter().chain(powers) {
            let entry = chips::entry(&chip.kind, sensor.label());
            let repeats = sensor.shows != Shows::Energy
                && counted.iter().any(|energy| sensor.is_power_of(energy));
            if repeats || entry.part == Part::Nothing {
                continue;
            }
            match Gauge::open(chip, &sensor, entry.present) {
                Ok((gauge, averages)) => {
                    let device = unused_name(chip, &sensor, found);
                    let channel = channel(chip, &sensor, entry, device, averages);
                    let label = sensor.label().to_owned();
                    found.push(Found { chip: at, label, entry, channel, gauge });
                    if sensor.shows == Shows::Energy {
                        counted.push(sensor);
                    }
                }
                Err(Problem { text, trouble }) => {
                    self.denied |= trouble == Trouble::Denied;
                    self.problems.push(text);
                }
            }
        }
    }
}

/// The chips in the order of the catalog, and of their numbers.
fn chips(sysfs: &Path, folder: &Path) -> Vec<Chip> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut chips: Vec<Chip> =
        entries.filter_map(|entry| Chip::open(sysfs, &entry.path())).collect();
    chips.extend(Chip::jetpack4(sysfs));
    chips.sort_by_key(|chip| (chips::rank(&chip.kind), number(&chip.hwmon), chip.hwmon.clone()));
    chips
}

/// A name for a sensor: its chip, its device and its label, and more if another has that name.
fn unused_name(chip: &Chip, sensor: &Sensor, found: &[Found]) -> String {
    let Chip { name, hwmon, device, .. } = chip;
    let label = sensor.label();
    let place = device.as_ref().map_or_else(|| name.clone(), |device| format!("{name}/{device}"));
    let names = [
        format!("{place}/{label}"),
        format!("{place}/{hwmon}/{label}"),
        format!("{place}/{hwmon}/{label}/{}", sensor.stem),
    ];
    let used = |name: &String| found.iter().any(|other| other.channel.device == *name);
    let [.., last] = &names;
    names.iter().find(|name| !used(name)).unwrap_or(last).clone()
}

fn channel(chip: &Chip, sensor: &Sensor, entry: &Entry, device: String, averages: bool) -> Channel {
    let text = |what: &str| {
        read_text(&chip.folder.join(format!("{}_{what}", sensor.stem))).unwrap_or_default()
    };
    let number = |text: String| text.parse::<f64>().ok().filter(|number| number.is_finite());
    // The unit is a microjoule or a microwatt.
    let (shape, method) = match sensor.shows {
        Shows::Energy => (Kind::Counter { range: None }, Method::Counter),
        Shows::Power { .. } | Shows::Product | Shows::Milliwatts => {
            (Kind::Power, Method::IntegratedPower)
        }
    };
    let domain = match entry.part {
        Part::Of(domain) => domain,
        Part::Output => Domain::System,
        Part::Apart | Part::Unknown | Part::Nothing => Domain::Other,
    };
    let mut channel = Channel::new(NAME, domain, &device, shape, method, 1e-6);
    channel.overlap.family = Some(entry.family.to_owned());
    channel.overlap.apart = entry.part == Part::Apart;
    channel.overlap.output = entry.part == Part::Output;
    channel.overlap.contains = entry.contains.to_vec();
    // A board, or an APU whose graphics another probe reads. The tiles of a board are several sensors.
    let tile = matches!(entry.within, Within::Device(_));
    if !tile && (domain == Domain::Gpu || entry.contains.contains(&Domain::Gpu)) {
        channel.identity = chip.pci().map(|address| format!("pci/{address}"));
    }
    let seconds = |milliseconds: Option<f64>, default: Seconds| match milliseconds {
        Some(milliseconds) if milliseconds >= 0.0 => Seconds(milliseconds * 1e-3),
        _ => default,
    };
    let interval = read_text(&chip.folder.join("update_interval")).unwrap_or_default();
    channel.period = seconds(number(interval), entry.period);
    if averages {
        channel.averaging = seconds(number(text("average_interval")), entry.period);
    }
    // The kernel's documentation: "Accuracy of the power meter", in percent. No meter is exact, and
    // none is worth reading that is off by more than half.
    let stated = number(text("accuracy").trim_end_matches('%').to_owned());
    let stated = stated.filter(|percent| (50.0..100.0).contains(percent));
    channel.relative_error = Some(stated.map_or(entry.error, |percent| 1.0 - percent / 100.0));
    channel
}

/// The device of the sensor that contains this one.
fn outer(chips: &[Chip], found: &[Found], at: usize) -> Option<String> {
    let this = &found[at];
    let first = |fits: &dyn Fn(&Found) -> bool| {
        let mut others = found.iter().enumerate().filter(|(other, _)| *other != at);
        others.find(|(_, other)| fits(other)).map(|(_, other)| other.channel.device.clone())
    };
    let same_chip = |other: &Found| other.chip == this.chip;
    let same_family = |other: &Found| other.entry.family == this.entry.family;
    match this.entry.within {
        Within::Nothing => None,
        Within::Chip(label) => first(&|other| same_chip(other) && matches(label, &other.label)),
        Within::Family(label) => first(&|other| same_family(other) && matches(label, &other.label)),
        Within::Numbered(labels) => labels.iter().find_map(|label| {
            first(&|other| {
                same_family(other)
                    && matches(label, &other.label)
                    && number(&other.label) == number(&this.label)
            })
        }),
        Within::Stem => {
            let (stem, _) = this.label.rsplit_once(' ')?;
            first(&|other| same_chip(other) && other.label == stem)
        }
        Within::Machine => {
            first(&|other| same_family(other) && other.entry.part == Part::Of(Domain::System))
        }
        Within::Device(name) => first(&|other| {
            let device = &chips[this.chip].device;
            device.is_some()
                && chips[other.chip].device == *device
                && matches(name, &chips[other.chip].name)
        }),
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
        self.gauges[channel].read().map_err(fail)
    }
}

#[cfg(test)]
mod tests;
