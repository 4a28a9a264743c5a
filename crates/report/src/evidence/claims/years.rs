//! RQ5: joules and accuracy over the years of the networks.

use super::answered::{Answered, enough};
use crate::{
    claim::{Estimate, distinct, estimate_against},
    document::Unit,
    evidence::{EvidenceSet, EvidenceTest},
    number::fixed,
    stats,
};

pub(super) const CRITERION_ENERGY: &str = "As for our own runs: Theil–Sen slope of log joules per image over the year of the network. Supported \
     if its 95 % bootstrap interval (over networks) is above 0; contradicted if it is below 0; otherwise \
     inconclusive.";
pub(super) const CRITERION_ACCURACY: &str = "As for our own runs: slope of accuracy over the years in the later half of the networks minus that \
     in the earlier half (Theil–Sen). Supported if its 95 % bootstrap interval (over networks) is below \
     0; contradicted if it is above 0; otherwise inconclusive. Each half needs five networks.";

const FEWEST_IN_HALF: usize = 5;

/// A network with a year.
struct Dated {
    year: f64,
    log_joules: f64,
    /// In points.
    accuracy: f64,
}

/// The networks that have a year, by year; an error names what is missing.
fn dated(set: &EvidenceSet) -> Result<Vec<Dated>, String> {
    let mut dated = Vec::new();
    for network in set.networks() {
        let Some(year) = set.adapter.years.get(network.network) else { continue };
        let per_image: Option<f64> = network.rows.iter().map(|row| row.joules_per_image).sum();
        let per_image = per_image.ok_or("no number of images, so no joules per image")?;
        let accuracy = network.accuracy().ok_or("a row has no accuracy")?;
        dated.push(Dated {
            year: f64::from(*year),
            log_joules: (per_image / network.rows.len() as f64).ln(),
            accuracy: accuracy * 100.0,
        });
    }
    dated.sort_by(|a, b| a.year.total_cmp(&b.year));
    enough(dated.len())?;
    Ok(dated)
}

/// Theil–Sen slope per year.
fn slope<'a>(
    networks: impl Iterator<Item = &'a Dated> + Clone,
    value: impl Fn(&Dated) -> f64,
) -> Option<f64> {
    let years: Vec<f64> = networks.clone().map(|network| network.year).collect();
    let values: Vec<f64> = networks.map(value).collect();
    stats::theil_sen(&years, &values).ok().map(|line| line.slope)
}

pub(super) fn energy_rises(set: &EvidenceSet) -> Result<EvidenceTest, String> {
    let networks = dated(set)?;
    let growth = |units: &[usize]| {
        let drawn = units.iter().map(|at| &networks[*at]);
        Some(slope(drawn, |network| network.log_joules)?.exp_m1())
    };
    let (growth, p) =
        estimate_against(networks.len(), 0.0, growth).ok_or("the networks are of one year")?;
    let gain = slope(networks.iter(), |network| network.accuracy);
    let [first, last] = [0, networks.len() - 1].map(|at| networks[at].year);
    Ok(EvidenceTest::from(Answered {
        test: "bootstrap of the Theil–Sen slope over networks",
        effect_name: "growth of joules per image per year",
        unit: Unit::SharePerYear,
        effect: growth,
        p,
        verdict: growth.above(0.0),
        reason: format!(
            "{} networks from {first} to {last}; their accuracy changes by {} points per year",
            networks.len(),
            fixed(gain.unwrap_or(f64::NAN), 2),
        ),
        n: networks.len(),
        pooled: None,
    }))
}

pub(super) fn accuracy_slows(set: &EvidenceSet) -> Result<EvidenceTest, String> {
    let networks = dated(set)?;
    let half = networks.len().div_ceil(2);
    if networks.len() - half < FEWEST_IN_HALF {
        return Err(format!(
            "{} networks, and each half of the years needs {FEWEST_IN_HALF}",
            networks.len()
        ));
    }
    let of = |units: &[usize], is_later: bool| {
        let drawn = units.iter().filter(|at| (**at >= half) == is_later).map(|at| &networks[*at]);
        slope(drawn, |network| network.accuracy)
    };
    let change = |units: &[usize]| Some(of(units, true)? - of(units, false)?);
    let (change, p) = estimate_against(networks.len(), 0.0, change)
        .ok_or("each half needs networks of at least two years")?;
    let all: Vec<usize> = (0..networks.len()).collect();
    let years = |range: std::ops::Range<usize>| {
        let years = distinct(networks[range].iter().map(|network| network.year.to_string()));
        format!("{} to {}", years[0], years[years.len() - 1])
    };
    Ok(EvidenceTest::from(Answered {
        test: "bootstrap of the difference of two Theil–Sen slopes over networks",
        effect_name: "later minus earlier slope of accuracy",
        unit: Unit::PointsPerYear,
        effect: change,
        p,
        verdict: Estimate::below(&change, 0.0),
        reason: format!(
            "{} points per year among the {half} networks of {}, {} among the {} of {}",
            fixed(of(&all, false).unwrap_or(f64::NAN), 2),
            years(0..half),
            fixed(of(&all, true).unwrap_or(f64::NAN), 2),
            networks.len() - half,
            years(half..networks.len()),
        ),
        n: networks.len(),
        pooled: None,
    }))
}
