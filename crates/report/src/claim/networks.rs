//! Vision networks: what torchvision publishes about them, and the energy that we measured.

use std::sync::LazyLock;

use record::{InferencePrecision, Origin, PublishedFigures};
use serde::Deserialize;

use super::{distinct, mean, origin_of, rows::InferRow};

/// A vision network as torchvision publishes it (weights IMAGENET1K_V1), or as its file quotes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct PublishedNetwork {
    /// torchvision's name, or that of the network's file without folder and ending.
    pub name: String,
    /// Year of the network's paper.
    pub year: u32,
    /// ImageNet top-1 accuracy, in percent.
    pub top1: f64,
    /// 10⁹ multiply-adds for one image at the network's own resolution.
    pub giga_multiply_adds: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    networks: Vec<PublishedNetwork>,
}

static PUBLISHED: LazyLock<Vec<PublishedNetwork>> = LazyLock::new(|| {
    let text = include_str!("../../data/networks.toml");
    toml::from_str::<Table>(text).expect("a test reads this table").networks
});

impl PublishedNetwork {
    /// The network of a name, if torchvision publishes it.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PUBLISHED.iter().find(|network| network.name == name)
    }

    /// What is published about the network of a row.
    pub(crate) fn of(row: &InferRow) -> Option<Self> {
        let quoted = || {
            let PublishedFigures { year, top1, giga_multiply_adds } = row.quoted?;
            let (name, year) = (stem(&row.network).to_owned(), u32::from(year));
            Some(Self { name, year, top1, giga_multiply_adds })
        };
        Self::named(&row.network).cloned().or_else(quoted)
    }
}

/// A network's name; that of a file without its folder and ending.
pub(crate) fn stem(network: &str) -> &str {
    let file = network.strip_suffix(".toml");
    file.map_or(network, |file| file.rsplit('/').next().unwrap_or(file))
}

/// A network with its published figures and our mean energy of an image.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NetworkMean {
    /// As torchvision publishes it, or as its file quotes it.
    pub published: PublishedNetwork,
    /// Whether its file quotes it.
    pub is_quoted: bool,
    /// Mean over runs, in joules per image.
    pub joules_per_image: f64,
    /// The value of each run, in joules per image.
    pub runs: Vec<f64>,
    /// Origin of the joules.
    pub origin: Origin,
}

/// The networks of our runs in single precision by year, without those that have no published accuracy.
#[must_use]
pub fn network_means(rows: &[InferRow]) -> Vec<NetworkMean> {
    means_in(rows, InferencePrecision::Float32)
}

/// The networks of our runs in a precision. The published accuracy is that of single precision.
pub(crate) fn means_in(rows: &[InferRow], precision: InferencePrecision) -> Vec<NetworkMean> {
    let rows: Vec<&InferRow> = rows.iter().filter(|row| row.precision == precision).collect();
    let names = distinct(rows.iter().map(|row| row.network.as_str()));
    let of_name = |name: &str| {
        let of: Vec<&InferRow> = rows.iter().filter(|row| row.network == name).copied().collect();
        let runs: Vec<f64> = of.iter().map(|row| row.joules_per_image).collect();
        Some(NetworkMean {
            published: PublishedNetwork::of(of.first()?)?,
            is_quoted: PublishedNetwork::named(name).is_none(),
            joules_per_image: mean(runs.iter().copied())?,
            runs,
            origin: origin_of(of.iter().map(|row| row.origin))?,
        })
    };
    let mut means: Vec<NetworkMean> = names.into_iter().filter_map(of_name).collect();
    means.sort_by_key(|network| network.published.year);
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_networks_can_be_read() {
        assert_eq!(PublishedNetwork::named("alexnet").unwrap().year, 2012);
        assert!(PublishedNetwork::named("lenet").is_none());
    }
}
