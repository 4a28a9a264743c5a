#![doc = include_str!("../README.md")]

// What a program uses.
mod builder;
mod meter;
mod probe_status;
mod span_report;

// From readings to energies, in this order.
mod clock;
mod counter;
mod cover;
mod disagreement;
mod feed;
mod follow;
mod frozen;
mod host;
mod identity;
mod mirror;
mod plausible;
mod power;
mod report;
mod sampler;
mod shared;
mod source;
mod span_accumulator;
mod state;
mod track;
mod uncertainty;
mod update;

// What else a report can say.
mod attribute;
pub mod carbon;
mod cpu_share;
pub mod export;
mod idle;
pub mod sensor_comparison;

// Built-in sources.
mod battery;
mod cpu_time;
mod estimator;
mod file;
mod hwmon;
#[cfg(target_os = "linux")]
mod perf;
mod plugin;
mod powercap;
mod workload;

// Plugins: whether they keep the contract, how to run one in a process of its own, and how to keep what
// they print apart.
pub mod conformance;
pub mod isolate;
mod loading;
pub mod standard_streams;

// The meter over simulated sensors whose energy is known.
pub mod validate;

pub use crate::{
    attribute::Attribution,
    builder::{Builder, probe_libraries},
    clock::{Clock, MonotonicClock, VirtualClock},
    counter::{Advance, Counter},
    cpu_share::CpuShare,
    estimator::{EnergyObservation, Estimator, FittedEstimator, gpu_energy},
    idle::Idle,
    meter::{Meter, MeterError, Span},
    plugin::{LoadError, Plugin, TrustFault, trusted_library},
    power::{Integral, Trapezoid},
    probe_status::ProbeStatus,
    shared::Reading,
    source::{Channel, Kind, Overlap, ReadError, Source},
    span_report::{Absence, SpanReport},
    workload::{
        Cgroup, CgroupError, CgroupMounts, CgroupVersion, CpuAccounting, JobError, LeftProcess,
        SlurmJob, Workload,
    },
};

/// The vocabulary of energy, so that this crate is the only dependency a program needs.
pub use units::{
    Domain, DomainEnergy, Energy, EnergyReport, Joules, Method, Origin, ProbeUse, Seconds,
    SpanEnergy, Warning, WarningKind, Watts,
};
