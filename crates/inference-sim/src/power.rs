//! What servers draw.

use crate::{
    error::{ConfigError, non_negative},
    pause::{AfterPause, Keys, Rest, Tables},
};

const TABLE: &str =
    "rows of [requests, joules], requests from 1 and rising, joules finite and at least 0";
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
    Table(Tables),
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
        Self::table_by_pause(rows, &[])
    }

    /// The same for batches that follow another, and joules measured after pauses, as
    /// [`crate::ServiceLaw::table_by_pause`] has times.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] as [`BatchEnergy::table`], or for pauses that do not rise from above 0.
    pub fn table_by_pause(
        rows: &[(usize, f64)],
        after: &[AfterPause],
    ) -> Result<Self, ConfigError> {
        const KEYS: Keys =
            Keys { table: "power.batch_table_j", after: "power.after_pause", expected: TABLE };
        Ok(Self(Kind::Table(Tables::new(rows, after, &KEYS)?)))
    }

    /// Whether a batch draws another energy after a pause.
    pub(crate) fn knows_pauses(&self) -> bool {
        matches!(&self.0, Kind::Table(tables) if tables.knows_pauses())
    }

    /// Joules of a batch of `size` requests that took so many seconds, after its server had paused
    /// for so many.
    #[must_use]
    #[inline]
    pub fn joules(&self, size: usize, service_s: f64, pause_s: f64) -> f64 {
        self.joules_of(size, service_s, Rest::after(pause_s))
    }

    /// The same on a server as rested as that.
    #[inline]
    pub(crate) fn joules_of(&self, size: usize, service_s: f64, rest: Rest) -> f64 {
        match &self.0 {
            Kind::Power(watts) => watts * service_s,
            Kind::Affine { base_j, per_item_j } => base_j + size as f64 * per_item_j,
            Kind::Table(tables) => tables.rest(size, rest),
        }
    }
}
