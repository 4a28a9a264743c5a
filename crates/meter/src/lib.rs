#![doc = include_str!("../README.md")]

// What a user holds.
mod builder;
mod meter;
mod span;

// From readings to amounts, in this order.
mod clock;
mod counter;
mod cover;
mod feed;
mod host;
mod mirror;
mod power;
mod report;
mod sampler;
mod source;
mod state;
mod tally;
mod track;
mod uncertainty;
mod update;

// What is asked beyond the amount.
mod attribute;
pub mod beside;
pub mod carbon;
pub mod export;
mod idle;

// Sources.
mod battery;
mod cpu_time;
mod estimator;
mod file;
mod hwmon;
mod perf;
mod plugin;
mod powercap;

// Plugins at arm's length.
pub mod conformance;
pub mod isolate;

// The proof.
pub mod validate;

pub use crate::{
    attribute::Attribution,
    builder::{Builder, ProbeStatus, probe_libraries},
    clock::{Clock, Monotonic, Virtual},
    counter::{Advance, Counter},
    estimator::{Estimator, Fitted, Observation},
    idle::Idle,
    meter::{Meter, MeterError, Reading},
    plugin::{LoadError, Plugin},
    power::{Integral, Trapezoid},
    source::{Channel, Kind, ReadError, Source},
    span::{Absence, Span, SpanReport},
};

/// The vocabulary of energy, so that this crate is the only dependency a program needs.
pub use units::{
    Domain, DomainEnergy, Energy, EnergyReport, Joules, Method, Origin, ProbeUse, Seconds,
    SpanEnergy, Warning, WarningKind, Watts,
};
