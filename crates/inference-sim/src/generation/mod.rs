//! Generative models: requests whose answers come token by token.
//!
//! `scheduler` decides what a step computes, `law` how long it takes, `engine` runs steps against the
//! requests of `source`, and `statistics` and `report` say what came out.

mod cache;
mod config;
mod engine;
mod law;
mod report;
mod scheduler;
mod sequence;
mod source;
mod statistics;
mod steps;
mod tuning;

pub use self::{
    config::{CacheConfig, ContinuousConfig, GenerationConfig, GenerationPolicy, TokensConfig},
    engine::AnsweredRequest,
    report::{
        GENERATION_SCHEMA, GenerationIntervals, GenerationReport, TimeQuantiles,
        simulate_generation, simulate_generation_observed,
    },
    scheduler::{TokenLimits, TokenScheduler, TokenStep},
    sequence::{TokenRequest, TokenSequence},
    steps::{StepPowerConfig, StepsConfig},
    tuning::{
        BatchLimit, GENERATION_TUNE_SCHEMA, GenerationObjectives, GenerationTuning,
        tune_batch_limit,
    },
};
