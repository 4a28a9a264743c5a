//! What a study maximizes.

use crate::pareto::pareto_front;

/// The objectives of a study, all of which are maximized. To minimize a quantity such as energy, give
/// its negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Objectives {
    /// For each objective the smallest acceptable value (accuracy at least 0.9, negative energy at
    /// least −50 kJ); `None` where every value is acceptable. These bounds are also the
    /// hypervolume's reference point.
    pub at_least: Vec<Option<f64>>,
}

impl Objectives {
    /// A number of objectives without bounds.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { at_least: vec![None; count] }
    }

    /// Number of objectives.
    #[must_use]
    pub fn count(&self) -> usize {
        self.at_least.len()
    }

    /// Whether there is exactly one objective and it has no bound.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.at_least == [None]
    }

    /// Whether values lie within the bounds.
    #[must_use]
    pub fn allow(&self, values: &[f64]) -> bool {
        let mut pairs = values.iter().zip(&self.at_least);
        pairs.all(|(value, bound)| bound.is_none_or(|bound| *value >= bound))
    }

    /// The reference point of the hypervolume: the bounds, and where there is none, a tenth of the
    /// Pareto front's range below the front's worst value.
    #[must_use]
    pub fn reference(&self, values: &[Vec<f64>]) -> Vec<f64> {
        let front = pareto_front(values);
        let reference = |(objective, bound): (usize, &Option<f64>)| {
            bound.unwrap_or_else(|| {
                let on_front = || front.iter().map(|index| values[*index][objective]);
                let low = on_front().fold(f64::INFINITY, f64::min);
                let high = on_front().fold(f64::NEG_INFINITY, f64::max);
                if front.is_empty() { 0.0 } else { low - 0.1 * (high - low).max(1e-12) }
            })
        };
        self.at_least.iter().enumerate().map(reference).collect()
    }
}
