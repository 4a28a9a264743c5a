//! The networks of the training study and their training.

mod autograd;
mod error;
mod events;
mod network;
mod on_device;
mod profile;
mod training;

pub use self::{
    autograd::AutogradTraining,
    error::{NetworkError, TrainError},
    events::{TrainEvent, TrainingHistory},
    network::Network,
    training::Training,
};
