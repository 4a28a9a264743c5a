//! The law of steps that fits measured steps best, and how far it is from steps that were left out.

use serde::{Deserialize, Serialize};

use super::{
    law::StepLaw, least_squares::Sums, measured::MeasuredStep, scheduler::TokenStep,
    step_basis::Basis,
};
use crate::error::ConfigError;

/// The fewest different steps.
const LEAST: usize = 10;
/// Parts of the steps, each of which is left out once.
const FOLDS: usize = 5;
/// Pieces of a table over the tokens that are tried; 1 is a line.
const SEGMENTS: [usize; 5] = [1, 2, 4, 8, 16];

/// How well a law of steps fits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StepLawFit {
    /// Rows of its table over the tokens; 0 for a line.
    pub table_rows: usize,
    /// Median distance, relative to what was measured, of steps that were left out of the fit.
    pub left_out_median: f64,
    /// What 90 % of them do not exceed.
    pub left_out_p90: f64,
    /// The largest.
    pub left_out_worst: f64,
}

/// Fitted laws.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StepFit {
    /// Steps, and how many of them differ in more than what they took.
    pub steps: usize,
    /// Different numbers of tokens, sequences, context and pairs.
    pub different: usize,
    /// Of the seconds.
    pub seconds: StepLawFit,
    /// Of the joules; `None` if some step has none.
    pub joules: Option<StepLawFit>,
    pub(super) time: StepLaw,
    pub(super) energy: Option<StepLaw>,
}

impl StepFit {
    /// Seconds of a step by the law.
    #[must_use]
    pub fn seconds_of(&self, step: &MeasuredStep) -> f64 {
        self.time.of(&as_step(step))
    }

    /// Joules of a step by the law, if joules were measured.
    #[must_use]
    pub fn joules_of(&self, step: &MeasuredStep) -> Option<f64> {
        Some(self.energy.as_ref()?.of(&as_step(step)))
    }
}

fn as_step(step: &MeasuredStep) -> TokenStep {
    TokenStep {
        tokens: step.tokens,
        sequences: step.sequences.unwrap_or_default(),
        context: step.context.unwrap_or_default() as u64,
        pairs: step.pairs.unwrap_or_default(),
        ..TokenStep::default()
    }
}

/// Fits laws to measured steps: seconds, and joules if all steps have them.
///
/// A law is the sum of parts that are not negative: a line or a table over the tokens, and parts of each
/// sequence, token in the cache and pair of tokens, as far as all steps have them. Least squares of the
/// relative distances give the parts. The steps are divided into five by what they compute; each fifth is
/// left out once, and predicted by a law that was chosen and fitted without it. The number of rows of the
/// table is the one with the least error in the same test among the steps that are left.
///
/// # Errors
/// [`ConfigError::FewSteps`] for fewer than ten different steps.
pub fn fit_steps(steps: &[MeasuredStep]) -> Result<StepFit, ConfigError> {
    let mut shapes: Vec<_> = steps.iter().map(MeasuredStep::shape).collect();
    shapes.sort_unstable();
    shapes.dedup();
    if shapes.len() < LEAST {
        return Err(ConfigError::FewSteps { found: shapes.len(), least: LEAST });
    }
    let fold =
        |step: &MeasuredStep| shapes.binary_search(&step.shape()).unwrap_or_default() % FOLDS;
    let folds: Vec<usize> = steps.iter().map(fold).collect();
    let all = |value: &dyn Fn(&MeasuredStep) -> Option<f64>| -> Option<Vec<f64>> {
        steps.iter().map(value).collect()
    };
    let seconds: Vec<f64> = steps.iter().map(|step| step.seconds).collect();
    let (seconds, time) = fit(steps, &seconds, &folds);
    let joules = all(&|step| step.joules).map(|joules| fit(steps, &joules, &folds));
    let (joules, energy) = joules.map_or((None, None), |(fit, law)| (Some(fit), Some(law)));
    Ok(StepFit { steps: steps.len(), different: shapes.len(), seconds, joules, time, energy })
}

/// A basis with the sums of each fold.
struct Candidate {
    basis: Basis,
    folds: [Sums; FOLDS],
}

impl Candidate {
    fn new(basis: Basis, steps: &[MeasuredStep], values: &[f64], folds: &[usize]) -> Self {
        let mut sums = [(); FOLDS].map(|()| Sums::new(basis.count()));
        for ((step, value), &fold) in steps.iter().zip(values).zip(folds) {
            // Relative distances: both sides over what was measured.
            let features: Vec<f64> =
                basis.features(step).into_iter().map(|feature| feature / value).collect();
            sums[fold].add(&features, 1.0);
        }
        Self { basis, folds: sums }
    }

    /// The coefficients without some folds.
    fn without(&self, left_out: &[usize]) -> Vec<f64> {
        let kept = self.folds.iter().enumerate().filter(|(fold, _)| !left_out.contains(fold));
        kept.fold(Sums::new(self.basis.count()), |sum, (_, fold)| sum.and(fold)).not_negative()
    }

    /// The squared error of each fold but one by a law without both.
    fn error_without(&self, left_out: Option<usize>) -> f64 {
        let others = (0..FOLDS).filter(|fold| Some(*fold) != left_out);
        others
            .map(|fold| {
                let both = [fold, left_out.unwrap_or(fold)];
                self.folds[fold].error(&self.without(&both))
            })
            .sum()
    }
}

fn fit(steps: &[MeasuredStep], values: &[f64], folds: &[usize]) -> (StepLawFit, StepLaw) {
    let candidates: Vec<Candidate> = SEGMENTS
        .iter()
        .filter_map(|&segments| Basis::new(steps, segments))
        .map(|basis| Candidate::new(basis, steps, values, folds))
        .collect();
    let best = |left_out: Option<usize>| {
        let errors = candidates.iter().map(|candidate| candidate.error_without(left_out));
        let best = errors.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
        // A line is always among them.
        &candidates[best.map_or(0, |best| best.0)]
    };
    let laws: Vec<StepLaw> = (0..FOLDS)
        .map(|fold| {
            let candidate = best(Some(fold));
            candidate.basis.law(&candidate.without(&[fold]))
        })
        .collect();
    let mut distances: Vec<f64> = steps
        .iter()
        .zip(values)
        .zip(folds)
        .map(|((step, value), &fold)| (laws[fold].of(&as_step(step)) / value - 1.0).abs())
        .collect();
    distances.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let rank = (share * distances.len() as f64).ceil() as usize;
        distances.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    };
    let chosen = best(None);
    let fit = StepLawFit {
        table_rows: chosen.basis.rows(),
        left_out_median: quantile(0.5),
        left_out_p90: quantile(0.9),
        left_out_worst: quantile(1.0),
    };
    (fit, chosen.basis.law(&chosen.without(&[])))
}

/// The measured steps that the laws of a description were fitted to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StepCalibration {
    /// Steps.
    pub steps: usize,
    /// Steps that differ in what they computed.
    pub different: usize,
    /// How well the law of their seconds fits.
    pub seconds: StepLawFit,
    /// The same of their joules; `None` without joules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub joules: Option<StepLawFit>,
}
