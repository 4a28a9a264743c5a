//! Analysis of variance of a model with fixed effects.

use std::collections::BTreeMap;

use super::{
    coding::{Coding, MOST_COLUMNS, Value},
    formula::Formula,
    frame::Frame,
    orthogonal::{Orthogonal, dot},
    role::Variable,
};
use crate::stats::{
    Anova, Factor, Residual, StatsError, SumsOfSquares,
    anova::{cleaned, table},
    factor::Cells,
};

/// Analyzes a response by a formula with fixed effects only: nested factors, selected interactions and covariates.
///
/// Factors have sum-to-zero contrasts. A nested factor (`b` in `a/b`) has contrasts within each level of the
/// factor around it. Type III tests each term after all others, type II after those that do not contain it, and
/// type I after those before it in [`Formula::fixed`]; all against the residual of the whole model. Results
/// equal those of R's `aov` (type I) and `car::Anova` with sum contrasts. A term that those before it determine is
/// left out, as in R: see [`Anova::aliased`].
///
/// # Errors
///
/// If the formula has random effects or repeated measures, a column is missing or has another length, a value is
/// not a number, a type III test has an empty cell, a term is determined by later ones, the model has more than 1,000 columns, or no degree of
/// freedom is left for the error.
pub fn anova_by_formula(
    formula: &Formula,
    response: &[f64],
    variables: &[Variable],
    kind: SumsOfSquares,
) -> Result<Anova, StatsError> {
    let fail = |reason: &str| StatsError::Formula {
        formula: formula.to_string(),
        reason: reason.to_owned(),
    };
    if !formula.random.is_empty() || formula.repeated.is_some() {
        return Err(fail("it has random effects, expected fixed effects only"));
    }
    if formula.fixed.is_empty() {
        return Err(fail("it has no term to test, expected at least one column on the right"));
    }
    let frame = Frame::new(formula, response, variables)?;
    let design = Design::new(&frame)?;
    let rows = Condensed::of(&frame);
    let (kept, aliased) = design.without_aliased(&rows);
    let full = design.fit(&rows, &kept);
    let (parameters, observations) = (full.rank(), response.len());
    if observations <= parameters {
        return Err(StatsError::NoResidual { observations, parameters });
    }
    let clean = cleaned(response);
    let ss = clean(rows.within + full.residual_squares(&rows.means));
    let df = (observations - parameters) as f64;
    let residual = Residual { ss, df, ms: ss / df };
    let sums = kept
        .iter()
        .map(|at| {
            let (at, term) = (*at, &formula.fixed[*at]);
            let others = kept.iter().copied().filter(|other| match kind {
                SumsOfSquares::TypeI => *other < at,
                SumsOfSquares::TypeII => !formula.fixed[*other].contains(term),
                SumsOfSquares::TypeIII => *other != at,
            });
            let mut order: Vec<usize> = others.collect();
            let before = design.columns_of(&order);
            order.push(at);
            let fit = design.fit(&rows, &order);
            let first = fit.kept.partition_point(|column| *column < before);
            let own = &fit.rotate(&rows.means)[first..];
            if own.is_empty() {
                return Err(StatsError::Aliased { term: formula.name(term) });
            }
            if kind == SumsOfSquares::TypeIII {
                check_cells(&frame, &design.codings[at], own.len())?;
            }
            Ok((formula.name(term), clean(dot(own, own)), own.len() as f64))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let aliased = aliased.iter().map(|at| formula.name(&formula.fixed[*at])).collect();
    Ok(Anova { aliased, ..table(sums, residual, observations)? })
}

/// Fails if a term lacks degrees of freedom because cells of its factors are empty: type III tests then depend on
/// the order of the levels.
pub(super) fn check_cells(
    frame: &Frame<'_>,
    coding: &Coding,
    rank: usize,
) -> Result<(), StatsError> {
    if rank == coding.width || coding.is_nested() {
        return Ok(());
    }
    let factors: Vec<Factor> = coding
        .contrasted()
        .iter()
        .filter_map(|column| frame.factor(*column).ok().cloned())
        .collect();
    let missing = Cells::of(&factors).missing(&factors);
    missing.map_or(Ok(()), |cell| Err(StatsError::EmptyCell { cell }))
}

/// The columns of all fixed terms.
pub(super) struct Design {
    pub(super) codings: Vec<Coding>,
}

impl Design {
    pub(super) fn new(frame: &Frame<'_>) -> Result<Self, StatsError> {
        let mut codings = Vec::with_capacity(frame.formula.fixed.len());
        let mut width = 1;
        for term in &frame.formula.fixed {
            let coding = Coding::new(frame, term)?;
            width += coding.width;
            if width > MOST_COLUMNS {
                return Err(StatsError::TooMany {
                    what: format!("columns up to the term `{}`", frame.formula.name(term)),
                    found: width,
                    expected: MOST_COLUMNS,
                });
            }
            codings.push(coding);
        }
        Ok(Self { codings })
    }

    /// Number of columns of these terms and of the intercept.
    pub(super) fn columns_of(&self, terms: &[usize]) -> usize {
        1 + terms.iter().map(|term| self.codings[*term].width).sum::<usize>()
    }

    /// The terms that the terms before them do not determine, and those that they do, such as an interaction that
    /// is confounded with blocks.
    fn without_aliased(&self, rows: &Condensed) -> (Vec<usize>, Vec<usize>) {
        let all: Vec<usize> = (0..self.codings.len()).collect();
        let fit = self.fit(rows, &all);
        all.iter().partition(|at| {
            let start = self.columns_of(&all[..**at]);
            let columns = start..start + self.codings[**at].width;
            fit.kept.iter().any(|column| columns.contains(column))
        })
    }

    /// The intercept, then these terms, at each point.
    fn fit(&self, rows: &Condensed, terms: &[usize]) -> Orthogonal {
        let mut fit = Orthogonal::default();
        fit.push(rows.weights.clone());
        for term in terms {
            let coding = &self.codings[*term];
            let values: Vec<Vec<f64>> =
                rows.points.iter().map(|point| coding.values(point)).collect();
            for column in 0..coding.width {
                let values = values.iter().zip(&rows.weights);
                fit.push(values.map(|(values, weight)| values[column] * weight).collect());
            }
        }
        fit
    }
}

/// The rows, condensed: least squares on the rows is equivalent to weighted least squares on the means of equal
/// points, plus the sum of squares around those means.
struct Condensed {
    points: Vec<Vec<Value>>,
    /// Root of each count.
    weights: Vec<f64>,
    /// Mean of each point's responses, less the grand mean, times its weight.
    means: Vec<f64>,
    within: f64,
}

impl Condensed {
    fn of(frame: &Frame<'_>) -> Self {
        // A number's bits tell it from others; whether 0 equals −0 does not matter.
        let bits = |value: &Value| match value {
            Value::Level(code) => *code as u64,
            Value::Number(number) => number.to_bits(),
        };
        let mut found: BTreeMap<Vec<u64>, Vec<usize>> = BTreeMap::new();
        for row in 0..frame.rows() {
            found.entry(frame.point(row).iter().map(bits).collect()).or_default().push(row);
        }
        let grand = crate::stats::mean(frame.response).unwrap_or_default();
        let (mut points, mut weights, mut means) = (Vec::new(), Vec::new(), Vec::new());
        let mut within = 0.0;
        for rows in found.values() {
            let weight = (rows.len() as f64).sqrt();
            let values = || rows.iter().map(|row| frame.response[*row] - grand);
            let mean = values().sum::<f64>() / rows.len() as f64;
            within += values().map(|value| (value - mean).powi(2)).sum::<f64>();
            points.push(frame.point(rows[0]));
            weights.push(weight);
            means.push(mean * weight);
        }
        Self { points, weights, means, within }
    }
}
