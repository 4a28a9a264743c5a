//! A straight line through measurements.

use serde::{Deserialize, Serialize};

use crate::student::t_975;

/// The line y(n) = base + n · per_item for a batch of n, fitted by least squares of the relative
/// residuals, so that large batches do not outweigh small ones. The intervals are Student's 95 %
/// intervals.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct LinearFit {
    /// The part that every batch has.
    pub base: f64,
    /// The part of each request.
    pub per_item: f64,
    /// The interval of `base`; `None` for fewer than three observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_ci95: Option<[f64; 2]>,
    /// The interval of `per_item`; `None` for fewer than three observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_item_ci95: Option<[f64; 2]>,
    /// The largest relative distance of the line from a size's mean.
    pub worst_relative: f64,
}

impl LinearFit {
    /// Fits points `(n, y)` with n and y above 0; `None` unless there are two different n.
    #[must_use]
    pub fn new(points: &[(f64, f64)]) -> Option<Self> {
        let weighted = || points.iter().map(|&(n, y)| (n, y, (y * y).recip()));
        let sum = |value: fn(f64, f64) -> f64| -> f64 {
            weighted().map(|(n, y, weight)| weight * value(n, y)).sum()
        };
        let (w, n1, n2) = (sum(|_, _| 1.0), sum(|n, _| n), sum(|n, _| n * n));
        let (y1, ny) = (sum(|_, y| y), sum(|n, y| n * y));
        let determinant = w * n2 - n1 * n1;
        // With a single n, rounding errors are left.
        if determinant.is_nan() || determinant <= 1e-12 * w * n2 {
            return None;
        }
        let base = (n2 * y1 - n1 * ny) / determinant;
        let per_item = (w * ny - n1 * y1) / determinant;
        let squares: f64 =
            weighted().map(|(n, y, weight)| weight * (y - base - n * per_item).powi(2)).sum();
        let degrees = points.len().checked_sub(2).filter(|&degrees| degrees > 0);
        let interval = |center: f64, factor: f64| {
            let degrees = degrees?;
            let error = (squares / degrees as f64 * factor / determinant).sqrt();
            let half = t_975(degrees) * error;
            Some([center - half, center + half])
        };
        let mut sizes: Vec<f64> = points.iter().map(|point| point.0).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let worst = sizes.iter().map(|&size| {
            let of_size: Vec<f64> =
                points.iter().filter(|point| point.0 == size).map(|point| point.1).collect();
            let mean = of_size.iter().sum::<f64>() / of_size.len() as f64;
            ((base + size * per_item) / mean - 1.0).abs()
        });
        Some(Self {
            base,
            per_item,
            base_ci95: interval(base, n2),
            per_item_ci95: interval(per_item, w),
            worst_relative: worst.fold(0.0, f64::max),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_and_the_interval_covers_noise() {
        let exact: Vec<_> = [1.0, 2.0, 4.0, 8.0].map(|n| (n, 0.01 + 0.002 * n)).to_vec();
        let fit = LinearFit::new(&exact).unwrap();
        assert!((fit.base - 0.01).abs() < 1e-12 && (fit.per_item - 0.002).abs() < 1e-12);
        assert!(fit.worst_relative < 1e-9);
        let noisy: Vec<_> = exact
            .iter()
            .zip([1.01, 0.99, 1.01, 0.99])
            .map(|(&(n, y), noise)| (n, y * noise))
            .collect();
        let [low, high] = LinearFit::new(&noisy).unwrap().per_item_ci95.unwrap();
        assert!(low < 0.002 && 0.002 < high);
        assert_eq!(LinearFit::new(&[(4.0, 1.0), (4.0, 1.1)]), None);
    }
}
