//! Predicts the joules of a network before it runs, from trainings that others measured or from our own runs.
//!
//! The joules of a training step per image are a sum over layers, each with its operations and bytes; the
//! coefficients are fitted on the measured trainings of EC-NAS. How far such predictions are off is measured
//! on architectures that were left out, and gives the interval (many networks: conformal prediction: Vovk, Gammerman and
//! Shafer 2005; left out by groups: Barber et al. 2021; few: Student's t over groups).

mod calibration;
mod devices;
mod fit;
mod layers;
mod measured;
mod model;
mod own;
mod runs;
mod work;

pub(crate) use self::{
    fit::Coefficients,
    layers::{LayerCost, NetworkLayers},
    measured::FITTED_ON,
    model::{Model, Prediction},
    own::{OwnModel, Wanted},
    work::NetworkWork,
};
