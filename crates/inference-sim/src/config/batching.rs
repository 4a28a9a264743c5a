//! When a batch is served.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::keys::{needed, unused};
use crate::{
    error::ConfigError,
    policy::{
        self, Adaptive, BatchingPolicy, Deadline, EnergyAware, Fixed, Greedy, MinMax, Window,
        control_limit,
    },
    power::BatchEnergy,
    service::ServiceLaw,
    triton::DynamicBatching,
};

/// When a batch is served.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchingConfig {
    /// The kind of policy.
    pub policy: PolicyKind,
    /// Requests in a batch (`fixed`), or at most; of all policies but `triton`, whose file says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// Requests in a batch at least, under `min_max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_size: Option<usize>,
    /// How long the first request of a batch waits for others under `window`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_s: Option<f64>,
    /// Sizes that `window` serves at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_sizes: Option<Vec<usize>>,
    /// The service time that `adaptive` keeps its batches to, in seconds; the mean time of a batch
    /// of `size` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_s: Option<f64>,
    /// Seconds from arrival to answer after which a request is worth nothing to `deadline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_s: Option<f64>,
    /// Seconds from arrival to answer that `energy_aware` keeps to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective_s: Option<f64>,
    /// What a second of a request's response is worth to `control_limit`, in joules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_w: Option<f64>,
    /// Model configuration of `triton`, a `config.pbtxt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
}

/// Kinds of batching policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyKind {
    /// [`Fixed`]
    Fixed,
    /// [`Greedy`]
    Greedy,
    /// [`MinMax`]
    MinMax,
    /// [`Window`]
    Window,
    /// [`Adaptive`]
    Adaptive,
    /// [`Deadline`]
    Deadline,
    /// [`EnergyAware`]
    EnergyAware,
    /// [`MinMax`] with the least of [`control_limit`]
    ControlLimit,
    /// [`DynamicBatching`]
    Triton,
}

/// What a policy may know beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// Requests per second and server.
    pub rate: f64,
    /// What a batch takes.
    pub law: &'a ServiceLaw,
    /// What it draws.
    pub energy: &'a BatchEnergy,
    /// What a server draws that serves nothing, in watts.
    pub idle_w: f64,
}

impl BatchingConfig {
    /// A kind and its size, without the keys that only some kinds know.
    #[must_use]
    pub fn new(policy: PolicyKind, size: usize) -> Self {
        Self {
            policy,
            size: Some(size),
            min_size: None,
            delay_s: None,
            preferred_sizes: None,
            target_s: None,
            deadline_s: None,
            objective_s: None,
            waiting_w: None,
            file: None,
        }
    }

    /// The policy.
    ///
    /// # Errors
    /// [`ConfigError`] for values out of range, keys too many or too few, and a Triton file that
    /// cannot be understood.
    pub fn policy(&self, expected: &Expected<'_>) -> Result<BatchingPolicy, ConfigError> {
        use PolicyKind as Kind;
        let kind = match self.policy {
            Kind::Fixed => "`policy = \"fixed\"`",
            Kind::Greedy => "`policy = \"greedy\"`",
            Kind::MinMax => "`policy = \"min_max\"`",
            Kind::Window => "`policy = \"window\"`",
            Kind::Adaptive => "`policy = \"adaptive\"`",
            Kind::Deadline => "`policy = \"deadline\"`",
            Kind::EnergyAware => "`policy = \"energy_aware\"`",
            Kind::ControlLimit => "`policy = \"control_limit\"`",
            Kind::Triton => "`policy = \"triton\"`",
        };
        let only = |key, of: Kind, given| unused(key, self.policy == of, given, kind);
        only("batching.min_size", Kind::MinMax, self.min_size.is_some())?;
        only("batching.delay_s", Kind::Window, self.delay_s.is_some())?;
        only("batching.preferred_sizes", Kind::Window, self.preferred_sizes.is_some())?;
        only("batching.target_s", Kind::Adaptive, self.target_s.is_some())?;
        only("batching.deadline_s", Kind::Deadline, self.deadline_s.is_some())?;
        only("batching.objective_s", Kind::EnergyAware, self.objective_s.is_some())?;
        only("batching.waiting_w", Kind::ControlLimit, self.waiting_w.is_some())?;
        only("batching.file", Kind::Triton, self.file.is_some())?;
        let triton = self.policy == Kind::Triton;
        unused("batching.size", !triton, self.size.is_some(), kind)?;
        let seconds = |key, value, words| needed(key, value, kind, words);
        let size = || needed("batching.size", self.size, kind, policy::SIZE);
        Ok(match self.policy {
            Kind::Fixed => BatchingPolicy::Fixed(Fixed::new(size()?)?),
            Kind::Greedy => BatchingPolicy::Greedy(Greedy::new(size()?)?),
            Kind::MinMax => {
                let words = policy::MIN_SIZE;
                let least = needed("batching.min_size", self.min_size, kind, words)?;
                BatchingPolicy::MinMax(MinMax::new(least, size()?)?)
            }
            Kind::Window => {
                let delay = seconds("batching.delay_s", self.delay_s, policy::DELAY)?;
                let preferred = self.preferred_sizes.as_deref().unwrap_or_default();
                BatchingPolicy::Window(Window::new(size()?, delay)?.preferring(preferred)?)
            }
            Kind::Adaptive => {
                let size = size()?;
                // Times on the clock are rounded: exactly the mean would be too long half the time.
                let target = self.target_s.unwrap_or_else(|| 1.000_001 * expected.law.mean_s(size));
                BatchingPolicy::Adaptive(Adaptive::new(size, target)?)
            }
            Kind::Deadline => {
                let deadline = seconds("batching.deadline_s", self.deadline_s, policy::DEADLINE)?;
                BatchingPolicy::Deadline(Deadline::new(size()?, deadline, expected.law)?)
            }
            Kind::EnergyAware => {
                let words = policy::OBJECTIVE;
                let objective = seconds("batching.objective_s", self.objective_s, words)?;
                let &Expected { rate, law, energy, .. } = expected;
                let policy = EnergyAware::new(size()?, objective, rate, law, energy)?;
                BatchingPolicy::EnergyAware(policy)
            }
            Kind::ControlLimit => {
                const WATTS: &str = "a finite number, at least 0, in watts per request";
                let waiting_w = seconds("batching.waiting_w", self.waiting_w, WATTS)?;
                crate::error::non_negative("batching.waiting_w", waiting_w, WATTS)?;
                let size = Greedy::new(size()?).and(size())?;
                let &Expected { rate, law, energy, idle_w } = expected;
                let best = control_limit(rate, law, energy, idle_w, waiting_w, size);
                BatchingPolicy::MinMax(MinMax::new(best.least, size)?)
            }
            Kind::Triton => {
                let file = self.file.as_deref();
                let file = needed("batching.file", file, kind, "a Triton `config.pbtxt`")?;
                DynamicBatching::read(file)?.policy()?
            }
        })
    }

    /// The queue limit that a Triton file sets.
    ///
    /// # Errors
    /// As [`BatchingConfig::policy`].
    pub fn queue_limit(&self) -> Result<Option<usize>, ConfigError> {
        let file = self.file.as_deref().filter(|_| self.policy == PolicyKind::Triton);
        let limit = file.map(DynamicBatching::read).transpose()?.map(|it| it.max_queue_size);
        Ok(limit.filter(|&limit| limit > 0))
    }
}
