//! The meter's behavior, over fake hardware.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "also outside of the test functions themselves")]

mod conformance;
mod export;
mod fake;
mod hwmon;
mod isolate;
mod nvml;
mod plugin;
mod rapl;
mod real;
mod repeated;
mod span;
mod strange;
