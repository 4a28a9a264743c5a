//! A second network that is asked for uncertain images.

use serde::{Deserialize, Serialize};
use units::limits;

use super::{
    keys::{needed, unused},
    power::PowerConfig,
    service::ServiceConfig,
};
use crate::{
    cascade::CascadeRule,
    error::{ConfigError, limited},
    escalation::Escalation,
    power::BatchEnergy,
};

/// A large network behind the network of the queue: of each batch, the images of which the first network
/// is uncertain are asked of the large one, in one batch right after. All requests of the batch are then
/// answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CascadeConfig {
    /// The probability that an image is asked of the large network, as `wattlab model cascade` measures
    /// it.
    pub share: f64,
    /// The large network, for `wattlab simulate live`: torchvision's name, or the path of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// For `wattlab simulate live`: the large network is asked where the small one's highest probability
    /// is below this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// For `wattlab simulate live`: who answers then; both, by the mean of their probabilities, if left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<CascadeRule>,
    /// How long a batch of the large network takes.
    pub service: ServiceConfig,
    /// Where `power` has joules of batches: a batch of n takes `batch_base_j + n · batch_per_item_j`
    /// joules in the large network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_base_j: Option<f64>,
    /// See `batch_base_j`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_per_item_j: Option<f64>,
    /// In place of them: rows `[n, joules]`, linear between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch_table_j: Option<Vec<(usize, f64)>>,
}

impl CascadeConfig {
    /// A large network whose joules are those of the constant power of the server.
    #[must_use]
    pub fn new(share: f64, service: ServiceConfig) -> Self {
        Self {
            share,
            network: None,
            threshold: None,
            rule: None,
            service,
            batch_base_j: None,
            batch_per_item_j: None,
            batch_table_j: None,
        }
    }

    /// The same with a network that is asked in a live queue, below this confidence.
    #[must_use]
    pub fn asking(self, network: impl Into<String>, threshold: f64, rule: CascadeRule) -> Self {
        Self { network: Some(network.into()), threshold: Some(threshold), rule: Some(rule), ..self }
    }

    /// The same with `base_j + n · per_item_j` joules for a batch of n.
    #[must_use]
    pub fn with_joules(self, base_j: f64, per_item_j: f64) -> Self {
        Self { batch_base_j: Some(base_j), batch_per_item_j: Some(per_item_j), ..self }
    }

    pub(crate) fn escalation(
        &self,
        power: Option<&PowerConfig>,
    ) -> Result<Escalation, ConfigError> {
        let within = |error| ConfigError::Cascade { error: Box::new(error) };
        let share = limited("cascade.share", self.share, limits::SHARE)?;
        if let Some(threshold) = self.threshold {
            limited("cascade.threshold", threshold, limits::SHARE)?;
        }
        let law = self.service.law().map_err(within)?;
        if law.slowness().is_some() {
            let kind = "`cascade`".to_owned();
            return Err(ConfigError::Unused { key: "cascade.service.slowness", kind });
        }
        let affine = self.batch_base_j.is_some() || self.batch_per_item_j.is_some();
        let table = self.batch_table_j.is_some();
        let joules = power.is_some_and(|power| power.busy.is_none());
        for (key, given) in [
            ("cascade.batch_base_j", self.batch_base_j.is_some()),
            ("cascade.batch_per_item_j", self.batch_per_item_j.is_some()),
            ("cascade.batch_table_j", table),
        ] {
            unused(key, joules, given, "a server without joules of batches in `power`")?;
        }
        unused("cascade.batch_base_j", !table, affine, "`cascade.batch_table_j`")?;
        let energy = if !joules {
            None
        } else if let Some(rows) = &self.batch_table_j {
            Some(BatchEnergy::table(rows).map_err(within)?)
        } else {
            let expected = "the joules of the large network's batches, as `power` has those of the \
                            small one's";
            let by = "`cascade`";
            let base = self.batch_base_j.or(affine.then_some(0.0));
            let base_j = needed("cascade.batch_base_j", base, by, expected)?;
            let per_item_j = self.batch_per_item_j.unwrap_or_default();
            Some(BatchEnergy::affine(base_j, per_item_j).map_err(within)?)
        };
        Ok(Escalation { share, law, energy })
    }
}
