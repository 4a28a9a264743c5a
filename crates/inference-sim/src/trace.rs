//! Recorded arrivals.

use std::path::Path;

use units::{limits, open_regular};

use crate::{arrival::ArrivalProcess, error::ConfigError};

const COLUMN: &str = "arrival_s";

/// Reads arrival times from a CSV file with a header line: its column `arrival_s`, in seconds, which
/// must never decrease. Other columns are ignored.
///
/// # Errors
/// [`ConfigError::Trace`], [`ConfigError::TraceColumn`], [`ConfigError::TraceTime`] and
/// [`ConfigError::TraceEmpty`] for a file that cannot be read or is not of
/// this form.
pub fn read_trace(path: &Path) -> Result<ArrivalProcess, ConfigError> {
    let unreadable = |source| ConfigError::Trace { path: path.to_owned(), source };
    let file = open_regular(path).map_err(|error| unreadable(error.into()))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let header = reader.headers().map_err(unreadable)?.clone();
    let column =
        header.iter().position(|name| name == COLUMN).ok_or_else(|| ConfigError::TraceColumn {
            path: path.to_owned(),
            found: header.iter().collect::<Vec<_>>().join(","),
        })?;
    let mut times = Vec::new();
    let mut last = f64::NEG_INFINITY;
    for row in reader.into_records() {
        let row = row.map_err(unreadable)?;
        let text = row.get(column).unwrap_or_default();
        let refuse = |expected| ConfigError::TraceTime {
            path: path.to_owned(),
            line: row.position().map_or(0, csv::Position::line),
            found: text.to_owned(),
            expected,
        };
        let time = text.parse::<f64>().ok().filter(|time| time.is_finite());
        let time = time.ok_or_else(|| refuse("a finite number of seconds"))?;
        if time < last {
            return Err(refuse("a time no earlier than the line before"));
        }
        last = time;
        times.push(time);
        if times.len() as u64 > limits::LIVE_REQUESTS.max() {
            return Err(ConfigError::TraceTooLong { path: path.to_owned() });
        }
    }
    if times.is_empty() {
        return Err(ConfigError::TraceEmpty { path: path.to_owned() });
    }
    ArrivalProcess::trace(&times)
}
