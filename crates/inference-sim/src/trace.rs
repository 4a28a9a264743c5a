//! Recorded arrivals.

use std::path::Path;

use serde::{Deserialize, Serialize};
use units::{limits, open_regular};

use crate::{arrival::ArrivalProcess, error::ConfigError, requests::TraceRequests, timestamp};

/// The columns of a trace without a map.
const COLUMNS: [&str; 6] =
    ["arrival_s", "size", "priority", "timeout_s", "prompt_tokens", "output_tokens"];

const TOKENS: &str = "a whole number of tokens from 1 to 1000000";

/// Where the values of requests are in the file of a trace, which may have other columns, too, and
/// need not be sorted.
///
/// `arrivals.columns` of a description, such as
/// `{ arrival = "TIMESTAMP", size = "Images" }`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TraceColumns {
    /// The column of arrivals: numbers, in the trace's unit of time, or times such as
    /// `2023-11-16 18:15:46.68`.
    pub arrival: String,
    /// The column of images per request; one image each if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// The column of levels of priority, as in Triton: 1 is the highest, 0 the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<String>,
    /// The column of each request's own time limit in the queue, in seconds; 0 for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// The column of the tokens of a prompt, for generative models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The column of the tokens that a request generates, for generative models.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
}

impl TraceColumns {
    /// Arrivals in this column.
    #[must_use]
    pub fn new(arrival: impl Into<String>) -> Self {
        Self {
            arrival: arrival.into(),
            size: None,
            priority: None,
            timeout: None,
            prompt: None,
            output: None,
        }
    }

    /// The same with the tokens of prompts and of answers in these columns.
    #[must_use]
    pub fn with_tokens(self, prompt: impl Into<String>, output: impl Into<String>) -> Self {
        Self { prompt: Some(prompt.into()), output: Some(output.into()), ..self }
    }

    /// The same with the images per request in this column.
    #[must_use]
    pub fn with_size(self, size: impl Into<String>) -> Self {
        Self { size: Some(size.into()), ..self }
    }
}

/// Reads requests from a CSV file with a header line: their arrivals in column `arrival_s`, in
/// seconds, which must never decrease, and optionally `size` (images), `priority` (Triton's level),
/// `timeout_s` (Triton's time limit of a request), `prompt_tokens` and `output_tokens` (of generative
/// models). Any other column is an error.
///
/// # Errors
/// The variants of [`ConfigError`] whose names begin with `Trace`, for a file that cannot be read or
/// is not of this form.
pub fn read_trace(path: &Path) -> Result<ArrivalProcess, ConfigError> {
    read(path, None, 1.0)
}

/// Reads requests from a CSV file whose columns have other names. Columns that are not named are
/// ignored, and the requests are sorted by arrival. `unit_s` is the unit of numbers in the column of
/// arrivals, in seconds.
///
/// # Errors
/// As [`read_trace`].
pub fn read_trace_columns(
    path: &Path,
    columns: &TraceColumns,
    unit_s: f64,
) -> Result<ArrivalProcess, ConfigError> {
    read(path, Some(columns), unit_s)
}

/// A row of the file.
struct Row {
    time: f64,
    size: u32,
    level: u32,
    limit_s: f64,
    prompt: u32,
    output: u32,
}

fn read(
    path: &Path,
    columns: Option<&TraceColumns>,
    unit_s: f64,
) -> Result<ArrivalProcess, ConfigError> {
    let unreadable = |source| ConfigError::Trace { path: path.to_owned(), source };
    let file = open_regular(path).map_err(|error| unreadable(error.into()))?;
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let header = reader.headers().map_err(unreadable)?.clone();
    let find = |name: &str| header.iter().position(|column| column == name);
    let needed = |name: &str| {
        find(name).ok_or_else(|| ConfigError::TraceColumn {
            path: path.to_owned(),
            column: name.to_owned(),
            found: header.iter().collect::<Vec<_>>().join(","),
        })
    };
    if columns.is_none() {
        needed(COLUMNS[0])?;
        if let Some(column) = header.iter().find(|name| !COLUMNS.contains(name)) {
            let (path, column) = (path.to_owned(), column.to_owned());
            return Err(ConfigError::TraceUnknownColumn { path, column });
        }
    }
    let mapped = |name: Option<&String>| name.map(|name| needed(name)).transpose();
    let places = match columns {
        None => {
            needed(COLUMNS[0])?;
            COLUMNS.map(find)
        }
        Some(map) => [
            Some(needed(&map.arrival)?),
            mapped(map.size.as_ref())?,
            mapped(map.priority.as_ref())?,
            mapped(map.timeout.as_ref())?,
            mapped(map.prompt.as_ref())?,
            mapped(map.output.as_ref())?,
        ],
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut origin = None;
    for record in reader.into_records() {
        let record = record.map_err(unreadable)?;
        let text = |place: Option<usize>| place.and_then(|place| record.get(place));
        let refuse = |place: Option<usize>, expected| ConfigError::TraceValue {
            path: path.to_owned(),
            line: record.position().map_or(0, csv::Position::line),
            column: place.and_then(|place| header.get(place)).unwrap_or_default().to_owned(),
            found: text(place).unwrap_or_default().to_owned(),
            expected,
        };
        let [arrival, size, level, limit, prompt, output] = places;
        let value = text(arrival).unwrap_or_default();
        let time = if columns.is_some() {
            time(value, unit_s, &mut origin)
        } else {
            value.parse::<f64>().ok().filter(|time| time.is_finite())
        };
        let time = time.ok_or_else(|| {
            refuse(
                arrival,
                match columns {
                    None => "a finite number of seconds",
                    Some(_) => {
                        "a number, or a time such as `2023-11-16 18:15:46`, in all rows alike"
                    }
                },
            )
        })?;
        if columns.is_none() && rows.last().is_some_and(|last| time < last.time) {
            return Err(refuse(arrival, "a time no earlier than the line before"));
        }
        let whole = |place, least: u32, absent, expected| match text(place) {
            None => Ok(absent),
            Some(text) => text
                .parse::<u32>()
                .ok()
                .filter(|&value| value >= least && u64::from(value) <= limits::BATCH.max())
                .ok_or_else(|| refuse(place, expected)),
        };
        let limit_s = match text(limit) {
            None => 0.0,
            Some(text) => text
                .parse::<f64>()
                .ok()
                .filter(|&seconds| limits::DURATION_S.check(seconds).is_ok())
                .ok_or_else(|| refuse(limit, "a number of seconds from 0 to 1e9"))?,
        };
        let size = whole(size, 1, 1, "a whole number of images from 1 to 1000000")?;
        let level = whole(level, 0, 0, "a level from 0 to 1000000")?;
        let prompt = whole(prompt, 1, 1, TOKENS)?;
        let output = whole(output, 1, 1, TOKENS)?;
        rows.push(Row { time, size, level, limit_s, prompt, output });
        if rows.len() as u64 > limits::LIVE_REQUESTS.max() {
            return Err(ConfigError::TraceTooLong { path: path.to_owned() });
        }
    }
    if rows.is_empty() {
        return Err(ConfigError::TraceEmpty { path: path.to_owned() });
    }
    // Stable: requests of the same time stay in the order of the file.
    rows.sort_by(|a, b| a.time.total_cmp(&b.time));
    let times: Vec<f64> = rows.iter().map(|row| row.time).collect();
    let [_, size, level, limit, prompt, output] = places;
    let mut requests = TraceRequests::new(&times)?;
    requests.sizes = size.map(|_| rows.iter().map(|row| row.size).collect());
    requests.levels = level.map(|_| rows.iter().map(|row| row.level).collect());
    requests.limits_s = limit.map(|_| rows.iter().map(|row| row.limit_s).collect());
    requests.prompts = prompt.map(|_| rows.iter().map(|row| row.prompt).collect());
    requests.outputs = output.map(|_| rows.iter().map(|row| row.output).collect());
    Ok(ArrivalProcess::recorded(requests))
}

/// What the first row's time is: all others count from it, so that no digits are lost.
#[derive(Clone, Copy)]
enum Origin {
    Number(f64),
    Date(i64),
}

/// Seconds since about the first row.
fn time(text: &str, unit_s: f64, origin: &mut Option<Origin>) -> Option<f64> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    match (number, *origin) {
        (Some(number), None) => {
            *origin = Some(Origin::Number(number));
            Some(0.0)
        }
        (Some(number), Some(Origin::Number(first))) => Some((number - first) * unit_s),
        (Some(_), Some(Origin::Date(_))) | (None, Some(Origin::Number(_))) => None,
        (None, first) => {
            let (seconds, fraction) = timestamp::parse(text)?;
            let first = match first {
                Some(Origin::Date(first)) => first,
                _ => seconds,
            };
            *origin = Some(Origin::Date(first));
            Some((seconds - first) as f64 + fraction)
        }
    }
}
