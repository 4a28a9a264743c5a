//! Analysis of variance of a model with fixed effects.

use std::collections::BTreeMap;

use super::{
    coding::{Coding, MOST_COLUMNS, Value},
    formula::{Formula, Term},
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
/// equal those of R's `aov` (type I) and `car::Anova` with sum contrasts.
///
/// # Errors
///
/// If the formula has random effects or repeated measures, a column is missing or has another length, a value is
/// not a number, a term is determined by the others, the model has more than 1,000 columns, or no degree of
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
    let full = design.fit(&rows, &(0..formula.fixed.len()).collect::<Vec<_>>());
    let (parameters, observations) = (full.rank(), response.len());
    if observations <= parameters {
        return Err(StatsError::NoResidual { observations, parameters });
    }
    let clean = cleaned(response);
    let ss = clean(rows.within + full.residual_squares(&rows.means));
    let df = (observations - parameters) as f64;
    let residual = Residual { ss, df, ms: ss / df };
    let sums = (0..formula.fixed.len())
        .map(|at| {
            let term = &formula.fixed[at];
            let others = (0..formula.fixed.len()).filter(|other| match kind {
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
            let coding = &design.codings[at];
            if kind == SumsOfSquares::TypeIII && own.len() < coding.width && !coding.is_nested() {
                return Err(empty_cell(&frame, coding, term));
            }
            Ok((formula.name(term), clean(dot(own, own)), own.len() as f64))
        })
        .collect::<Result<Vec<_>, _>>()?;
    table(sums, residual, observations)
}

/// Why a term has fewer degrees of freedom than columns.
pub(super) fn empty_cell(frame: &Frame<'_>, coding: &Coding, term: &Term) -> StatsError {
    let factors: Vec<Factor> = coding
        .contrasted()
        .iter()
        .filter_map(|column| frame.factor(*column).ok().cloned())
        .collect();
    match Cells::of(&factors).missing(&factors) {
        Some(cell) => StatsError::EmptyCell { cell },
        None => StatsError::Aliased { term: frame.formula.name(term) },
    }
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
