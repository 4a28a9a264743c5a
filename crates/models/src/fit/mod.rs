//! Training of any candle network on the images of a data set: Adam and cross-entropy, deterministic from a seed.
//!
//! [`Fit`] trains a [`candle_nn::ModuleT`] whose variables are in a [`candle_nn::VarMap`]. [`variables`] gives a
//! network variables whose initial values depend on a seed alone.

mod error;
mod file;
mod input;
mod settings;
mod stack;
mod state;
mod trainer;
mod variables;

pub use self::{
    error::FitError,
    file::save_variables,
    input::FitInput,
    settings::{FitSettings, RateSchedule},
    stack::with_large_stack,
    trainer::Fit,
    variables::variables,
};
