#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod arrival;
mod batch_tuning;
mod calibration;
mod cascade;
mod clock;
mod config;
mod count_law;
mod describe;
mod engine;
mod error;
mod escalation;
mod fit;
mod generation;
mod growth;
mod live;
mod live_load;
mod log;
mod pause;
mod policy;
mod power;
mod ramp;
mod random;
mod recovery;
mod renewal;
mod replication;
mod report;
mod requests;
mod scenario;
mod server;
mod service;
mod simulation;
mod sketch;
mod slowness;
mod speed;
mod statistics;
mod student;
mod sweep;
mod system;
mod timestamp;
mod trace;
mod triton;

pub use crate::{
    arrival::{ArrivalProcess, ArrivalTimes},
    batch_tuning::{BatchTuning, PolicyCandidate, TUNE_SCHEMA, tune_batching},
    calibration::{BatchMeasurement, Calibration, SizeRow, size_rows},
    cascade::{
        CascadeAnswer, CascadePoint, CascadeRule, cascade, cascade_thresholds, cheapest_cascade,
    },
    clock::{Clock, RealClock, VirtualClock},
    config::{
        ArrivalConfig, AutoscaleConfig, CascadeConfig, CountConfig, LawKind, ModelConfig,
        PatienceConfig, PowerConfig, ProcessKind, QueueConfig, ReplicasConfig, RetryConfig,
        Routing, ServersConfig, ServiceConfig, SimulationConfig, SlownessConfig, StatisticsConfig,
    },
    count_law::CountLaw,
    error::ConfigError,
    fit::LinearFit,
    generation::*,
    growth::Growth,
    live::{LiveError, QueueProgress, ServedQueue, serve, serve_limited, serve_load},
    live_load::LiveLoad,
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
    slowness::{PaceSample, fit_slowness},
    speed::{scaled_to_speed_of, speed_drift},
    sweep::{simulate_all, simulate_all_with},
    trace::{TraceColumns, read_trace, read_trace_columns},
    triton::{DynamicBatching, TritonQueuePolicy},
};
pub use units::{BatchTimes, Joules, Origin, Seconds, Serving, Watts, limits};
