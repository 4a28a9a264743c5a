#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod cost;
mod curves;
mod error;
mod gp;
mod insight;
mod ledger;
mod objectives;
mod pareto;
mod pruner;
mod random;
mod sampler;
mod search;
mod space;
mod study;
mod trial;

pub use crate::{
    error::HpoError,
    insight::{Forest, ProgressPoint, importance, partial_dependence, progress},
    ledger::Ledger,
    objectives::Objectives,
    pareto::{dominated, hypervolume, pareto_front},
    pruner::{Pruner, Rungs},
    random::RandomStream,
    sampler::{
        CmaEs, Gp, Grid, NsgaTwo, PaperPi, Random, SAMPLERS, Sampler, SamplerEntry, Setting,
        SettingValue, SettingValues, Sobol, Suggestion, Tpe, suggest,
    },
    search::{History, SearchState, TrialResult},
    space::{Condition, Constraint, Parameter, ParameterKind, Scale, Space},
    study::Study,
    trial::{Segment, Trial, TrialState},
};
pub use units::{Dependence, Importance, Share};
