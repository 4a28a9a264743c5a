//! The networks of the catalog in a form that candle can differentiate: for training from scratch, and for
//! training with a new classifier.
//!
//! The builders of the networks are the same as for inference. Their layers come out as candle operations on
//! variables under torchvision's names, images are `[n][c][h][w]`, and batch norm is not folded.

mod activation;
mod attention;
mod conv;
mod initial;
mod layers;
mod network;
mod pool;
mod tree;

pub use self::network::{TrainableNetwork, head_variables, trainable};
pub(super) use self::{
    attention::attend,
    conv::Convolution,
    initial::initial,
    layers::{BatchNorms, Drop, Norm, ScaledLinear, features_last},
};
