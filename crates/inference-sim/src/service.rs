//! How long a server takes for a batch.

use std::cmp::Ordering;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1, Gamma, StandardNormal};
use units::limits;

use crate::{
    error::{ConfigError, limited, within},
    pause::{AfterPause, Keys, PauseEffect, Tables},
    slowness::Slowness,
};

pub(crate) const BASE: &str = "a number of seconds, at least 0";
const CV: &str = "a number above 0 (for 0 take `law = \"deterministic\"`)";
pub(crate) const TABLE: &str =
    "rows of [requests, seconds], requests rising from 1 to 1000000, seconds from 0 to 1e9";

/// The time of a batch of n requests: a mean that depends on n, and a distribution around it.
#[derive(Clone, Debug)]
pub struct ServiceLaw {
    mean: Mean,
    spread: Spread,
    /// See [`ServiceLaw::recovering`].
    recovery_s: f64,
    /// See [`ServiceLaw::slowing`].
    slowness: Option<Slowness>,
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
    /// [`ConfigError::OutOfRange`] for a time outside [`crate::limits::DURATION_S`].
    pub fn deterministic(base_s: f64, per_item_s: f64) -> Result<Self, ConfigError> {
        Self::affine(base_s, per_item_s, Spread::None)
    }

    /// Exponential with mean `base_s + n · per_item_s`, in seconds.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a time outside [`crate::limits::DURATION_S`].
    pub fn exponential(base_s: f64, per_item_s: f64) -> Result<Self, ConfigError> {
        Self::affine(base_s, per_item_s, Spread::Exponential)
    }

    /// Gamma with mean `base_s + n · per_item_s`, in seconds, and coefficient of variation `cv`.
    ///
    /// # Errors
    /// [`ConfigError`] for a time outside [`crate::limits::DURATION_S`], or a `cv` of 0 or outside
    /// [`crate::limits::VARIATION`].
    pub fn gamma(base_s: f64, per_item_s: f64, cv: f64) -> Result<Self, ConfigError> {
        let shape = positive_cv(cv)?.powi(-2);
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
    /// [`ConfigError`] for a time outside [`crate::limits::DURATION_S`], or a `cv` of 0 or outside
    /// [`crate::limits::VARIATION`].
    pub fn lognormal(base_s: f64, per_item_s: f64, cv: f64) -> Result<Self, ConfigError> {
        let variance = positive_cv(cv)?.powi(2).ln_1p();
        let spread = Spread::LogNormal { mu: -variance / 2.0, sigma: variance.sqrt() };
        Self::affine(base_s, per_item_s, spread)
    }

    /// Always the seconds measured for a batch of n: linear between the rows `(n, seconds)`, the
    /// first row's for smaller batches and the last row's for larger ones.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for no rows, sizes that do not rise from 1, or numbers outside
    /// [`crate::limits::BATCH`] and [`crate::limits::DURATION_S`].
    pub fn table(rows: &[(usize, f64)]) -> Result<Self, ConfigError> {
        Self::table_by_pause(rows, &[])
    }

    /// The same for batches that follow another at once, with further rows for batches after pauses:
    /// linear between the pauses, and as after the longest one for longer ones and for a server's
    /// first batch.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] as [`ServiceLaw::table`], or for pauses that do not rise from above 0.
    pub fn table_by_pause(
        rows: &[(usize, f64)],
        after: &[AfterPause],
    ) -> Result<Self, ConfigError> {
        const KEYS: Keys = Keys {
            table: "service.table",
            after: "service.after_pause",
            expected: TABLE,
            limit: limits::DURATION_S,
        };
        let tables = Tables::new(rows, after, &KEYS)?;
        Ok(Self {
            mean: Mean::Table(tables),
            spread: Spread::None,
            recovery_s: 0.0,
            slowness: None,
        })
    }

    /// The same means, but log-normal around them with this coefficient of variation; 0 for none.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a `cv` outside [`crate::limits::VARIATION`].
    pub fn spreading(self, cv: f64) -> Result<Self, ConfigError> {
        let variance = limited("service.table_cv", cv, limits::VARIATION)?.powi(2).ln_1p();
        let spread = if variance > 0.0 {
            Spread::LogNormal { mu: -variance / 2.0, sigma: variance.sqrt() }
        } else {
            Spread::None
        };
        Ok(Self { spread, ..self })
    }

    /// The same, but the effect of a pause does not end with the first batch: it fades by a factor
    /// of e with every `recovery_s` seconds of service. 0 for an effect on the first batch alone.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a time outside [`crate::limits::DURATION_S`].
    pub fn recovering(self, recovery_s: f64) -> Result<Self, ConfigError> {
        let recovery_s = limited("service.recovery_s", recovery_s, limits::DURATION_S)?;
        Ok(Self { recovery_s, ..self })
    }

    /// The same, but each server is slower and faster for a while: its times are multiplied by a factor
    /// that is log-normal with mean 1 and coefficient of variation `cv`, and whose logarithm is correlated
    /// by 1/e over `fades_s` seconds (an Ornstein-Uhlenbeck process).
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a `cv` outside [`crate::limits::VARIATION`] or a time outside
    /// [`crate::limits::POSITIVE_DURATION_S`].
    pub fn slowing(self, cv: f64, fades_s: f64) -> Result<Self, ConfigError> {
        let cv = limited("service.slowness.cv", cv, limits::VARIATION)?;
        let fades_s = limited("service.slowness.fades_s", fades_s, limits::POSITIVE_DURATION_S)?;
        let slowness = (cv > 0.0).then(|| Slowness::new(cv, fades_s));
        Ok(Self { slowness, ..self })
    }

    pub(crate) fn slowness(&self) -> Option<Slowness> {
        self.slowness
    }

    fn affine(base_s: f64, per_item_s: f64, spread: Spread) -> Result<Self, ConfigError> {
        let base_s = limited("service.base_s", base_s, limits::DURATION_S)?;
        let per_item_s = limited("service.per_item_s", per_item_s, limits::DURATION_S)?;
        Ok(Self {
            mean: Mean::Affine { base_s, per_item_s },
            spread,
            recovery_s: 0.0,
            slowness: None,
        })
    }

    /// The mean time of a batch of `size` requests that follows another at once, in seconds.
    #[must_use]
    #[inline]
    pub fn mean_s(&self, size: usize) -> f64 {
        self.mean_after_s(size, 0.0)
    }

    /// The mean time of a batch of `size` requests right after a pause, both in seconds.
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
    pub(crate) fn depends_on_pauses(&self) -> bool {
        matches!(&self.mean, Mean::Table(tables) if tables.depends_on_pauses())
    }

    /// The effect of pauses on a batch that starts `pause_s` seconds after its server's last batch;
    /// `last` is the effect on that batch, and its seconds. Of the new pause and what is left of the
    /// old one, the one that makes the batch longer counts.
    #[inline]
    pub(crate) fn pause_effect(
        &self,
        size: usize,
        pause_s: f64,
        last: Option<(PauseEffect, f64)>,
    ) -> PauseEffect {
        let fresh = PauseEffect::after(pause_s);
        let (Mean::Table(tables), Some((old, service_s))) = (&self.mean, last) else {
            return fresh;
        };
        if self.recovery_s <= 0.0 {
            return fresh;
        }
        let share = old.share * (-service_s / self.recovery_s).exp();
        let left = PauseEffect { share, ..old };
        let longer = tables.with_pause(size, left) > tables.with_pause(size, fresh);
        if longer { left } else { fresh }
    }

    /// The mean time of a batch of `size` requests with this effect of a pause, in seconds.
    #[inline]
    pub(crate) fn mean_with_pause_s(&self, size: usize, pause: PauseEffect) -> f64 {
        match &self.mean {
            Mean::Table(tables) => tables.with_pause(size, pause),
            Mean::Affine { .. } => self.mean_s(size),
        }
    }

    /// Whether a batch always takes its mean time.
    pub(crate) fn is_certain(&self) -> bool {
        matches!(self.spread, Spread::None) && self.slowness.is_none()
    }

    /// A random time for a batch of `size` requests with this effect of a pause, in seconds.
    #[inline]
    pub(crate) fn sample(&self, size: usize, pause: PauseEffect, random: &mut ChaCha8Rng) -> f64 {
        let mean = self.mean_with_pause_s(size, pause);
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

    /// The most requests per second that one server can serve in batches of `smallest` to `largest`
    /// requests; infinite if batches take no time.
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

fn positive_cv(cv: f64) -> Result<f64, ConfigError> {
    within("service.cv", cv, cv != 0.0, CV)?;
    limited("service.cv", cv, limits::VARIATION)
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
    fn the_effect_of_a_pause_fades_with_the_seconds_of_service() {
        let after = [AfterPause { pause_s: 0.1, table: vec![(1, 0.4)] }];
        let law = ServiceLaw::table_by_pause(&[(1, 0.2)], &after).unwrap();
        let near = |found: f64, expected: f64| {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        };
        let second = |law: &ServiceLaw, pause_s, first_s, then_s| {
            let last = Some((PauseEffect::after(pause_s), first_s));
            law.mean_with_pause_s(1, law.pause_effect(1, then_s, last))
        };
        // By default it ends with the first batch.
        near(second(&law, 0.1, 0.4, 0.0), 0.2);
        let law = law.recovering(0.4).unwrap();
        let left = 0.2 / std::f64::consts::E;
        // A server's first batch is as after the longest pause that was measured.
        for pause_s in [0.1, f64::INFINITY] {
            near(second(&law, pause_s, 0.4, 0.0), 0.2 + left);
            near(second(&law, pause_s, 0.8, 0.0), 0.2 + left / std::f64::consts::E);
            // The longer of what is left of the first pause, and the second one.
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
