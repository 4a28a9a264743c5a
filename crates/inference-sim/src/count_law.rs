//! Random whole numbers: sizes of requests, levels of priority, requests that come together.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use units::limits;

use crate::{
    error::{ConfigError, limited, limited_count},
    renewal::{choose, geometric},
};

const TABLE: &str = "rows of [value, weight], values from 1 to 1000000, weights from 0 to 1e9, \
                     not all 0";

/// A distribution of whole numbers from 1 on, such as the images of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct CountLaw(Law);

#[derive(Clone, Debug, PartialEq)]
enum Law {
    Fixed(usize),
    Geometric(f64),
    LogNormal {
        mean: f64,
        mu: f64,
        sigma: f64,
    },
    /// Values with their cumulated weights.
    Table(Arc<[(usize, f64)]>),
}

impl CountLaw {
    /// Always the same number.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a number outside [`crate::limits::BATCH`].
    pub fn fixed(value: usize, key: &'static str) -> Result<Self, ConfigError> {
        Ok(Self(Law::Fixed(limited_count(key, value, limits::BATCH)?)))
    }

    /// The number of trials to the first success: 1 with probability `1/mean`, and so on.
    ///
    /// # Errors
    /// [`ConfigError`] for a mean below 1 or above the limit of [`crate::limits::BATCH`].
    pub fn geometric(mean: f64, key: &'static str) -> Result<Self, ConfigError> {
        let most = limits::BATCH.max() as f64;
        if !(1.0..=most).contains(&mean) {
            let (found, expected) = (mean.to_string(), "a number from 1 to 1000000");
            return Err(ConfigError::Invalid { key, found, expected });
        }
        Ok(Self(Law::Geometric(mean)))
    }

    /// A log-normal number, rounded at random to the whole number below or above so that the mean stays;
    /// at least 1.
    ///
    /// # Errors
    /// [`ConfigError`] for a mean as in [`CountLaw::geometric`], or a `cv` that is 0 or outside
    /// [`crate::limits::VARIATION`].
    pub fn lognormal(mean: f64, cv: f64, key: &'static str) -> Result<Self, ConfigError> {
        Self::geometric(mean, key)?;
        let cv = limited(key, cv, limits::VARIATION)?;
        if cv == 0.0 {
            let expected = "a `cv` above 0 (for 0 take `value`)";
            return Err(ConfigError::Invalid { key, found: "`cv = 0`".to_owned(), expected });
        }
        let variance = cv.powi(2).ln_1p();
        Ok(Self(Law::LogNormal { mean, mu: mean.ln() - variance / 2.0, sigma: variance.sqrt() }))
    }

    /// Values with their weights.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for no rows, values outside [`crate::limits::BATCH`], or weights that
    /// are negative, above 10⁹ or all 0.
    pub fn table(rows: &[(usize, f64)], key: &'static str) -> Result<Self, ConfigError> {
        let invalid = || ConfigError::Invalid { key, found: format!("{rows:?}"), expected: TABLE };
        let mut sum = 0.0;
        let mut cumulated = Vec::with_capacity(rows.len());
        for &(value, weight) in rows {
            limits::BATCH.check(value).map_err(|_| invalid())?;
            limited(key, weight, limits::DURATION_S).map_err(|_| invalid())?;
            sum += weight;
            cumulated.push((value, sum));
        }
        if sum <= 0.0 {
            return Err(invalid());
        }
        Ok(Self(Law::Table(cumulated.into())))
    }

    /// The mean.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match &self.0 {
            Law::Fixed(value) => *value as f64,
            Law::Geometric(mean) | Law::LogNormal { mean, .. } => *mean,
            Law::Table(rows) => {
                let total = rows.last().map_or(1.0, |row| row.1);
                let mut before = 0.0;
                let mut sum = 0.0;
                for &(value, weight) in rows.iter() {
                    sum += value as f64 * (weight - before);
                    before = weight;
                }
                sum / total
            }
        }
    }

    /// The smallest number.
    pub(crate) fn least(&self) -> usize {
        match &self.0 {
            Law::Fixed(value) => *value,
            Law::Geometric(_) | Law::LogNormal { .. } => 1,
            Law::Table(rows) => {
                let mut before = 0.0;
                let possible = rows.iter().filter(|&&(_, weight)| {
                    let possible = weight > before;
                    before = weight;
                    possible
                });
                possible.map(|row| row.0).min().unwrap_or(1)
            }
        }
    }

    /// Whether it is always the same number.
    pub(crate) fn is_certain(&self) -> bool {
        matches!(self.0, Law::Fixed(_))
    }

    pub(crate) fn sample(&self, random: &mut ChaCha8Rng) -> usize {
        match &self.0 {
            Law::Fixed(value) => *value,
            Law::Geometric(mean) => usize::try_from(geometric(*mean, random)).unwrap_or(usize::MAX),
            Law::LogNormal { mu, sigma, .. } => {
                let normal: f64 = StandardNormal.sample(random);
                let value = (mu + sigma * normal).exp() + random.random::<f64>();
                (value.min(limits::BATCH.max() as f64) as usize).max(1)
            }
            Law::Table(rows) => choose(rows, random),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Stream, generator};

    #[test]
    fn samples_have_the_mean() {
        let mut random = generator(3, Stream::Arrivals, 0);
        for law in [
            CountLaw::fixed(3, "size"),
            CountLaw::geometric(3.0, "size"),
            CountLaw::geometric(1.0, "size"),
            CountLaw::lognormal(40.0, 0.8, "size"),
            CountLaw::table(&[(1, 3.0), (8, 0.0), (7, 1.0)], "size"),
        ] {
            let law = law.unwrap();
            let sum: usize = (0..100_000).map(|_| law.sample(&mut random)).sum();
            assert!((sum as f64 / 1e5 / law.mean() - 1.0).abs() < 0.02, "{law:?}");
        }
        assert!(CountLaw::table(&[], "size").is_err());
        assert!(CountLaw::table(&[(0, 1.0)], "size").is_err());
        assert!(CountLaw::table(&[(1, 0.0)], "size").is_err());
        assert!(CountLaw::geometric(0.5, "size").is_err());
        assert!(CountLaw::geometric(f64::NAN, "size").is_err());
        assert!(CountLaw::lognormal(40.0, 0.0, "size").is_err());
        assert!(CountLaw::lognormal(40.0, f64::NAN, "size").is_err());
        assert_eq!(CountLaw::table(&[(1, 0.0), (8, 2.0), (5, 1.0)], "size").unwrap().least(), 5);
    }
}
