//! Adjustment of p-values for multiple tests.

use super::{StatsError, error::check_finite};

/// Adjusts p-values so that the probability of any false rejection stays below the level (Holm 1979).
///
/// The result has the order of `p`; no value gets smaller, and none exceeds 1.
///
/// # Errors
///
/// If a p-value is not in [0, 1].
pub fn holm(p: &[f64]) -> Result<Vec<f64>, StatsError> {
    let order = ascending(p)?;
    let mut adjusted = vec![0.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, at) in order.iter().enumerate() {
        largest = largest.max(p[*at] * (p.len() - rank) as f64);
        adjusted[*at] = largest.min(1.0);
    }
    Ok(adjusted)
}

fn ascending(p: &[f64]) -> Result<Vec<usize>, StatsError> {
    check_finite("p", p)?;
    if let Some(value) = p.iter().copied().find(|p| !(0.0..=1.0).contains(p)) {
        let parameter = "p".to_owned();
        return Err(StatsError::OutOfRange { parameter, value, expected: "a probability" });
    }
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| p[*a].total_cmp(&p[*b]));
    Ok(order)
}
