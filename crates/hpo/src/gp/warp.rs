//! Values as a process sees them: bad values compressed, then all standardized.

/// Values as a process sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Warped {
    /// Of zero mean and unit deviation.
    pub(crate) values: Vec<f64>,
    /// The logarithm of the warp's Jacobian, so that densities of different warps compare.
    pub(crate) jacobian: f64,
    /// The size of one unit of `values` above the best value, where every warp is linear; 0 if all
    /// values are equal.
    pub(crate) unit: f64,
}

/// How bad values are compressed: how bad a bad trial is says little about where good ones are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Warp {
    /// By a logarithm below the median.
    Tail,
    /// By a logarithm of the distance to the best value.
    Whole,
    /// Not at all.
    Nothing,
    /// By a logarithm below a floor, in units of the range above it.
    Below(f64),
}

impl Warp {
    /// Warps and standardizes values.
    pub(crate) fn apply(self, values: &[f64]) -> Warped {
        self.apply_as(values, values.len())
    }

    /// Warps and standardizes values; the first `judged` values alone say what is good and bad, and give
    /// the Jacobian.
    pub(crate) fn apply_as(self, values: &[f64], judged: usize) -> Warped {
        if self == Self::Nothing {
            return standardized(values.to_vec(), 0.0, judged, 1.0);
        }
        let mut sorted = values[..judged].to_vec();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let Some(&top) = sorted.first() else { return Warped::default() };
        if let Self::Below(floor) = self {
            let floor = if floor < top { floor } else { sorted[sorted.len() - 1] };
            let spread = top - floor;
            if spread <= 0.0 || !spread.is_finite() {
                return standardized(values.to_vec(), 0.0, judged, 1.0);
            }
            let compressed = values.iter().map(|value| {
                let below = (floor - value) / spread;
                if below <= 0.0 { -below } else { -below.ln_1p() }
            });
            return standardized(compressed.collect(), 0.0, judged, spread);
        }
        let (upper, median) = (sorted[sorted.len() / 4], sorted[sorted.len() / 2]);
        let spread = match self {
            Self::Tail => top - median,
            _ => top - upper,
        };
        // Equal values say nothing about the tail.
        if spread <= 0.0 {
            return standardized(values.to_vec(), 0.0, judged, 1.0);
        }
        let mut jacobian = -(judged as f64) * spread.ln();
        let warped = values.iter().enumerate().map(|(index, value)| {
            let below = match self {
                Self::Tail => (median - value) / spread,
                _ => (top - value) / spread,
            };
            if below <= 0.0 {
                return -below;
            }
            let log = below.ln_1p();
            if index < judged {
                jacobian -= log;
            }
            -log
        });
        let warped = warped.collect();
        standardized(warped, jacobian, judged, spread)
    }
}

impl Warp {
    /// The warped form of a value that is not among `values`: on the line through the largest value and
    /// the smallest other one at or above it (or, if there is none, the next largest).
    pub(crate) fn place(self, value: f64, values: &[f64], warped: &[f64]) -> f64 {
        let mut pairs: Vec<(f64, f64)> =
            values.iter().copied().zip(warped.iter().copied()).collect();
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let Some(&top) = pairs.first() else { return 0.0 };
        // Above the floor the warp is linear, and its slope is that of any two values there.
        let above = pairs.iter().rev().find(|pair| pair.0 >= value && pair.0 < top.0);
        let other = above.or_else(|| pairs.iter().find(|pair| pair.0 < top.0));
        other.map_or(top.1, |other| top.1 + (value - top.0) * (top.1 - other.1) / (top.0 - other.0))
    }
}

fn standardized(mut values: Vec<f64>, jacobian: f64, judged: usize, unit: f64) -> Warped {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    let deviation = variance.sqrt();
    if !(deviation > 0.0 && deviation.is_finite()) {
        return Warped { values: vec![0.0; values.len()], jacobian, unit: 0.0 };
    }
    values.iter_mut().for_each(|value| *value = (*value - mean) / deviation);
    let jacobian = jacobian - judged as f64 * deviation.ln();
    Warped { values, jacobian, unit: unit * deviation }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warp_keeps_the_order_and_compresses_bad_values() {
        let values = [1.0, 2.0, 3.0, -1000.0, 4.0, 2.5];
        for warp in [Warp::Tail, Warp::Whole] {
            let warped = warp.apply(&values).values;
            for (a, x) in values.iter().zip(&warped) {
                for (b, y) in values.iter().zip(&warped) {
                    assert_eq!(a < b, x < y, "{warp:?}: {a} {b}");
                }
            }
        }
        // Without a warp, the best two would be 0.003 apart.
        let warped = Warp::Tail.apply(&values).values;
        assert!(warped[4] - warped[2] > 0.1, "{warped:?}");
        assert_eq!(Warp::Tail.apply(&[7.0; 4]).values, [0.0; 4]);
    }

    #[test]
    fn the_jacobian_is_about_the_mean_slope_of_the_warp() {
        let values = [0.3, 1.2, -4.0, 2.2, 0.9, 1.1, -0.5];
        for warp in [Warp::Tail, Warp::Whole] {
            let Warped { values: warped, jacobian, unit } = warp.apply(&values);
            // A value a little above the best, under the same transformation.
            assert!(unit > 0.0);
            // Neighbors of the lowest value fix the slope there, up to the curvature.
            assert_eq!(warped.len(), values.len());
            let total: f64 = jacobian / values.len() as f64;
            let range = (warped[3] - warped[2]) / (values[3] - values[2]);
            assert!((total - range.ln()).abs() < 1.0, "{warp:?}: {total} {}", range.ln());
        }
    }
}
