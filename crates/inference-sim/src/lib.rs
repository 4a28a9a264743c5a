#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod arrival;
mod calibration;
mod clock;
mod config;
mod engine;
mod error;
mod executor;
mod live;
mod log;
mod mlperf;
mod pause;
mod policy;
mod power;
mod random;
mod recovery;
mod replication;
mod report;
mod service;
mod simulation;
mod sketch;
mod statistics;
mod sweep;
mod system;
mod trace;
mod triton;
mod tuning;

pub use crate::{
    arrival::{ArrivalProcess, ArrivalTimes, arrivals},
    calibration::{Calibration, Fit, Observation, SizeRow, size_rows},
    clock::{Clock, Real, Virtual},
    config::{
        ArrivalConfig, BatchingConfig, Expected, LawKind, ModelConfig, PolicyKind, PowerConfig,
        ProcessKind, QueueConfig, ServersConfig, ServiceConfig, SimulationConfig, StatisticsConfig,
    },
    error::ConfigError,
    executor::{Executor, Modeled},
    live::{Control, LiveError, Progress, Served, serve, serve_limited},
    log::{LogError, request_log},
    mlperf::{Rules, Scenario, Summary, chrome_trace, highest_rate, queries_needed, run_scenario},
    pause::AfterPause,
    policy::{
        Adaptive, BatchingPolicy, ControlLimit, Deadline, Decision, EnergyAware, Fixed, Greedy,
        MinMax, Policy, Queue, Window, control_limit,
    },
    power::{BatchEnergy, Power},
    recovery::{Stretch, recovery},
    replication::simulate_replicated,
    report::{Growth, Intervals, ModelReport, SIMULATE_SCHEMA, SimulationReport},
    service::ServiceLaw,
    simulation::{sample_path, simulate},
    sweep::simulate_all,
    trace::read_trace,
    triton::DynamicBatching,
    tuning::{Candidate, TUNE_SCHEMA, Tuning, tune},
};
