//! Generative models: requests whose answers come token by token.
//!
//! `scheduler` decides what a step computes, `law` how long it takes, `engine` runs steps against the
//! requests of `source`, and `statistics` and `report` say what came out. `step_fit` fits the law to `measured` steps.

mod cache;
mod calibration;
mod config;
mod engine;
mod law;
mod least_squares;
mod measured;
mod report;
mod scheduler;
mod sequence;
mod source;
mod statistics;
mod step_basis;
mod step_fit;
mod steps;
mod tuning;

pub use self::{
    calibration::calibrated_steps,
    config::{CacheConfig, ContinuousConfig, GenerationConfig, GenerationPolicy, TokensConfig},
    engine::AnsweredRequest,
    measured::{MeasuredStep, read_measured_steps},
    report::{
        GENERATION_SCHEMA, GenerationIntervals, GenerationReport, TimeQuantiles,
        simulate_generation, simulate_generation_observed,
    },
    scheduler::{TokenLimits, TokenScheduler, TokenStep},
    sequence::{TokenRequest, TokenSequence},
    step_fit::{StepCalibration, StepFit, StepLawFit, fit_steps},
    steps::{StepPowerConfig, StepsConfig},
    tuning::{
        BatchLimit, GENERATION_TUNE_SCHEMA, GenerationObjectives, GenerationTuning,
        tune_batch_limit,
    },
};
