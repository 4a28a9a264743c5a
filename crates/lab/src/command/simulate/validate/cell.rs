//! A queue that was served and simulated.

use record::Origin;
use serde::{Deserialize, Serialize};

use crate::host_load::DISTURBED;

/// A queue is left out if the machine's speed changed by more than this share while it was served.
const CHANGED: f64 = 0.1;

/// The figures of a queue that was served and simulated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) network: String,
    pub(super) policy: String,
    pub(super) load: f64,
    /// The round, from 0.
    #[serde(default)]
    pub(super) round: u32,
    pub(super) rate_rps: f64,
    pub(super) requests: usize,
    pub(super) live_mean_batch: f64,
    pub(super) simulated_mean_batch: f64,
    pub(super) live_response_s: f64,
    pub(super) simulated_response_s: Option<f64>,
    /// `None` in queues of an older version.
    #[serde(default)]
    pub(super) live_p99_s: Option<f64>,
    /// With the slowness that the measurements of the round show, if any.
    #[serde(default)]
    pub(super) simulated_p99_s: Option<f64>,
    pub(super) live_j_per_request: Option<f64>,
    pub(super) simulated_j_per_request: Option<f64>,
    /// The origin of the joules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) energy_origin: Option<Origin>,
    /// The share of the processors that other processes used meanwhile.
    pub(super) others_share: Option<f64>,
    /// The share by which the same batches took longer after the queue than before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) drift: Option<f64>,
}

impl Cell {
    /// The live mean response divided by the simulated one.
    pub(super) fn response(&self) -> Option<f64> {
        Some(self.live_response_s / self.simulated_response_s?)
    }

    /// The live p99 of the response divided by the simulated one.
    pub(super) fn p99(&self) -> Option<f64> {
        Some(self.live_p99_s? / self.simulated_p99_s?)
    }

    /// The live energy per request divided by the simulated one.
    pub(super) fn energy(&self) -> Option<f64> {
        Some(self.live_j_per_request? / self.simulated_j_per_request?)
    }

    /// Why it says nothing about the simulation: the machine was not as calibrated. Whether live and
    /// simulated figures agree does not matter here.
    pub(super) fn spoiled(&self) -> Option<String> {
        let percent = |share: f64| format!("{:.0} %", 100.0 * share);
        let others = self.others_share.filter(|&share| share > DISTURBED);
        let drift = self.drift.filter(|drift| drift.abs() > CHANGED);
        match (others, drift) {
            (Some(share), _) => {
                Some(format!("other processes used {} of the processors", percent(share)))
            }
            (None, Some(drift)) => Some(format!(
                "the same batches took {} {} after it than before",
                percent(drift.abs()),
                if drift > 0.0 { "longer" } else { "less time" }
            )),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
impl Cell {
    /// A queue as an example in tests.
    pub(super) fn example() -> Self {
        Self {
            network: "resnet18".to_owned(),
            policy: "greedy 32".to_owned(),
            load: 0.6,
            round: 0,
            rate_rps: 20.0,
            requests: 64,
            live_mean_batch: 1.5,
            simulated_mean_batch: 1.5,
            live_response_s: 9.0,
            simulated_response_s: Some(0.1),
            live_p99_s: None,
            simulated_p99_s: None,
            live_j_per_request: None,
            simulated_j_per_request: None,
            energy_origin: None,
            others_share: Some(0.01),
            drift: Some(-0.08),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_left_out_only_because_of_the_machine() {
        let cell = Cell::example();
        assert_eq!(
            cell.spoiled(),
            None,
            "a response of ninety times the simulated one is not a reason"
        );
        let slower = Cell { drift: Some(0.12), ..cell.clone() };
        assert!(slower.spoiled().unwrap().contains("12 % longer"));
        let faster = Cell { drift: Some(-0.14), ..cell.clone() };
        assert!(faster.spoiled().unwrap().contains("14 % less time"));
        let disturbed = Cell { others_share: Some(0.2), ..cell };
        assert!(disturbed.spoiled().unwrap().contains("other processes used 20 %"));
    }
}
