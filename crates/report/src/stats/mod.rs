//! Statistics, usable alone: slices in, values out; too little or unfit data is an error, never a
//! NaN.

mod anova;
mod rank;
mod trend;

pub use self::{
    anova::{Anova, AnovaTerm, Factor, Residual, SumsOfSquares, anova},
    rank::{RankTest, wilcoxon_signed_rank},
    trend::{Slope, Spearman, spearman, theil_sen},
};

/// Why a statistic cannot be computed.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StatsError {
    /// Not enough observations.
    #[error("{found} observations, expected at least {expected}")]
    TooFew {
        /// As found.
        found: usize,
        /// As needed.
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
    #[error("observation {index} is {value}, expected a finite number")]
    NotFinite {
        /// Counted from 0.
        index: usize,
        /// As found.
        value: f64,
    },
    /// A factor that does not vary.
    #[error("factor `{factor}` has {levels} levels, expected at least 2")]
    Levels {
        /// Its name.
        factor: String,
        /// As found.
        levels: usize,
    },
    /// A cell of a crossed design without an observation, or too few rows for its terms.
    #[error(
        "the design has empty cells or fewer rows than terms; leave out a factor or fill the cells"
    )]
    Singular,
    /// Nothing is left to estimate the error from.
    #[error(
        "{observations} observations for {parameters} parameters leave nothing to estimate the error from; repeat the cells"
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
}

/// Checks that every value is a number.
fn check_finite(values: &[f64]) -> Result<(), StatsError> {
    match values.iter().position(|it| !it.is_finite()) {
        Some(index) => Err(StatsError::NotFinite { index, value: values[index] }),
        None => Ok(()),
    }
}

/// Mid-ranks, from 1; ties share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    while start < order.len() {
        let value = values[order[start]];
        let end = start + order[start..].iter().take_while(|it| values[**it] == value).count();
        let rank = (start + 1 + end) as f64 / 2.0;
        order[start..end].iter().for_each(|it| ranks[*it] = rank);
        start = end;
    }
    ranks
}
