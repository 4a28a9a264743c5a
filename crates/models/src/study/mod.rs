//! The networks of study A and their training.

mod initial;

pub(crate) use initial::Stream;
mod network;
mod profile;
mod resident;
mod training;

pub use self::{
    network::{Network, NetworkError},
    training::{Control, Fit, TrainError, TrainEvent, Training},
};
