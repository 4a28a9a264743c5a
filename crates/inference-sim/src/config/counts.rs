//! Random whole numbers in a description.

use serde::{Deserialize, Serialize};

use super::keys::unused;
use crate::{count_law::CountLaw, error::ConfigError};

/// A random whole number from 1 on: `{ value = 4 }`, `{ mean = 4.0 }` (geometric),
/// `{ mean = 400.0, cv = 1.2 }` (log-normal) or `{ table = [[1, 0.7], [8, 0.3]] }` (rows of value and
/// weight).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CountConfig {
    /// Always this number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<usize>,
    /// The mean of a geometric distribution, at least 1; with `cv`, of a log-normal one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// With `mean`: the coefficient of variation of a log-normal distribution, rounded at random to the
    /// whole number below or above so that the mean stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cv: Option<f64>,
    /// Rows `[value, weight]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Vec<(usize, f64)>>,
}

impl CountConfig {
    /// Always this number.
    #[must_use]
    pub fn fixed(value: usize) -> Self {
        Self { value: Some(value), ..Self::default() }
    }

    /// Geometric with this mean.
    #[must_use]
    pub fn geometric(mean: f64) -> Self {
        Self { mean: Some(mean), ..Self::default() }
    }

    /// Log-normal with this mean and coefficient of variation.
    #[must_use]
    pub fn lognormal(mean: f64, cv: f64) -> Self {
        Self { mean: Some(mean), cv: Some(cv), ..Self::default() }
    }

    /// Values with their weights.
    #[must_use]
    pub fn table(rows: Vec<(usize, f64)>) -> Self {
        Self { table: Some(rows), ..Self::default() }
    }

    /// The law; `key` is the key of this table in the description.
    ///
    /// # Errors
    /// [`ConfigError`] for values out of range, and unless exactly one key is given.
    pub fn law(&self, key: &'static str) -> Result<CountLaw, ConfigError> {
        unused(
            key,
            self.mean.is_some(),
            self.cv.is_some(),
            "a number with `cv`, but without `mean`",
        )?;
        match (self.value, self.mean, &self.table) {
            (Some(value), mean, table) => {
                unused(key, false, mean.is_some() || table.is_some(), "a number with `value`")?;
                CountLaw::fixed(value, key)
            }
            (None, Some(mean), table) => {
                unused(key, false, table.is_some(), "a number with `mean`")?;
                match self.cv {
                    Some(cv) => CountLaw::lognormal(mean, cv, key),
                    None => CountLaw::geometric(mean, key),
                }
            }
            (None, None, Some(table)) => CountLaw::table(table, key),
            (None, None, None) => Err(ConfigError::Missing {
                key,
                needed_by: "a random number".to_owned(),
                expected: "one of `value`, `mean` and `table`",
            }),
        }
    }
}
