#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod fidelity;
mod gp;
mod history;
mod objectives;
mod pareto;
mod random;
mod sampler;
mod space;
mod study;

pub use crate::{
    fidelity::{Curve, Leg, Pruner, Rungs, Staged},
    history::{History, Trial},
    objectives::{Frontier, Objectives, Outcome},
    pareto::{dominated, hypervolume, pareto_front},
    sampler::{Grid, Sampler, suggest},
    space::{Kind, Parameter, Scale, Space},
    study::{HpoError, Study},
};
