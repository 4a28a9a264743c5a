//! What an estimator is worth: its joules beside those of a meter, run by run.

use record::{Energy, Origin};
use serde::Serialize;

use super::EvidenceSet;
use crate::{claim::distinct, stats};

/// A run with joules of an estimator and of a meter.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EstimatedRun {
    /// Runs of a group are not independent: those of a network, or of a second of a recording.
    pub group: String,
    /// Joules of the estimator; above 0.
    pub estimated: f64,
    /// Half of the 95 % interval that the estimator states, in joules; `None` if it states none.
    pub half_width: Option<f64>,
    /// Joules of the meter; above 0.
    pub metered: f64,
    /// Standard deviation of the meter's joules, from its resolution.
    pub metered_sd: f64,
}

/// An estimator and the runs that it is compared on, in words.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EstimatorName {
    /// The data set.
    pub data: String,
    /// The device.
    pub device: String,
    /// The estimator.
    pub estimator: String,
    /// Origin of the estimator's joules.
    pub origin: Origin,
    /// What a run is, such as `runs` or `windows of 1 s`.
    pub runs_are: String,
    /// What the groups of runs are, such as `networks`.
    pub groups_are: String,
}

/// The joules of an estimator over those of a meter, on a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EstimatorRatio {
    /// What is compared.
    #[serde(flatten)]
    pub name: EstimatorName,
    /// Number of runs.
    pub runs: usize,
    /// Number of groups of runs.
    pub groups: usize,
    /// Geometric mean of the ratio over groups.
    pub ratio: f64,
    /// Its 95 % interval, from the differences between groups.
    pub ci95: [f64; 2],
    /// Between which ratios 95 % of the runs lie: what a single estimate is worth after correction by the mean
    /// ratio.
    pub range95: [f64; 2],
    /// Sum of the estimator's joules over the sum of the meter's.
    pub ratio_of_sums: f64,
    /// Standard deviation of the log ratio between runs that the meter's resolution explains.
    pub reading_log_sd: f64,
    /// Standard deviation of the log ratio of runs.
    pub log_sd: f64,
    /// Share of the runs whose stated 95 % interval contains the meter's joules; `None` if no interval is stated.
    pub coverage95: Option<f64>,
    /// Median half-width of the stated intervals, as a share of the estimate.
    pub stated_half_width: Option<f64>,
}

impl EstimatedRun {
    /// A run with a meter whose resolution does not matter.
    #[must_use]
    pub fn new(group: impl Into<String>, estimated: f64, metered: f64) -> Self {
        Self { group: group.into(), estimated, half_width: None, metered, metered_sd: 0.0 }
    }

    /// The same with an estimate that states its interval.
    #[must_use]
    pub fn stated(group: impl Into<String>, estimated: Energy, metered: f64) -> Self {
        Self::new(group, estimated.joules.0, metered).within(estimated.uncertainty.0)
    }

    /// The same with half of a 95 % interval that is stated, in joules.
    #[must_use]
    pub fn within(self, half_width: f64) -> Self {
        Self { half_width: Some(half_width), ..self }
    }

    fn is_covered(&self) -> Option<bool> {
        Some((self.estimated - self.metered).abs() <= self.half_width?)
    }
}

impl EstimatorName {
    /// An estimator on a device of a data set, on runs in groups.
    #[must_use]
    pub fn new(data: &str, device: &str, estimator: &str, origin: Origin) -> Self {
        let [data, device, estimator] = [data, device, estimator].map(str::to_owned);
        let [runs_are, groups_are] = ["runs", "networks"].map(str::to_owned);
        Self { data, device, estimator, origin, runs_are, groups_are }
    }

    /// The same with other words for runs and groups.
    #[must_use]
    pub fn on(self, runs_are: &str, groups_are: &str) -> Self {
        let [runs_are, groups_are] = [runs_are, groups_are].map(str::to_owned);
        Self { runs_are, groups_are, ..self }
    }
}

impl EstimatorRatio {
    /// Compares an estimator with a meter; `None` if there are fewer than two groups or a value is not above 0.
    #[must_use]
    pub fn of(name: EstimatorName, runs: &[EstimatedRun]) -> Option<Self> {
        let is_fit = |value: f64| value.is_finite() && value > 0.0;
        if !runs.iter().all(|run| is_fit(run.estimated) && is_fit(run.metered)) {
            return None;
        }
        let log = |run: &EstimatedRun| (run.estimated / run.metered).ln();
        let groups = distinct(runs.iter().map(|run| run.group.as_str()));
        let mean_of = |group: &&str| {
            let of: Vec<f64> = runs.iter().filter(|run| run.group == *group).map(log).collect();
            stats::mean(&of).ok()
        };
        let means: Vec<f64> = groups.iter().filter_map(mean_of).collect();
        let interval = stats::one_sample_t(&means, 0.0).ok()?.interval(0.95).ok()?;
        let logs: Vec<f64> = runs.iter().map(log).collect();
        let at = |share| stats::quantile(&logs, share).ok().map(f64::exp);
        let sum = |of: fn(&EstimatedRun) -> f64| runs.iter().map(of).sum::<f64>();
        let covered: Option<Vec<bool>> = runs.iter().map(EstimatedRun::is_covered).collect();
        let count = runs.len() as f64;
        let stated: Option<Vec<f64>> =
            runs.iter().map(|run| Some(run.half_width? / run.estimated)).collect();
        Some(Self {
            name,
            runs: runs.len(),
            groups: groups.len(),
            ratio: stats::mean(&means).ok()?.exp(),
            ci95: [interval.low.exp(), interval.high.exp()],
            range95: [at(0.025)?, at(0.975)?],
            ratio_of_sums: sum(|run| run.estimated) / sum(|run| run.metered),
            reading_log_sd: (sum(|run| (run.metered_sd / run.metered).powi(2)) / count).sqrt(),
            log_sd: stats::standard_deviation(&logs).ok()?,
            coverage95: covered
                .map(|covered| covered.iter().filter(|covered| **covered).count() as f64 / count),
            stated_half_width: stated.and_then(|stated| stats::median(&stated).ok()),
        })
    }
}

/// The ratio of each set that has a second measurement.
pub(super) fn ratios(sets: &[EvidenceSet]) -> Vec<EstimatorRatio> {
    sets.iter().filter_map(ratio).collect()
}

fn ratio(set: &EvidenceSet) -> Option<EstimatorRatio> {
    let second = set.adapter.second.as_ref()?;
    let runs: Option<Vec<EstimatedRun>> = set
        .rows
        .iter()
        .map(|row| {
            Some(EstimatedRun {
                metered_sd: second.reading_sd_j,
                ..EstimatedRun::new(&row.network, row.second_joules?, row.read_joules)
            })
        })
        .collect();
    let name = EstimatorName::new(&set.adapter.name, &set.device, &second.name, second.origin);
    EstimatorRatio::of(name, &runs?)
}
