//! Why a carbon intensity cannot be had.

/// How long the last value of a series is used after its time, in seconds: six hours. Live series are
/// published some minutes to a few hours late.
pub const CARRIED_S: f64 = 6.0 * 3600.0;

/// Why there is no carbon intensity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CarbonError {
    /// The table has no such region.
    #[error("region `{code}` is not in the table; expected an ISO 3166 code such as {}", near.join(", "))]
    Region {
        /// The code that was given.
        code: String,
        /// Similar codes.
        near: Vec<String>,
    },
    /// A time series cannot be read.
    #[error("failed to read `{path}`")]
    Read {
        /// The file.
        path: String,
        /// The reason.
        source: std::io::Error,
    },
    /// A line of a time series is invalid.
    #[error("`{path}`, line {line}: {problem}; expected `SECONDS_SINCE_1970,GRAMS_PER_KWH`")]
    Line {
        /// The file.
        path: String,
        /// The line's number, counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// The time is not within the time series.
    #[error(
        "time {asked:.0} is not within the time series, whose values are from {from:.0} to {to:.0} \
         (seconds since 1970); the last one is used for up to {hours} hours", hours = CARRIED_S / 3600.0
    )]
    Outside {
        /// Its first time.
        from: f64,
        /// Its last time.
        to: f64,
        /// The time that was needed.
        asked: f64,
    },
    /// A power usage effectiveness below 1, or above any that exists.
    #[error(
        "pue is {0}, expected 1 to 100: the power of a data center divided by that of its machines"
    )]
    Pue(f64),
}
