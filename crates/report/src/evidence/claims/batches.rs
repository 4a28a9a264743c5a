//! RQ4: what a doubling of the batch does to joules, and whether it depends on the network.

use std::collections::BTreeMap;

use record::Verdict;

use super::answered::{Answered, because};
use crate::{
    claim::{Estimate, distinct},
    document::Unit,
    evidence::{EvidenceRow, EvidenceSet, EvidenceTest},
    number::fixed,
    stats::{self, LinearFit, StatsError},
};

pub(super) const CRITERION_MATTERS: &str = "Linear model of log joules with a mean for each network (and each session) and a slope over the \
     doublings of the batch for each network. Supported if the mean of the slopes differs from 0; \
     contradicted if its 95 % interval is within 5 % per doubling; otherwise inconclusive. The interval is \
     for these networks.";
pub(super) const CRITERION_DEPENDS: &str = "The same model against one common slope (F test). Supported if the slopes differ; contradicted if \
     they do not and the 95 % interval of the largest difference (Tukey and Kramer) is within 5 % per \
     doubling; otherwise inconclusive.";

/// A change of joules smaller than this share is negligible.
const NEGLIGIBLE: f64 = 0.05;
const LEVEL: f64 = 0.05;

/// Networks that were measured with at least two batch sizes.
fn with_batches(set: &EvidenceSet) -> Vec<(&str, Vec<&EvidenceRow>)> {
    let mut of: BTreeMap<&str, Vec<&EvidenceRow>> = BTreeMap::new();
    for row in set.rows.iter().filter(|row| row.batch.is_some()) {
        of.entry(&row.network).or_default().push(row);
    }
    of.into_iter()
        .filter(|(_, rows)| distinct(rows.iter().map(|row| row.batch)).len() > 1)
        .collect()
}

pub(super) fn has_batches(set: &EvidenceSet) -> bool {
    !with_batches(set).is_empty()
}

/// The fitted model.
struct Slopes {
    /// Change of ln joules per doubling, by network.
    of: Vec<(String, f64)>,
    /// Their mean.
    mean: stats::Coefficient,
    /// Sum over the squared distances of the doublings from their mean, by network.
    spread: Vec<f64>,
    fit: LinearFit,
    /// F of different slopes and its p, with at least two networks.
    different: Option<(f64, f64)>,
    rows: usize,
    blocks: usize,
}

/// Indicators of the levels after the first, coded as deviations from the last (sum to zero).
fn deviations(codes: &[usize], levels: usize) -> Vec<Vec<f64>> {
    (0..levels.saturating_sub(1))
        .map(|level| {
            let code = |code: &usize| {
                f64::from(u8::from(*code == level)) - f64::from(u8::from(*code == levels - 1))
            };
            codes.iter().map(code).collect()
        })
        .collect()
}

fn fit(predictors: &[Vec<f64>], y: &[f64]) -> Result<LinearFit, StatsError> {
    let predictors: Vec<&[f64]> = predictors.iter().map(Vec::as_slice).collect();
    stats::linear_regression(&predictors, y)
}

fn slopes(set: &EvidenceSet) -> Result<Slopes, String> {
    let networks = with_batches(set);
    let count = networks.len();
    let (mut y, mut x, mut network, mut block) = (vec![], vec![], vec![], vec![]);
    let blocks =
        distinct(networks.iter().flat_map(|(_, rows)| rows).map(|row| row.block.as_deref()));
    let mut spread = Vec::new();
    for (code, (_, rows)) in networks.iter().enumerate() {
        let doublings: Vec<f64> =
            rows.iter().map(|row| f64::from(row.batch.unwrap_or(1)).log2()).collect();
        let center = doublings.iter().sum::<f64>() / doublings.len() as f64;
        spread.push(doublings.iter().map(|at| (at - center).powi(2)).sum());
        for (row, doublings) in rows.iter().zip(doublings) {
            y.push(row.joules.ln());
            x.push(doublings - center);
            network.push(code);
            block.push(blocks.iter().position(|name| *name == row.block.as_deref()).unwrap_or(0));
        }
    }
    let mut common = vec![x.clone()];
    common.extend(deviations(&network, count));
    common.extend(deviations(&block, blocks.len()));
    let mut own = common.clone();
    let by_network = deviations(&network, count);
    own.extend(by_network.iter().map(|codes| codes.iter().zip(&x).map(|(a, b)| a * b).collect()));
    let full = fit(&own, &y).map_err(|error| because(&error))?;
    let mean = full.coefficients[1];
    let deviation: Vec<f64> =
        full.coefficients[own.len() + 2 - count..].iter().map(|one| one.estimate).collect();
    let last = -deviation.iter().sum::<f64>();
    let of = networks.iter().zip(deviation.into_iter().chain([last]));
    let of = of.map(|((name, _), own)| ((*name).to_owned(), mean.estimate + own)).collect();
    let different = if count > 1 {
        let reduced = fit(&common, &y).map_err(|error| because(&error))?;
        let squares = |fit: &LinearFit| fit.residual_sd.powi(2) * fit.df;
        let df = reduced.df - full.df;
        let f = (squares(&reduced) - squares(&full)) / df / full.residual_sd.powi(2);
        Some((f, stats::f_sf(f, df, full.df)))
    } else {
        None
    };
    Ok(Slopes { of, mean, spread, different, rows: y.len(), blocks: blocks.len(), fit: full })
}

/// A change of ln joules as a share, in percent.
fn percent(change: f64) -> String {
    format!("{} %", fixed(change.exp_m1() * 100.0, 1))
}

/// The networks with the smallest and the largest slope.
fn ends(slopes: &Slopes) -> Option<[usize; 2]> {
    let order = |a: &usize, b: &usize| slopes.of[*a].1.total_cmp(&slopes.of[*b].1);
    let all = || 0..slopes.of.len();
    Some([all().min_by(order)?, all().max_by(order)?])
}

pub(super) fn matters(set: &EvidenceSet) -> Result<EvidenceTest, String> {
    let slopes = slopes(set)?;
    let interval = slopes.mean.interval(0.95).map_err(|error| because(&error))?;
    let change = Estimate {
        value: slopes.mean.estimate.exp_m1(),
        ci95: Some([interval.low.exp_m1(), interval.high.exp_m1()]),
    };
    let within = interval.low > -NEGLIGIBLE.ln_1p() && interval.high < NEGLIGIBLE.ln_1p();
    let verdict = if within {
        Verdict::Contradicted
    } else if slopes.mean.p < LEVEL {
        Verdict::Supported
    } else {
        Verdict::Inconclusive
    };
    let [low, high] = ends(&slopes).ok_or("no network")?;
    let (low, high) = (&slopes.of[low], &slopes.of[high]);
    let mut test = EvidenceTest::from(Answered {
        test: "t test of the mean slope of log joules over log₂ batch",
        effect_name: "change of joules per doubling of the batch, geometric mean over networks",
        unit: Unit::Share,
        effect: change,
        p: Some(slopes.mean.p),
        verdict,
        reason: format!(
            "joules per {} change by {} to {} per doubling of the batch ({}, {}) in {} networks and {} runs",
            set.adapter.unit,
            percent(low.1),
            percent(high.1),
            low.0,
            high.0,
            slopes.of.len(),
            slopes.rows,
        ),
        n: slopes.of.len(),
        pooled: Some([slopes.mean.estimate, slopes.mean.se]),
    });
    test.is_negligible = within;
    if slopes.blocks > 1 {
        test.notes.push(format!("{} sessions are blocks of the model.", slopes.blocks));
    }
    Ok(test)
}

pub(super) fn depends(set: &EvidenceSet) -> Result<EvidenceTest, String> {
    let slopes = slopes(set)?;
    let (f, p) = slopes.different.ok_or("only one network was run with several batches")?;
    let [low, high] = ends(&slopes).ok_or("no network")?;
    let widest = slopes.of[high].1 - slopes.of[low].1;
    let quantile = stats::studentized_range_quantile(0.95, slopes.of.len(), slopes.fit.df)
        .map_err(|error| because(&error))?;
    let margin = |a: usize, b: usize| {
        quantile / 2.0_f64.sqrt()
            * slopes.fit.residual_sd
            * (1.0 / slopes.spread[a] + 1.0 / slopes.spread[b]).sqrt()
    };
    let margin_of_widest = margin(low, high);
    let range = Estimate {
        value: widest.exp_m1(),
        ci95: Some([(widest - margin_of_widest).exp_m1(), (widest + margin_of_widest).exp_m1()]),
    };
    let largest = (0..slopes.of.len())
        .flat_map(|a| (0..a).map(move |b| (a, b)))
        .map(|(a, b)| (slopes.of[a].1 - slopes.of[b].1).abs() + margin(a, b))
        .fold(0.0, f64::max);
    let verdict = if p < LEVEL {
        Verdict::Supported
    } else if largest < NEGLIGIBLE.ln_1p() {
        Verdict::Contradicted
    } else {
        Verdict::Inconclusive
    };
    let mut test = EvidenceTest::from(Answered {
        test: "F test of a slope for each network against one slope",
        effect_name: "joules per doubling of the batch, network with the largest change over that with \
                      the smallest, minus 1",
        unit: Unit::Share,
        effect: range,
        p: Some(p),
        verdict,
        reason: format!(
            "a doubling of the batch changes joules per {} by {} for {} and by {} for {} (F = {})",
            set.adapter.unit,
            percent(slopes.of[low].1),
            slopes.of[low].0,
            percent(slopes.of[high].1),
            slopes.of[high].0,
            fixed(f, 1),
        ),
        n: slopes.of.len(),
        pooled: None,
    });
    test.is_negligible = verdict == Verdict::Contradicted;
    Ok(test)
}
