//! The restricted likelihood of a mixed model (Bates, Mächler, Bolker and Walker 2015, Journal of Statistical
//! Software 67:1, sections 3 and 5).

use super::{
    super::{
        orthogonal::{Orthogonal, dot},
        symmetric::{backward, cholesky, forward},
    },
    random::Block,
};
use crate::stats::StatsError;

/// Most random effects beside those of the largest groups, because their matrix is dense.
const MOST_DENSE: usize = 1500;

/// The cross products of a model. The random effects of the block with the most groups come first: two of its
/// groups share no row, so their part of the matrix falls into small squares. What remains, `rest`, are the other
/// blocks' effects, the basis of the fixed effects, and the response.
pub(super) struct System<'a> {
    blocks: &'a [Block],
    groups: Vec<Group>,
    /// Products of the rest, row by row, without the covariances.
    products: Vec<f64>,
    /// Number of random effects of the rest, of fixed effects, and of rows.
    effects: usize,
    fixed: usize,
    rows: usize,
}

/// A group of the first block.
struct Group {
    /// Products of its effects.
    own: Vec<f64>,
    /// Products with an effect of the rest: its position, and a value for each own effect.
    cross: Vec<(usize, Vec<f64>)>,
}

/// A fit with given covariances.
pub(super) struct Fit {
    /// `log |L|²` and `log |R_X|²`.
    log_random: f64,
    log_fixed: f64,
    /// Penalised residual sum of squares.
    pub(super) squares: f64,
    /// Lower triangle of the fixed effects' part.
    triangle: Vec<f64>,
    /// Coefficients of the basis.
    pub(super) coefficients: Vec<f64>,
}

impl<'a> System<'a> {
    /// `fixed` is the orthonormal basis of the fixed effects.
    pub(super) fn new(
        blocks: &'a [Block],
        fixed: &Orthogonal,
        response: &[f64],
    ) -> Result<Self, StatsError> {
        let (first, others) = match blocks.split_first() {
            Some(split) => split,
            None => {
                return Err(StatsError::TooFew {
                    what: "random effects".to_owned(),
                    found: 0,
                    expected: 1,
                });
            }
        };
        let effects: usize = others.iter().map(|block| block.levels * block.size()).sum();
        if effects > MOST_DENSE {
            return Err(StatsError::TooMany {
                what: format!("random effects beside those of `{}`", first.group),
                found: effects,
                expected: MOST_DENSE,
            });
        }
        let (rank, rows) = (fixed.rank(), response.len());
        let size = effects + rank + 1;
        let mut products = vec![0.0; size * size];
        let q = first.size();
        let mut groups: Vec<Group> =
            (0..first.levels).map(|_| Group { own: vec![0.0; q * q], cross: Vec::new() }).collect();
        for row in 0..rows {
            // The row's values in the rest that are not 0.
            let mut values: Vec<(usize, f64)> = Vec::new();
            let mut start = 0;
            for block in others {
                let at = start + block.groups[row] * block.size();
                values.extend(
                    block.columns.iter().enumerate().map(|(i, column)| (at + i, column[row])),
                );
                start += block.levels * block.size();
            }
            values.extend(fixed.basis.iter().enumerate().map(|(i, unit)| (effects + i, unit[row])));
            values.push((size - 1, response[row]));
            for (i, a) in &values {
                for (j, b) in values.iter().filter(|(j, _)| j <= i) {
                    products[i * size + j] += a * b;
                }
            }
            let group = &mut groups[first.groups[row]];
            let own: Vec<f64> = first.columns.iter().map(|column| column[row]).collect();
            for i in 0..q {
                for j in 0..q {
                    group.own[i * q + j] += own[i] * own[j];
                }
            }
            for (position, value) in values {
                let found = group.cross.binary_search_by_key(&position, |(at, _)| *at);
                let at = found.unwrap_or_else(|at| {
                    group.cross.insert(at, (position, vec![0.0; q]));
                    at
                });
                group.cross[at].1.iter_mut().zip(&own).for_each(|(sum, own)| *sum += own * value);
            }
        }
        for i in 0..size {
            for j in 0..i {
                products[j * size + i] = products[i * size + j];
            }
        }
        Ok(Self { blocks, groups, products, effects, fixed: rank, rows })
    }

    /// Fits the model with these covariances; `None` if rounding makes that impossible.
    pub(super) fn fit(&self, theta: &[f64]) -> Option<Fit> {
        let (first, others) = self.blocks.split_first()?;
        let size = self.effects + self.fixed + 1;
        let (own, mut theta) = theta.split_at(first.parameters());
        let lambda = first.factor(own);
        // The factors of the rest's effects: block, size, and first position.
        let mut factors: Vec<(usize, usize, Vec<f64>)> = Vec::new();
        let mut start = 0;
        for block in others {
            let (own, later) = theta.split_at(block.parameters());
            theta = later;
            let factor = block.factor(own);
            for _ in 0..block.levels {
                factors.push((start, block.size(), factor.clone()));
                start += block.size();
            }
        }
        let mut matrix = self.products.clone();
        for (start, q, factor) in &factors {
            // Rows and then columns of these effects, times the factor from the right.
            for other in 0..size {
                let row: Vec<f64> = (0..*q).map(|i| matrix[(start + i) * size + other]).collect();
                times(&row, factor, *q)
                    .into_iter()
                    .enumerate()
                    .for_each(|(i, value)| matrix[(start + i) * size + other] = value);
            }
            for other in 0..size {
                let at = other * size + start;
                let row = times(&matrix[at..at + q], factor, *q);
                matrix[at..at + q].copy_from_slice(&row);
            }
        }
        (0..self.effects).for_each(|i| matrix[i * size + i] += 1.0);
        let q = first.size();
        let mut log_random = 0.0;
        for group in &self.groups {
            // Λ'AΛ + I
            let mut square = vec![0.0; q * q];
            for i in 0..q {
                let row = times(&group.own[i * q..(i + 1) * q], &lambda, q);
                square[i * q..(i + 1) * q].copy_from_slice(&row);
            }
            for j in 0..q {
                let column: Vec<f64> = (0..q).map(|i| square[i * q + j]).collect();
                let column = times(&column, &lambda, q);
                (0..q).for_each(|i| square[i * q + j] = column[i]);
            }
            (0..q).for_each(|i| square[i * q + i] += 1.0);
            let lower = cholesky(&square, q)?;
            log_random += (0..q).map(|i| 2.0 * lower[i * q + i].ln()).sum::<f64>();
            let mut cross: Vec<(usize, Vec<f64>)> = group
                .cross
                .iter()
                .map(|(position, values)| (*position, times(values, &lambda, q)))
                .collect();
            let mut at = 0;
            while at < cross.len() && cross[at].0 < self.effects {
                let found = factors.partition_point(|(start, _, _)| *start <= cross[at].0);
                let (_, width, factor) = &factors[found - 1];
                // All effects of a group occur together.
                let part: Vec<Vec<f64>> =
                    cross[at..at + width].iter().map(|(_, values)| values.clone()).collect();
                for i in 0..*width {
                    for own in 0..q {
                        let column: Vec<f64> = part.iter().map(|values| values[own]).collect();
                        cross[at + i].1[own] = times(&column, factor, *width)[i];
                    }
                }
                at += width;
            }
            let solved: Vec<(usize, Vec<f64>)> = cross
                .into_iter()
                .map(|(position, values)| (position, forward(&lower, q, &values)))
                .collect();
            for (i, a) in &solved {
                for (j, b) in solved.iter().take_while(|(j, _)| j <= i) {
                    matrix[i * size + j] -= dot(a, b);
                }
            }
        }
        let lower = cholesky(&matrix, size)?;
        let diagonal = |i: usize| lower[i * size + i];
        log_random += (0..self.effects).map(|i| 2.0 * diagonal(i).ln()).sum::<f64>();
        let fixed = self.effects..size - 1;
        let log_fixed = fixed.clone().map(|i| 2.0 * diagonal(i).ln()).sum::<f64>();
        let triangle: Vec<f64> = fixed
            .clone()
            .flat_map(|i| lower[i * size + self.effects..(i + 1) * size - 1].iter().copied())
            .collect();
        let last = &lower[(size - 1) * size + self.effects..size * size - 1];
        let coefficients = backward(&triangle, self.fixed, last);
        let squares = diagonal(size - 1).powi(2);
        Some(Fit { log_random, log_fixed, squares, triangle, coefficients })
    }

    /// Degrees of freedom of the residual.
    pub(super) fn freedom(&self) -> f64 {
        (self.rows - self.fixed) as f64
    }

    /// −2 log of the restricted likelihood at the best residual variance.
    pub(super) fn criterion(&self, fit: &Fit) -> f64 {
        let df = self.freedom();
        let variance = fit.squares / df;
        fit.log_random + fit.log_fixed + df * (1.0 + (std::f64::consts::TAU * variance).ln())
    }

    /// −2 log of the restricted likelihood with a given residual deviation.
    pub(super) fn criterion_with(&self, fit: &Fit, sigma: f64) -> f64 {
        let variance = sigma * sigma;
        fit.log_random
            + fit.log_fixed
            + self.freedom() * (std::f64::consts::TAU * variance).ln()
            + fit.squares / variance
    }
}

impl Fit {
    /// Covariance of two combinations of the basis' coefficients, in units of the residual's variance.
    pub(super) fn covariance(&self, a: &[f64], b: &[f64]) -> f64 {
        let half = |x: &[f64]| forward(&self.triangle, x.len(), x);
        dot(&half(a), &half(b))
    }
}

/// `Λ' x`, which is the row `x' Λ`.
fn times(x: &[f64], lambda: &[f64], q: usize) -> Vec<f64> {
    (0..q).map(|column| (column..q).map(|row| x[row] * lambda[row * q + column]).sum()).collect()
}
