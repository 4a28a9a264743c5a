//! The power of servers.

use serde::{Deserialize, Serialize};
use units::{Watts, limits};

use super::keys::{needed, unused};
use crate::{
    error::{ConfigError, limited},
    pause::AfterPause,
    power::{BatchEnergy, ServerPower},
};

const POWER: &str = "a number of watts, at least 0";

/// The power of each server in each of its states. A batch takes a constant power, or an energy
/// that depends on its size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PowerConfig {
    /// While it serves nothing.
    #[serde(rename = "idle_w")]
    pub idle: Watts,
    /// While it serves a batch of any size.
    #[serde(rename = "busy_w", default, skip_serializing_if = "Option::is_none")]
    pub busy: Option<Watts>,
    /// In place of `busy_w`: a batch of n takes `batch_base_j + n · batch_per_item_j` joules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_base_j: Option<f64>,
    /// See `batch_base_j`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_per_item_j: Option<f64>,
    /// In place of `busy_w`: rows `[n, joules]`, linear between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_table_j: Option<Vec<(usize, f64)>>,
    /// With `batch_table_j`, whose rows are then those of batches that follow another at once:
    /// joules after pauses, rising.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_pause: Vec<AfterPause>,
    /// While it sleeps; 0 if left out.
    #[serde(rename = "sleep_w", default, skip_serializing_if = "Option::is_none")]
    pub sleep: Option<Watts>,
    /// While it wakes up; as idle if left out.
    #[serde(rename = "wakeup_w", default, skip_serializing_if = "Option::is_none")]
    pub wakeup: Option<Watts>,
}

impl PowerConfig {
    fn idle(idle_w: f64) -> Self {
        Self {
            idle: Watts(idle_w),
            busy: None,
            batch_base_j: None,
            batch_per_item_j: None,
            batch_table_j: None,
            after_pause: Vec::new(),
            sleep: None,
            wakeup: None,
        }
    }

    /// `idle_w` watts while a server serves nothing and `busy_w` watts while it serves a batch.
    #[must_use]
    pub fn constant(idle_w: f64, busy_w: f64) -> Self {
        Self { busy: Some(Watts(busy_w)), ..Self::idle(idle_w) }
    }

    /// `idle_w` watts while a server serves nothing, and `base_j + n · per_item_j` joules for a
    /// batch of n.
    #[must_use]
    pub fn affine(idle_w: f64, base_j: f64, per_item_j: f64) -> Self {
        Self {
            batch_base_j: Some(base_j),
            batch_per_item_j: Some(per_item_j),
            ..Self::idle(idle_w)
        }
    }

    /// `idle_w` watts while a server serves nothing, and measured joules of batches: rows of
    /// (requests, joules), linear between them.
    #[must_use]
    pub fn table(idle_w: f64, rows: Vec<(usize, f64)>) -> Self {
        Self { batch_table_j: Some(rows), ..Self::idle(idle_w) }
    }

    /// The same with the powers of a server that sleeps and of one that wakes up, in watts.
    #[must_use]
    pub fn with_sleep(self, sleep_w: f64, wakeup_w: f64) -> Self {
        Self { sleep: Some(Watts(sleep_w)), wakeup: Some(Watts(wakeup_w)), ..self }
    }

    /// The powers.
    ///
    /// # Errors
    /// [`ConfigError`] for values out of range, missing keys, and keys that exclude each other.
    pub fn power(&self) -> Result<ServerPower, ConfigError> {
        let watts = |key, value: Watts| limited(key, value.0, limits::POWER_W);
        let affine = self.batch_base_j.is_some() || self.batch_per_item_j.is_some();
        let table = self.batch_table_j.is_some();
        unused("power.busy_w", !affine && !table, self.busy.is_some(), "batches with joules")?;
        unused("power.batch_base_j", !table, self.batch_base_j.is_some(), "`batch_table_j`")?;
        unused(
            "power.batch_per_item_j",
            !table,
            self.batch_per_item_j.is_some(),
            "`batch_table_j`",
        )?;
        unused(
            "power.after_pause",
            table,
            !self.after_pause.is_empty(),
            "batches without `batch_table_j`",
        )?;
        let batch = if let Some(rows) = &self.batch_table_j {
            BatchEnergy::table_by_pause(rows, &self.after_pause)?
        } else if affine {
            let joules = |value: Option<f64>| value.unwrap_or_default();
            BatchEnergy::affine(joules(self.batch_base_j), joules(self.batch_per_item_j))?
        } else {
            let busy = needed("power.busy_w", self.busy, "`power`", POWER)?;
            BatchEnergy::power(watts("power.busy_w", busy)?)
        };
        let idle_w = watts("power.idle_w", self.idle)?;
        Ok(ServerPower {
            idle_w,
            batch,
            sleep_w: watts("power.sleep_w", self.sleep.unwrap_or(Watts(0.0)))?,
            wakeup_w: watts("power.wakeup_w", self.wakeup.unwrap_or(self.idle))?,
        })
    }
}
