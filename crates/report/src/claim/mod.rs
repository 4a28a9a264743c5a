//! The studies' claims, tested on our own records: a file a question, a rule a verdict.

mod batching;
mod difference;
mod effects;
mod factorial;
pub mod id;
mod layers;
mod published;
mod resample;
mod rows;
mod runs;
mod timeline;
mod tuning;
mod verdict;

use std::{
    collections::{BTreeMap, HashSet},
    hash::Hash,
};

use crate::document::fixed;
use record::{Evidence, Finding, Origin, RESULTS_SCHEMA, Results, Verdict};

pub use self::{
    difference::{Difference, FolderComparison, VerdictChange, compare_folders},
    effects::{EffectShare, OurEffect, effect_shares},
    published::{Published, PublishedClaim, PublishedNetwork},
    rows::{InferRow, LayerRow, QueueRow, Rows, TrialRow, origin_of, policy_title},
    runs::{Run, Runs},
    timeline::network_means,
    tuning::{Search, searches},
    verdict::Estimate,
};
pub(crate) use self::{
    effects::study_cautions,
    factorial::{Block, Factorial, Response, factorials},
    resample::{Sums, estimate, mean},
    tuning::measured as search_figures,
};

/// Tests every claim on the runs; the content of `results.json`.
#[must_use]
pub fn results(runs: &Runs, published: &Published) -> Results {
    Results {
        schema: RESULTS_SCHEMA.to_owned(),
        environment: runs.environment.clone(),
        claims: findings(&runs.rows, published),
    }
}

/// Tests every claim on the rows, in the order of [`claim_id::ALL`](id::ALL).
#[must_use]
pub fn findings(rows: &Rows, published: &Published) -> Vec<Finding> {
    let sets = factorials(&rows.layers);
    let answers = [
        tuning::bayesian_dominates(&rows.trials),
        layers::conv_dominates(&rows.layers, &sets),
        layers::halved_by_smaller_network(&rows.layers, &sets),
        layers::diminishing_returns(&rows.layers, &sets),
        batching::batching_matters(&rows.queues),
        batching::model_dependent(&rows.queues),
        timeline::energy_rises(&rows.infers, published),
        timeline::accuracy_slows(&rows.infers, published),
        timeline::shufflenet_exception(&rows.infers, published),
    ];
    id::ALL
        .into_iter()
        .zip(answers)
        .map(|(id, answer)| {
            let claim = published.claim(&id);
            Finding {
                id,
                statement: claim.statement.clone(),
                criterion: answer.criterion,
                published: claim.figures.clone(),
                measured: answer.measured,
                verdict: answer.verdict,
                reason: answer.reason,
                evidence: finite(answer.evidence),
                energy_origin: answer.origin,
                data: answer.data,
                caveats: answer.caveats,
            }
        })
        .collect()
}

/// Without what is not a number: JSON has none, and a reader of `results.json` expects numbers.
fn finite(evidence: Evidence) -> Evidence {
    let finite = |it: Option<f64>| it.filter(|it| it.is_finite());
    Evidence {
        statistic: finite(evidence.statistic),
        p: finite(evidence.p),
        effect: finite(evidence.effect),
        ci95: evidence.ci95.filter(|it| it.iter().all(|end| end.is_finite())),
        ..evidence
    }
}

/// What the rows say about a claim; with the published part it becomes a [`Finding`].
#[derive(Clone, Debug)]
struct Answer {
    criterion: String,
    measured: BTreeMap<String, Option<f64>>,
    verdict: Verdict,
    reason: String,
    evidence: Evidence,
    origin: Option<Origin>,
    data: String,
    caveats: Vec<String>,
}

impl Answer {
    /// Too little data: inconclusive, and why.
    fn too_little(criterion: &str, effect_name: &str, n: usize, why: impl Into<String>) -> Self {
        Self {
            criterion: criterion.to_owned(),
            measured: BTreeMap::new(),
            verdict: Verdict::Inconclusive,
            reason: why.into(),
            evidence: Evidence {
                test: "none: too little data".to_owned(),
                statistic: None,
                p: None,
                effect: None,
                effect_name: effect_name.to_owned(),
                ci95: None,
                n,
            },
            origin: None,
            data: "none".to_owned(),
            caveats: Vec::new(),
        }
    }
}

/// Named figures for [`Finding::measured`].
fn figures<const N: usize>(pairs: [(&str, Option<f64>); N]) -> BTreeMap<String, Option<f64>> {
    pairs
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.filter(|it| it.is_finite())))
        .collect()
}

/// Distinct values in order of first appearance, of which there may be many.
pub(crate) fn unique<T: Eq + Hash + Clone>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    values.into_iter().filter(|it| seen.insert(it.clone())).collect()
}

/// Distinct values in order of first appearance, of which there are few.
pub(crate) fn distinct<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut found = Vec::new();
    for value in values {
        if !found.contains(&value) {
            found.push(value);
        }
    }
    found
}

/// `12.3 %`, `−4.0 %`.
fn percent(share: f64) -> String {
    format!("{} %", fixed(share * 100.0, 1))
}

/// `+1.25`, `−0.30`; a dash for what is not known.
fn signed(value: Option<f64>) -> String {
    let text = fixed(value.unwrap_or(f64::NAN), 2);
    if value.is_some_and(|it| it > 0.0) { format!("+{text}") } else { text }
}

/// `[a, b]` of percentages, or that there is none.
fn percent_interval(ci95: Option<[f64; 2]>) -> String {
    match ci95 {
        Some([low, high]) => format!("95 % interval {} to {}", percent(low), percent(high)),
        None => "too few repetitions for an interval".to_owned(),
    }
}
