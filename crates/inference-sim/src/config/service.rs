//! How long a batch takes.

use serde::{Deserialize, Serialize};

use super::keys::{needed, unused};
use crate::{
    error::ConfigError,
    pause::AfterPause,
    service::{self, ServiceLaw},
};

/// How long a batch takes. Each law has its own keys; any other is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServiceConfig {
    /// The kind of distribution.
    pub law: LawKind,
    /// For all laws but `table`: the mean time of a batch of n requests is
    /// `base_s + n · per_item_s` seconds; 0 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_s: Option<f64>,
    /// See `base_s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_item_s: Option<f64>,
    /// For `gamma` and `lognormal`: coefficient of variation, 1 if left out; the other laws ignore
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cv: Option<f64>,
    /// For `table`: rows `[n, seconds]`, linear between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Vec<(usize, f64)>>,
    /// For `table`: coefficient of variation of the times around the rows, log-normal; 0 if left
    /// out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table_cv: Option<f64>,
    /// For `table`, whose rows are then those of batches that follow another at once: times after
    /// pauses, rising.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_pause: Vec<AfterPause>,
    /// With `after_pause`: seconds of service in which the effect of a pause fades by a factor of
    /// e; it ends with the first batch if left out. See [`ServiceLaw::recovering`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_s: Option<f64>,
    /// Servers that are slower for a while; see [`ServiceLaw::slowing`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slowness: Option<SlownessConfig>,
}

/// A factor on the times of a server that changes slowly.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SlownessConfig {
    /// Its coefficient of variation.
    pub cv: f64,
    /// Seconds over which the logarithm of the factor is correlated by 1/e.
    pub fades_s: f64,
}

impl SlownessConfig {
    /// A factor with this coefficient of variation that fades over this time.
    #[must_use]
    pub fn new(cv: f64, fades_s: f64) -> Self {
        Self { cv, fades_s }
    }
}

/// Kinds of service laws; see [`ServiceLaw`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LawKind {
    /// [`ServiceLaw::exponential`]
    Exponential,
    /// [`ServiceLaw::deterministic`]
    Deterministic,
    /// [`ServiceLaw::gamma`]
    Gamma,
    /// [`ServiceLaw::lognormal`]
    Lognormal,
    /// [`ServiceLaw::table`]
    Table,
}

impl ServiceConfig {
    fn new(law: LawKind) -> Self {
        Self {
            law,
            base_s: None,
            per_item_s: None,
            cv: None,
            table: None,
            table_cv: None,
            after_pause: Vec::new(),
            recovery_s: None,
            slowness: None,
        }
    }

    fn affine(law: LawKind, base_s: f64, per_item_s: f64) -> Self {
        Self { base_s: Some(base_s), per_item_s: Some(per_item_s), ..Self::new(law) }
    }

    /// Always `base_s + n · per_item_s` seconds for a batch of n.
    #[must_use]
    pub fn deterministic(base_s: f64, per_item_s: f64) -> Self {
        Self::affine(LawKind::Deterministic, base_s, per_item_s)
    }

    /// Exponential with a mean of `base_s + n · per_item_s` seconds for a batch of n.
    #[must_use]
    pub fn exponential(base_s: f64, per_item_s: f64) -> Self {
        Self::affine(LawKind::Exponential, base_s, per_item_s)
    }

    /// Gamma with a mean of `base_s + n · per_item_s` seconds and coefficient of variation `cv`.
    #[must_use]
    pub fn gamma(base_s: f64, per_item_s: f64, cv: f64) -> Self {
        Self { cv: Some(cv), ..Self::affine(LawKind::Gamma, base_s, per_item_s) }
    }

    /// Log-normal with a mean of `base_s + n · per_item_s` seconds and coefficient of variation
    /// `cv`.
    #[must_use]
    pub fn lognormal(base_s: f64, per_item_s: f64, cv: f64) -> Self {
        Self { cv: Some(cv), ..Self::affine(LawKind::Lognormal, base_s, per_item_s) }
    }

    /// Measured times: rows of (requests, seconds), linear between them.
    #[must_use]
    pub fn table(rows: Vec<(usize, f64)>) -> Self {
        Self { table: Some(rows), ..Self::new(LawKind::Table) }
    }

    /// The law.
    ///
    /// # Errors
    /// [`ConfigError`] for values out of range, missing keys, and keys that the law does not use.
    pub fn law(&self) -> Result<ServiceLaw, ConfigError> {
        use LawKind as Kind;
        let kind = match self.law {
            Kind::Exponential => "`law = \"exponential\"`",
            Kind::Deterministic => "`law = \"deterministic\"`",
            Kind::Gamma => "`law = \"gamma\"`",
            Kind::Lognormal => "`law = \"lognormal\"`",
            Kind::Table => "`law = \"table\"`",
        };
        let table = self.law == Kind::Table;
        unused("service.base_s", !table, self.base_s.is_some(), kind)?;
        unused("service.per_item_s", !table, self.per_item_s.is_some(), kind)?;
        unused("service.table", table, self.table.is_some(), kind)?;
        unused("service.table_cv", table, self.table_cv.is_some(), kind)?;
        unused("service.after_pause", table, !self.after_pause.is_empty(), kind)?;
        let (pauses, without) = (!self.after_pause.is_empty(), "a law without `after_pause`");
        unused("service.recovery_s", pauses, self.recovery_s.is_some(), without)?;
        if !table && self.base_s.is_none() {
            needed("service.per_item_s", self.per_item_s, kind, service::BASE)?;
        }
        let (base_s, per_item_s) =
            (self.base_s.unwrap_or_default(), self.per_item_s.unwrap_or_default());
        let cv = self.cv.unwrap_or(1.0);
        let law = match self.law {
            Kind::Exponential => ServiceLaw::exponential(base_s, per_item_s),
            Kind::Deterministic => ServiceLaw::deterministic(base_s, per_item_s),
            Kind::Gamma => ServiceLaw::gamma(base_s, per_item_s, cv),
            Kind::Lognormal => ServiceLaw::lognormal(base_s, per_item_s, cv),
            Kind::Table => ServiceLaw::table_by_pause(
                needed("service.table", self.table.as_deref(), kind, service::TABLE)?,
                &self.after_pause,
            )?
            .spreading(self.table_cv.unwrap_or_default())?
            .recovering(self.recovery_s.unwrap_or_default()),
        }?;
        match self.slowness {
            Some(slowness) => law.slowing(slowness.cv, slowness.fades_s),
            None => Ok(law),
        }
    }
}
