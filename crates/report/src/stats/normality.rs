//! Shapiro and Wilk's test of normality.

use super::{
    StatsError,
    distribution::{normal_quantile, normal_sf},
    error::{check_sample, constant, is_constant},
    order::sorted,
};

/// The result of [`shapiro_wilk`].
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ShapiroWilk {
    /// The statistic, in (0, 1]; 1 if the sample has the spacing of normal quantiles.
    pub w: f64,
    /// Probability of a W at most this large for normal data.
    pub p: f64,
}

/// Tests whether a sample is normal (Shapiro and Wilk 1965), by Royston's approximation (1995,
/// algorithm AS R94) for 3 to 5,000 values.
///
/// # Errors
///
/// If there are fewer than 3 or more than 5,000 values, one is not a number, or they do not vary.
pub fn shapiro_wilk(values: &[f64]) -> Result<ShapiroWilk, StatsError> {
    check_sample("values", values, 3)?;
    if values.len() > 5000 {
        let (what, found) = ("values in `values`".to_owned(), values.len());
        return Err(StatsError::TooMany { what, found, expected: 5000 });
    }
    if is_constant(values) {
        return Err(constant("values"));
    }
    let sorted = sorted(values);
    let lack = lack_of_fit(&sorted, &weights(values.len()));
    Ok(ShapiroWilk { w: 1.0 - lack, p: p_value(lack, values.len() as f64) })
}

/// The points of a normal probability plot: for each value in ascending order the normal quantile of its plotting
/// position, `(i − 3/8) / (n + 1/4)` (Blom 1958), and the value.
///
/// # Errors
///
/// If there are no values, or one is not a number.
pub fn normal_plot(values: &[f64]) -> Result<Vec<[f64; 2]>, StatsError> {
    check_sample("values", values, 1)?;
    let n = values.len() as f64;
    let quantile = |at: usize| normal_quantile((at as f64 + 0.625) / (n + 0.25));
    Ok(sorted(values).into_iter().enumerate().map(|(at, value)| [quantile(at), value]).collect())
}

/// Weights of the upper half of the sample, the largest value's first; the lower half's are their
/// negatives.
fn weights(n: usize) -> Vec<f64> {
    if n == 3 {
        return vec![std::f64::consts::FRAC_1_SQRT_2];
    }
    let half = n / 2;
    let expected = |i: usize| normal_quantile((i as f64 + 1.0 - 0.375) / (n as f64 + 0.25));
    let m: Vec<f64> = (0..half).map(expected).collect();
    let square = 2.0 * m.iter().map(|score| score * score).sum::<f64>();
    let norm = square.sqrt();
    let x = 1.0 / (n as f64).sqrt();
    let first =
        polynomial(&[0.0, 0.221157, -0.147981, -2.07119, 4.434685, -2.706056], x) - m[0] / norm;
    let second =
        polynomial(&[0.0, 0.042981, -0.293762, -1.752461, 5.682633, -3.582633], x) - m[1] / norm;
    let fixed: &[f64] = if n > 5 { &[first, second] } else { &[first] };
    let of_fixed_m: f64 = m[..fixed.len()].iter().map(|score| score * score).sum();
    let of_fixed: f64 = fixed.iter().map(|weight| weight * weight).sum();
    let scale = ((square - 2.0 * of_fixed_m) / (1.0 - 2.0 * of_fixed)).sqrt();
    m.iter().enumerate().map(|(i, m)| fixed.get(i).copied().unwrap_or(-m / scale)).collect()
}

/// 1 − W, without the cancellation of computing W first.
fn lack_of_fit(sorted: &[f64], weights: &[f64]) -> f64 {
    let n = sorted.len();
    let range = sorted[n - 1] - sorted[0];
    let mean = sorted.iter().map(|value| (value - sorted[0]) / range).sum::<f64>() / n as f64;
    let weight = |i: usize| match weights.get(i) {
        Some(weight) => -weight,
        None => weights.get(n - 1 - i).copied().unwrap_or(0.0),
    };
    let (mut aa, mut xx, mut ax) = (0.0, 0.0, 0.0);
    for (i, value) in sorted.iter().enumerate() {
        let (a, x) = (weight(i), (value - sorted[0]) / range - mean);
        aa += a * a;
        xx += x * x;
        ax += a * x;
    }
    let both = (aa * xx).sqrt();
    (both - ax) * (both + ax) / (aa * xx)
}

fn p_value(lack: f64, n: f64) -> f64 {
    if n == 3.0 {
        // Exact: 6/π (asin √W − asin √¾).
        let w = 1.0 - lack;
        let p = 6.0 / std::f64::consts::PI * (w.sqrt().asin() - 0.75_f64.sqrt().asin());
        return p.clamp(0.0, 1.0);
    }
    let y = lack.ln();
    let (y, mean, sd) = if n <= 11.0 {
        let limit = polynomial(&[-2.273, 0.459], n);
        if y >= limit {
            return 1e-99; // Royston's smallest
        }
        (
            -(limit - y).ln(),
            polynomial(&[0.544, -0.39978, 0.025054, -6.714e-4], n),
            polynomial(&[1.3822, -0.77857, 0.062767, -0.0020322], n).exp(),
        )
    } else {
        let x = n.ln();
        (
            y,
            polynomial(&[-1.5861, -0.31082, -0.083751, 0.0038915], x),
            polynomial(&[-0.4803, -0.082676, 0.0030302], x).exp(),
        )
    };
    normal_sf((y - mean) / sd)
}

fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}
