//! `emissions.csv`, as CodeCarbon writes it.

use std::io::{self, Write};

use record::{Domain, DomainEnergy, RunRecord};

use super::{
    columns::{Columns, Row},
    record_writer::RecordWriter,
};

/// CodeCarbon's columns (version 3).
const COLUMNS: [&str; 32] = [
    "timestamp",
    "project_name",
    "run_id",
    "experiment_id",
    "duration",
    "emissions",
    "emissions_rate",
    "cpu_power",
    "gpu_power",
    "ram_power",
    "cpu_energy",
    "gpu_energy",
    "ram_energy",
    "energy_consumed",
    "country_name",
    "country_iso_code",
    "region",
    "cloud_provider",
    "cloud_region",
    "os",
    "python_version",
    "codecarbon_version",
    "cpu_count",
    "cpu_model",
    "gpu_count",
    "gpu_model",
    "longitude",
    "latitude",
    "ram_total_size",
    "tracking_mode",
    "on_cloud",
    "pue",
];

const JOULES_PER_KWH: f64 = 3.6e6;

/// Writes the main spans of all records with CodeCarbon's columns and units: seconds, watts,
/// kilowatt-hours, kilograms, gibibytes.
///
/// A record knows no grid, so emissions and place are empty; so is what no domain covers. Energy of a
/// process or a whole machine is in `energy_consumed` only.
#[must_use]
pub fn emissions_csv(records: &[RunRecord]) -> String {
    let mut bytes = Vec::new();
    let mut table = Emissions::new(&mut bytes).expect("memory takes a header");
    table.add(records).expect("memory takes a table");
    table.0.flush().expect("memory can be flushed");
    drop(table);
    String::from_utf8(bytes).expect("fields are text")
}

/// `emissions.csv` being written.
pub(super) struct Emissions<W: Write>(csv::Writer<W>);

impl<W: Write> Emissions<W> {
    fn new(out: W) -> io::Result<Self> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(COLUMNS)?;
        Ok(Self(writer))
    }

    fn add(&mut self, records: &[RunRecord]) -> io::Result<()> {
        Ok(records.iter().try_for_each(|record| self.0.write_record(row(record)))?)
    }
}

/// Begins the file.
pub(super) fn begin<'a>(
    _columns: &'a Columns,
    out: &'a mut (dyn Write + Send),
) -> io::Result<Box<dyn RecordWriter + 'a>> {
    Ok(Box::new(Emissions::new(out)?))
}

impl<W: Write> RecordWriter for Emissions<W> {
    fn push(&mut self, records: &[RunRecord], _rows: &[Row]) -> io::Result<()> {
        self.add(records)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

fn row(record: &RunRecord) -> Vec<String> {
    let machine = &record.environment.machine;
    let of = |domain: Domain| {
        record
            .energy
            .domains
            .iter()
            .filter(move |measured| measured.domain == domain && measured.in_total)
    };
    let sum = |domain: Domain, value: fn(&DomainEnergy) -> Option<f64>| {
        of(domain).map(value).reduce(|a, b| Some(a? + b?)).flatten()
    };
    let power = |domain| sum(domain, |measured| measured.mean_power.map(|watts| watts.0));
    let energy = |domain| sum(domain, |measured| Some(measured.joules.0 / JOULES_PER_KWH));
    let finite = |value: &f64| value.is_finite();
    let number = |value: Option<f64>| {
        value.filter(finite).map_or_else(String::new, |value| value.to_string())
    };
    let gpus = of(Domain::Gpu).count();
    let experiment = serde_json::to_value(record.spec.experiment).ok();
    let experiment =
        experiment.as_ref().and_then(|experiment| experiment.as_str()).unwrap_or_default();
    let (cpu, gpu, ram) = (Domain::CpuPackage, Domain::Gpu, Domain::Dram);
    vec![
        timestamp(record.timing.started_unix_s),
        "wattlab".to_owned(),
        record.id.to_string(),
        experiment.to_owned(),
        number(Some(record.timing.main.0)),
        String::new(),
        String::new(),
        number(power(cpu)),
        number(power(gpu)),
        number(power(ram)),
        number(energy(cpu)),
        number(energy(gpu)),
        number(energy(ram)),
        number(record.energy.total.map(|total| total.joules.0 / JOULES_PER_KWH)),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        machine.os.clone(),
        String::new(),
        String::new(),
        machine.cpus.to_string(),
        machine.cpu.clone(),
        if gpus == 0 { String::new() } else { gpus.to_string() },
        of(gpu).map(|measured| measured.device.as_str()).collect::<Vec<_>>().join(", "),
        String::new(),
        String::new(),
        number(machine.memory_bytes.map(|bytes| bytes as f64 / f64::from(1 << 30))),
        "process".to_owned(),
        "N".to_owned(),
        String::new(),
    ]
}

/// `2026-01-31T23:59:59`, UTC (days to a date after Hinnant, *chrono-compatible low-level date
/// algorithms*).
fn timestamp(unix_s: f64) -> String {
    let seconds = unix_s.floor() as i64;
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates() {
        let rows = [
            (0.0, "1970-01-01T00:00:00"),
            (951_782_400.0, "2000-02-29T00:00:00"),
            (1_709_251_199.9, "2024-02-29T23:59:59"),
            (4_102_444_800.0, "2100-01-01T00:00:00"),
        ];
        for (unix, shown) in rows {
            assert_eq!(timestamp(unix), shown);
        }
    }
}
