//! `emissions.csv`: energies with CodeCarbon's columns, and with the origin of each.

use std::io::{self, Write};

use record::RunRecord;
use units::{EmissionsRow, emissions_header};

use super::{
    columns::{Columns, Row},
    record_writer::RecordWriter,
};

/// The main spans of all records as `emissions.csv`.
///
/// A record does not know the grid, so carbon and place are empty, like every other value that is not
/// known. The energy of a whole machine is in `energy_consumed` only.
#[must_use]
pub fn emissions_csv(records: &[RunRecord]) -> String {
    let lines: String = records.iter().map(|record| row(record).line()).collect();
    emissions_header() + &lines
}

/// `emissions.csv` while it is being written.
struct Emissions<W: Write>(W);

/// Begins the file.
pub(super) fn begin<'a>(
    _columns: &'a Columns,
    out: &'a mut (dyn Write + Send),
) -> io::Result<Box<dyn RecordWriter + 'a>> {
    out.write_all(emissions_header().as_bytes())?;
    Ok(Box::new(Emissions(out)))
}

impl<W: Write> RecordWriter for Emissions<W> {
    fn push(&mut self, records: &[RunRecord], _rows: &[Row]) -> io::Result<()> {
        records.iter().try_for_each(|record| self.0.write_all(row(record).line().as_bytes()))
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.flush()
    }
}

fn row(record: &RunRecord) -> EmissionsRow<'_> {
    let machine = &record.environment.machine;
    let experiment = serde_json::to_value(record.spec.experiment).ok();
    let experiment = experiment.as_ref().and_then(|experiment| experiment.as_str());
    EmissionsRow {
        timestamp: timestamp(record.timing.started_unix_s),
        project: "wattlab".to_owned(),
        run: record.id.to_string(),
        experiment: experiment.unwrap_or_default().to_owned(),
        duration: record.timing.main,
        total: record.energy.total,
        domains: &record.energy.domains,
        os: machine.os.clone(),
        cpus: Some(machine.cpus),
        cpu: machine.cpu.clone(),
        memory_bytes: machine.memory_bytes,
        ..EmissionsRow::default()
    }
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
