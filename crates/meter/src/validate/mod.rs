//! Checks the meter on simulated sensors whose true energy is known in closed form.
//!
//! [`run`] needs no hardware and takes seconds, because the clock is simulated too. Every case goes
//! through the meter itself: its spans, counters, totals and intervals.

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

/// One check and its result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Case {
    /// What the group of cases is about.
    pub group: &'static str,
    /// What this case checks.
    pub name: String,
    /// Whether it passed.
    pub pass: bool,
    /// What was expected and what was found.
    pub detail: String,
}

/// Runs every case; `tell` is called after each.
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

    /// Adds a case that passes if `found` is within `tolerance` of `expected`.
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

    /// Adds a case that passes if two values are equal.
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
    fn every_case_passes() {
        let failed: Vec<_> = super::run(|_| {}).into_iter().filter(|case| !case.pass).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
