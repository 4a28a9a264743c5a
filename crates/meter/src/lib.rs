#![doc = include_str!("../README.md")]

mod clock;
mod counter;
mod cover;
mod estimator;
mod meter;
mod plugin;
mod powercap;
mod power;
mod source;
mod span;
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
