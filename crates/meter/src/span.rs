//! Spans: named stretches of work, and what they cost.

use units::{DomainEnergy, Energy, Seconds, SpanEnergy, Warning};

use crate::{attribute::Attribution, meter::Meter};

/// A stretch of work that is being measured; [`Span::end`] tells what it cost.
///
/// Spans may nest and overlap, also across threads. A dropped span reports nothing.
#[must_use = "a span that is not ended reports nothing"]
#[derive(Debug)]
pub struct Span {
    pub(crate) meter: Meter,
    pub(crate) id: u64,
    pub(crate) name: String,
}

impl Span {
    /// A span inside this one, named `<this>/<name>`.
    pub fn child(&self, name: &str) -> Self {
        self.meter.span(&format!("{}/{name}", self.name))
    }

    /// Ends the span.
    #[must_use]
    pub fn end(self) -> SpanReport {
        self.meter.clone().end(&self)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.meter.forget(self.id);
    }
}

/// What a span cost.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanReport {
    /// Its path.
    pub name: String,
    /// Since the meter started.
    pub start: Seconds,
    /// Its length.
    pub duration: Seconds,
    /// Energy of each channel that could be read.
    pub domains: Vec<DomainEnergy>,
    /// Energy over a disjoint cover of the domains; `None` where nothing could be read.
    pub total: Option<Energy>,
    /// Channels that exist and have no energy here, and why.
    pub absent: Vec<Absence>,
    /// Whose energy the processor's is; `None` unless the meter was told to find out
    /// ([`crate::Builder::attribute`]) and the processor is measured.
    pub attribution: Option<Attribution>,
    /// CPU time of this process, all threads, without its children.
    pub cpu: Seconds,
    /// Of that, what the meter itself used: its threads, and the two ends of every span.
    pub own_cpu: Seconds,
    /// Doubts.
    pub warnings: Vec<Warning>,
}

/// A channel that has no energy in a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// What it would cover.
    pub domain: units::Domain,
    /// Which one.
    pub device: String,
    /// The probe that should have read it.
    pub probe: String,
    /// In words.
    pub reason: String,
    /// Whether the total lacks it.
    pub in_total: bool,
}

impl From<SpanReport> for SpanEnergy {
    fn from(report: SpanReport) -> Self {
        Self::from(&report)
    }
}

impl From<&SpanReport> for SpanEnergy {
    fn from(report: &SpanReport) -> Self {
        Self {
            name: report.name.clone(),
            start: report.start,
            duration: report.duration,
            energy: report.total,
        }
    }
}
