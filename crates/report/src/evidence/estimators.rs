//! What an estimator is worth: its joules beside those of a meter, run by run.

use record::Origin;
use serde::Serialize;

use super::EvidenceSet;
use crate::{claim::distinct, stats};

/// The joules of an estimator over those of a meter, on a device.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EstimatorRatio {
    /// The data set.
    pub data: String,
    /// The device.
    pub device: String,
    /// Name of the estimator.
    pub estimator: String,
    /// Origin of the estimator's joules.
    pub origin: Origin,
    /// Number of runs.
    pub runs: usize,
    /// Number of networks.
    pub networks: usize,
    /// Geometric mean of the ratio over networks.
    pub ratio: f64,
    /// Its 95 % interval, from the differences between networks.
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
}

/// The ratio of each set that has a second measurement.
pub(super) fn ratios(sets: &[EvidenceSet]) -> Vec<EstimatorRatio> {
    sets.iter().filter_map(ratio).collect()
}

fn ratio(set: &EvidenceSet) -> Option<EstimatorRatio> {
    let second = set.adapter.second.as_ref()?;
    let mut runs: Vec<(&str, f64)> = Vec::new();
    let (mut sum, mut sum_second, mut reading) = (0.0, 0.0, 0.0);
    for row in &set.rows {
        let estimated = row.second_joules?;
        runs.push((&row.network, (estimated / row.read_joules).ln()));
        sum += row.read_joules;
        sum_second += estimated;
        reading += (second.reading_sd_j / row.read_joules).powi(2);
    }
    let networks = distinct(runs.iter().map(|(network, _)| *network));
    let mean_of = |network: &&str| {
        let of: Vec<f64> =
            runs.iter().filter(|(name, _)| name == network).map(|(_, log)| *log).collect();
        stats::mean(&of).ok()
    };
    let means: Vec<f64> = networks.iter().filter_map(mean_of).collect();
    let interval = stats::one_sample_t(&means, 0.0).ok()?.interval(0.95).ok()?;
    let logs: Vec<f64> = runs.iter().map(|(_, log)| *log).collect();
    let at = |share| stats::quantile(&logs, share).ok().map(f64::exp);
    Some(EstimatorRatio {
        data: set.adapter.name.clone(),
        device: set.device.clone(),
        estimator: second.name.clone(),
        origin: second.origin,
        runs: runs.len(),
        networks: networks.len(),
        ratio: stats::mean(&means).ok()?.exp(),
        ci95: [interval.low.exp(), interval.high.exp()],
        range95: [at(0.025)?, at(0.975)?],
        ratio_of_sums: sum_second / sum,
        reading_log_sd: (reading / runs.len() as f64).sqrt(),
        log_sd: stats::standard_deviation(&logs).ok()?,
    })
}
