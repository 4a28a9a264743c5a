//! Independent times between requests, with any coefficient of variation.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, Gamma, StandardNormal};
use units::limits::{self, Limit};

use crate::error::{ConfigError, limited};

/// Weibull distributions with shapes from 0.1 to 200.
const WEIBULL_CV: Limit<f64> = Limit::real("coefficient of variation", "", 0.01, 400.0);
const SHAPES: (f64, f64) = (0.1, 200.0);
const CV: &str = "arrivals.cv";
const POSITIVE: &str = "a number above 0 (for 0 take `process = \"deterministic\"`)";

/// A distribution with mean 1 and a coefficient of variation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Gaps {
    Gamma(Gamma<f64>),
    /// The inverse of the shape, and the scale.
    Weibull {
        inverse: f64,
        scale: f64,
    },
    LogNormal {
        mu: f64,
        sigma: f64,
    },
}

impl Gaps {
    pub(crate) fn gamma(cv: f64) -> Result<Self, ConfigError> {
        let shape = positive(cv)?.powi(-2);
        let gamma = Gamma::new(shape, shape.recip()).map_err(|_| ConfigError::Invalid {
            key: CV,
            found: cv.to_string(),
            expected: "a number whose square and its inverse can be represented",
        })?;
        Ok(Self::Gamma(gamma))
    }

    /// The shape k has cv² = Γ(1 + 2/k) / Γ(1 + 1/k)² − 1, which falls as k rises.
    pub(crate) fn weibull(cv: f64) -> Result<Self, ConfigError> {
        let cv = limited(CV, cv, WEIBULL_CV)?;
        let log_square = (cv * cv).ln_1p();
        let (mut low, mut high) = SHAPES;
        for _ in 0..100 {
            let shape = (low * high).sqrt();
            let found = ln_gamma(1.0 + 2.0 / shape) - 2.0 * ln_gamma(1.0 + 1.0 / shape);
            if found > log_square { low = shape } else { high = shape }
        }
        let inverse = low.recip();
        Ok(Self::Weibull { inverse, scale: (-ln_gamma(1.0 + inverse)).exp() })
    }

    pub(crate) fn lognormal(cv: f64) -> Result<Self, ConfigError> {
        let variance = positive(cv)?.powi(2).ln_1p();
        Ok(Self::LogNormal { mu: -variance / 2.0, sigma: variance.sqrt() })
    }

    #[inline]
    pub(crate) fn sample(self, random: &mut ChaCha8Rng) -> f64 {
        match self {
            Self::Gamma(gamma) => gamma.sample(random),
            Self::Weibull { inverse, scale } => {
                let exponential: f64 = Exp1.sample(random);
                scale * exponential.powf(inverse)
            }
            Self::LogNormal { mu, sigma } => {
                let normal: f64 = StandardNormal.sample(random);
                (mu + sigma * normal).exp()
            }
        }
    }
}

fn positive(cv: f64) -> Result<f64, ConfigError> {
    if cv == 0.0 {
        return Err(ConfigError::Invalid { key: CV, found: cv.to_string(), expected: POSITIVE });
    }
    limited(CV, cv, limits::VARIATION)
}

/// The logarithm of the gamma function of a number of at least 1, to 14 digits: Stirling's series
/// from 10 on, after Γ(x) = Γ(x + 1) / x.
fn ln_gamma(mut x: f64) -> f64 {
    let mut divisor = 1.0;
    while x < 10.0 {
        divisor *= x;
        x += 1.0;
    }
    let inverse = x.recip();
    let square = inverse * inverse;
    let series = inverse
        * (1.0 / 12.0
            - square
                * (1.0 / 360.0
                    - square * (1.0 / 1260.0 - square * (1.0 / 1680.0 - square / 1188.0))));
    (x - 0.5) * x.ln() - x + 0.5 * std::f64::consts::TAU.ln() + series - divisor.ln()
}

/// The number of requests that come together: geometric from 1 on.
pub(crate) fn geometric(mean: f64, random: &mut ChaCha8Rng) -> u64 {
    if mean <= 1.0 {
        return 1;
    }
    let exponential: f64 = Exp1.sample(random);
    // P(more than k) = (1 − 1/mean)^k
    1 + (exponential / -(-mean.recip()).ln_1p()) as u64
}

/// One of several values, by their cumulated weights.
pub(crate) fn choose(rows: &[(usize, f64)], random: &mut ChaCha8Rng) -> usize {
    let total = rows.last().map_or(0.0, |row| row.1);
    let drawn = random.random::<f64>() * total;
    let index = rows.partition_point(|&(_, weight)| weight <= drawn);
    rows.get(index).or(rows.last()).map_or(1, |row| row.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, generator};

    #[test]
    fn the_gamma_function_is_known_at_some_points() {
        for (x, expected) in [(1.0, 1.0), (1.5, 0.5 * std::f64::consts::PI.sqrt()), (5.0, 24.0)] {
            assert!((ln_gamma(x).exp() / expected - 1.0).abs() < 1e-13, "{x}");
        }
        let factorial: f64 = (1..=20).map(f64::from).product();
        assert!((ln_gamma(21.0) - factorial.ln()).abs() < 1e-12);
    }

    #[test]
    fn gaps_have_their_mean_and_variation() {
        let mut random = generator(1, Stream::Arrivals, 0);
        for cv in [0.2, 1.0, 2.0] {
            for gaps in [Gaps::gamma(cv), Gaps::weibull(cv), Gaps::lognormal(cv)] {
                let gaps = gaps.unwrap();
                let values: Vec<f64> = (0..400_000).map(|_| gaps.sample(&mut random)).collect();
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                let square =
                    values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
                let found = (square / mean / mean - 1.0).sqrt();
                assert!((mean - 1.0).abs() < 0.02, "{gaps:?} {mean}");
                assert!((found / cv - 1.0).abs() < 0.06, "{gaps:?} {found}");
            }
        }
        assert!(Gaps::weibull(1e3).is_err() && Gaps::gamma(0.0).is_err());
        assert!(Gaps::lognormal(f64::NAN).is_err() && Gaps::gamma(-1.0).is_err());
    }
}
