#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod command;
pub mod config;
pub mod data;
pub mod device;
mod download;
pub mod drive;
pub mod environment;
pub mod estimate;
pub mod executor;
pub mod experiment;
mod failure;
mod images;
pub mod insight;
mod interrupt;
mod others;
pub mod output;
pub mod progress;
pub mod seed;
pub mod sensing;
mod surroundings;
pub mod work;

pub use crate::{failure::Failure, images::PhotographsError, interrupt::Interrupt};
