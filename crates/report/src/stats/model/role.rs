//! Whether a column is a factor or a number.

use crate::stats::Factor;

/// What a formula says of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// Nothing: the values decide.
    #[default]
    Unstated,
    /// `factor(x)`: each value is a level.
    Factor,
    /// `covariate(x)`: the values are numbers with one slope.
    Covariate,
}

/// The values of a column of a formula.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Variable {
    /// Levels.
    Factor(Factor),
    /// Numbers, with one slope.
    Covariate {
        /// The column's name.
        name: String,
        /// A value for each row.
        values: Vec<f64>,
    },
}

impl Variable {
    /// A column of at most this many different whole numbers is taken for a factor.
    const MOST_LEVELS: usize = 9;

    /// Whether the numbers of a column without a role are levels of a factor: few different whole numbers.
    #[must_use]
    pub fn are_levels(numbers: &[f64]) -> bool {
        let mut different = numbers.to_vec();
        different.sort_by(f64::total_cmp);
        different.dedup();
        different.len() <= Self::MOST_LEVELS && different.iter().all(|value| value.fract() == 0.0)
    }

    /// The name of the column.
    pub fn name(&self) -> &str {
        match self {
            Self::Factor(factor) => &factor.name,
            Self::Covariate { name, .. } => name,
        }
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Factor(factor) => factor.codes.len(),
            Self::Covariate { values, .. } => values.len(),
        }
    }
}
