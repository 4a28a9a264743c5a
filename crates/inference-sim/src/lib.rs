#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod arrival;
mod clock;
mod config;
mod engine;
mod error;
mod executor;
mod live;
mod policy;
mod random;
mod service;
mod simulation;
mod sketch;
mod statistics;
mod trace;

pub use crate::{
    arrival::{ArrivalProcess, ArrivalTimes, arrivals},
    clock::{Clock, Real, Virtual},
    config::{
        ArrivalConfig, BatchingConfig, LawKind, PolicyKind, PowerConfig, ProcessKind,
        ServersConfig, ServiceConfig, SimulationConfig,
    },
    error::ConfigError,
    executor::{Executor, Modeled},
    live::{Control, LiveError, Progress, serve},
    policy::{Adaptive, BatchingPolicy, Decision, Fixed, Greedy, Policy, Queue, Window},
    service::ServiceLaw,
    simulation::{Growth, Intervals, SIMULATE_SCHEMA, SimulationReport, sample_path, simulate},
    trace::read_trace,
};
