//! Analysis of variance of crossed factors, unbalanced data included.

use statrs::distribution::{ContinuousCDF, FisherSnedecor};

use super::{StatsError, check_finite};

/// A factor: a level for each observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// Its name in terms such as `a:b`.
    pub name: String,
    /// Distinct levels in order of first appearance.
    pub levels: Vec<String>,
    /// For each observation the index of its level.
    pub codes: Vec<usize>,
}

impl Factor {
    /// From the level of each observation.
    pub fn new(name: &str, values: impl IntoIterator<Item = String>) -> Self {
        let mut levels: Vec<String> = Vec::new();
        let codes = values
            .into_iter()
            .map(|value| {
                levels.iter().position(|it| *it == value).unwrap_or_else(|| {
                    levels.push(value);
                    levels.len() - 1
                })
            })
            .collect();
        Self { name: name.to_owned(), levels, codes }
    }
}

/// Which sums of squares (Langsrud 2003, Statistics and Computing 13:163).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SumsOfSquares {
    /// Each term after all terms that do not contain it.
    TypeII,
    /// Each term after all others, with sum-to-zero contrasts.
    TypeIII,
}

/// A row of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct AnovaTerm {
    /// Factor names joined by `:`.
    pub term: String,
    /// Sum of squares.
    pub ss: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// Mean square.
    pub ms: f64,
    /// Ratio of mean squares.
    pub f: f64,
    /// Probability of an F at least as large without an effect.
    pub p: f64,
    /// η²: share of the sum of all listed sums of squares, the residual's included.
    pub eta_sq: f64,
    /// Partial η²: `ss / (ss + residual ss)`.
    pub partial_eta_sq: f64,
    /// ω²: `(ss - df · residual ms) / (all ss + residual ms)`.
    pub omega_sq: f64,
}

/// What the model leaves unexplained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Residual {
    /// Sum of squares.
    pub ss: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// Mean square.
    pub ms: f64,
}

/// The table.
#[derive(Clone, Debug, PartialEq)]
pub struct Anova {
    /// Main effects, then interactions by order.
    pub terms: Vec<AnovaTerm>,
    /// The rest.
    pub residual: Residual,
}

/// Analyses a response over all main effects and interactions of its factors.
///
/// The full factorial model is fitted with sum-to-zero contrasts; a term's sum of squares is
/// `b' V⁻¹ b` with `b` its coefficients and `V` their block of `(X'X)⁻¹` (type III), or the same in
/// the model without the terms that contain it (type II).
///
/// # Errors
///
/// If lengths differ, a value is not a number, a factor has one level, a cell is empty, or no
/// degree of freedom is left for the error.
pub fn anova(
    response: &[f64],
    factors: &[Factor],
    kind: SumsOfSquares,
) -> Result<Anova, StatsError> {
    check(response, factors)?;
    let terms = terms(factors.len());
    let full = Model::fit(response, factors, &terms)?;
    let parameters = full.coefficients.len();
    if response.len() <= parameters {
        return Err(StatsError::NoResidual { observations: response.len(), parameters });
    }
    let df = (response.len() - parameters) as f64;
    let residual = Residual { ss: full.residual, df, ms: full.residual / df };
    let sums: Vec<(f64, f64)> = terms
        .iter()
        .map(|term| match kind {
            SumsOfSquares::TypeIII => full.sum_of_squares(term),
            SumsOfSquares::TypeII => {
                // Without the terms that contain this one.
                let kept: Vec<u32> =
                    terms.iter().copied().filter(|it| it == term || it & term != *term).collect();
                Model::fit(response, factors, &kept)?.sum_of_squares(term)
            }
        })
        .collect::<Result<_, _>>()?;
    let total = sums.iter().map(|it| it.0).sum::<f64>() + residual.ss;
    let distribution =
        |df: f64| FisherSnedecor::new(df, residual.df).map_err(|_| StatsError::Singular);
    let rows = terms.iter().zip(sums).map(|(term, (ss, df))| {
        let ms = ss / df;
        let f = ms / residual.ms;
        // A response that the cells explain completely has no error: F is infinite, p is 0.
        let p = if f.is_finite() { distribution(df)?.sf(f) } else { 0.0 };
        Ok(AnovaTerm {
            term: name(factors, *term),
            ss,
            df,
            ms,
            f,
            p,
            eta_sq: ss / total,
            partial_eta_sq: ss / (ss + residual.ss),
            omega_sq: (ss - df * residual.ms) / (total + residual.ms),
        })
    });
    Ok(Anova { terms: rows.collect::<Result<_, StatsError>>()?, residual })
}

fn check(response: &[f64], factors: &[Factor]) -> Result<(), StatsError> {
    check_finite(response)?;
    if response.len() < 2 || factors.is_empty() {
        return Err(StatsError::TooFew { found: response.len(), expected: 2 });
    }
    for factor in factors {
        if factor.codes.len() != response.len() {
            return Err(StatsError::Length {
                column: factor.name.clone(),
                found: factor.codes.len(),
                expected: response.len(),
            });
        }
        if factor.levels.len() < 2 {
            return Err(StatsError::Levels {
                factor: factor.name.clone(),
                levels: factor.levels.len(),
            });
        }
    }
    if response.iter().all(|it| *it == response[0]) {
        return Err(StatsError::Constant { column: "response".to_owned() });
    }
    Ok(())
}

/// Every non-empty set of factors as a bit mask, by size and then in order of the factors.
fn terms(factors: usize) -> Vec<u32> {
    let mut terms: Vec<u32> = (1..1_u32 << factors).collect();
    terms.sort_by_key(|it| (it.count_ones(), it.reverse_bits().wrapping_neg()));
    terms
}

fn name(factors: &[Factor], term: u32) -> String {
    let names: Vec<&str> = members(factors, term).map(|it| it.name.as_str()).collect();
    names.join(":")
}

fn members(factors: &[Factor], term: u32) -> impl Iterator<Item = &Factor> {
    factors.iter().enumerate().filter(move |(at, _)| term >> at & 1 == 1).map(|(_, it)| it)
}

/// A fitted linear model.
struct Model {
    coefficients: Vec<f64>,
    /// `(X'X)⁻¹`, row by row.
    inverse: Vec<f64>,
    /// Residual sum of squares.
    residual: f64,
    /// For each term its columns.
    columns: Vec<(u32, std::ops::Range<usize>)>,
}

impl Model {
    fn fit(response: &[f64], factors: &[Factor], terms: &[u32]) -> Result<Self, StatsError> {
        let (rows, columns) = design(response.len(), factors, terms);
        let width = rows[0].len();
        let mut normal = vec![0.0; width * width];
        let mut moment = vec![0.0; width];
        // The mean is taken off first: squares of large numbers lose digits.
        let mean = response.iter().sum::<f64>() / response.len() as f64;
        for (row, y) in rows.iter().zip(response) {
            for (i, a) in row.iter().enumerate() {
                moment[i] += a * (y - mean);
                for (j, b) in row.iter().enumerate() {
                    normal[i * width + j] += a * b;
                }
            }
        }
        let inverse = invert(&normal, width).ok_or(StatsError::Singular)?;
        let coefficients: Vec<f64> = (0..width)
            .map(|i| (0..width).map(|j| inverse[i * width + j] * moment[j]).sum())
            .collect();
        let residual = rows
            .iter()
            .zip(response)
            .map(|(row, y)| {
                let fitted: f64 = row.iter().zip(&coefficients).map(|(x, b)| x * b).sum();
                (y - mean - fitted).powi(2)
            })
            .sum();
        Ok(Self { coefficients, inverse, residual, columns })
    }

    /// The term's sum of squares and degrees of freedom.
    fn sum_of_squares(&self, term: &u32) -> Result<(f64, f64), StatsError> {
        let width = self.coefficients.len();
        let found = self.columns.iter().find(|(it, _)| it == term);
        let range = found.map(|(_, range)| range.clone()).ok_or(StatsError::Singular)?;
        let size = range.len();
        let block: Vec<f64> = range
            .clone()
            .flat_map(|i| range.clone().map(move |j| self.inverse[i * width + j]))
            .collect();
        let weight = invert(&block, size).ok_or(StatsError::Singular)?;
        let b = &self.coefficients[range];
        let ss = (0..size)
            .map(|i| (0..size).map(|j| b[i] * weight[i * size + j] * b[j]).sum::<f64>())
            .sum();
        Ok((ss, size as f64))
    }
}

type Columns = Vec<(u32, std::ops::Range<usize>)>;

/// The design matrix with sum-to-zero contrasts: a level of k is k-1 columns, 1 in its own, −1 in
/// all for the last level; interactions are products.
fn design(n: usize, factors: &[Factor], terms: &[u32]) -> (Vec<Vec<f64>>, Columns) {
    let mut columns = Vec::new();
    let mut next = 1;
    for term in terms {
        let width: usize = members(factors, *term).map(|it| it.levels.len() - 1).product();
        columns.push((*term, next..next + width));
        next += width;
    }
    let rows = (0..n)
        .map(|row| {
            let mut values = vec![1.0];
            for term in terms {
                let mut product = vec![1.0];
                for factor in members(factors, *term) {
                    let contrast = contrast(factor.codes[row], factor.levels.len());
                    product =
                        product.iter().flat_map(|a| contrast.iter().map(move |b| a * b)).collect();
                }
                values.extend(product);
            }
            values
        })
        .collect();
    (rows, columns)
}

fn contrast(code: usize, levels: usize) -> Vec<f64> {
    let value = |column| match code {
        code if code == column => 1.0,
        code if code == levels - 1 => -1.0,
        _ => 0.0,
    };
    (0..levels - 1).map(value).collect()
}

/// Inverse of a symmetric positive definite matrix by Cholesky; `None` if it is not.
fn invert(matrix: &[f64], n: usize) -> Option<Vec<f64>> {
    let mut lower = matrix.to_vec();
    for j in 0..n {
        for i in j..n {
            let dot: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
            let rest = lower[i * n + j] - dot;
            if i == j {
                // Relative to what was there: a rank-deficient design leaves rounding errors only.
                if rest <= matrix[j * n + j].abs() * 1e-10 {
                    return None;
                }
                lower[j * n + j] = rest.sqrt();
            } else {
                lower[i * n + j] = rest / lower[j * n + j];
            }
        }
    }
    let mut inverse = vec![0.0; n * n];
    for column in 0..n {
        let mut x = vec![0.0; n];
        for i in 0..n {
            let unit = if i == column { 1.0 } else { 0.0 };
            let dot: f64 = (0..i).map(|k| lower[i * n + k] * x[k]).sum();
            x[i] = (unit - dot) / lower[i * n + i];
        }
        for i in (0..n).rev() {
            let dot: f64 = (i + 1..n).map(|k| lower[k * n + i] * x[k]).sum();
            x[i] = (x[i] - dot) / lower[i * n + i];
        }
        (0..n).for_each(|i| inverse[i * n + column] = x[i]);
    }
    Some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factor(name: &str, codes: &[usize]) -> Factor {
        Factor::new(name, codes.iter().map(ToString::to_string))
    }

    #[test]
    fn terms_come_by_order() {
        let factors: Vec<Factor> =
            ["a", "b", "c"].iter().map(|name| factor(name, &[0, 1])).collect();
        let names: Vec<String> = terms(3).into_iter().map(|it| name(&factors, it)).collect();
        assert_eq!(names, ["a", "b", "c", "a:b", "a:c", "b:c", "a:b:c"]);
    }

    /// Balanced, so that the classical sums of squares apply: cells 1,3 | 5,7 | 2,4 | 10,12.
    #[test]
    fn a_balanced_two_by_two_is_the_textbooks() {
        let response = [1.0, 3.0, 5.0, 7.0, 2.0, 4.0, 10.0, 12.0];
        let a = factor("a", &[0, 0, 0, 0, 1, 1, 1, 1]);
        let b = factor("b", &[0, 0, 1, 1, 0, 0, 1, 1]);
        for kind in [SumsOfSquares::TypeII, SumsOfSquares::TypeIII] {
            let table = anova(&response, &[a.clone(), b.clone()], kind).unwrap();
            let ss: Vec<f64> = table.terms.iter().map(|it| it.ss).collect();
            // Means a: 4, 7; b: 2.5, 8.5; grand 5.5; interaction (2,6,3,11): ±1.
            for (found, expected) in ss.iter().zip([18.0, 72.0, 8.0]) {
                assert!((found - expected).abs() < 1e-9, "{ss:?}");
            }
            assert!((table.residual.ss - 8.0).abs() < 1e-9);
            assert!((table.terms[1].f - 36.0).abs() < 1e-9);
            // pf(36, 1, 4, lower.tail = FALSE)
            assert!((table.terms[1].p - 0.003_882_537).abs() < 1e-8, "{}", table.terms[1].p);
        }
    }

    #[test]
    fn unfit_data_are_errors() {
        let a = factor("a", &[0, 0, 1, 1]);
        let b = factor("b", &[0, 1, 0, 1]);
        let one = factor("one", &[0, 0, 0, 0]);
        let run = |y: &[f64], factors: &[Factor]| anova(y, factors, SumsOfSquares::TypeIII);
        let y = [1.0, 2.0, 3.0, 5.0];
        assert!(matches!(run(&y, &[a.clone(), b.clone()]), Err(StatsError::NoResidual { .. })));
        assert!(matches!(run(&y, &[one]), Err(StatsError::Levels { .. })));
        assert!(matches!(run(&y[..3], std::slice::from_ref(&a)), Err(StatsError::Length { .. })));
        let nan = [1.0, f64::NAN, 3.0, 5.0];
        assert!(matches!(
            run(&nan, std::slice::from_ref(&a)),
            Err(StatsError::NotFinite { index: 1, .. })
        ));
        let empty_cell = factor("b", &[0, 0, 1, 1]);
        assert!(matches!(run(&y, &[a, empty_cell]), Err(StatsError::Singular)));
    }
}
