//! Runs of one command in figures: means, spreads and intervals.

use record::{DomainEnergy, Energy, Joules, Origin, Seconds, Watts};
use serde_json::{Value, json};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::child::MeasuredCommand;

/// Probability that an interval covers the true value.
const CONFIDENCE: f64 = 0.95;

/// One number of each run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) mean: f64,
    /// Standard deviation of one run; `None` with fewer than two.
    pub(super) deviation: Option<f64>,
    pub(super) low: f64,
    pub(super) median: f64,
    pub(super) high: f64,
    /// Half of the 95 % interval of the mean (Student's t); `None` with fewer than two runs.
    pub(super) half_width: Option<f64>,
}

impl Spread {
    /// `None` without values.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let (count, middle) = (sorted.len() as f64, sorted.len() / 2);
        let median = match sorted.len() % 2 {
            1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (values.len() > 1).then(|| (squares / (count - 1.0)).sqrt());
        let half_width = deviation.and_then(|deviation| {
            let t = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
            Some(t.inverse_cdf((1.0 + CONFIDENCE) / 2.0) * deviation / count.sqrt())
        });
        Some(Self { mean, deviation, low, median, high, half_width })
    }
}

/// Runs of one command.
#[derive(Clone, Debug)]
pub(super) struct Summary {
    pub(super) runs: usize,
    /// Energy of a run. `None` if a run has none, or without runs.
    pub(super) joules: Option<Spread>,
    /// Time of a run.
    pub(super) seconds: Option<Spread>,
    /// Mean energy of a run. Its interval has the spread of the runs and the uncertainty of the sensors,
    /// which is mostly the same in all runs and does not become smaller with their number.
    pub(super) total: Option<Energy>,
    /// The mean of each domain that every run has, in the same way.
    pub(super) domains: Vec<DomainEnergy>,
}

impl Summary {
    pub(super) fn of(runs: &[MeasuredCommand]) -> Self {
        let totals: Option<Vec<Energy>> = runs.iter().map(|run| run.report.total).collect();
        let totals = totals.unwrap_or_default();
        let joules: Vec<f64> = totals.iter().map(|total| total.joules.0).collect();
        let seconds: Vec<f64> = runs.iter().map(|run| run.report.duration.0).collect();
        Self {
            runs: runs.len(),
            joules: Spread::of(&joules),
            seconds: Spread::of(&seconds),
            total: mean(&totals),
            domains: domains(runs),
        }
    }

    /// The mean with its interval, as a part of a document; null without energies.
    pub(super) fn json(&self) -> Value {
        let (Some(total), Some(spread)) = (self.total, self.joules) else { return Value::Null };
        let (mean, uncertainty) = (total.joules.0, total.uncertainty.0);
        json!({
            "joules": mean,
            "uncertainty_j": uncertainty,
            "ci95": [(mean - uncertainty).max(0.0), mean + uncertainty],
            "origin": total.origin,
            "spread_j": spread.deviation,
            "min_j": spread.low,
            "median_j": spread.median,
            "max_j": spread.high,
            "duration_s": self.seconds.map(|seconds| seconds.mean),
            "duration_spread_s": self.seconds.and_then(|seconds| seconds.deviation),
            "runs": self.runs,
        })
    }
}

/// The mean of energies; `None` without any.
pub(super) fn mean(energies: &[Energy]) -> Option<Energy> {
    let joules: Vec<f64> = energies.iter().map(|energy| energy.joules.0).collect();
    let spread = Spread::of(&joules)?;
    let sensors = energies.iter().map(|energy| energy.uncertainty.0).sum::<f64>();
    let sensors = sensors / energies.len() as f64;
    let origin = energies.iter().map(|energy| energy.origin).reduce(Origin::and)?;
    let uncertainty = Joules(sensors.hypot(spread.half_width.unwrap_or(0.0)));
    Some(Energy { joules: Joules(spread.mean), uncertainty, origin })
}

fn domains(runs: &[MeasuredCommand]) -> Vec<DomainEnergy> {
    let Some((first, others)) = runs.split_first() else { return Vec::new() };
    let same = |domain: &DomainEnergy, other: &DomainEnergy| {
        (domain.domain, &domain.device, &domain.probe)
            == (other.domain, &other.device, &other.probe)
    };
    let in_all = |domain: &DomainEnergy| {
        let found =
            others.iter().map(|run| run.report.domains.iter().find(|other| same(domain, other)));
        let mut all: Vec<&DomainEnergy> = found.collect::<Option<_>>()?;
        all.insert(0, first.report.domains.iter().find(|other| same(domain, other))?);
        Some(all)
    };
    first.report.domains.iter().filter_map(|domain| mean_domain(&in_all(domain)?, runs)).collect()
}

fn mean_domain(all: &[&DomainEnergy], runs: &[MeasuredCommand]) -> Option<DomainEnergy> {
    let energies: Vec<Energy> = all.iter().map(|domain| domain.energy()).collect();
    let energy = mean(&energies)?;
    let seconds: f64 =
        runs.iter().map(|run| run.report.duration.0).sum::<f64>() / runs.len() as f64;
    let peaks = all.iter().filter_map(|domain| domain.peak_power).map(|watts| watts.0);
    let first = (*all.first()?).clone();
    Some(DomainEnergy {
        joules: energy.joules,
        uncertainty: energy.uncertainty,
        origin: energy.origin,
        mean_power: (seconds > 0.0).then(|| Watts(energy.joules.0 / seconds)),
        peak_power: peaks.reduce(f64::max).map(Watts),
        samples: all.iter().map(|domain| domain.samples).sum(),
        gap: Seconds(all.iter().map(|domain| domain.gap.0).sum::<f64>() / all.len() as f64),
        ..first
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_has_the_spread_of_its_runs_and_the_uncertainty_of_its_sensors() {
        let energy = |joules: f64| Energy {
            joules: Joules(joules),
            uncertainty: Joules(1.0),
            origin: Origin::Measured,
        };
        let found = mean(&[energy(9.0), energy(10.0), energy(11.0)]).unwrap();
        // t with 2 degrees of freedom is 4.3027 at 97.5 %.
        let runs = 4.302_652_73 / 3.0_f64.sqrt();
        assert!((found.joules.0 - 10.0).abs() < 1e-12);
        assert!((found.uncertainty.0 - runs.hypot(1.0)).abs() < 1e-6, "{found:?}");
        assert_eq!(mean(&[energy(9.0)]).unwrap(), energy(9.0));
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn a_spread_has_its_median_between_its_ends() {
        let spread = Spread::of(&[4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!((spread.low, spread.median, spread.high), (1.0, 2.5, 4.0));
        assert!((spread.deviation.unwrap() - (5.0_f64 / 3.0).sqrt()).abs() < 1e-12);
        let one = Spread::of(&[7.0]).unwrap();
        assert_eq!((one.mean, one.median, one.deviation, one.half_width), (7.0, 7.0, None, None));
        assert_eq!(Spread::of(&[]), None);
    }
}
