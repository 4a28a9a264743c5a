#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod gp;
mod history;
mod random;
mod sampler;
mod space;
mod study;

pub use crate::{
    history::{History, Trial},
    sampler::{Grid, Sampler, suggest},
    space::{Kind, Parameter, Scale, Space},
    study::{HpoError, Study},
};
