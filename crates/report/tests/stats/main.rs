//! The statistics, compared with other implementations and with the study's published tables.

#![expect(clippy::unwrap_used, reason = "also outside of the test functions themselves")]
#![expect(clippy::print_stdout, reason = "shows the errors, and that something was skipped")]

mod agreement;
mod bayesian;
mod coverage;
mod design;
mod errors;
mod faults;
mod finite;
mod formulas;
mod joules;
mod laws;
mod meta;
mod models;
mod non_negative;
mod oracle;
mod published;
mod screening;
