//! What the machine draws when nothing is asked of it.

use record::{Energy, Joules, Origin, Seconds, Watts};

use crate::span::SpanReport;

/// Two standard deviations: half of a 95 % interval.
const TWO: f64 = 2.0;

/// Power at rest, and how much it moved.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Idle {
    /// How long it was watched.
    pub duration: Seconds,
    /// Mean power over the domains of the total.
    pub mean: Watts,
    /// Standard deviation between equal parts of that time.
    pub spread: Watts,
    /// Of the mean.
    pub origin: Origin,
}

impl Idle {
    /// From the parts of a time at rest; `None` where a part has no energy.
    pub(crate) fn of(parts: &[SpanReport]) -> Option<Self> {
        let powers: Option<Vec<(Watts, Origin)>> = parts
            .iter()
            .map(|it| it.total.map(|total| (total.joules / it.duration, total.origin)))
            .collect();
        let powers = powers.filter(|it| !it.is_empty())?;
        let count = powers.len() as f64;
        let mean = powers.iter().map(|it| it.0.0).sum::<f64>() / count;
        let squares: f64 = powers.iter().map(|it| (it.0.0 - mean).powi(2)).sum();
        let spread = if powers.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
        let origin = powers.iter().map(|it| it.1).reduce(Origin::and)?;
        let duration = Seconds(parts.iter().map(|it| it.duration.0).sum());
        Some(Self { duration, mean: Watts(mean), spread: Watts(spread), origin })
    }

    /// What a span cost beyond rest: its total less the idle power over its length. The interval
    /// takes in the span's own and the idle power's spread. It may be negative within that interval.
    #[must_use]
    pub fn above(&self, report: &SpanReport) -> Option<Energy> {
        let total = report.total?;
        let own: Joules = self.spread * report.duration * TWO;
        Some(Energy {
            joules: total.joules - self.mean * report.duration,
            uncertainty: Joules(total.uncertainty.0.hypot(own.0)),
            origin: total.origin.and(self.origin),
        })
    }
}
