//! How long a server takes for a batch.

use std::cmp::Ordering;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, Gamma, StandardNormal};

use crate::{
    error::{ConfigError, non_negative, positive},
    pause::{AfterPause, Keys, Rest, Tables},
};

pub(crate) const BASE: &str = "a finite number, at least 0, in seconds";
pub(crate) const CV: &str = "a finite number above 0 (for 0 take `law = \"deterministic\"`)";
pub(crate) const TABLE_CV: &str = "a finite number, at least 0";
pub(crate) const TABLE: &str =
    "rows of [requests, seconds], requests from 1 and rising, seconds finite and at least 0";

/// The time of a batch of n requests: a mean that depends on n, and a distribution around it.
#[derive(Clone, Debug)]
pub struct ServiceLaw {
    mean: Mean,
    spread: Spread,
    /// Of what a pause did; see [`ServiceLaw::recovering`].
    recovery_s: f64,
}

#[derive(Clone, Debug)]
enum Mean {
    Affine { base_s: f64, per_item_s: f64 },
    Table(Tables),
}

/// The distribution of a service time over its mean.
#[derive(Clone, Copy, Debug)]
enum Spread {
    None,
    Exponential,
    Gamma(Gamma<f64>),
    LogNormal { mu: f64, sigma: f64 },
}

impl ServiceLaw {
    /// Always `base_s + n · per_item_s`, in seconds.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a number that is negative or not finite.
    pub fn deterministic(base_s: f64, per_item_s: f64) -> Result<Self, ConfigError> {
        Self::affine(base_s, per_item_s, Spread::None)
    }

    /// Exponential with mean `base_s + n · per_item_s`, in seconds.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a number that is negative or not finite.
    pub fn exponential(base_s: f64, per_item_s: f64) -> Result<Self, ConfigError> {
        Self::affine(base_s, per_item_s, Spread::Exponential)
    }

    /// Gamma with mean `base_s + n · per_item_s`, in seconds, and coefficient of variation `cv`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a time that is negative or a `cv` that is not above 0.
    pub fn gamma(base_s: f64, per_item_s: f64, cv: f64) -> Result<Self, ConfigError> {
        let shape = positive("service.cv", cv, CV)?.powi(-2);
        let gamma = Gamma::new(shape, shape.recip()).map_err(|_| ConfigError::Invalid {
            key: "service.cv",
            found: cv.to_string(),
            expected: "a number whose square and its inverse can be represented",
        })?;
        Self::affine(base_s, per_item_s, Spread::Gamma(gamma))
    }

    /// Log-normal with mean `base_s + n · per_item_s`, in seconds, and coefficient of variation
    /// `cv`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a time that is negative or a `cv` that is not above 0.
    pub fn lognormal(base_s: f64, per_item_s: f64, cv: f64) -> Result<Self, ConfigError> {
        let variance = positive("service.cv", cv, CV)?.powi(2).ln_1p();
        let spread = Spread::LogNormal { mu: -variance / 2.0, sigma: variance.sqrt() };
        Self::affine(base_s, per_item_s, spread)
    }

    /// Always the seconds measured for a batch of n: linear between the rows `(n, seconds)`, the
    /// first row's for smaller batches and the last row's for larger ones.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for no rows, sizes that do not rise from 1, or times that are
    /// negative or not finite.
    pub fn table(rows: &[(usize, f64)]) -> Result<Self, ConfigError> {
        Self::table_by_pause(rows, &[])
    }

    /// The same for batches that follow another, and what was measured after pauses: linear between
    /// the pauses, and as after the longest one for longer ones and a server's first batch.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] as [`ServiceLaw::table`], or for pauses that do not rise from above 0.
    pub fn table_by_pause(
        rows: &[(usize, f64)],
        after: &[AfterPause],
    ) -> Result<Self, ConfigError> {
        const KEYS: Keys =
            Keys { table: "service.table", after: "service.after_pause", expected: TABLE };
        let tables = Tables::new(rows, after, &KEYS)?;
        Ok(Self { mean: Mean::Table(tables), spread: Spread::None, recovery_s: 0.0 })
    }

    /// The same means, but log-normal around them with this coefficient of variation; 0 for none.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a `cv` that is negative or not finite.
    pub fn spreading(self, cv: f64) -> Result<Self, ConfigError> {
        let variance = non_negative("service.table_cv", cv, TABLE_CV)?.powi(2).ln_1p();
        let spread = if variance > 0.0 {
            Spread::LogNormal { mu: -variance / 2.0, sigma: variance.sqrt() }
        } else {
            Spread::None
        };
        Ok(Self { spread, ..self })
    }

    /// The same, but what a pause did is not over after one batch: of the time by which it makes a
    /// batch longer, a server that has served for so many seconds since has 1/e left. 0 for over at
    /// once.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a number that is negative or not finite.
    pub fn recovering(self, recovery_s: f64) -> Result<Self, ConfigError> {
        let recovery_s = non_negative("service.recovery_s", recovery_s, BASE)?;
        Ok(Self { recovery_s, ..self })
    }

    fn affine(base_s: f64, per_item_s: f64, spread: Spread) -> Result<Self, ConfigError> {
        let base_s = non_negative("service.base_s", base_s, BASE)?;
        let per_item_s = non_negative("service.per_item_s", per_item_s, BASE)?;
        Ok(Self { mean: Mean::Affine { base_s, per_item_s }, spread, recovery_s: 0.0 })
    }

    /// The mean time of a batch of `size` requests that follows another, in seconds.
    #[must_use]
    #[inline]
    pub fn mean_s(&self, size: usize) -> f64 {
        self.mean_after_s(size, 0.0)
    }

    /// The mean time of a batch of `size` requests after its server had a pause, both in seconds.
    #[must_use]
    #[inline]
    pub fn mean_after_s(&self, size: usize, pause_s: f64) -> f64 {
        match &self.mean {
            Mean::Affine { base_s, per_item_s } => base_s + size as f64 * per_item_s,
            Mean::Table(tables) => tables.after(size, pause_s),
        }
    }

    /// The mean time of a batch of `size` requests after a long pause, in seconds.
    #[must_use]
    pub fn mean_rested_s(&self, size: usize) -> f64 {
        self.mean_after_s(size, f64::INFINITY)
    }

    /// Whether a batch takes another time after a pause.
    pub(crate) fn knows_pauses(&self) -> bool {
        matches!(&self.mean, Mean::Table(tables) if tables.knows_pauses())
    }

    /// How rested a server begins a batch that has served nothing for so long since its last one,
    /// which it began so rested and served for so long: what makes the batch longer.
    #[inline]
    pub(crate) fn rest(&self, size: usize, pause_s: f64, last: Option<(Rest, f64)>) -> Rest {
        let fresh = Rest::after(pause_s);
        let (Mean::Table(tables), Some((rest, service_s))) = (&self.mean, last) else {
            return fresh;
        };
        if self.recovery_s <= 0.0 {
            return fresh;
        }
        let share = rest.share * (-service_s / self.recovery_s).exp();
        let left = Rest { share, ..rest };
        if tables.rest(size, left) > tables.rest(size, fresh) { left } else { fresh }
    }

    /// The mean time of a batch of `size` requests on a server as rested as that, in seconds.
    #[inline]
    pub(crate) fn mean_rest_s(&self, size: usize, rest: Rest) -> f64 {
        match &self.mean {
            Mean::Table(tables) => tables.rest(size, rest),
            Mean::Affine { .. } => self.mean_s(size),
        }
    }

    /// Whether a batch always takes its mean time.
    pub(crate) fn is_certain(&self) -> bool {
        matches!(self.spread, Spread::None)
    }

    /// A time for a batch of `size` requests on a server as rested as that, in seconds.
    #[inline]
    pub(crate) fn sample(&self, size: usize, rest: Rest, random: &mut ChaCha8Rng) -> f64 {
        let mean = self.mean_rest_s(size, rest);
        match self.spread {
            Spread::None => mean,
            Spread::Exponential => {
                let factor: f64 = Exp1.sample(random);
                mean * factor
            }
            Spread::Gamma(gamma) => mean * gamma.sample(random),
            Spread::LogNormal { mu, sigma } => {
                let normal: f64 = StandardNormal.sample(random);
                mean * (mu + sigma * normal).exp()
            }
        }
    }

    /// Requests per second of one server that is never idle and serves batches of the size, at
    /// least `smallest` and at most `largest`, at which it is fastest; infinite if that takes no
    /// time.
    #[must_use]
    pub fn capacity(&self, smallest: usize, largest: usize) -> f64 {
        // n / S(n) is monotonic where S is linear: it is largest at an end or at a row.
        let tables = match &self.mean {
            Mean::Affine { .. } => None,
            Mean::Table(tables) => Some(tables),
        };
        tables
            .into_iter()
            .flat_map(Tables::sizes)
            .filter(|size| (smallest..=largest).contains(size))
            .chain([smallest, largest])
            .map(|size| size as f64 / self.mean_s(size))
            .fold(0.0, f64::max)
    }
}

/// Seconds in order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time(pub(crate) f64);

impl Ord for Time {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Time {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Time {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Time {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_pause_did_fades_with_the_seconds_of_service() {
        let after = [AfterPause { pause_s: 0.1, table: vec![(1, 0.4)] }];
        let law = ServiceLaw::table_by_pause(&[(1, 0.2)], &after).unwrap();
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        };
        let second = |law: &ServiceLaw, pause_s, first_s, then_s| {
            law.mean_rest_s(1, law.rest(1, then_s, Some((Rest::after(pause_s), first_s))))
        };
        // Unless told, it is over after one batch.
        near(second(&law, 0.1, 0.4, 0.0), 0.2);
        let law = law.recovering(0.4).unwrap();
        let left = 0.2 / std::f64::consts::E;
        // A server's first batch is as after the longest pause that was measured.
        for pause_s in [0.1, f64::INFINITY] {
            near(second(&law, pause_s, 0.4, 0.0), 0.2 + left);
            near(second(&law, pause_s, 0.8, 0.0), 0.2 + left / std::f64::consts::E);
            // Whichever is worse: what is left, or what another pause does.
            near(second(&law, pause_s, 0.4, 0.01), 0.2 + left);
            near(second(&law, pause_s, 0.4, 0.09), 0.38);
        }
        assert!(law.clone().recovering(-1.0).is_err() && law.recovering(f64::NAN).is_err());
    }

    #[test]
    fn the_fastest_batch_need_not_be_the_largest() {
        let law = ServiceLaw::table(&[(1, 0.1), (4, 0.2), (8, 0.8)]).unwrap();
        assert_eq!(law.capacity(1, 8), 20.0);
        assert_eq!(law.capacity(8, 8), 10.0);
        assert_eq!(ServiceLaw::deterministic(0.0, 0.0).unwrap().capacity(1, 4), f64::INFINITY);
    }
}
