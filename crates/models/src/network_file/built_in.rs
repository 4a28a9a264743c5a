//! Networks in files that come with this crate.

const NETWORKS: [(&str, &str); 3] = [
    ("efficientnet_lite0", include_str!("../../networks/efficientnet_lite0.toml")),
    ("efficientnet_lite1", include_str!("../../networks/efficientnet_lite1.toml")),
    ("efficientnet_lite2", include_str!("../../networks/efficientnet_lite2.toml")),
];

/// The names of the networks.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    NETWORKS.iter().map(|(name, _)| *name)
}

/// The file of a network.
pub(super) fn text(name: &str) -> Option<&'static str> {
    NETWORKS.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
