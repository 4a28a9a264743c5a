//! Ordinary least squares on small designs.

use std::collections::BTreeMap;

use super::{
    Interval, StatsError,
    describe::deviation_squares,
    distribution::{t_quantile, t_two_sided},
    error::{
        check_confidence, check_count, check_length, check_sample, check_values, constant,
        is_constant,
    },
    least_squares::LeastSquares,
};

/// An estimated coefficient, tested against 0.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Coefficient {
    /// Estimate, in units of y per unit of the predictor.
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
    /// The estimate divided by its standard error.
    pub t: f64,
    /// Degrees of freedom.
    pub df: f64,
    /// Two-sided p-value.
    pub p: f64,
}

impl Coefficient {
    /// Confidence interval of the coefficient.
    ///
    /// # Errors
    ///
    /// If the confidence is not in (0, 1).
    pub fn interval(&self, confidence: f64) -> Result<Interval, StatsError> {
        check_confidence(confidence)?;
        let margin = t_quantile((1.0 + confidence) / 2.0, self.df) * self.se;
        Ok(Interval::around(self.estimate, margin, confidence))
    }

    pub(super) fn new(estimate: f64, se: f64, df: f64) -> Self {
        // A line through every point: infinite t, or 0 for a flat one.
        let t = if estimate == 0.0 { 0.0 } else { estimate / se };
        Self { estimate, se, t, df, p: t_two_sided(t, df) }
    }
}

/// A prediction of a new observation.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Prediction {
    /// Predicted value.
    pub value: f64,
    /// Confidence interval of the mean at this point.
    pub of_mean: Interval,
    /// Prediction interval of a new observation.
    pub of_observation: Interval,
}

/// A fitted linear model with intercept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LinearFit {
    /// The intercept, then one coefficient per predictor.
    pub coefficients: Vec<Coefficient>,
    /// Share of the variation that the model explains (R²).
    pub r_squared: f64,
    /// R² adjusted for the number of predictors.
    pub adjusted_r_squared: f64,
    /// Standard deviation of the residuals.
    pub residual_sd: f64,
    /// Number of observations minus number of coefficients.
    pub df: f64,
    /// Observed minus fitted values.
    pub residuals: Vec<f64>,
    /// Observed value minus the prediction of a fit without that observation:
    /// `residual / (1 − leverage)`. `None` if the model cannot be fitted without it.
    pub leave_one_out: Vec<Option<f64>>,
    rows: Vec<Vec<f64>>,
    inverse: Vec<f64>,
}

/// Fits `y = b₀ + b₁ x₁ + ..` by ordinary least squares (Householder QR).
///
/// `predictors` has one column per predictor. Standard errors are `σ √((X'X)⁻¹)`, valid for independent errors
/// of equal variance; for other errors see [`LinearFit::cluster_robust`].
///
/// # Errors
///
/// If lengths differ, a value is not a number, y does not vary, predictors determine one another, or
/// there are not more observations than coefficients.
pub fn linear_regression(predictors: &[&[f64]], y: &[f64]) -> Result<LinearFit, StatsError> {
    check_sample("y", y, 2)?;
    for (at, predictor) in predictors.iter().enumerate() {
        let name = format!("predictor {}", at + 1);
        check_length(&name, predictor.len(), y.len())?;
        check_sample(&name, predictor, 2)?;
    }
    let width = predictors.len() + 1;
    if y.len() <= width {
        return Err(StatsError::NoResidual { observations: y.len(), parameters: width });
    }
    if is_constant(y) {
        return Err(constant("y"));
    }
    let mut columns = vec![vec![1.0; y.len()]];
    columns.extend(predictors.iter().map(|predictor| predictor.to_vec()));
    let rows: Vec<Vec<f64>> =
        (0..y.len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
    let fit = LeastSquares::fit(columns, y)?;
    let b = fit.coefficients();
    let dot = |row: &[f64]| row.iter().zip(&b).map(|(x, b)| x * b).sum::<f64>();
    let residuals: Vec<f64> = rows.iter().zip(y).map(|(row, y)| y - dot(row)).collect();
    let df = (y.len() - width) as f64;
    let (left, total) = (fit.residual_squares(), deviation_squares(y));
    let variance = left / df;
    let inverse = fit.inverse_normal();
    let coefficients = b.iter().enumerate().map(|(i, estimate)| {
        Coefficient::new(*estimate, (variance * inverse[i * width + i]).sqrt(), df)
    });
    let leave_one_out = rows.iter().zip(&residuals).map(|(row, residual)| {
        let rest = 1.0 - fit.leverage(row);
        (rest > 1e-10).then(|| residual / rest)
    });
    Ok(LinearFit {
        coefficients: coefficients.collect(),
        r_squared: 1.0 - left / total,
        adjusted_r_squared: 1.0 - variance / (total / (y.len() - 1) as f64),
        residual_sd: variance.sqrt(),
        df,
        leave_one_out: leave_one_out.collect(),
        residuals,
        rows,
        inverse,
    })
}

impl LinearFit {
    /// Predicts at a value of each predictor.
    ///
    /// # Errors
    ///
    /// If the number of values differs from that of the predictors, a value is not finite, or the
    /// confidence is not in (0, 1).
    pub fn predict(&self, at: &[f64], confidence: f64) -> Result<Prediction, StatsError> {
        check_confidence(confidence)?;
        check_values("at", at)?;
        check_length("at", at.len(), self.coefficients.len() - 1)?;
        let row = [&[1.0], at].concat();
        let value = row.iter().zip(&self.coefficients).map(|(x, b)| x * b.estimate).sum();
        let leverage = self.quadratic(&row, &row);
        let t = t_quantile((1.0 + confidence) / 2.0, self.df) * self.residual_sd;
        Ok(Prediction {
            value,
            of_mean: Interval::around(value, t * leverage.sqrt(), confidence),
            of_observation: Interval::around(value, t * (1.0 + leverage).sqrt(), confidence),
        })
    }

    /// The coefficients with standard errors that hold when the rows of a cluster depend on one
    /// another (Liang and Zeger 1986), with the correction `G/(G−1) · (n−1)/(n−k)` and G − 1 degrees
    /// of freedom (Cameron and Miller 2015), as Stata's.
    ///
    /// # Errors
    ///
    /// If there is not one code a row, or there are not more clusters than coefficients.
    pub fn cluster_robust(&self, clusters: &[usize]) -> Result<Vec<Coefficient>, StatsError> {
        check_length("clusters", clusters.len(), self.rows.len())?;
        let width = self.coefficients.len();
        let mut scores: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for ((row, residual), cluster) in self.rows.iter().zip(&self.residuals).zip(clusters) {
            let score = scores.entry(*cluster).or_insert_with(|| vec![0.0; width]);
            score.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * residual);
        }
        let (count, n) = (scores.len() as f64, self.rows.len() as f64);
        check_count("clusters", scores.len(), width + 1)?;
        let correction = count / (count - 1.0) * (n - 1.0) / (n - width as f64);
        Ok((0..width)
            .map(|i| {
                let row = &self.inverse[i * width..(i + 1) * width];
                let influence =
                    |score: &Vec<f64>| -> f64 { row.iter().zip(score).map(|(a, b)| a * b).sum() };
                let variance: f64 = scores.values().map(|score| influence(score).powi(2)).sum();
                let se = (correction * variance).sqrt();
                Coefficient::new(self.coefficients[i].estimate, se, count - 1.0)
            })
            .collect())
    }

    /// `a' (X'X)⁻¹ b`.
    fn quadratic(&self, a: &[f64], b: &[f64]) -> f64 {
        let rows = self.inverse.chunks(self.coefficients.len());
        a.iter()
            .zip(rows)
            .map(|(a, row)| a * row.iter().zip(b).map(|(r, b)| r * b).sum::<f64>())
            .sum()
    }
}
