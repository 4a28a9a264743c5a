//! RQ3: can a smaller network halve the energy without losing more than a point of accuracy?

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::answered::{Answered, enough, of_resamples};
use crate::{
    document::Unit,
    evidence::{EvidenceSet, EvidenceTest, set::NetworkRuns},
    number::fixed,
};

pub(super) const CRITERION: &str = "Energy saved by the least expensive network within one point of the most accurate one, compared \
     with that one. Supported if the 95 % bootstrap interval (networks drawn, then runs of each) is above \
     39.9 %, the smaller of the study's two savings; contradicted if it is below; otherwise inconclusive. \
     Where only some networks have repeats, only those count, because the best of many single runs is the \
     luckiest. Of n networks, n to the power of 2/3 are drawn, because the best of several is a maximum, for \
     which drawing all n gives intervals that are too narrow (Bickel, Götze and van Zwet 1997).";

/// The smaller of the study's two savings.
const SAVING: f64 = 0.399;
/// "Within a point" of the best network.
const NEAR_POINTS: f64 = 1.0;
const RESAMPLES: usize = 4000;
const SEED: u64 = 0x0068_616c_7665;

/// Accuracy and joules of a network.
type Point = (f64, f64);

/// Joules saved by the least expensive network near the most accurate one; of equally accurate networks, the
/// less expensive one is the best.
fn saving(points: &[Point]) -> Option<f64> {
    let best = points.iter().max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)))?;
    let near = points.iter().filter(|point| point.0 >= best.0 - NEAR_POINTS / 100.0);
    let least = near.map(|point| point.1).min_by(f64::total_cmp)?;
    Some(1.0 - least / best.1)
}

fn point(network: &NetworkRuns<'_>) -> Option<Point> {
    Some((network.accuracy()?, network.joules()))
}

pub(super) fn test(set: &EvidenceSet) -> Result<EvidenceTest, String> {
    let mut networks = set.networks();
    let repeated = networks.iter().filter(|network| network.rows.len() > 1).count();
    let single = networks.len() - repeated;
    if repeated > 0 {
        networks.retain(|network| network.rows.len() > 1);
    }
    enough(networks.len())?;
    let points: Option<Vec<Point>> = networks.iter().map(point).collect();
    let points = points.ok_or("a row has no accuracy")?;
    let value = saving(&points).ok_or("no network")?;
    let drawn_at_once = (networks.len() as f64).powf(2.0 / 3.0).ceil() as usize;
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let resampled: Vec<f64> = (0..RESAMPLES)
        .filter_map(|_| {
            let drawn: Vec<Point> = (0..drawn_at_once)
                .filter_map(|_| {
                    let rows = &networks[random.random_range(0..networks.len())].rows;
                    let (mut accuracy, mut joules) = (0.0, 0.0);
                    for _ in rows {
                        let row = rows[random.random_range(0..rows.len())];
                        accuracy += row.accuracy?;
                        joules += row.joules;
                    }
                    let count = rows.len() as f64;
                    Some((accuracy / count, joules / count))
                })
                .collect();
            saving(&drawn)
        })
        .collect();
    let (saved, p) = of_resamples(value, &resampled, SAVING);
    let best = points.iter().enumerate().max_by(|a, b| a.1.0.total_cmp(&b.1.0));
    let (at, best) = best.ok_or("no network")?;
    let near = points.iter().filter(|point| point.0 >= best.0 - NEAR_POINTS / 100.0).count();
    let halved = points
        .iter()
        .filter(|point| point.0 >= best.0 - NEAR_POINTS / 100.0 && point.1 <= best.1 / 2.0)
        .count();
    let mut test = EvidenceTest::from(Answered {
        test: "bootstrap of the saving over networks and their runs",
        effect_name: "energy saved within a point of the best network",
        unit: Unit::Share,
        effect: saved,
        p: Some(p),
        verdict: saved.above(SAVING),
        reason: format!(
            "the most accurate of {} networks is {} ({} %); {near} are within a point of it, itself \
             included, and {halved} of those ({} % of all) need at most half its joules",
            networks.len(),
            networks[at].network.get(..24).unwrap_or(networks[at].network),
            fixed(best.0 * 100.0, 1),
            fixed(halved as f64 / networks.len() as f64 * 100.0, 1),
        ),
        n: networks.len(),
        pooled: None,
    });
    if repeated > 0 && single > 0 {
        test.notes.push(format!("{single} networks with a single run are left out."));
    }
    if repeated == 0 {
        test.notes
            .push("Each network was measured once; the noise of a run is not known.".to_owned());
    }
    Ok(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_saving_is_that_of_the_least_expensive_network_within_a_point() {
        let close = [(0.90, 100.0), (0.895, 40.0), (0.88, 1.0)];
        assert!((saving(&close).unwrap() - 0.6).abs() < 1e-12);
        assert_eq!(saving(&[(0.90, 100.0), (0.88, 1.0)]), Some(0.0), "the others are too far");
        assert_eq!(saving(&[(0.9, 100.0), (0.9, 50.0)]), Some(0.0), "the best is the cheaper one");
        assert_eq!(saving(&[]), None);
    }
}
