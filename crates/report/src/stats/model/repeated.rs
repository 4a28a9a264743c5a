//! Analysis of variance of repeated measures.

use std::collections::BTreeMap;

use super::{
    coding::Coding,
    formula::{Formula, Repeated, Term},
    frame::Frame,
    orthogonal::{Orthogonal, dot},
    role::Variable,
    symmetric::cholesky,
};
use crate::stats::{
    Factor, StatsError,
    distribution::{chi_squared_sf, f_sf},
};

/// Most combinations of the factors within a subject.
const MOST_CELLS: usize = 500;

/// What a term's test loses if the differences between the levels within a subject have unequal variances.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sphericity {
    /// Mauchly's W, 1 at equal variances, and its p-value (Mauchly 1940); `None` with too few subjects.
    pub mauchly: Option<(f64, f64)>,
    /// The factor of Greenhouse and Geisser (1959, Psychometrika 24:95) for both degrees of freedom.
    pub greenhouse_geisser: f64,
    /// The term's p-value with it.
    pub greenhouse_geisser_p: f64,
    /// The factor of Huynh and Feldt (1976), at most 1.
    pub huynh_feldt: f64,
    /// The term's p-value with it.
    pub huynh_feldt_p: f64,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RepeatedTerm {
    /// Factor names joined by `:`.
    pub term: String,
    /// Sum of squares and degrees of freedom of the term.
    pub ss: f64,
    /// See `ss`.
    pub df: f64,
    /// Sum of squares and degrees of freedom of its error.
    pub error_ss: f64,
    /// See `error_ss`.
    pub error_df: f64,
    /// The ratio of mean squares.
    pub f: f64,
    /// Probability of an F at least this large without an effect, if the sphericity holds.
    pub p: f64,
    /// Partial η²: `ss / (ss + error_ss)`.
    pub partial_eta_sq: f64,
    /// For a term with more than one degree of freedom within a subject.
    pub sphericity: Option<Sphericity>,
}

/// An analysis of repeated measures.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RepeatedMeasures {
    /// The terms in the formula's order.
    pub terms: Vec<RepeatedTerm>,
    /// Subjects with all combinations of the factors within them.
    pub subjects: usize,
    /// Subjects without.
    pub left_out: usize,
}

/// Analyzes repeated measures: `y ~ group*time + Error(subject/time)`.
///
/// Rows of one subject and combination are averaged. Each term is tested (type III) against the variation of the
/// subjects in the same contrasts, as in R's `aov` for balanced groups and `car::Anova` for any.
///
/// # Errors
///
/// If the formula has no `Error(subject/(…))` or a covariate, a factor between subjects varies within one, a term
/// within subjects lacks a simpler one, or too few subjects are complete.
pub fn repeated_measures(
    formula: &Formula,
    response: &[f64],
    variables: &[Variable],
) -> Result<RepeatedMeasures, StatsError> {
    let fail = |reason: String| StatsError::Formula { formula: formula.to_string(), reason };
    let Some(Repeated { subject, within }) = &formula.repeated else {
        return Err(fail("it has no repeated measures, expected `Error(subject/(…))`".to_owned()));
    };
    let frame = Frame::new(formula, response, variables)?;
    if formula.is_fixed(*subject) {
        return Err(fail("the subject is also a fixed effect; remove it there".to_owned()));
    }
    for column in 0..formula.columns.len() {
        frame.factor(column)?;
    }
    let table = Subjects::of(&frame, *subject, within)?;
    let (outer_formula, outer_variables) = table.between(&frame, *subject, within)?;
    let between = Frame {
        formula: &outer_formula,
        response: &vec![0.0; table.cells.len()],
        variables: outer_variables.iter().collect(),
    };
    let mut terms = Vec::with_capacity(formula.fixed.len());
    for term in &formula.fixed {
        let (inner, outer) = split(term, within);
        let contrasts = contrasts(&frame, within, &inner)?;
        let size = contrasts.len();
        // The subjects' values of each contrast.
        let values: Vec<Vec<f64>> = contrasts
            .iter()
            .map(|contrast| table.cells.iter().map(|cells| dot(cells, contrast)).collect())
            .collect();
        // What else the model has in these contrasts; the intercept is the effect of `inner` itself.
        let others: Vec<Vec<usize>> = formula
            .fixed
            .iter()
            .filter_map(|other| {
                let (inner_other, outer) = split(other, within);
                (inner_other == inner).then_some(outer)
            })
            .collect();
        if !inner.is_empty() && !others.iter().any(Vec::is_empty) {
            return Err(fail(format!(
                "it has `{}` without `{}`, expected both",
                formula.name(term),
                formula.name(&Term(inner))
            )));
        }
        let mut order: Vec<Vec<usize>> =
            std::iter::once(Vec::new()).chain(others).filter(|other| *other != outer).collect();
        order.sort();
        order.dedup();
        order.push(outer);
        let mut fit = Orthogonal::default();
        let mut before = 0;
        for part in order {
            before = fit.rank();
            if part.is_empty() {
                fit.push(vec![1.0; table.cells.len()]);
                continue;
            }
            let coding = Coding::new(&between, &Term(part))?;
            let rows: Vec<Vec<f64>> =
                (0..table.cells.len()).map(|row| coding.values(&between.point(row))).collect();
            for column in 0..coding.width {
                fit.push(rows.iter().map(|row| row[column]).collect());
            }
        }
        if fit.rank() == before {
            return Err(StatsError::Aliased { term: formula.name(term) });
        }
        let subjects = table.cells.len();
        if subjects <= fit.rank() {
            return Err(StatsError::NoResidual { observations: subjects, parameters: fit.rank() });
        }
        let ss: f64 = values
            .iter()
            .map(|values| fit.rotate(values)[before..].iter().map(|part| part * part).sum::<f64>())
            .sum();
        let df = ((fit.rank() - before) * size) as f64;
        let freedom = subjects - fit.rank();
        let errors = error_matrix(&fit, &values);
        let error_ss: f64 = (0..size).map(|i| errors[i * size + i]).sum();
        let error_df = (freedom * size) as f64;
        let f = if ss == 0.0 { 0.0 } else { (ss / df) / (error_ss / error_df) };
        terms.push(RepeatedTerm {
            term: formula.name(term),
            ss,
            df,
            error_ss,
            error_df,
            f,
            p: f_sf(f, df, error_df),
            partial_eta_sq: if ss == 0.0 { 0.0 } else { ss / (ss + error_ss) },
            sphericity: (size > 1 && error_ss > 0.0)
                .then(|| sphericity(&errors, size, freedom as f64, [f, df, error_df])),
        });
    }
    Ok(RepeatedMeasures { terms, subjects: table.cells.len(), left_out: table.left_out })
}

/// The mean response of each subject in each combination of the factors within it.
struct Subjects {
    cells: Vec<Vec<f64>>,
    /// A row of each subject.
    row: Vec<usize>,
    left_out: usize,
}

impl Subjects {
    fn of(frame: &Frame<'_>, subject: usize, within: &[usize]) -> Result<Self, StatsError> {
        let sizes: Vec<usize> = within
            .iter()
            .map(|column| frame.factor(*column).map(|factor| factor.levels.len()))
            .collect::<Result<_, _>>()?;
        let count = sizes.iter().copied().fold(1_usize, usize::saturating_mul);
        if count > MOST_CELLS {
            let what = "combinations of the factors within a subject".to_owned();
            return Err(StatsError::TooMany { what, found: count, expected: MOST_CELLS });
        }
        let subjects = frame.factor(subject)?;
        let mut found: BTreeMap<usize, (usize, Vec<(f64, usize)>)> = BTreeMap::new();
        for row in 0..frame.rows() {
            let mut cell = 0;
            for (column, size) in within.iter().zip(&sizes) {
                cell = cell * size + frame.factor(*column)?.codes[row];
            }
            let entry = found.entry(subjects.codes[row]).or_insert((row, vec![(0.0, 0); count]));
            entry.1[cell].0 += frame.response[row];
            entry.1[cell].1 += 1;
        }
        let all = found.len();
        let (mut cells, mut row) = (Vec::new(), Vec::new());
        for (first, sums) in found.into_values() {
            if sums.iter().all(|(_, rows)| *rows > 0) {
                cells.push(sums.iter().map(|(sum, rows)| sum / *rows as f64).collect());
                row.push(first);
            }
        }
        if cells.len() < 2 {
            return Err(StatsError::TooFew {
                what: "subjects with every combination of the factors within them".to_owned(),
                found: cells.len(),
                expected: 2,
            });
        }
        let left_out = all - cells.len();
        Ok(Self { cells, row, left_out })
    }

    /// The model between subjects, and its columns with a row for each subject.
    fn between(
        &self,
        frame: &Frame<'_>,
        subject: usize,
        within: &[usize],
    ) -> Result<(Formula, Vec<Variable>), StatsError> {
        let subjects = frame.factor(subject)?;
        let first: BTreeMap<usize, usize> =
            self.row.iter().map(|row| (subjects.codes[*row], *row)).collect();
        let mut variables = Vec::with_capacity(frame.variables.len());
        for column in 0..frame.variables.len() {
            let factor = frame.factor(column)?;
            let is_between = column != subject && !within.contains(&column);
            for row in (0..frame.rows()).filter(|_| is_between) {
                let own = subjects.codes[row];
                if first.get(&own).is_some_and(|first| factor.codes[*first] != factor.codes[row]) {
                    return Err(StatsError::Formula {
                        formula: frame.formula.to_string(),
                        reason: format!(
                            "`{}` varies within subject `{}`; add it to `Error(…)`",
                            factor.name, subjects.levels[own]
                        ),
                    });
                }
            }
            let levels = self.row.iter().map(|row| factor.levels[factor.codes[*row]].clone());
            variables.push(Variable::Factor(Factor::new(&factor.name, levels)));
        }
        let mut formula = frame.formula.clone();
        let outer = |term: &Term| Term(split(term, within).1);
        formula.fixed = formula.fixed.iter().map(outer).filter(|term| !term.0.is_empty()).collect();
        Ok((formula, variables))
    }
}

/// The columns of a term within subjects, and those between.
fn split(term: &Term, within: &[usize]) -> (Vec<usize>, Vec<usize>) {
    term.columns().iter().partition(|column| within.contains(column))
}

/// Orthonormal contrasts over the combinations of the factors within a subject: among the levels of the factors in
/// `inner`, over the mean of all levels of the others.
fn contrasts(
    frame: &Frame<'_>,
    within: &[usize],
    inner: &[usize],
) -> Result<Vec<Vec<f64>>, StatsError> {
    let mut all: Vec<Vec<f64>> = vec![vec![1.0]];
    for column in within {
        let levels = frame.factor(*column)?.levels.len();
        let own: Vec<Vec<f64>> = if inner.contains(column) {
            (1..levels).map(|last| helmert(levels, last)).collect()
        } else {
            vec![vec![1.0 / (levels as f64).sqrt(); levels]]
        };
        let product = |a: &Vec<f64>, b: &Vec<f64>| -> Vec<f64> {
            a.iter().flat_map(|a| b.iter().map(move |b| a * b)).collect()
        };
        all = all.iter().flat_map(|a| own.iter().map(move |b| product(a, b))).collect();
    }
    Ok(all)
}

/// A level against the mean of those before it, of length 1.
fn helmert(levels: usize, last: usize) -> Vec<f64> {
    let n = last as f64;
    let length = (n * (n + 1.0)).sqrt();
    let value = |level: usize| match level {
        level if level < last => -1.0 / length,
        level if level == last => n / length,
        _ => 0.0,
    };
    (0..levels).map(value).collect()
}

/// Products of what the model leaves of each contrast, row by row.
fn error_matrix(fit: &Orthogonal, values: &[Vec<f64>]) -> Vec<f64> {
    let rest: Vec<Vec<f64>> = values.iter().map(|values| fit.residual(values)).collect();
    rest.iter().flat_map(|a| rest.iter().map(move |b| dot(a, b))).collect()
}

/// `test` is F with its degrees of freedom.
fn sphericity(errors: &[f64], size: usize, freedom: f64, test: [f64; 3]) -> Sphericity {
    let d = size as f64;
    let trace: f64 = (0..size).map(|i| errors[i * size + i]).sum();
    let squares: f64 = errors.iter().map(|value| value * value).sum();
    let greenhouse_geisser = (trace * trace / (d * squares)).clamp(1.0 / d, 1.0);
    let numerator = (freedom + 1.0) * d * greenhouse_geisser - 2.0;
    let denominator = d * (freedom - d * greenhouse_geisser);
    let huynh_feldt = if denominator > 0.0 { (numerator / denominator).min(1.0) } else { 1.0 };
    let huynh_feldt = huynh_feldt.max(greenhouse_geisser);
    let [f, df, error_df] = test;
    let p = |epsilon: f64| f_sf(f, df * epsilon, error_df * epsilon);
    let mauchly = cholesky(errors, size).filter(|_| freedom >= d).map(|lower| {
        let log_det: f64 = (0..size).map(|i| 2.0 * lower[i * size + i].ln()).sum();
        let log_w = log_det - d * (trace / d).ln();
        (log_w.exp(), mauchly_p(log_w, d, freedom))
    });
    Sphericity {
        mauchly,
        greenhouse_geisser,
        greenhouse_geisser_p: p(greenhouse_geisser),
        huynh_feldt,
        huynh_feldt_p: p(huynh_feldt),
    }
}

/// The p-value of Mauchly's W with Box's correction of the second order (Anderson 2003, section 10.7.4).
fn mauchly_p(log_w: f64, d: f64, n: f64) -> f64 {
    let rho = 1.0 - (2.0 * d * d + d + 2.0) / (6.0 * n * d);
    let polynomial = 2.0 * d.powi(3) + 6.0 * d * d + 3.0 * d + 2.0;
    let second = (d + 2.0) * (d - 1.0) * (d - 2.0) * polynomial / (288.0 * (n * d * rho).powi(2));
    let (z, f) = (-n * rho * log_w, d * (d + 1.0) / 2.0 - 1.0);
    let (first, later) = (chi_squared_sf(z, f), chi_squared_sf(z, f + 4.0));
    (first + second * (later - first)).clamp(0.0, 1.0)
}
