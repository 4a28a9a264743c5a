//! What a model with fixed effects leaves of each row.

use super::{fixed::Fixed, formula::Formula, frame::Frame, role::Variable};
use crate::stats::StatsError;

/// A row's value in the model, and what remains of the response.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct FittedRow {
    /// The value in the model.
    pub fitted: f64,
    /// The response less that.
    pub residual: f64,
}

/// Fits the fixed effects of a formula by least squares; random effects are left out.
///
/// # Errors
///
/// As [`super::anova_by_formula`].
pub fn fitted_rows(
    formula: &Formula,
    response: &[f64],
    variables: &[Variable],
) -> Result<Vec<FittedRow>, StatsError> {
    let frame = Frame::new(formula, response, variables)?;
    let fixed = Fixed::new(&frame)?;
    let row = |(residual, value): (f64, &f64)| FittedRow { fitted: value - residual, residual };
    Ok(fixed.basis.residual(response).into_iter().zip(response).map(row).collect())
}
