//! A comparison: what is compared, and what each search took.

use record::{DataSpec, NetworkKind, Origin, StudyNetwork};
use serde::{Deserialize, Serialize};

/// What is compared.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub(super) struct Setting {
    pub(super) network: NetworkKind,
    pub(super) data: DataSpec,
    pub(super) minibatch: usize,
    pub(super) epochs: u32,
    pub(super) trials: u32,
    pub(super) seed: u64,
}

impl Setting {
    pub(super) fn study_network(&self) -> StudyNetwork {
        let conv = if self.network == NetworkKind::SimpleCnn { 2 } else { 0 };
        StudyNetwork { kind: self.network, conv, linear: 3, relu: true }
    }
}

/// What a search took.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq)]
pub(super) struct Taken {
    /// Largest validation accuracy.
    pub(super) best: f64,
    /// Test accuracy of that network; evaluating it is not part of the cost.
    pub(super) test: f64,
    pub(super) trials: u32,
    pub(super) epochs: u64,
    /// Energy of the trainings, and of the evaluations whenever a training pauses or ends.
    pub(super) training_j: f64,
    /// Half-width of the 95 % interval.
    pub(super) training_uncertainty_j: f64,
    /// Energy of choosing what to train.
    pub(super) search_j: f64,
    /// Half-width of the 95 % interval.
    pub(super) search_uncertainty_j: f64,
    pub(super) seconds: f64,
}

impl Taken {
    pub(super) fn joules(&self) -> f64 {
        self.training_j + self.search_j
    }
}

/// A comparison: one line of the file.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
pub(super) struct Comparison {
    #[serde(flatten)]
    pub(super) setting: Setting,
    pub(super) origin: Option<Origin>,
    pub(super) paper_pi: Taken,
    /// Until our search was as good, or had taken as many joules.
    pub(super) ours: Taken,
}

impl Comparison {
    /// Our joules as a share of the published search's; `None` if ours was never as good.
    pub(super) fn share(&self) -> Option<f64> {
        let reached = self.ours.best >= self.paper_pi.best;
        reached.then(|| self.ours.joules() / self.paper_pi.joules())
    }
}
