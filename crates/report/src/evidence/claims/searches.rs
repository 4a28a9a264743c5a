//! RQ1: does Bayesian search dominate random and grid search, replayed on measured trainings?

use std::collections::BTreeMap;

use record::Verdict;

use super::answered::Answered;
use crate::{
    claim::{Estimate, estimate_against, mean},
    document::Unit,
    evidence::{EvidenceSet, EvidenceTest, Replay, ReplayedSearch},
    number::fixed,
};

pub(super) const CRITERION: &str = "As for our own runs, with a seed as a block: the published strategy compared with the better of grid \
     and random search. Supported if the 95 % bootstrap intervals (over seeds) of both differences are \
     above 0: the test accuracy of the best network found, and the mean accuracy of a trial. Contradicted \
     if either interval is below 0; otherwise inconclusive.";

pub(super) fn test(set: &EvidenceSet, replay: Option<&Replay>) -> Result<EvidenceTest, String> {
    let replay = replay.filter(|replay| replay.data == set.adapter.name);
    let replay = replay.ok_or("no search was replayed")?;
    let mut blocks: BTreeMap<u64, Vec<&ReplayedSearch>> = BTreeMap::new();
    for search in &replay.searches {
        blocks.entry(search.seed).or_default().push(search);
    }
    let pairs: Vec<[f64; 2]> = blocks.values().filter_map(|block| differences(block)).collect();
    let of = |part: usize| {
        estimate_against(pairs.len(), 0.0, |units| mean(units.iter().map(|at| pairs[*at][part])))
    };
    let (best, p) = of(0).ok_or("no seed has all strategies")?;
    let (average, p_average) = of(1).ok_or("no seed has all strategies")?;
    let parts = [best.above(0.0), average.above(0.0)];
    let verdict = if parts.contains(&Verdict::Contradicted) {
        Verdict::Contradicted
    } else if parts.contains(&Verdict::Inconclusive) {
        Verdict::Inconclusive
    } else {
        Verdict::Supported
    };
    // Both parts must hold; one is enough to contradict.
    let p = match verdict {
        Verdict::Contradicted if parts[0] != Verdict::Contradicted => p_average,
        Verdict::Contradicted => p,
        _ => p.zip(p_average).map(|(a, b)| a.max(b)),
    };
    let trials = replay.searches.iter().map(|search| search.trials.len()).max().unwrap_or(0);
    let average_text = |average: Estimate| {
        let ends = average.ci95.map(|[low, high]| {
            format!(" [{} to {}]", fixed(low * 100.0, 1), fixed(high * 100.0, 1))
        });
        format!("{}{} points", fixed(average.value * 100.0, 1), ends.unwrap_or_default())
    };
    Ok(EvidenceTest::from(Answered {
        test: "bootstrap of the mean difference over seeds",
        effect_name: "test accuracy of the best network found: Bayesian search as published, minus the \
                      better of grid and random search",
        unit: Unit::Share,
        effect: best,
        p,
        verdict,
        reason: format!(
            "searches of {trials} trials with {} seeds; a trial of the published strategy is on average \
             {} more accurate",
            pairs.len(),
            average_text(average),
        ),
        n: pairs.len(),
        pooled: None,
    }))
}

/// Best and mean accuracy of the published strategy, minus those of the better simple strategy.
fn differences(block: &[&ReplayedSearch]) -> Option<[f64; 2]> {
    let of_claim = block.iter().find(|search| search.is_of_claim)?;
    let simple = || block.iter().filter(|search| search.is_simple);
    let better = |of: fn(&ReplayedSearch) -> Option<f64>| {
        simple().filter_map(|search| of(search)).max_by(f64::total_cmp)
    };
    Some([
        of_claim.best()? - better(ReplayedSearch::best)?,
        of_claim.mean_accuracy()? - better(ReplayedSearch::mean_accuracy)?,
    ])
}
