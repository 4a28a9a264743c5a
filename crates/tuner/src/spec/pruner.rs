//! The description of a pruner.

use hpo::{Pruner, Rungs};
use serde::{Deserialize, Serialize};
use units::limits;

use crate::error::{TunerError, check};

/// A pruner: trials are compared after `least` steps, after `factor` times as many, and so on up to
/// `most`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PrunerSpec {
    /// The rule; `posterior` if not given.
    #[serde(default)]
    pub kind: PrunerKind,
    /// Steps of the shortest evaluation; 1 if not given.
    #[serde(default = "one")]
    pub least: u32,
    /// Steps of a completed trial.
    pub most: u32,
    /// How many times longer each rung is than the one before; 3 if not given.
    #[serde(default = "three")]
    pub factor: u32,
    /// Whether a trial that was stopped may go on later; yes if not given.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub resumes: bool,
}

/// The rule by which trials are stopped; see [`hpo::Pruner`].
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PrunerKind {
    /// No trial is stopped.
    None,
    /// Successive halving.
    Halving,
    /// Hyperband.
    Hyperband,
    /// Asynchronous successive halving.
    Asha,
    /// The median rule.
    Median,
    /// A Gaussian process over parameters and steps.
    #[default]
    Posterior,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_yes(value: &bool) -> bool {
    *value
}

fn one() -> u32 {
    1
}

fn three() -> u32 {
    3
}

impl PrunerSpec {
    /// The pruner and its rungs.
    ///
    /// # Errors
    ///
    /// If `least` is 0 or above `most`, `factor` is below 2, or a pruner that decides later may not
    /// resume trials.
    pub fn pruner(&self) -> Result<(Pruner, Rungs), TunerError> {
        let Self { kind, least, most, factor, resumes } = *self;
        check(1 <= least && least <= most, || {
            format!(
                "`pruner` has `least` {least} and `most` {most}; expected 1 ≤ least ≤ most steps"
            )
        })?;
        check(factor >= 2, || format!("`pruner` has `factor` {factor}, expected at least 2"))?;
        check(resumes || !matches!(kind, PrunerKind::Halving | PrunerKind::Hyperband), || {
            "`pruner.kind` is `halving` or `hyperband`, which decide about a trial when others have caught up, \
             so its trials must be resumed later; take `posterior`, `asha` or `median`, or leave out \
             `stays_running` and `resumes`"
                .to_owned()
        })?;
        limits::EPOCHS.check(most).map_err(|error| error.of_key("pruner.most"))?;
        let pruner = match kind {
            PrunerKind::None => Pruner::Never,
            PrunerKind::Halving => Pruner::Halving,
            PrunerKind::Hyperband => Pruner::Hyperband,
            PrunerKind::Asha => Pruner::Asha,
            PrunerKind::Median => Pruner::Median,
            PrunerKind::Posterior => Pruner::Posterior,
        };
        Ok((pruner, Rungs { least, most, factor }))
    }
}
