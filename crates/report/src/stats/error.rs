//! Why a statistic cannot be computed, and the checks that all functions share.

/// Why a statistic cannot be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// Too few values, groups or other items.
    #[error("{found} {what}, expected at least {expected}")]
    TooFew {
        /// What is counted, such as "values in `a`".
        what: String,
        /// The number or value found.
        found: usize,
        /// The smallest number allowed.
        expected: usize,
    },
    /// More items than the method is valid for.
    #[error("{found} {what}, expected at most {expected}")]
    TooMany {
        /// What is counted, such as "values in `a`".
        what: String,
        /// The number or value found.
        found: usize,
        /// The largest number allowed.
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
        /// The number or value found.
        value: f64,
    },
    /// A value whose powers overflow or vanish.
    #[error(
        "observation {index} of `{column}` is {value:e}, expected 0 or a magnitude from 1e-60 to 1e60; \
         use another unit"
    )]
    Magnitude {
        /// Which column.
        column: String,
        /// Counted from 0.
        index: usize,
        /// The number or value found.
        value: f64,
    },
    /// A value or an argument outside the range in which the method is defined.
    #[error("`{parameter}` is {value}, expected {expected}")]
    OutOfRange {
        /// Which argument.
        parameter: String,
        /// The number or value found.
        value: f64,
        /// The range in words.
        expected: &'static str,
    },
    /// A factor that does not vary.
    #[error("factor `{factor}` has {levels} levels, expected at least 2")]
    Levels {
        /// Its name.
        factor: String,
        /// The number or value found.
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
        /// The number or value found.
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
    /// A term whose columns are combinations of those of other terms.
    #[error("the term `{term}` is determined by the other terms; leave it out")]
    Aliased {
        /// Its name.
        term: String,
    },
    /// A formula that cannot be read, or does not fit the method or the data.
    #[error("formula `{formula}`: {reason}")]
    Formula {
        /// The formula.
        formula: String,
        /// What is wrong with it, and what would be right.
        reason: String,
    },
    /// A fit that found no best value.
    #[error(
        "the variances of the random effects were not found in {steps} steps; leave out an effect"
    )]
    NotConverged {
        /// Evaluations of the likelihood.
        steps: usize,
    },
    /// No degrees of freedom are left for the residual.
    #[error(
        "{observations} observations for {parameters} parameters leave no degrees of freedom for the residual; \
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
    /// A key that occurs in more than one row of a level.
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

/// Checks that every value is finite.
pub(super) fn check_finite(column: &str, values: &[f64]) -> Result<(), StatsError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => {
            Err(StatsError::NotFinite { column: column.to_owned(), index, value: values[index] })
        }
        None => Ok(()),
    }
}

/// Checks that every value is finite and that its fourth power, and that of a difference in its last
/// digit, neither overflows nor vanishes, so that no statistic divides infinity by infinity.
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

/// Checks that there are enough values and that all are finite.
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

/// Checks that `x` and `y` are finite, equally long and long enough.
pub(super) fn check_pairs(x: &[f64], y: &[f64], fewest: usize) -> Result<(), StatsError> {
    check_values("x", x)?;
    check_values("y", y)?;
    check_length("y", y.len(), x.len())?;
    check_count("pairs of `x` and `y`", x.len(), fewest)
}

/// Checks that there are at least two groups of enough finite values; errors name them by position.
pub(super) fn check_groups(groups: &[&[f64]], fewest: usize) -> Result<(), StatsError> {
    check_count("groups", groups.len(), 2)?;
    groups
        .iter()
        .enumerate()
        .try_for_each(|(at, group)| check_sample(&format!("group {}", at + 1), group, fewest))
}

/// Checks that a confidence is a share, not a percentage.
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
