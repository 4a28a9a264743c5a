//! Recordings: a sensor's readings over time, with those of a power meter beside them.

use std::{fmt::Write, sync::Arc};

use super::{Adapter, EvidenceError, recording_files::RecordingFiles};

/// The file of the driver's readings in the folder of a recording.
pub(crate) const SENSOR: &str = "nvidia_smi.csv";
/// The file of the meter's samples.
pub(crate) const METER: &str = "meter.csv";

/// The columns of the driver's readings that are used.
const SENSOR_COLUMNS: [&str; 4] =
    ["time_s", "power_draw_w", "power_draw_instant_w", "utilization_pct"];
/// A condensed copy has the meter's means over times of this length, in seconds.
const MEAN_OVER_S: f64 = 0.01;

/// A recording with the text of its files.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EvidenceRecording {
    /// The data set.
    pub adapter: Arc<Adapter>,
    /// The recording.
    pub files: RecordingFiles,
    /// The driver's readings: a table with the columns `time_s`, `power_draw_w`, `utilization_pct` and optionally
    /// `power_draw_instant_w`.
    pub sensor: String,
    /// The meter's samples: a table with the columns `time_s` and `watts`.
    pub meter: String,
    /// Whether the texts are the copies in this program.
    pub is_copy: bool,
}

/// Condensed copies of a recording's files: of the driver's readings the columns that are used, of the meter's
/// samples their means over 10 ms.
///
/// # Errors
///
/// If the licence forbids a copy, or a text is not such a table.
pub fn condensed_recording(
    adapter: &Adapter,
    sensor: &str,
    meter: &str,
) -> Result<[String; 2], EvidenceError> {
    if !adapter.licence.redistribute {
        let (name, licence) = (adapter.name.clone(), adapter.licence.name.clone());
        return Err(EvidenceError::NotFree { name, licence });
    }
    Ok([columns(sensor)?, means(adapter, meter)?])
}

fn columns(text: &str) -> Result<String, EvidenceError> {
    let of_csv = |source| EvidenceError::Csv { file: SENSOR.to_owned(), source };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().map_err(of_csv)?.clone();
    let picked: Vec<usize> = (0..head.len())
        .filter(|at| head.get(*at).is_some_and(|name| SENSOR_COLUMNS.contains(&name)))
        .collect();
    let mut copy = String::new();
    let mut line = |row: &csv::StringRecord| {
        let cells: Vec<&str> = picked.iter().map(|at| row.get(*at).unwrap_or_default()).collect();
        copy.push_str(&cells.join(","));
        copy.push('\n');
    };
    line(&head);
    for row in reader.records() {
        line(&row.map_err(of_csv)?);
    }
    Ok(copy)
}

/// Means of the samples, at the mean of their times.
fn means(adapter: &Adapter, text: &str) -> Result<String, EvidenceError> {
    let of_csv = |source| EvidenceError::Csv { file: METER.to_owned(), source };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().map_err(of_csv)?.clone();
    let position = |column: &str| {
        head.iter().position(|name| name == column).ok_or_else(|| EvidenceError::Column {
            file: METER.to_owned(),
            adapter: adapter.name.clone(),
            column: column.to_owned(),
            found: head.iter().collect::<Vec<_>>().join(", "),
        })
    };
    let (time_at, watts_at) = (position("time_s")?, position("watts")?);
    let mut copy = "time_s,watts\n".to_owned();
    let (mut bin, mut count, mut sums) = (f64::NAN, 0.0, [0.0; 2]);
    let mut flush = |count: f64, [time, watts]: [f64; 2]| {
        if count > 0.0 {
            let _ = writeln!(copy, "{:.5},{:.2}", time / count, watts / count);
        }
    };
    for (index, row) in reader.records().enumerate() {
        let row = row.map_err(of_csv)?;
        let number = |at: usize, column: &str| {
            let text = row.get(at).unwrap_or_default().trim();
            let number = text.parse::<f64>().ok().filter(|value| value.is_finite());
            number.ok_or_else(|| EvidenceError::Value {
                file: METER.to_owned(),
                line: index + 2,
                column: column.to_owned(),
                value: text.to_owned(),
                expected: "a number",
            })
        };
        let (time, watts) = (number(time_at, "time_s")?, number(watts_at, "watts")?);
        let own = (time / MEAN_OVER_S).floor();
        if own != bin {
            flush(count, sums);
            (bin, count, sums) = (own, 0.0, [0.0; 2]);
        }
        count += 1.0;
        sums = [sums[0] + time, sums[1] + watts];
    }
    flush(count, sums);
    Ok(copy)
}
