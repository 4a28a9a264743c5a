//! The servers before which requests wait.

use serde::{Deserialize, Serialize};
use units::limits;

use super::keys::unused;
use crate::error::{ConfigError, limited, limited_count};

/// The servers, which are all alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ServersConfig {
    /// Their number, 1 to 1,000,000.
    #[serde(default = "one")]
    pub count: usize,
    /// Seconds of idleness after which a server falls asleep; never if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep_after_s: Option<f64>,
    /// Seconds that a server takes to wake up, 0 if left out. It does so when a batch is to be
    /// served and no server is awake for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wakeup_s: Option<f64>,
}

fn one() -> usize {
    1
}

impl Default for ServersConfig {
    fn default() -> Self {
        Self::new(one())
    }
}

impl ServersConfig {
    /// `count` servers that never sleep.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { count, sleep_after_s: None, wakeup_s: None }
    }

    /// The same, but a server that was idle for `after_s` seconds sleeps, and takes `wakeup_s`
    /// seconds to wake up.
    #[must_use]
    pub fn sleeping(self, after_s: f64, wakeup_s: f64) -> Self {
        Self { sleep_after_s: Some(after_s), wakeup_s: Some(wakeup_s), ..self }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        limited_count("servers.count", self.count, limits::SERVERS)?;
        let (sleeps, wakes) = (self.sleep_after_s.is_some(), self.wakeup_s.is_some());
        unused("servers.wakeup_s", sleeps, wakes, "servers without `sleep_after_s`")?;
        let seconds =
            |key, value: Option<f64>| limited(key, value.unwrap_or_default(), limits::DURATION_S);
        seconds("servers.sleep_after_s", self.sleep_after_s)?;
        seconds("servers.wakeup_s", self.wakeup_s)?;
        Ok(())
    }
}
