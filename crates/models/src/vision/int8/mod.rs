//! Inference with 8-bit integers: weights with a scale for each output channel, activations with one for each
//! tensor, whose ranges are observed on calibration images.

mod convert;
mod layers;
mod network;
mod ranges;
mod settings;
#[cfg(test)]
mod tests;

pub(super) use self::network::Int8Layers;
pub use self::settings::{Clip, Int8Settings, Int8Summary};
