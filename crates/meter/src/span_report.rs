//! The report of a span.

use std::fmt;

use units::{DomainEnergy, Energy, Seconds, SpanEnergy, Warning};

use crate::{attribute::Attribution, cpu_share::CpuShare};

/// The energy of a span, and everything that qualifies it.
///
/// As text it is one line: `fit: 0.0010 J ± 0.0005 J, estimated, in 0.002 s`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SpanReport {
    /// The span's path: its own name after those of the spans that contain it.
    pub name: String,
    /// Start, since the meter started.
    pub start: Seconds,
    /// Length.
    pub duration: Seconds,
    /// Energy of each channel that could be read.
    pub domains: Vec<DomainEnergy>,
    /// Energy over domains that do not overlap; `None` if nothing could be read.
    pub total: Option<Energy>,
    /// Channels that exist and have no energy in this span, and why.
    pub absent: Vec<Absence>,
    /// How the processor's energy divides between this process tree and all others. `None` unless
    /// [`crate::Builder::attribute`] was called and a sensor measures the processor.
    pub attribution: Option<Attribution>,
    /// The workload's share of the machine's CPU time. `None` unless [`crate::Builder::attribute`]
    /// was called and both can be read.
    pub cpu_share: Option<CpuShare>,
    /// CPU time of this process, all threads together, without child processes.
    pub cpu: Seconds,
    /// The part of it that the meter itself used: its threads, and the two ends of every span.
    pub own_cpu: Seconds,
    /// Reasons to doubt these numbers.
    pub warnings: Vec<Warning>,
}

impl fmt::Display for SpanReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.name)?;
        match &self.total {
            Some(total) => write!(f, "{total}")?,
            None => f.write_str("no energy")?,
        }
        write!(f, ", in {:.3}", self.duration)
    }
}

/// A channel that has no energy in a span.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Absence {
    /// The part of the machine that it covers.
    pub domain: units::Domain,
    /// The device.
    pub device: String,
    /// The probe that should have read it.
    pub probe: String,
    /// Why there is no energy.
    pub reason: String,
    /// Whether the total would include it.
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
