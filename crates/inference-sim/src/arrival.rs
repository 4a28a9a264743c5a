//! When requests come.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use record::Arrivals;

/// Why arrivals make no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ArrivalError {
    /// A rate that is not above 0.
    #[error("arrival rate is {rate} per second, expected a finite number above 0")]
    Rate {
        /// As given.
        rate: f64,
    },
    /// A jitter that could turn time back.
    #[error("jitter is {jitter}, expected a number from 0 to 1")]
    Jitter {
        /// As given.
        jitter: f64,
    },
}

/// Intended arrival times, in seconds from the start, in order: the study's process, in which the
/// time between two requests is `1/rate · U(1 − jitter, 1 + jitter)`. The first comes after one such
/// time.
///
/// # Errors
///
/// If rate or jitter make no sense.
pub fn arrivals(spec: &Arrivals, seed: u64) -> Result<Vec<f64>, ArrivalError> {
    let Arrivals { rate, jitter, requests } = *spec;
    if !(rate.is_finite() && rate > 0.0) {
        return Err(ArrivalError::Rate { rate });
    }
    if !(0.0..=1.0).contains(&jitter) {
        return Err(ArrivalError::Jitter { jitter });
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut now = 0.0;
    Ok((0..requests)
        .map(|_| {
            let unit = (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
            now += (1.0 + jitter * (2.0 * unit - 1.0)) / rate;
            now
        })
        .collect())
}
