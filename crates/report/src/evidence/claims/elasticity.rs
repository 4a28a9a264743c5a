//! RQ3: how much accuracy do more joules buy?

use super::answered::{Answered, because, enough};
use crate::{
    claim::Estimate,
    document::Unit,
    evidence::{EvidenceSet, EvidenceTest},
    number::fixed,
    stats,
};

pub(super) const CRITERION: &str = "Slope of log accuracy over log joules across networks (least squares on the means of networks). \
     Supported if its 95 % interval is below 0.25, the limit for our own runs; contradicted if it is \
     above; otherwise inconclusive. The joules must differ at least twofold.";

/// As for our own runs: a quarter of a percent of accuracy per percent of energy.
const MARGINAL: f64 = 0.25;

pub(super) fn test(set: &EvidenceSet) -> Result<EvidenceTest, String> {
    let networks = set.networks();
    enough(networks.len())?;
    let joules: Vec<f64> = networks.iter().map(|network| network.joules()).collect();
    let accuracies: Option<Vec<f64>> = networks.iter().map(|network| network.accuracy()).collect();
    let accuracies = accuracies.ok_or("a row has no accuracy")?;
    if accuracies.iter().any(|accuracy| *accuracy <= 0.0) {
        return Err("a network has an accuracy of 0, whose logarithm does not exist".to_owned());
    }
    let (least, most) = joules.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), joules| {
        (low.min(*joules), high.max(*joules))
    });
    if most < 2.0 * least {
        return Err(format!(
            "the joules of the networks differ by a factor of {} only",
            fixed(most / least, 2)
        ));
    }
    let x: Vec<f64> = joules.iter().map(|joules| joules.ln()).collect();
    let y: Vec<f64> = accuracies.iter().map(|accuracy| accuracy.ln()).collect();
    let fit = stats::linear_regression(&[&x], &y).map_err(|error| because(&error))?;
    let slope = fit.coefficients[1];
    let interval = slope.interval(0.95).map_err(|error| because(&error))?;
    let elasticity = Estimate { value: slope.estimate, ci95: Some([interval.low, interval.high]) };
    let p = stats::t_two_sided((slope.estimate - MARGINAL) / slope.se, slope.df);
    let [cheap, dear] = halves(&joules, &accuracies);
    let points = |points: Option<f64>| points.map_or("–".to_owned(), |points| fixed(points, 2));
    Ok(EvidenceTest::from(Answered {
        test: "t test of the slope against 0.25",
        effect_name: "elasticity: d ln accuracy / d ln energy",
        unit: Unit::None,
        effect: elasticity,
        p: Some(p),
        verdict: elasticity.below(MARGINAL),
        reason: format!(
            "the joules of {} networks differ by a factor of {}; a doubling goes with {} points of \
             accuracy in the less expensive half of the networks and with {} in the other half",
            networks.len(),
            fixed(most / least, 1),
            points(cheap),
            points(dear),
        ),
        n: networks.len(),
        pooled: Some([slope.estimate, slope.se]),
    }))
}

/// Points of accuracy per doubling of joules, in the less and in the more expensive half.
fn halves(joules: &[f64], accuracies: &[f64]) -> [Option<f64>; 2] {
    let mut order: Vec<usize> = (0..joules.len()).collect();
    order.sort_by(|a, b| joules[*a].total_cmp(&joules[*b]));
    let (cheap, dear) = order.split_at(order.len().div_ceil(2));
    [cheap, dear].map(|half| {
        let x: Vec<f64> = half.iter().map(|at| joules[*at].log2()).collect();
        let y: Vec<f64> = half.iter().map(|at| accuracies[*at] * 100.0).collect();
        let fit = stats::linear_regression(&[&x], &y).ok()?;
        Some(fit.coefficients[1].estimate)
    })
}
