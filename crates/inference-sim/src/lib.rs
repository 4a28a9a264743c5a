#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod arrival;
mod batch_tuning;
mod calibration;
mod clock;
mod config;
mod describe;
mod engine;
mod error;
mod fit;
mod growth;
mod live;
mod log;
mod pause;
mod policy;
mod power;
mod random;
mod recovery;
mod replication;
mod report;
mod scenario;
mod server;
mod service;
mod simulation;
mod sketch;
mod speed;
mod statistics;
mod student;
mod sweep;
mod system;
mod trace;
mod triton;

pub use crate::{
    arrival::{ArrivalProcess, ArrivalTimes},
    batch_tuning::{BatchTuning, PolicyCandidate, TUNE_SCHEMA, tune_batching},
    calibration::{BatchMeasurement, Calibration, SizeRow, size_rows},
    clock::{Clock, RealClock, VirtualClock},
    config::{
        ArrivalConfig, LawKind, ModelConfig, PowerConfig, ProcessKind, QueueConfig, ServersConfig,
        ServiceConfig, SimulationConfig, StatisticsConfig,
    },
    error::ConfigError,
    fit::LinearFit,
    growth::Growth,
    live::{LiveError, QueueProgress, ServedQueue, serve, serve_limited},
    log::{LogError, request_log, request_log_with},
    pause::AfterPause,
    policy::*,
    power::{BatchEnergy, ServerPower},
    recovery::{BatchSequence, fit_recovery},
    replication::{simulate_replicated, simulate_replicated_with},
    report::{Intervals, ModelReport, SIMULATE_SCHEMA, SimulationReport},
    scenario::{
        Scenario, ScenarioRules, ScenarioSummary, chrome_trace, highest_rate, judge_scenario,
        queries_needed, run_scenario,
    },
    server::{BatchServer, ModeledServer},
    service::ServiceLaw,
    simulation::{SimulationError, sample_path, sample_path_with, simulate, simulate_with},
    speed::{scaled_to_speed_of, speed_drift},
    sweep::{simulate_all, simulate_all_with},
    trace::read_trace,
    triton::DynamicBatching,
};
pub use units::{BatchTimes, Joules, Origin, Seconds, Serving, Watts, limits};
