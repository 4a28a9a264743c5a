#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod energy;
pub mod limits;
mod probe;
mod quantity;
mod serving;
mod warning;

pub use crate::{
    energy::{Domain, DomainEnergy, Energy, EnergyReport, Method, Origin, SpanEnergy},
    probe::ProbeUse,
    quantity::{Joules, Seconds, Watts},
    serving::{BatchTimes, Serving},
    warning::{Warning, WarningKind},
};
