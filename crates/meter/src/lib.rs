#![doc = include_str!("../README.md")]

mod clock;
pub mod conformance;
mod counter;
mod cover;
mod cpu_time;
mod estimator;
#[cfg_attr(not(test), expect(dead_code, reason = "the meter's core takes it up next"))]
mod host;
pub mod isolate;
mod meter;
mod plugin;
mod power;
mod powercap;
mod source;
mod span;
mod tally;
mod track;

pub use crate::{
    clock::{Clock, Monotonic, Virtual},
    counter::{Advance, Counter},
    estimator::Estimator,
    meter::{Builder, Meter, MeterError, ProbeStatus},
    plugin::{LoadError, Plugin},
    power::Integral,
    source::{Channel, Kind, ReadError, Source},
    span::{Span, SpanReport},
};
