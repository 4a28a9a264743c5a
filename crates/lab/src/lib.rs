#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

// What benchmarks, tests and the README's example use is public; the rest belongs to the command.
pub mod budget;
pub mod config;
pub mod data;
pub mod driver;
pub mod executor;
pub mod experiment;
pub mod insight;
pub mod progress;
pub mod seed;
pub mod work;

mod cli;
mod command;
mod confidence;
mod device;
mod disclosure;
mod download;
mod engine;
mod environment;
mod estimate;
mod everyday;
mod evidence;
mod failure;
mod host_load;
mod images;
mod interrupt;
mod memory;
mod output;
mod plain_text;
mod predict;
mod reporting;
mod scores;
mod sensing;
mod surroundings;

use crate::failure::Failure;
pub use crate::{cli::main, images::PhotographsError, interrupt::Interrupt};
