//! How likely more repetitions are to decide a claim, from the repetitions so far.

use record::{ClaimId, Experiment};

use super::{
    definition::Observations,
    list::CLAIMS,
    looks::{Looked, LooksSoFar},
    rows::Rows,
    verdict::Margin,
};
use crate::stats::{normal_cdf, t_quantile};

/// What is to be expected of a claim if its experiment is continued.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Outlook {
    /// The claim.
    pub claim: ClaimId,
    /// The experiment that answers it.
    pub experiment: Experiment,
    /// Whether it is decided.
    pub is_decided: bool,
    margins: Vec<Margin>,
    looks: Option<LooksSoFar>,
}

/// The outlook of every claim on the rows, in the order of [`CLAIMS`].
#[must_use]
pub fn outlooks(rows: &Rows) -> Vec<Outlook> {
    let looked = Looked::of(rows);
    let observations = Observations::of(rows, looked.as_ref());
    let outlook = |claim: &&super::Claim| {
        let answer = (claim.test)(&observations);
        let experiment = claim.question.experiment();
        Outlook {
            claim: claim.id.clone(),
            experiment,
            is_decided: answer.verdict != record::Verdict::Inconclusive,
            margins: answer.margins,
            looks: observations.looks(experiment).cloned(),
        }
    };
    CLAIMS.iter().map(outlook).collect()
}

impl Outlook {
    /// Whether more repetitions can change the verdict. They cannot where the units of the claim are networks.
    #[must_use]
    pub fn depends_on_repetitions(&self) -> bool {
        !self.margins.is_empty()
    }

    /// The probability that the claim is decided at the look after `repetitions` repetitions, if the effects are as
    /// large and vary as much as so far (conditional power under the current trend; Lan and Wittes 1988). 1 if it is
    /// decided. `None` if nothing is known: before the first look, or if `repetitions` is not a later look.
    #[must_use]
    pub fn probability(&self, repetitions: u32) -> Option<f64> {
        if self.is_decided {
            return Some(1.0);
        }
        let looks = self.looks.as_ref().filter(|looks| looks.done > 0)?;
        let at = looks.all.iter().position(|look| *look == repetitions)?;
        if at < looks.done || self.margins.is_empty() {
            return None;
        }
        let growth = f64::from(repetitions) / f64::from(looks.repetitions());
        let decided = |margin: &Margin| {
            let critical = |units: f64, error_rate: f64| {
                t_quantile(1.0 - error_rate / 2.0, (units - 1.0).max(1.0))
            };
            let now = critical(margin.units as f64, looks.error_rate());
            let then = critical(margin.units as f64 * growth, looks.error_rates[at]);
            // Both in standard errors of the estimate at that look.
            let distance = margin.ratio.abs() * now * growth.sqrt();
            normal_cdf(distance - then)
        };
        // All parts must support the claim, or one must contradict it.
        let against: Vec<f64> =
            self.margins.iter().filter(|part| part.ratio < 0.0).map(decided).collect();
        if against.is_empty() {
            self.margins.iter().map(decided).reduce(f64::min)
        } else {
            against.into_iter().reduce(f64::max)
        }
    }
}
