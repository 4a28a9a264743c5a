//! Why a statistic cannot be computed, and the checks that all functions share.

/// Why a statistic cannot be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// Not enough of something.
    #[error("{found} {what}, expected at least {expected}")]
    TooFew {
        /// Of what, as "values in `a`".
        what: String,
        /// As found.
        found: usize,
        /// As needed.
        expected: usize,
    },
    /// More of something than the method is valid for.
    #[error("{found} {what}, expected at most {expected}")]
    TooMany {
        /// Of what, as "values in `a`".
        what: String,
        /// As found.
        found: usize,
        /// As allowed.
        expected: usize,
    },
    /// Two columns of different length.
    #[error("`{column}` has {found} rows, expected {expected}")]
    Length {
        /// Which column.
        column: String,
        /// Its length.
        found: usize,
        /// The response's length.
        expected: usize,
    },
    /// A value that is infinite or not a number.
    #[error("observation {index} of `{column}` is {value}, expected a finite number")]
    NotFinite {
        /// Which column.
        column: String,
        /// Counted from 0.
        index: usize,
        /// As found.
        value: f64,
    },
    /// A value whose powers cannot be computed with.
    #[error(
        "observation {index} of `{column}` is {value:e}, expected 0 or a magnitude from 1e-60 to 1e60; \
         use another unit"
    )]
    Magnitude {
        /// Which column.
        column: String,
        /// Counted from 0.
        index: usize,
        /// As found.
        value: f64,
    },
    /// A value or an argument outside the range in which the method is defined.
    #[error("`{parameter}` is {value}, expected {expected}")]
    OutOfRange {
        /// Which argument.
        parameter: String,
        /// As found.
        value: f64,
        /// The range in words.
        expected: &'static str,
    },
    /// A factor that does not vary.
    #[error("factor `{factor}` has {levels} levels, expected at least 2")]
    Levels {
        /// Its name.
        factor: String,
        /// As found.
        levels: usize,
    },
    /// An observation whose code names no level.
    #[error(
        "observation {index} of factor `{factor}` has code {code}, but there are {levels} levels"
    )]
    Code {
        /// The factor's name.
        factor: String,
        /// Counted from 0.
        index: usize,
        /// As found.
        code: usize,
        /// How many levels there are.
        levels: usize,
    },
    /// A level without an observation.
    #[error("level `{level}` of factor `{factor}` has no observations; leave the level out")]
    EmptyLevel {
        /// The factor's name.
        factor: String,
        /// The level's name.
        level: String,
    },
    /// A combination of levels without an observation.
    #[error(
        "cell `{cell}` has no observations; fill it, leave out a level, or fit main effects only"
    )]
    EmptyCell {
        /// The levels, as `conv=4, relu=yes`.
        cell: String,
    },
    /// Columns of the model that determine one another.
    #[error("the columns of the model determine one another; leave out a factor or a predictor")]
    Singular,
    /// Nothing is left to estimate the error from.
    #[error(
        "{observations} observations for {parameters} parameters leave nothing to estimate the error from; \
         repeat the cells or leave out interactions"
    )]
    NoResidual {
        /// Rows.
        observations: usize,
        /// Parameters of the model.
        parameters: usize,
    },
    /// Values that do not vary.
    #[error("`{column}` does not vary")]
    Constant {
        /// Which column.
        column: String,
    },
    /// Equal values where an exact p-value was asked for.
    #[error("`{column}` has ties, for which there is no exact p-value; ask for an asymptotic one")]
    Ties {
        /// Which column.
        column: String,
    },
    /// A key that should name one row of a level and names more.
    #[error(
        "level `{level}` has key `{key}` more than once, expected once; average its rows first"
    )]
    RepeatedKey {
        /// The level.
        level: String,
        /// The key.
        key: String,
    },
    /// A cluster with rows in more than one stratum.
    #[error("cluster {cluster} has rows in more than one stratum, expected one")]
    Straddles {
        /// The cluster's code.
        cluster: usize,
    },
    /// A statistic that is not defined on the data or on many of its resamples.
    #[error(
        "the statistic is not defined on {undefined} of {resamples} resamples, expected at most a tenth"
    )]
    Undefined {
        /// Resamples without a value.
        undefined: usize,
        /// All resamples.
        resamples: usize,
    },
}

/// Every value is a number.
pub(super) fn check_finite(column: &str, values: &[f64]) -> Result<(), StatsError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => {
            Err(StatsError::NotFinite { column: column.to_owned(), index, value: values[index] })
        }
        None => Ok(()),
    }
}

/// Every value is a number whose fourth power, and that of a difference in its last digit, neither
/// overflows nor vanishes: no statistic of such values is infinite over infinite.
pub(super) fn check_values(column: &str, values: &[f64]) -> Result<(), StatsError> {
    check_finite(column, values)?;
    let fits = |value: &f64| *value == 0.0 || (1e-60..=1e60).contains(&value.abs());
    match values.iter().position(|value| !fits(value)) {
        Some(index) => {
            Err(StatsError::Magnitude { column: column.to_owned(), index, value: values[index] })
        }
        None => Ok(()),
    }
}

pub(super) fn check_count(what: &str, found: usize, expected: usize) -> Result<(), StatsError> {
    if found < expected {
        return Err(StatsError::TooFew { what: what.to_owned(), found, expected });
    }
    Ok(())
}

/// Enough values, all of them numbers.
pub(super) fn check_sample(what: &str, values: &[f64], fewest: usize) -> Result<(), StatsError> {
    check_values(what, values)?;
    check_count(&format!("values in `{what}`"), values.len(), fewest)
}

pub(super) fn check_length(column: &str, found: usize, expected: usize) -> Result<(), StatsError> {
    if found != expected {
        return Err(StatsError::Length { column: column.to_owned(), found, expected });
    }
    Ok(())
}

/// `x` and `y` are numbers, equally many and enough.
pub(super) fn check_pairs(x: &[f64], y: &[f64], fewest: usize) -> Result<(), StatsError> {
    check_values("x", x)?;
    check_values("y", y)?;
    check_length("y", y.len(), x.len())?;
    check_count("pairs of `x` and `y`", x.len(), fewest)
}

/// Two groups or more, each of them sound; they are named by their position.
pub(super) fn check_groups(groups: &[&[f64]], fewest: usize) -> Result<(), StatsError> {
    check_count("groups", groups.len(), 2)?;
    groups
        .iter()
        .enumerate()
        .try_for_each(|(at, group)| check_sample(&format!("group {}", at + 1), group, fewest))
}

/// A confidence level is a share, not a percentage.
pub(super) fn check_confidence(confidence: f64) -> Result<(), StatsError> {
    if confidence > 0.0 && confidence < 1.0 {
        return Ok(());
    }
    Err(StatsError::OutOfRange {
        parameter: "confidence".to_owned(),
        value: confidence,
        expected: "a share between 0 and 1, such as 0.95",
    })
}

pub(super) fn constant(column: &str) -> StatsError {
    StatsError::Constant { column: column.to_owned() }
}

pub(super) fn is_constant(values: &[f64]) -> bool {
    values.windows(2).all(|pair| pair[0] == pair[1])
}
