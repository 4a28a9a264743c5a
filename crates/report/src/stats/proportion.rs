//! The interval of a proportion.

use super::{
    distribution::normal_quantile,
    error::{StatsError, check_confidence, check_count},
    interval::Interval,
};

/// Wilson's score interval of the share `successes / trials` (Wilson 1927, *Probable Inference, the Law of
/// Succession, and Statistical Inference*). It stays within [0, 1] and contains the share, also at 0 and 1.
///
/// # Errors
///
/// If there are no trials or more successes than trials, or the confidence is not in (0, 1).
pub fn proportion_interval(
    successes: usize,
    trials: usize,
    confidence: f64,
) -> Result<Interval, StatsError> {
    check_confidence(confidence)?;
    check_count("trials", trials, successes.max(1))?;
    let z = normal_quantile((1.0 + confidence) / 2.0);
    let (k, n) = (successes as f64, trials as f64);
    let share = k / n;
    let scale = 1.0 + z * z / n;
    let center = (share + z * z / (2.0 * n)) / scale;
    let half = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt() / scale;
    // At the ends, rounding must not exclude the share itself.
    Ok(Interval {
        low: (center - half).clamp(0.0, share),
        high: (center + half).clamp(share, 1.0),
        confidence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_scipys() {
        // scipy 1.16: binomtest(k, n).proportion_ci(confidence, method="wilson").
        for (successes, trials, confidence, low, high) in [
            (9173, 10_000, 0.95, 0.911_740, 0.922_539),
            (0, 10, 0.95, 0.0, 0.277_533),
            (10, 10, 0.95, 0.722_467, 1.0),
            (1, 1, 0.9, 0.269_866, 1.0),
        ] {
            let found = proportion_interval(successes, trials, confidence).unwrap();
            assert!(
                (found.low - low).abs() < 1e-6 && (found.high - high).abs() < 1e-6,
                "{found:?}"
            );
        }
    }

    #[test]
    fn no_trials_and_more_successes_than_trials_are_errors() {
        for (successes, trials, confidence) in [(0, 0, 0.95), (2, 1, 0.95), (1, 2, 95.0)] {
            assert!(proportion_interval(successes, trials, confidence).is_err());
        }
    }
}
