//! The Bayesian signed-rank test.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::stats::{
    StatsError,
    error::{check_length, check_sample},
};

/// Draws from the posterior.
const DRAWS: usize = 50_000;
/// Most values times draws: a draw visits each value.
const MOST_VALUES: usize = 20_000;

/// The probabilities that one of two treatments is better in practice, or neither.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PracticalDifference {
    /// That `a` is smaller by more than the region of practical equivalence.
    pub smaller: f64,
    /// That the difference lies within the region.
    pub equivalent: f64,
    /// That `a` is larger by more than the region.
    pub larger: f64,
}

/// Compares paired values by the Bayesian signed-rank test (Benavoli, Corani, Demšar and Zaffalon 2017, JMLR 18:77;
/// the method of `baycomp`): the pairs' weights have a Dirichlet distribution, with half a pseudo-pair without a
/// difference as prior knowledge, and the mean of two random differences falls below, into or above the region
/// `[−rope, rope]`. The probabilities are the shares of 50,000 draws in which each is the most frequent; ties
/// count for each.
///
/// `rope` has the unit of the values. The same seed gives the same result.
///
/// # Errors
///
/// If there are fewer than 2 or more than 20,000 pairs, lengths differ, a value is not a number, or `rope` is
/// negative or not finite.
pub fn bayesian_signed_rank(
    a: &[f64],
    b: &[f64],
    rope: f64,
    seed: u64,
) -> Result<PracticalDifference, StatsError> {
    check_sample("a", a, 2)?;
    check_sample("b", b, 2)?;
    check_length("b", b.len(), a.len())?;
    if !(rope.is_finite() && rope >= 0.0) {
        return Err(StatsError::OutOfRange {
            parameter: "rope".to_owned(),
            value: rope,
            expected: "a finite number of at least 0",
        });
    }
    if a.len() > MOST_VALUES {
        let (what, found) = ("pairs".to_owned(), a.len());
        return Err(StatsError::TooMany { what, found, expected: MOST_VALUES });
    }
    let mut differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    differences.sort_by(f64::total_cmp);
    // The pseudo-pair.
    let prior = differences.partition_point(|difference| *difference < 0.0);
    differences.insert(prior, 0.0);
    let n = differences.len();
    // For each difference, how many others make a sum below and at most the lower end of the region, and how many
    // below and at most the upper end. A sum at an end counts half on both sides.
    let edges: Vec<[usize; 4]> = differences
        .iter()
        .map(|own| {
            let count = |is_under: &dyn Fn(f64) -> bool| {
                differences.partition_point(|other| is_under(own + other))
            };
            [
                count(&|sum| sum < -2.0 * rope),
                count(&|sum| sum <= -2.0 * rope),
                count(&|sum| sum < 2.0 * rope),
                count(&|sum| sum <= 2.0 * rope),
            ]
        })
        .collect();
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut found = [0.0; 3];
    let (mut weights, mut sums) = (vec![0.0; n], vec![0.0; n + 1]);
    let draws = DRAWS.min(400_000_000 / n);
    for _ in 0..draws {
        // Exponential weights, and half a squared normal number for half a pair, divided by their sum, have a
        // Dirichlet distribution.
        for (at, weight) in weights.iter_mut().enumerate() {
            let exponential = -(1.0 - random.random::<f64>()).ln();
            *weight = if at == prior {
                exponential * (std::f64::consts::TAU * random.random::<f64>()).cos().powi(2)
            } else {
                exponential
            };
            sums[at + 1] = sums[at] + *weight;
        }
        let mut shares = [0.0; 3];
        for (weight, edges) in weights.iter().zip(&edges) {
            let [below, at_most, under, not_over] = edges.map(|edge| sums[edge]);
            let (low, high) = ((below + at_most) / 2.0, (under + not_over) / 2.0);
            shares[0] += weight * low;
            shares[1] += weight * (high - low);
            shares[2] += weight * (sums[n] - high);
        }
        let most = shares.into_iter().fold(0.0, f64::max);
        let best = shares.iter().filter(|share| **share >= most).count() as f64;
        for (sum, share) in found.iter_mut().zip(shares) {
            *sum += if share >= most { 1.0 / best } else { 0.0 };
        }
    }
    let [smaller, equivalent, larger] = found.map(|sum| sum / draws as f64);
    Ok(PracticalDifference { smaller, equivalent, larger })
}
