//! Analysis of variance of crossed factors, unbalanced data included.

use super::{
    Factor, Interval, StatsError,
    describe::{deviation_squares, mean_of},
    distribution::f_sf,
    error::{check_confidence, check_count, check_values, constant, is_constant},
    factor::Cells,
    least_squares::LeastSquares,
    noncentral_f::noncentrality_limits_of_f,
};

/// Types of sums of squares (Langsrud 2003, Statistics and Computing 13:163).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SumsOfSquares {
    /// Each term is adjusted for those before it.
    TypeI,
    /// Each term is adjusted for all terms that do not contain it.
    TypeII,
    /// Each term is adjusted for all others, with sum-to-zero contrasts.
    TypeIII,
}

/// Which effects a model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effects {
    /// Every factor and every interaction; every cell needs an observation.
    Factorial,
    /// The factors without interactions, which become part of the residual.
    Main,
}

/// A row of the analysis-of-variance table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct AnovaTerm {
    /// Factor names joined by `:`.
    pub term: String,
    /// Sum of squares.
    pub ss: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// Mean square.
    pub ms: f64,
    /// Ratio of mean squares; infinite if the residual is 0.
    pub f: f64,
    /// Probability of an F at least this large without an effect.
    pub p: f64,
    /// η²: share of the sum of all listed sums of squares, the residual's included.
    pub eta_sq: f64,
    /// Partial η²: `ss / (ss + residual ss)`.
    pub partial_eta_sq: f64,
    /// ω²: `(ss - df · residual ms) / (all ss + residual ms)`.
    pub omega_sq: f64,
}

/// The part of the response that the model does not explain.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Residual {
    /// Sum of squares.
    pub ss: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// Mean square.
    pub ms: f64,
}

/// An analysis-of-variance table.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Anova {
    /// Main effects, then interactions by order.
    pub terms: Vec<AnovaTerm>,
    /// The residual.
    pub residual: Residual,
    /// Number of observations.
    pub observations: usize,
    /// Terms of a formula that the terms before them determine; they are not part of the model.
    pub aliased: Vec<String>,
}

/// Confidence intervals of a term's effect sizes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct EffectIntervals {
    /// Of η².
    pub eta_sq: Interval,
    /// Of partial η².
    pub partial_eta_sq: Interval,
    /// Of ω².
    pub omega_sq: Interval,
}

impl Anova {
    /// Intervals of the effect sizes of term `at`.
    ///
    /// The term's F has a noncentral distribution; its noncentrality λ lies between the two values at which
    /// F leaves the confidence (Steiger 2004, Psychological Methods 9:164). With N observations, λ is N times
    /// the variance that the term explains in units of the error's, so the share of both is `λ / (λ + N)`
    /// (partial η²), and the share of everything is `λ / (λ + Σλₒ + N)` (η², and ω², which estimates the
    /// same share with less bias). The λₒ of the other terms are estimated, `SS/MS_residual · (ν − 2)/ν − df`
    /// with ν the residual's df, at least 0. η² overestimates its share in small samples, so an interval may
    /// end below it; it is then extended to the estimate. `None` if the residual is 0.
    ///
    /// The intervals assume independent rows; if [`super::screen`] warns that rows are correlated, they
    /// are too narrow.
    ///
    /// # Errors
    ///
    /// If there is no such term or the confidence is not in (0, 1).
    pub fn effect_intervals(
        &self,
        at: usize,
        confidence: f64,
    ) -> Result<Option<EffectIntervals>, StatsError> {
        check_confidence(confidence)?;
        check_count("terms", self.terms.len(), at + 1)?;
        if self.residual.ss <= 0.0 {
            return Ok(None);
        }
        let (term, df2, n) = (&self.terms[at], self.residual.df, self.observations as f64);
        let shrink = if df2 > 2.0 { (df2 - 2.0) / df2 } else { 1.0 };
        let others: f64 = self
            .terms
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != at)
            .map(|(_, other)| (other.ss / self.residual.ms * shrink - other.df).max(0.0))
            .sum();
        let limits = noncentrality_limits_of_f(term.f, term.df, df2, confidence);
        let interval = |rest: f64, estimate: f64| {
            let [low, high] = limits.map(|limit| limit / (limit + rest));
            Interval { low: low.min(estimate), high: high.max(estimate), confidence }
        };
        Ok(Some(EffectIntervals {
            eta_sq: interval(others + n, term.eta_sq),
            partial_eta_sq: interval(n, term.partial_eta_sq),
            omega_sq: interval(others + n, term.omega_sq),
        }))
    }
}

/// Analyzes a response over all main effects and interactions of its factors.
///
/// As [`anova_of`] with [`Effects::Factorial`].
///
/// # Errors
///
/// If lengths differ, a value is not a number, a factor has one level or a level without an
/// observation, a cell is empty, the response does not vary, or no degree of freedom is left for the
/// error.
pub fn anova(
    response: &[f64],
    factors: &[Factor],
    kind: SumsOfSquares,
) -> Result<Anova, StatsError> {
    anova_of(response, factors, kind, Effects::Factorial)
}

/// Analyzes a response over some effects of its factors.
///
/// The model is fitted with sum-to-zero contrasts to the means of the cells, weighted by their
/// counts; a term's sum of squares is what its columns explain after those of all other terms (type
/// III), of all terms that do not contain it (type II), or of the terms before it (type I); each is tested
/// against the residual of the whole model. The total behind η² is the sum of the listed sums of squares, which in unbalanced
/// data is not the response's own.
///
/// # Errors
///
/// As [`anova`]; with [`Effects::Main`] a cell may be empty as long as the effects can be told apart.
pub fn anova_of(
    response: &[f64],
    factors: &[Factor],
    kind: SumsOfSquares,
    effects: Effects,
) -> Result<Anova, StatsError> {
    check(response, factors)?;
    if factors.len() > MAX_FACTORS {
        let (what, found) = ("factors".to_owned(), factors.len());
        return Err(StatsError::TooMany { what, found, expected: MAX_FACTORS });
    }
    let cells = CellData::of(response, factors);
    if effects == Effects::Factorial
        && let Some(cell) = cells.cells.missing(factors)
    {
        return Err(StatsError::EmptyCell { cell });
    }
    let levels = factors.iter().map(|factor| factor.levels.len());
    let parameters = match effects {
        Effects::Factorial => levels.fold(1, usize::saturating_mul),
        Effects::Main => 1 + levels.map(|count| count - 1).sum::<usize>(),
    };
    // Checked before the terms are listed: their number doubles with every factor.
    if response.len() <= parameters {
        return Err(StatsError::NoResidual { observations: response.len(), parameters });
    }
    if parameters > MOST_PARAMETERS {
        let what = "parameters of the model (levels and their combinations)".to_owned();
        return Err(StatsError::TooMany { what, found: parameters, expected: MOST_PARAMETERS });
    }
    let terms = terms(factors.len(), effects);
    let full = cells.fit(factors, &terms)?;
    let clean = cleaned(response);
    let ss = clean(cells.within + full.residual_squares());
    let df = (response.len() - parameters) as f64;
    let residual = Residual { ss, df, ms: ss / df };
    let sums = terms
        .iter()
        .map(|term| {
            let mut order: Vec<u32> = match kind {
                SumsOfSquares::TypeI => {
                    terms.iter().copied().take_while(|other| other != term).collect()
                }
                SumsOfSquares::TypeIII => {
                    terms.iter().copied().filter(|other| other != term).collect()
                }
                SumsOfSquares::TypeII => {
                    terms.iter().copied().filter(|other| other & term != *term).collect()
                }
            };
            order.push(*term);
            let width = columns(factors, *term);
            let ss = cells.fit(factors, &order)?.last_columns_squares(width);
            Ok((name(factors, *term), clean(ss), width as f64))
        })
        .collect::<Result<Vec<_>, StatsError>>()?;
    table(sums, residual, response.len())
}

/// A function that takes a sum of squares for 0 if rounding errors alone can be as large.
pub(super) fn cleaned(response: &[f64]) -> impl Fn(f64) -> f64 {
    let largest = response.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    let noise = response.len() as f64 * (4.0 * f64::EPSILON * largest).powi(2);
    move |ss| if ss <= noise { 0.0 } else { ss }
}

/// The table of terms with their sums of squares and degrees of freedom.
pub(super) fn table(
    sums: Vec<(String, f64, f64)>,
    residual: Residual,
    observations: usize,
) -> Result<Anova, StatsError> {
    let total = sums.iter().map(|sum| sum.1).sum::<f64>() + residual.ss;
    if total == 0.0 {
        return Err(constant("response")); // but for rounding
    }
    let rows = sums.into_iter().map(|(term, ss, df)| {
        let ms = ss / df;
        let f = if ss == 0.0 { 0.0 } else { ms / residual.ms };
        AnovaTerm {
            term,
            ss,
            df,
            ms,
            f,
            p: f_sf(f, df, residual.df),
            eta_sq: ss / total,
            partial_eta_sq: if ss == 0.0 { 0.0 } else { ss / (ss + residual.ss) },
            omega_sq: (ss - df * residual.ms) / (total + residual.ms),
        }
    });
    Ok(Anova { terms: rows.collect(), residual, observations, aliased: Vec::new() })
}

/// Largest number of factors, because terms are bits of a 32-bit word.
const MAX_FACTORS: usize = 31;

/// Most parameters of a model: a fit takes their square times the number of cells.
const MOST_PARAMETERS: usize = 2000;

pub(super) fn check(response: &[f64], factors: &[Factor]) -> Result<(), StatsError> {
    check_values("response", response)?;
    check_count("values in `response`", response.len(), 2)?;
    check_count("factors", factors.len(), 1)?;
    factors.iter().try_for_each(|factor| factor.check(response.len()))?;
    if is_constant(response) { Err(constant("response")) } else { Ok(()) }
}

/// Sets of factors as bit masks, by size and then in order of the factors.
fn terms(factors: usize, effects: Effects) -> Vec<u32> {
    let singles = (0..factors).map(|at| 1_u32 << at);
    match effects {
        Effects::Main => singles.collect(),
        Effects::Factorial => {
            let mut terms: Vec<u32> = (1..1_u32 << factors).collect();
            terms.sort_by_key(|term| (term.count_ones(), term.reverse_bits().wrapping_neg()));
            terms
        }
    }
}

fn name(factors: &[Factor], term: u32) -> String {
    let names: Vec<&str> = members(factors, term).map(|member| member.name.as_str()).collect();
    names.join(":")
}

fn members(factors: &[Factor], term: u32) -> impl Iterator<Item = &Factor> {
    factors.iter().enumerate().filter(move |(at, _)| term >> at & 1 == 1).map(|(_, factor)| factor)
}

/// Degrees of freedom of a term.
fn columns(factors: &[Factor], term: u32) -> usize {
    members(factors, term).map(|member| member.levels.len() - 1).product()
}

/// The rows, condensed: least squares on the rows is equivalent to weighted least squares on the means
/// of the cells, plus the sum of squares within cells.
struct CellData {
    cells: Cells,
    /// Root of each count.
    weights: Vec<f64>,
    /// Mean of each cell, less the grand mean, times its weight.
    means: Vec<f64>,
    /// Sum of squares around the cells' means.
    within: f64,
}

impl CellData {
    fn of(response: &[f64], factors: &[Factor]) -> Self {
        let cells = Cells::of(factors);
        let groups = cells.split(response);
        let grand = mean_of(response);
        let weights: Vec<f64> = groups.iter().map(|group| (group.len() as f64).sqrt()).collect();
        let means =
            groups.iter().zip(&weights).map(|(group, w)| (mean_of(group) - grand) * w).collect();
        let within = groups.iter().map(|group| deviation_squares(group)).sum();
        Self { cells, weights, means, within }
    }

    /// Fits an intercept and then the terms in their order.
    fn fit(&self, factors: &[Factor], terms: &[u32]) -> Result<LeastSquares, StatsError> {
        let mut design = vec![self.weights.clone()];
        for term in terms {
            let mut product = vec![self.weights.clone()];
            for (at, factor) in factors.iter().enumerate().filter(|(at, _)| term >> at & 1 == 1) {
                product = product
                    .iter()
                    .flat_map(|column| {
                        (0..factor.levels.len() - 1).map(move |level| {
                            let codes = self.cells.keys.iter().map(|key| key[at]);
                            let values = column.iter().zip(codes);
                            values
                                .map(|(value, code)| value * contrast(factor, code, level))
                                .collect()
                        })
                    })
                    .collect();
            }
            design.extend(product);
        }
        LeastSquares::fit(design, &self.means)
    }
}

/// Sum to zero: 1 in a level's own column, −1 in all columns for the last level.
fn contrast(factor: &Factor, code: usize, column: usize) -> f64 {
    match code {
        code if code == column => 1.0,
        code if code + 1 == factor.levels.len() => -1.0,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_sorted_by_order() {
        let factors: Vec<Factor> = ["a", "b", "c"]
            .iter()
            .map(|name| Factor::new(name, ["0".to_owned(), "1".to_owned()]))
            .collect();
        let names = |effects| -> Vec<String> {
            terms(3, effects).into_iter().map(|term| name(&factors, term)).collect()
        };
        assert_eq!(names(Effects::Factorial), ["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]);
        assert_eq!(names(Effects::Main), ["a", "b", "c"]);
    }
}
