//! Idle power: what the machine draws without any work.

use units::{Energy, Joules, Origin, Seconds, Watts};

use crate::{attribute::processor, span_report::SpanReport};

/// Number of standard deviations in half of a 95 % interval.
const TWO: f64 = 2.0;

/// The machine's idle power, and how much it varied while it was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Idle {
    /// How long the machine was measured.
    pub duration: Seconds,
    /// Mean power over the domains of the total.
    pub mean: Watts,
    /// Standard deviation of the mean power of equal parts of that time.
    pub spread: Watts,
    /// Origin of these powers.
    pub origin: Origin,
    /// Mean and standard deviation of the processor's power; `None` if no sensor measures it.
    pub processor: Option<(Watts, Watts)>,
}

fn mean_and_spread(powers: &[f64]) -> (Watts, Watts) {
    let count = powers.len() as f64;
    let mean = powers.iter().sum::<f64>() / count;
    let squares: f64 = powers.iter().map(|power| (power - mean).powi(2)).sum();
    let spread = if powers.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
    (Watts(mean), Watts(spread))
}

impl Idle {
    /// From the reports of equal parts of an idle time; `None` if a part has no energy.
    pub(crate) fn of(parts: &[SpanReport]) -> Option<Self> {
        let energies: Option<Vec<Energy>> = parts.iter().map(|part| part.total).collect();
        let energies = energies.filter(|energies| !energies.is_empty())?;
        let watts = |(energy, part): (&Energy, &SpanReport)| (energy.joules / part.duration).0;
        let powers: Vec<f64> = energies.iter().zip(parts).map(watts).collect();
        let (mean, spread) = mean_and_spread(&powers);
        let processors: Option<Vec<Energy>> =
            parts.iter().map(|part| processor(&part.domains)).collect();
        let processor = processors.map(|energies| {
            let powers: Vec<f64> = energies.iter().zip(parts).map(watts).collect();
            mean_and_spread(&powers)
        });
        let origin = energies.iter().map(|energy| energy.origin).reduce(Origin::and)?;
        let duration = Seconds(parts.iter().map(|part| part.duration.0).sum());
        Some(Self { duration, mean, spread, origin, processor })
    }

    /// The energy of a span above idle: its total minus idle power × duration. The interval includes
    /// the uncertainty of the total and the spread of the idle power, so the result may be negative
    /// within its interval. `None` if the span has no energy.
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
