//! A file per subcommand: its arguments and what it does.

pub mod check;
pub mod datasets;
pub mod journal;
pub mod measure;
pub mod meter;
pub mod model;
pub mod plugin;
pub mod probes;
mod published;
pub mod report;
pub mod reproduce;
pub mod simulate;
pub mod stats;
pub mod status;
pub mod tune;
pub mod worker;
