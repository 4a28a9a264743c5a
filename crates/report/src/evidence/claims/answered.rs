//! What the tests have in common.

use record::Verdict;

use crate::{
    claim::{Estimate, p_of_limit},
    document::Unit,
    evidence::EvidenceTest,
    stats,
};

/// A test before Holm's correction.
pub(super) struct Answered {
    pub(super) test: &'static str,
    pub(super) effect_name: &'static str,
    pub(super) unit: Unit,
    pub(super) effect: Estimate,
    pub(super) p: Option<f64>,
    pub(super) verdict: Verdict,
    pub(super) reason: String,
    pub(super) n: usize,
    pub(super) pooled: Option<[f64; 2]>,
}

impl From<Answered> for EvidenceTest {
    fn from(answered: Answered) -> Self {
        let Answered { test, effect_name, unit, effect, p, verdict, reason, n, pooled } = answered;
        Self {
            test,
            effect_name,
            unit,
            effect: effect.value,
            ci95: effect.ci95,
            p,
            p_holm: None,
            verdict_alone: verdict,
            verdict,
            reason,
            notes: Vec::new(),
            n,
            is_negligible: false,
            pooled,
        }
    }
}

/// Fewest networks with an interval over networks.
const FEWEST_NETWORKS: usize = 5;

pub(super) fn enough(networks: usize) -> Result<(), String> {
    if networks < FEWEST_NETWORKS {
        return Err(format!(
            "{networks} networks, and an interval over networks needs {FEWEST_NETWORKS}"
        ));
    }
    Ok(())
}

pub(super) fn because(error: &stats::StatsError) -> String {
    format!("the statistic is not defined: {error}")
}

/// Percentile interval and two-sided p-value of a limit, from resampled statistics.
pub(super) fn of_resamples(value: f64, resampled: &[f64], limit: f64) -> (Estimate, f64) {
    let at = |share| stats::quantile(resampled, share).ok();
    let ci95 = at(0.025).zip(at(0.975)).map(|(low, high)| [low, high]);
    (Estimate { value, ci95 }, p_of_limit(resampled, limit))
}
