//! Trends that outliers do not bend.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{StatsError, check_finite, ranks};

/// A line through data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// Change of y per unit of x.
    pub slope: f64,
    /// Median of y − slope · x.
    pub intercept: f64,
}

/// The median of the slopes of all pairs (Theil 1950, Sen 1968); pairs of equal x are left out.
///
/// # Errors
///
/// If lengths differ, a value is not a number, or x does not vary.
pub fn theil_sen(x: &[f64], y: &[f64]) -> Result<Slope, StatsError> {
    check_pairs(x, y, 2)?;
    let mut slopes = Vec::new();
    for i in 0..x.len() {
        for j in i + 1..x.len() {
            if x[i] != x[j] {
                slopes.push((y[j] - y[i]) / (x[j] - x[i]));
            }
        }
    }
    let slope = median(slopes).ok_or_else(|| StatsError::Constant { column: "x".to_owned() })?;
    let rests = x.iter().zip(y).map(|(x, y)| y - slope * x).collect();
    Ok(Slope { slope, intercept: median(rests).unwrap_or(0.0) })
}

/// Spearman's rank correlation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spearman {
    /// In [-1, 1].
    pub rho: f64,
    /// Two-sided, from Student's t with n − 2 degrees of freedom.
    pub p: f64,
}

/// Rank correlation (Spearman 1904), ties by mid-ranks.
///
/// # Errors
///
/// If lengths differ, there are fewer than 3 pairs, a value is not a number, or a column does not
/// vary.
pub fn spearman(x: &[f64], y: &[f64]) -> Result<Spearman, StatsError> {
    check_pairs(x, y, 3)?;
    let (rx, ry) = (ranks(x), ranks(y));
    let n = x.len() as f64;
    let mean = (n + 1.0) / 2.0;
    let sum = |a: &[f64], b: &[f64]| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum()
    };
    let (sx, sy) = (sum(&rx, &rx), sum(&ry, &ry));
    for (column, spread) in [("x", sx), ("y", sy)] {
        if spread == 0.0 {
            return Err(StatsError::Constant { column: column.to_owned() });
        }
    }
    let rho = sum(&rx, &ry) / (sx * sy).sqrt();
    let t = rho * ((n - 2.0) / (1.0 - rho * rho)).sqrt();
    let p = match StudentsT::new(0.0, 1.0, n - 2.0) {
        Ok(student) if t.is_finite() => 2.0 * student.sf(t.abs()),
        _ => 0.0,
    };
    Ok(Spearman { rho, p })
}

fn check_pairs(x: &[f64], y: &[f64], fewest: usize) -> Result<(), StatsError> {
    check_finite(x)?;
    check_finite(y)?;
    if x.len() != y.len() {
        return Err(StatsError::Length { column: "y".into(), found: y.len(), expected: x.len() });
    }
    if x.len() < fewest {
        return Err(StatsError::TooFew { found: x.len(), expected: fewest });
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    let (low, high) = (values.get(n.checked_sub(1)? / 2)?, values.get(n / 2)?);
    Some((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scipy.stats.spearmanr and theilslopes on x = 0..6, y = [1, 3, 2, 5, 4, 9].
    #[test]
    fn as_scipy() {
        let x = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let y = [1.0, 3.0, 2.0, 5.0, 4.0, 9.0];
        let found = spearman(&x, &y).unwrap();
        assert!((found.rho - 0.885_714_285_714_285_8).abs() < 1e-12, "{found:?}");
        assert!((found.p - 0.018_845_481_049_562_6).abs() < 1e-9, "{found:?}");
        let line = theil_sen(&x, &y).unwrap();
        assert!((line.slope - 4.0 / 3.0).abs() < 1e-12, "{line:?}");
    }

    #[test]
    fn unfit_data_are_errors() {
        assert!(theil_sen(&[1.0, 1.0], &[1.0, 2.0]).is_err());
        assert!(spearman(&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0]).is_err());
        assert!(spearman(&[1.0, 2.0], &[1.0, 2.0]).is_err());
    }
}
