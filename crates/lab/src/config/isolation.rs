//! `[isolation]`: how measurements are kept apart from each other and from other processes.

use serde::{Deserialize, Serialize};
use units::limits;

use super::check::Check;

/// How measurements are kept apart. The default suits a machine on which nothing else runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IsolationConfig {
    /// The rest before each run, in seconds, in which the machine cools down.
    pub rest_s: f64,
    /// Whether runs may be measured at the same time by one sensor that sees them all. Their records
    /// then carry a warning.
    pub shared_domains: bool,
    /// The share of the processors that other processes may use during a run. A run during which
    /// they used more is repeated. `None`: 0.1 where a sensor measures other processes, too, and no
    /// limit where the energy is estimated from the run's own CPU time.
    pub max_outside_load: Option<f64>,
    /// How often a run is repeated at most. The last repetition is kept, with a warning.
    pub repeats: u32,
}

/// The limit for the load of other processes where a sensor measures it.
const OUTSIDE_LOAD: f64 = 0.1;

impl Default for IsolationConfig {
    fn default() -> Self {
        Self { rest_s: 0.0, shared_domains: false, max_outside_load: None, repeats: 2 }
    }
}

impl IsolationConfig {
    /// The limit for the load of other processes, as a share of the processors; `None` for no limit.
    /// `seen`: whether a sensor measures that load.
    #[must_use]
    pub(crate) fn outside_load_limit(&self, seen: bool) -> Option<f64> {
        self.max_outside_load.or(seen.then_some(OUTSIDE_LOAD))
    }

    pub(super) fn check(&self, check: &mut Check<'_>) {
        check.real("isolation.rest_s", self.rest_s, limits::WAIT_S);
        if let Some(share) = self.max_outside_load {
            check.real("isolation.max_outside_load", share, limits::POSITIVE_SHARE);
        }
        check.whole("isolation.repeats", self.repeats, limits::RETRIES);
    }
}
