//! The meter against hardware that is known: simulated sensors, whose true energy has a closed form.
//!
//! [`run`] needs no hardware and takes seconds, for the clock is simulated too. Every case is run
//! through the meter itself: its spans, counters, covers and intervals.

mod calibration;
mod counters;
mod hosts;
mod powers;
mod sensor;
mod tree;
mod wave;
mod zones;

use std::fmt::Display;

pub use self::{
    sensor::{Sensor, SensorFault},
    wave::Wave,
};

/// What was tried and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What is being shown.
    pub group: &'static str,
    /// The case.
    pub name: String,
    /// Whether it held.
    pub pass: bool,
    /// What should have come out, and what did.
    pub detail: String,
}

/// Runs every case; `tell` sees each when it has ended.
pub fn run(mut tell: impl FnMut(&Case)) -> Vec<Case> {
    let mut cases = Cases { all: Vec::new(), tell: &mut tell };
    counters::run(&mut cases);
    zones::run(&mut cases);
    powers::run(&mut cases);
    hosts::run(&mut cases);
    calibration::run(&mut cases);
    cases.all
}

/// The cases so far.
struct Cases<'a> {
    all: Vec<Case>,
    tell: &'a mut dyn FnMut(&Case),
}

impl Cases<'_> {
    fn add(&mut self, group: &'static str, name: impl Into<String>, pass: bool, detail: String) {
        let case = Case { group, name: name.into(), pass, detail };
        (self.tell)(&case);
        self.all.push(case);
    }

    /// `found` is within `tolerance` of `expected`.
    fn close(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        (expected, found, tolerance): (f64, f64, f64),
    ) {
        let pass = (found - expected).abs() <= tolerance;
        let detail = format!("expected {expected:.4} J ± {tolerance:.4}, found {found:.4} J");
        self.add(group, name, pass, detail);
    }

    /// Two values are equal.
    fn equal<T: PartialEq + Display>(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        (expected, found): (T, T),
    ) {
        let detail = format!("expected {expected}, found {found}");
        self.add(group, name, expected == found, detail);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_case_holds() {
        let failed: Vec<_> = super::run(|_| {}).into_iter().filter(|it| !it.pass).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
