//! What servers draw.

use crate::{
    error::{ConfigError, non_negative},
    service::interpolate,
};

const JOULES: &str = "a finite number, at least 0, in joules";

/// Watts of a server in each of its states, and joules of its batches.
#[derive(Clone, Debug, PartialEq)]
pub struct Power {
    /// Serving nothing.
    pub idle_w: f64,
    /// What a batch draws.
    pub batch: BatchEnergy,
    /// Asleep.
    pub sleep_w: f64,
    /// Waking up.
    pub wakeup_w: f64,
}

/// The energy of a batch, the server's idle power over its time included.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchEnergy(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Power(f64),
    Affine { base_j: f64, per_item_j: f64 },
    Table(Vec<(usize, f64)>),
}

impl BatchEnergy {
    /// The same power whatever the batch, in watts.
    #[must_use]
    pub fn power(watts: f64) -> Self {
        Self(Kind::Power(watts))
    }

    /// `base_j + n · per_item_j` joules for a batch of n.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a number that is negative or not finite.
    pub fn affine(base_j: f64, per_item_j: f64) -> Result<Self, ConfigError> {
        let base_j = non_negative("power.batch_base_j", base_j, JOULES)?;
        let per_item_j = non_negative("power.batch_per_item_j", per_item_j, JOULES)?;
        Ok(Self(Kind::Affine { base_j, per_item_j }))
    }

    /// Joules measured for batches of n, linear between the rows `(n, joules)` and constant
    /// outside them.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for no rows, sizes that do not rise from 1, or joules that are
    /// negative or not finite.
    pub fn table(rows: &[(usize, f64)]) -> Result<Self, ConfigError> {
        let rising =
            rows.first().is_some_and(|row| row.0 > 0) && rows.is_sorted_by(|a, b| a.0 < b.0);
        if rising && rows.iter().all(|row| row.1.is_finite() && row.1 >= 0.0) {
            return Ok(Self(Kind::Table(rows.to_vec())));
        }
        Err(ConfigError::Invalid {
            key: "power.batch_table_j",
            found: format!("{rows:?}"),
            expected: "rows of [requests, joules], requests from 1 and rising, joules at least 0",
        })
    }

    /// Joules of a batch of `size` requests that took so many seconds.
    #[must_use]
    #[inline]
    pub fn joules(&self, size: usize, service_s: f64) -> f64 {
        match &self.0 {
            Kind::Power(watts) => watts * service_s,
            Kind::Affine { base_j, per_item_j } => base_j + size as f64 * per_item_j,
            Kind::Table(rows) => interpolate(rows, size),
        }
    }
}
