//! Measured steps of a server of a generative model, and the file that has them.

use std::path::Path;

use units::{
    limits::{self, Limit, OutOfRange},
    open_regular,
};

use super::steps::{SEQUENCES, TOKENS};
use crate::error::ConfigError;

const COLUMNS: [&str; 6] = ["tokens", "sequences", "context", "pairs", "seconds", "joules"];
const EXPECTED: &str =
    "expected `tokens` and `seconds`, and optionally `sequences`, `context`, `pairs` and `joules`";
const CONTEXT: Limit<f64> = Limit::real("tokens in the cache", "", 1.0, 1e13);
const PAIRS: Limit<f64> = Limit::real("pairs of tokens", "", 1.0, 1e20);
const SECONDS: Limit<f64> =
    Limit::real("time of a step", "seconds", 1e-9, limits::DURATION_S.max());
const JOULES: Limit<f64> = Limit::real("energy of a step", "joules", 1e-12, limits::ENERGY_J.max());
/// Rows of a file; more say little more.
const ROWS: usize = 200_000;
const BYTES: u64 = 64 << 20;

/// A measured step.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct MeasuredStep {
    /// Tokens that were computed, of prompts and of answers.
    pub tokens: u64,
    /// Sequences that took part; `None` where they were not counted.
    pub sequences: Option<u64>,
    /// Tokens of these sequences in the cache after the step.
    pub context: Option<f64>,
    /// Pairs of a computed token and a token that it attends to, itself included.
    pub pairs: Option<f64>,
    /// Its time, in seconds.
    pub seconds: f64,
    /// Its energy, in joules.
    pub joules: Option<f64>,
}

impl MeasuredStep {
    /// A step of this many tokens that took this many seconds.
    #[must_use]
    pub fn new(tokens: u64, seconds: f64) -> Self {
        Self { tokens, sequences: None, context: None, pairs: None, seconds, joules: None }
    }

    /// The same with tokens in the cache.
    #[must_use]
    pub fn with_context(self, context: f64) -> Self {
        Self { context: Some(context), ..self }
    }

    /// The same with joules.
    #[must_use]
    pub fn with_joules(self, joules: f64) -> Self {
        Self { joules: Some(joules), ..self }
    }

    /// What was computed, without what it took.
    pub(super) fn shape(&self) -> (u64, u64, u64, u64) {
        let bits = |value: Option<f64>| value.unwrap_or_default().to_bits();
        (self.tokens, self.sequences.unwrap_or_default(), bits(self.context), bits(self.pairs))
    }
}

/// Reads measured steps from a CSV file with a header line: the columns `tokens` and `seconds`, and
/// optionally `sequences`, `context`, `pairs` and `joules`, in any order; see [`MeasuredStep`].
///
/// # Errors
/// [`ConfigError::Steps`] for a file that cannot be read, has another column, or a value that is
/// missing or outside its range, and for more than 200,000 rows.
pub fn read_measured_steps(path: &Path) -> Result<Vec<MeasuredStep>, ConfigError> {
    let wrong = |found: String| ConfigError::Steps { path: path.to_owned(), found };
    let unreadable = |error: csv::Error| wrong(format!("it could not be read as CSV: {error}"));
    let file = open_regular(path).map_err(|error| {
        wrong(format!("it could not be read: {error}; check the path and its permissions"))
    })?;
    if file.metadata().is_ok_and(|metadata| metadata.len() > BYTES) {
        return Err(wrong(format!("it has more than {BYTES} bytes: use a part of it")));
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
    let header = reader.headers().map_err(unreadable)?.clone();
    if let Some(column) = header.iter().find(|name| !COLUMNS.contains(name)) {
        return Err(wrong(format!("it has an unknown column `{column}`: {EXPECTED}")));
    }
    let places = COLUMNS.map(|name| header.iter().position(|column| column == name));
    let [Some(_), _, _, _, Some(_), _] = places else {
        let found = header.iter().collect::<Vec<_>>().join(",");
        return Err(wrong(format!("its first line is `{found}`: {EXPECTED}")));
    };
    let mut steps = Vec::new();
    for record in reader.into_records() {
        let record = record.map_err(unreadable)?;
        let line = record.position().map_or(0, csv::Position::line);
        let text = |column: usize| -> Option<&str> { record.get(places[column]?) };
        let refuse = |column: usize, error: OutOfRange| {
            wrong(format!("line {line}: {}", error.of_key(COLUMNS[column])))
        };
        let number = |column, limit: Limit<f64>| {
            text(column)
                .map(|text| limit.parse(text))
                .transpose()
                .map_err(|error| refuse(column, error))
        };
        let count = |column, limit: Limit<u64>| {
            let count = text(column).map(|text| limit.parse::<u64>(text)).transpose();
            count.map_err(|error| refuse(column, error))
        };
        let step = MeasuredStep {
            tokens: count(0, TOKENS)?.unwrap_or_default(),
            sequences: count(1, SEQUENCES)?,
            context: number(2, CONTEXT)?,
            pairs: number(3, PAIRS)?,
            seconds: number(4, SECONDS)?.unwrap_or_default(),
            joules: number(5, JOULES)?,
        };
        let tokens = step.tokens as f64;
        let impossible = [
            ("sequences", step.sequences.is_some_and(|sequences| sequences > step.tokens)),
            ("context", step.context.is_some_and(|context| context < tokens)),
            ("pairs", step.pairs.is_some_and(|pairs| pairs < tokens)),
        ];
        if let Some((column, _)) = impossible.into_iter().find(|(_, impossible)| *impossible) {
            return Err(wrong(format!(
                "line {line}: `{column}` does not fit {tokens} `tokens`: expected at least a token for each sequence, and \
                 that each token is in the cache and attends to itself"
            )));
        }
        if steps.len() == ROWS {
            return Err(wrong(format!("it has more than {ROWS} rows: use a part of it")));
        }
        steps.push(step);
    }
    Ok(steps)
}
