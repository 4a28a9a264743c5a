//! What the machine draws when nothing is asked of it.

use units::{Domain, DomainEnergy, Energy, Joules, Origin, Seconds, Watts};

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
    /// Mean and standard deviation of the processor's measured power alone.
    pub processor: Option<(Watts, Watts)>,
}

/// The processor's measured domains that are in the total.
pub(crate) fn processor(domains: &[DomainEnergy]) -> Option<Energy> {
    let processor = domains.iter().filter(|it| {
        it.in_total
            && it.origin == Origin::Measured
            && matches!(
                it.domain,
                Domain::CpuPackage | Domain::CpuCore | Domain::CpuUncore | Domain::CpuDie
            )
    });
    Energy::total(processor.map(DomainEnergy::energy))
}

fn mean_and_spread(powers: &[f64]) -> (Watts, Watts) {
    let count = powers.len() as f64;
    let mean = powers.iter().sum::<f64>() / count;
    let squares: f64 = powers.iter().map(|it| (it - mean).powi(2)).sum();
    let spread = if powers.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 };
    (Watts(mean), Watts(spread))
}

impl Idle {
    /// From the parts of a time at rest; `None` where a part has no energy.
    pub(crate) fn of(parts: &[SpanReport]) -> Option<Self> {
        let energies: Option<Vec<Energy>> = parts.iter().map(|it| it.total).collect();
        let energies = energies.filter(|it| !it.is_empty())?;
        let watts = |(energy, part): (&Energy, &SpanReport)| (energy.joules / part.duration).0;
        let powers: Vec<f64> = energies.iter().zip(parts).map(watts).collect();
        let (mean, spread) = mean_and_spread(&powers);
        let processors: Option<Vec<Energy>> =
            parts.iter().map(|it| processor(&it.domains)).collect();
        let processor = processors.map(|energies| {
            let powers: Vec<f64> = energies.iter().zip(parts).map(watts).collect();
            mean_and_spread(&powers)
        });
        let origin = energies.iter().map(|it| it.origin).reduce(Origin::and)?;
        let duration = Seconds(parts.iter().map(|it| it.duration.0).sum());
        Some(Self { duration, mean, spread, origin, processor })
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
