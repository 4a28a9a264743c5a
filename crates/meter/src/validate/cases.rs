//! Cases: checks with a result.

use std::fmt::Display;

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

/// The cases so far.
pub(super) struct Cases<'a> {
    pub(super) all: Vec<Case>,
    pub(super) tell: &'a mut dyn FnMut(&Case),
}

impl Cases<'_> {
    pub(super) fn add(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        pass: bool,
        detail: String,
    ) {
        let case = Case { group, name: name.into(), pass, detail };
        (self.tell)(&case);
        self.all.push(case);
    }

    /// Adds a case that passes if `found` is within `tolerance` of `expected`.
    pub(super) fn close(
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
    pub(super) fn equal<T: PartialEq + Display>(
        &mut self,
        group: &'static str,
        name: impl Into<String>,
        (expected, found): (T, T),
    ) {
        let detail = format!("expected {expected}, found {found}");
        self.add(group, name, expected == found, detail);
    }
}
