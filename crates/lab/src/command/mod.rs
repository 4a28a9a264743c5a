//! The subcommands: one file or folder for each, with its arguments and what it does.

pub(crate) mod check;
pub(crate) mod datasets;
mod evidence;
pub(crate) mod journal;
pub(crate) mod measure;
pub(crate) mod meter;
pub(crate) mod model;
pub(crate) mod plugin;
pub(crate) mod predict;
pub(crate) mod probes;
mod published;
pub(crate) mod report;
pub(crate) mod reproduce;
pub(crate) mod simulate;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod tune;
pub(crate) mod worker;
