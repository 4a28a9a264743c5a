#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod arrival;
mod clock;
mod live;
mod policy;

pub use crate::{
    arrival::{ArrivalError, arrivals},
    clock::{Clock, Real, Virtual},
    live::{Control, Executor, LiveError, Modeled, serve},
    policy::{Decision, Policy},
};
