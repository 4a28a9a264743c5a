//! The studies' networks.
