//! The power of servers and the energy of batches.

use units::limits;

use crate::{
    error::{ConfigError, limited},
    pause::{AfterPause, Keys, PauseEffect, Tables},
};

const TABLE: &str =
    "rows of [requests, joules], requests rising from 1 to 1000000, joules from 0 to 1e18";

/// The power of a server in each of its states, in watts, and the energy of its batches.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ServerPower {
    /// While it serves nothing.
    pub idle_w: f64,
    /// The energy of a batch.
    pub batch: BatchEnergy,
    /// While it sleeps.
    pub sleep_w: f64,
    /// While it wakes up.
    pub wakeup_w: f64,
}

/// The energy of a batch, including the server's idle power over its time.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchEnergy(Kind);

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Power(f64),
    Affine { base_j: f64, per_item_j: f64 },
    Table(Tables),
}

impl BatchEnergy {
    /// The same power for all batches, in watts.
    #[must_use]
    pub const fn power(watts: f64) -> Self {
        Self(Kind::Power(watts))
    }

    /// `base_j + n · per_item_j` joules for a batch of n.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a number outside [`crate::limits::ENERGY_J`].
    pub fn affine(base_j: f64, per_item_j: f64) -> Result<Self, ConfigError> {
        let base_j = limited("power.batch_base_j", base_j, limits::ENERGY_J)?;
        let per_item_j = limited("power.batch_per_item_j", per_item_j, limits::ENERGY_J)?;
        Ok(Self(Kind::Affine { base_j, per_item_j }))
    }

    /// Joules measured for batches of n, linear between the rows `(n, joules)` and constant
    /// outside them.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for no rows, sizes that do not rise from 1, or numbers outside
    /// [`crate::limits::BATCH`] and [`crate::limits::ENERGY_J`].
    pub fn table(rows: &[(usize, f64)]) -> Result<Self, ConfigError> {
        Self::table_by_pause(rows, &[])
    }

    /// The same for batches that follow another at once, with further rows for batches after pauses,
    /// as in [`crate::ServiceLaw::table_by_pause`].
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] as [`BatchEnergy::table`], or for pauses that do not rise from above 0.
    pub fn table_by_pause(
        rows: &[(usize, f64)],
        after: &[AfterPause],
    ) -> Result<Self, ConfigError> {
        const KEYS: Keys = Keys {
            table: "power.batch_table_j",
            after: "power.after_pause",
            expected: TABLE,
            limit: limits::ENERGY_J,
        };
        Ok(Self(Kind::Table(Tables::new(rows, after, &KEYS)?)))
    }

    /// Whether a batch takes another energy after a pause.
    pub(crate) fn depends_on_pauses(&self) -> bool {
        matches!(&self.0, Kind::Table(tables) if tables.depends_on_pauses())
    }

    /// Joules of a batch of `size` requests that took `service_s` seconds and started `pause_s`
    /// seconds after its server's last batch.
    #[must_use]
    #[inline]
    pub fn joules(&self, size: usize, service_s: f64, pause_s: f64) -> f64 {
        self.joules_with_pause(size, service_s, PauseEffect::after(pause_s))
    }

    /// The same with this effect of a pause.
    #[inline]
    pub(crate) fn joules_with_pause(&self, size: usize, service_s: f64, pause: PauseEffect) -> f64 {
        match &self.0 {
            Kind::Power(watts) => watts * service_s,
            Kind::Affine { base_j, per_item_j } => base_j + size as f64 * per_item_j,
            Kind::Table(tables) => tables.with_pause(size, pause),
        }
    }
}
