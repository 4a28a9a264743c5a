//! What servers draw.

use record::Watts;
use serde::{Deserialize, Serialize};

use super::keys::{needed, unused};
use crate::{
    error::{ConfigError, non_negative},
    pause::AfterPause,
    power::{BatchEnergy, Power},
};

const POWER: &str = "a finite number, at least 0, in watts";

/// What each server draws in each of its states. A batch draws a power, or an energy that
/// depends on its size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerConfig {
    /// While it serves nothing.
    #[serde(rename = "idle_w")]
    pub idle: Watts,
    /// While it serves a batch, whatever its size.
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
    /// With `batch_table_j`, which is then of batches that follow another: joules after pauses,
    /// rising.
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
    /// Idle power and rows of (requests, joules).
    #[must_use]
    pub fn table(idle: Watts, rows: Vec<(usize, f64)>) -> Self {
        Self {
            idle,
            busy: None,
            batch_base_j: None,
            batch_per_item_j: None,
            batch_table_j: Some(rows),
            after_pause: Vec::new(),
            sleep: None,
            wakeup: None,
        }
    }

    /// The powers.
    ///
    /// # Errors
    /// [`ConfigError`] for values out of range and keys too many or too few.
    pub fn power(&self) -> Result<Power, ConfigError> {
        let watts = |key, value: Watts| non_negative(key, value.0, POWER);
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
        Ok(Power {
            idle_w,
            batch,
            sleep_w: watts("power.sleep_w", self.sleep.unwrap_or(Watts(0.0)))?,
            wakeup_w: watts("power.wakeup_w", self.wakeup.unwrap_or(self.idle))?,
        })
    }
}
