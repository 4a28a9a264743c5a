//! The list of claims, and the findings on them.

use std::collections::HashSet;

use record::{ClaimId, Finding, RESULTS_SCHEMA, Results};

use super::{
    batching,
    definition::{Claim, Observations, Question},
    engines::{self, engine_comparisons},
    layers,
    looks::Looked,
    rows::Rows,
    runs::Runs,
    timeline, tuning,
};
use crate::document::{AssessedClaim, ClaimEffect, KeyFigure, Unit};

/// Every claim, in the order of the report.
pub static CLAIMS: &[&Claim] = &[
    &tuning::BAYESIAN_DOMINATES,
    &layers::CONV_DOMINATES,
    &layers::HALVED_BY_SMALLER_NETWORK,
    &layers::DIMINISHING_RETURNS,
    &batching::BATCHING_MATTERS,
    &batching::MODEL_DEPENDENT,
    &timeline::ENERGY_RISES,
    &timeline::ACCURACY_SLOWS,
    &timeline::SHUFFLENET_EXCEPTION,
];

/// Claims about this program, which are tested only where there are runs for them.
static OWN_CLAIMS: &[&Claim] = &[&engines::ENGINE_COST];

/// Every claim of the studies and of our own.
fn all() -> impl Iterator<Item = &'static &'static Claim> {
    CLAIMS.iter().chain(OWN_CLAIMS)
}

/// Tests every claim on the runs; the content of `results.json`.
#[must_use]
pub fn results(runs: &Runs) -> Results {
    Results {
        schema: RESULTS_SCHEMA.to_owned(),
        environment: runs.environment.clone(),
        claims: findings(&runs.rows),
    }
}

/// Tests every claim on the rows, in the order of [`CLAIMS`]. If there are runs of both engines, the finding on
/// what the engine costs follows.
#[must_use]
pub fn findings(rows: &Rows) -> Vec<Finding> {
    let looked = Looked::of(rows);
    let observations = Observations::of(rows, looked.as_ref());
    let own = OWN_CLAIMS.iter().filter(|_| !engine_comparisons(&rows.engines).is_empty());
    CLAIMS.iter().chain(own).map(|claim| claim.finding(&observations)).collect()
}

/// The ids of the claims that answer a question.
pub(crate) fn claims_on(question: Question) -> Vec<ClaimId> {
    let claims = all().filter(|claim| claim.question == question);
    claims.map(|claim| claim.id.clone()).collect()
}

/// A finding with the labels and units of its figures, for a document.
///
/// The figures of a claim that this program does not know are shown under their keys, without a unit.
#[must_use]
pub fn assessed(finding: Finding) -> AssessedClaim {
    let claim = all().find(|claim| claim.id == finding.id);
    let value_of = |key: &str| {
        (finding.published.get(key).copied(), finding.measured.get(key).copied().flatten())
    };
    let declared = claim.map_or(&[][..], |claim| claim.figures);
    let mut figures: Vec<KeyFigure> = Vec::new();
    for figure in declared {
        let (published, measured) = value_of(figure.key);
        let (label, unit) = (figure.label.to_owned(), figure.unit);
        figures.push(KeyFigure { label, unit, published, measured });
    }
    let keys: HashSet<&String> = finding.published.keys().chain(finding.measured.keys()).collect();
    let mut others: Vec<&String> =
        keys.into_iter().filter(|key| !declared.iter().any(|figure| figure.key == **key)).collect();
    others.sort_unstable();
    for key in others {
        let (published, measured) = value_of(key);
        figures.push(KeyFigure { label: key.clone(), unit: Unit::None, published, measured });
    }
    // A figure without any value says nothing.
    figures.retain(|figure| figure.published.is_some() || figure.measured.is_some());
    let effect = finding.evidence.effect.map(|value| ClaimEffect {
        label: claim.map_or_else(
            || finding.evidence.effect_name.clone(),
            |claim| claim.effect.name.to_owned(),
        ),
        unit: claim.map_or(Unit::None, |claim| claim.effect.unit),
        value,
        interval: finding.evidence.ci95,
    });
    AssessedClaim { finding, figures, effect }
}

#[cfg(test)]
mod tests {
    use super::{super::distinct::unique, *};

    #[test]
    fn ids_and_keys_are_unique() {
        assert_eq!(unique(all().map(|claim| &claim.id)).len(), all().count());
        for claim in all() {
            let keys = unique(claim.figures.iter().map(|figure| figure.key));
            assert_eq!(keys.len(), claim.figures.len(), "{}", claim.id);
        }
    }

    /// Scripts rely on these; new claims may be added.
    #[test]
    fn published_ids_never_change() {
        let ids: Vec<&str> = CLAIMS.iter().map(|claim| claim.id.as_str()).collect();
        for id in [
            "rq1-bayesian-dominates",
            "rq2-conv-dominates",
            "rq3-halved-by-smaller-network",
            "rq3-diminishing-returns",
            "rq4-batching-matters",
            "rq4-model-dependent",
            "rq5-energy-rises",
            "rq5-accuracy-slows",
            "rq5-shufflenet-exception",
        ] {
            assert!(ids.contains(&id), "{id}");
        }
    }

    #[test]
    fn a_finding_belongs_to_its_claim_whatever_the_data() {
        for (finding, claim) in findings(&Rows::default()).iter().zip(CLAIMS) {
            assert_eq!((&finding.id, finding.statement.as_str()), (&claim.id, claim.statement));
            assert_eq!(finding.verdict, record::Verdict::Inconclusive, "no data decide nothing");
        }
    }

    #[test]
    fn figures_of_an_unknown_claim_are_shown_under_their_keys() {
        let mut finding = findings(&Rows::default()).remove(0);
        finding.id = ClaimId::new("of-another-program");
        finding.published = [("energy_j".to_owned(), 5.0)].into();
        let found = assessed(finding);
        assert_eq!(
            (found.figures[0].label.as_str(), found.figures[0].unit),
            ("energy_j", Unit::None)
        );
    }
}
