#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod budget;
mod change;
mod command;
mod error;
mod journal;
mod progress;
mod queue;
mod replay;
mod request;
mod session;
mod spec;
mod spent;
mod study;
pub mod unknown_key;

pub use crate::{
    budget::Budget,
    command::CommandStudy,
    error::TunerError,
    session::{Session, serve},
    spec::{Direction, ParameterSpec, PrunerKind, PrunerSpec, SamplerSpec, Sense, StudySpec},
    spent::Spent,
    study::OpenStudy,
};
