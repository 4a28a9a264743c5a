//! Checks the meter on simulated sensors whose true energy is known in closed form.
//!
//! [`run`] needs no hardware and takes seconds, because the clock is simulated too. Every case goes
//! through the meter itself: its spans, counters, totals and intervals.

mod calibration;
mod cases;
mod counters;
mod hosts;
mod machines;
mod powers;
pub mod real;
mod recording;
mod sensor;
mod tree;
mod wave;
mod zones;

use self::cases::Cases;
pub use self::{
    cases::Case,
    recording::{Poll, Recording, RecordingError},
    sensor::{Sensor, SensorFault},
    wave::Wave,
};

/// Runs every case; `tell` is called after each.
pub fn run(mut tell: impl FnMut(&Case)) -> Vec<Case> {
    let mut cases = Cases { all: Vec::new(), tell: &mut tell };
    counters::run(&mut cases);
    zones::run(&mut cases);
    machines::run(&mut cases);
    powers::run(&mut cases);
    hosts::run(&mut cases);
    calibration::run(&mut cases);
    cases.all
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_passes() {
        let failed: Vec<_> = super::run(|_| {}).into_iter().filter(|case| !case.pass).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
