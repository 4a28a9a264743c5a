//! The fixed effects of a model at every row.

use super::{
    coding::Value,
    frame::Frame,
    linear::{Design, check_cells},
    orthogonal::Orthogonal,
};
use crate::stats::StatsError;

/// The fixed effects as an orthonormal basis.
pub(super) struct Fixed {
    pub(super) design: Design,
    pub(super) basis: Orthogonal,
    /// Which kept columns belong to each term; none if the terms before determine it.
    pub(super) terms: Vec<std::ops::Range<usize>>,
    /// Names of the kept columns.
    pub(super) names: Vec<String>,
    /// The terms that those before them determine.
    pub(super) aliased: Vec<String>,
}

impl Fixed {
    pub(super) fn new(frame: &Frame<'_>) -> Result<Self, StatsError> {
        let design = Design::new(frame)?;
        let points: Vec<Vec<Value>> = (0..frame.rows()).map(|row| frame.point(row)).collect();
        let mut basis = Orthogonal::default();
        basis.push(vec![1.0; frame.rows()]);
        let mut names = vec!["(Intercept)".to_owned()];
        let (mut terms, mut aliased) = (Vec::with_capacity(design.codings.len()), Vec::new());
        for (coding, term) in design.codings.iter().zip(&frame.formula.fixed) {
            let values: Vec<Vec<f64>> = points.iter().map(|point| coding.values(point)).collect();
            let start = basis.rank();
            for (column, name) in coding.names(frame).into_iter().enumerate() {
                if basis.push(values.iter().map(|values| values[column]).collect()) {
                    names.push(name);
                }
            }
            let columns = start..basis.rank();
            check_cells(frame, coding, columns.len())?;
            if columns.is_empty() {
                aliased.push(frame.formula.name(term));
            }
            terms.push(columns);
        }
        Ok(Self { design, basis, terms, names, aliased })
    }
}
