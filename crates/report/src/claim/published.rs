//! What the studies published, to set ours beside it.

use std::collections::BTreeMap;

use record::ClaimId;
use serde::Deserialize;

/// The studies' claims and figures, and torchvision's networks.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// By the claim's slug.
    claims: BTreeMap<ClaimId, PublishedClaim>,
    /// By name.
    networks: Vec<PublishedNetwork>,
}

/// A claim as published.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedClaim {
    /// In a sentence.
    pub statement: String,
    /// Where the figures are from.
    pub source: String,
    /// By name, units in the names.
    pub figures: BTreeMap<String, f64>,
}

/// A vision network as torchvision publishes it (weights IMAGENET1K_V1).
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedNetwork {
    /// torchvision's name.
    pub name: String,
    /// Year of the network's paper.
    pub year: u32,
    /// ImageNet top-1 accuracy, in percent.
    pub top1: f64,
    /// 10⁹ multiply-adds for one image at the network's own resolution.
    pub gflops: f64,
}

impl Published {
    /// The table that comes with this crate.
    ///
    /// # Panics
    ///
    /// Never: a test reads the table.
    #[must_use]
    pub fn built_in() -> Self {
        toml::from_str(include_str!("../../data/published.toml")).expect("a test reads this table")
    }

    /// A claim.
    ///
    /// # Panics
    ///
    /// Never: a test looks up every claim.
    #[must_use]
    pub fn claim(&self, id: &ClaimId) -> &PublishedClaim {
        self.claims.get(id).expect("a test looks up every claim")
    }

    /// A network, if torchvision publishes it.
    #[must_use]
    pub fn network(&self, name: &str) -> Option<&PublishedNetwork> {
        self.networks.iter().find(|it| it.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim_id;

    #[test]
    fn every_claim_is_in_the_table() {
        let published = Published::built_in();
        for id in claim_id::ALL {
            assert!(!published.claim(&id).statement.is_empty());
        }
        assert_eq!(published.network("alexnet").unwrap().year, 2012);
    }
}
