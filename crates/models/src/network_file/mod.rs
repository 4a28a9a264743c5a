//! Networks that users describe in TOML files.

mod built_in;
mod error;
mod expand;
mod expression;
mod file;
mod key;
mod plan;
mod schema;
mod shapes;
mod start;
mod study;
mod trainable;

pub use self::{
    error::NetworkFileError,
    file::{FileLayer, NetworkFile},
    plan::LayerShape,
};
pub(crate) use self::{
    file::NetworkPlan,
    plan::{PlannedActivation, PlannedLayer, PlannedOperation, PlannedWindow},
};
