//! What a set must contain, and why it does not.

use super::batches;
use crate::evidence::EvidenceSet;

/// Something that a set must contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Accuracy,
    Batches,
    Years,
    Layers,
    Search,
    ShuffleNet,
}

impl Need {
    pub(super) fn is_met(self, set: &EvidenceSet) -> bool {
        match self {
            Self::Accuracy => {
                !set.rows.is_empty() && set.rows.iter().all(|row| row.accuracy.is_some())
            }
            Self::Batches => batches::has_batches(set),
            Self::Years => !set.adapter.years.is_empty(),
            Self::Search => set.adapter.replay.is_some(),
            // No data set has had these; an adapter cannot describe them yet.
            Self::Layers | Self::ShuffleNet => false,
        }
    }

    pub(super) fn why_not(self, set: &EvidenceSet) -> String {
        let missing = &set.adapter.missing;
        let (reason, usual) = match self {
            Self::Accuracy => (&missing.accuracy, "no accuracy"),
            Self::Batches => (&missing.batches, "no batch sizes"),
            Self::Years => (&missing.years, "no years of networks"),
            Self::Layers => (&missing.layers, "no networks that differ in layers alone"),
            Self::Search => (&missing.search, "no search to replay"),
            Self::ShuffleNet => (&missing.shufflenet, "no ShuffleNetV2 with peers"),
        };
        reason.clone().unwrap_or_else(|| usual.to_owned())
    }
}
