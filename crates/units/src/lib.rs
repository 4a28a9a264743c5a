#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod emissions;
mod energy;
mod files;
mod insight;
pub mod limits;
mod probe;
mod quantity;
mod rounding;
mod serving;
mod spreadsheet;
mod warning;

pub use crate::{
    emissions::{EmissionsRow, emissions_columns, emissions_header},
    energy::{Domain, DomainEnergy, Energy, EnergyReport, Method, Origin, SpanEnergy},
    files::{has_no_locks, open_regular, read_at_most, read_text},
    insight::{Dependence, Importance, Share},
    probe::ProbeUse,
    quantity::{Joules, Seconds, Watts},
    serving::{BatchTimes, Serving},
    spreadsheet::spreadsheet_text,
    warning::{Warning, WarningKind},
};
