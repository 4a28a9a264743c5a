#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod cost;
mod fidelity;
mod gp;
mod history;
mod insight;
mod objectives;
mod pareto;
mod random;
mod sampler;
mod space;
mod study;

pub use crate::{
    cost::Ledger,
    fidelity::{Curve, Leg, Pruner, Rungs, Staged},
    history::{History, Trial},
    insight::{
        Dependence, Forest, Importance, Progress, Share, importance, partial_dependence, progress,
    },
    objectives::{Frontier, Objectives, Outcome},
    pareto::{dominated, hypervolume, pareto_front},
    sampler::{Grid, Sampler, Suggestion, propose, suggest},
    space::{Condition, Constraint, Kind, Parameter, Scale, Space},
    study::{HpoError, Study},
};
