//! Predicts the joules of a training before it runs, from trainings that others measured.
//!
//! The joules of a training step per image are a sum over layers, each with its operations and bytes; the
//! coefficients are fitted on the measured trainings of EC-NAS. How far such predictions are off is measured
//! on architectures that were left out, and gives the interval (conformal prediction: Vovk, Gammerman and
//! Shafer 2005; left out by groups: Barber et al. 2021).

mod calibration;
mod devices;
mod fit;
mod measured;
mod model;
mod work;

pub(crate) use self::{measured::FITTED_ON, model::Model, work::NetworkWork};
