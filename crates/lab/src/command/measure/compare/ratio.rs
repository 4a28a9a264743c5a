//! The ratio of two quantities from pairs of measurements, with an interval that holds whenever one
//! stops.
//!
//! Both commands run in each round, so what changes slowly (temperature, other programs) is in both
//! numbers of a pair. The logarithm of their ratio, `d = ln(a / b)`, is taken as normal, with a mean and
//! a standard deviation that are not known.
//!
//! **Why no plain t interval.** Somebody who looks after each round, and stops when the interval pleases,
//! looks many times; of two equal commands, many more than 5 % are then called different. The interval
//! here is a *confidence sequence*: with a probability of 95 % it covers the true mean after **every**
//! round at once, so that any rule may decide when to stop, Ctrl-C included.
//!
//! **How.** For a mean `m`, let `t = √n (d̄ − m) / s` be Student's statistic of the `n` values so far. Give
//! the distance of the true mean from `m`, in standard deviations, the distribution N(0, τ²), and the
//! standard deviation the right Haar prior `1/σ`. The Bayes factor against `m` is then
//!
//! ```text
//! B(m) = (1 + nτ²)^(−1/2) · [ (1 + t²/ν) / (1 + t²/(ν (1 + nτ²))) ]^(n/2),   ν = n − 1
//! ```
//!
//! (Rouder, Speckman, Sun, Morey, Iverson: *Bayesian t tests*, Psychonomic Bulletin & Review 16, 2009.)
//! If `m` is the true mean, `B(m)` is a martingale with mean 1, so that it exceeds 1/α at any time with a
//! probability of at most α (Ville's inequality). The means with `B(m) < 1/α` are the interval: Lai, *On
//! confidence sequences*, Annals of Statistics 4, 1976; Hendriksen, de Heide, Grünwald, *Optional
//! stopping with Bayes factors*, Bayesian Analysis 16, 2021; Wang, Ramdas, *Anytime-valid t-tests and
//! confidence sequences for Gaussian means with unknown variance*, Sequential Analysis, 2025. Solved for
//! `m`, with `a = 1 + nτ²` and `c = (a / α²)^(1/n)`:
//!
//! ```text
//! d̄ ± s/√n · √( ν (c − 1) / (1 − c/a) )     if c < a; otherwise every mean is possible
//! ```

/// Probability that the interval misses the true ratio after any round.
const ALPHA: f64 = 0.05;
/// τ²: the variance of the distance of the true mean from a tested one, in standard deviations. It moves
/// the number of rounds at which the interval is tightest; with 0.5 it is within 4 % of the tightest that
/// is possible from 20 to 300 rounds, and finite from 6.
const TAU_SQUARED: f64 = 0.5;

/// Pairs of quantities whose ratio is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct RatioSequence {
    pairs: u32,
    /// Mean of the logarithms of the ratios.
    mean: f64,
    /// Sum of the squares of their distances from the mean (Welford 1962).
    squares: f64,
}

/// A ratio with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ratio {
    /// The geometric mean of the ratios of the pairs.
    pub(super) ratio: f64,
    /// The interval, which covers the true ratio with a probability of 95 % whenever one stops; `None`
    /// with too few pairs.
    pub(super) ci95: Option<[f64; 2]>,
}

impl RatioSequence {
    /// Adds a pair. Returns false, and leaves it out, if it has no ratio: a quantity is not a positive
    /// number.
    pub(super) fn push(&mut self, a: f64, b: f64) -> bool {
        let log = (a / b).ln();
        if !(a > 0.0 && b > 0.0 && log.is_finite()) {
            return false;
        }
        self.pairs += 1;
        let before = log - self.mean;
        self.mean += before / f64::from(self.pairs);
        self.squares += before * (log - self.mean);
        true
    }

    /// The ratio so far; `None` without pairs.
    pub(super) fn ratio(&self) -> Option<Ratio> {
        (self.pairs > 0).then(|| Ratio {
            ratio: self.mean.exp(),
            ci95: self
                .half_width()
                .map(|half| [(self.mean - half).exp(), (self.mean + half).exp()]),
        })
    }

    /// Half of the interval of the mean logarithm; `None` if it is not finite yet.
    fn half_width(&self) -> Option<f64> {
        let n = f64::from(self.pairs);
        let a = 1.0 + n * TAU_SQUARED;
        let c = (a / (ALPHA * ALPHA)).powf(1.0 / n);
        if self.pairs < 2 || c >= a {
            return None;
        }
        let deviation = (self.squares.max(0.0) / (n - 1.0)).sqrt();
        let t = ((n - 1.0) * (c - 1.0) / (1.0 - c / a)).sqrt();
        Some(t * deviation / n.sqrt())
    }
}

impl Ratio {
    /// Whether the interval is at most this wide, from its lower to its upper end, as a share of the
    /// ratio.
    pub(super) fn is_precise(&self, width: f64) -> bool {
        self.ci95.is_some_and(|[low, high]| high - low <= width * self.ratio)
    }

    /// Whether the quantities differ: the interval does not contain 1. `None` if it is not known yet.
    pub(super) fn is_different(&self) -> Option<bool> {
        self.ci95.map(|[low, high]| !(low..=high).contains(&1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{derive, unit};

    /// Random numbers that follow from a seed.
    struct Random(u64, u64);

    impl Random {
        fn uniform(&mut self) -> f64 {
            self.1 += 1;
            unit(derive(self.0, &self.1.to_string()))
        }

        /// A normal number (Box and Muller 1958).
        fn normal(&mut self) -> f64 {
            let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
            radius * (std::f64::consts::TAU * self.uniform()).cos()
        }
    }

    /// Energies of two commands in one round, as RAPL shows them for short commands on a desktop: runs
    /// vary by 1 % (scheduling, caches), 1 in 50 by 5 % more (a program in the background), and both
    /// commands of a round drift together by 2 % (temperature).
    fn round(random: &mut Random, ratio: f64, number: u32) -> (f64, f64) {
        let drift = 0.02 * (f64::from(number) / 40.0).sin();
        let mut run = || {
            let disturbed = if random.uniform() < 0.02 { 0.05 } else { 0.0 };
            20.0 * (0.01 * random.normal() + disturbed + drift).exp()
        };
        let (a, b) = (run(), run());
        (a * ratio, b)
    }

    /// Rounds until the interval is narrow enough, and whether the commands were then told apart.
    fn attempt(seed: u64, ratio: f64, width: f64) -> (u32, bool) {
        let (mut random, mut sequence) = (Random(seed, 0), RatioSequence::default());
        for number in 1..=1_000 {
            let (a, b) = round(&mut random, ratio, number);
            assert!(sequence.push(a, b));
            if sequence.ratio().unwrap().is_precise(width) {
                break;
            }
        }
        (sequence.pairs, sequence.ratio().unwrap().is_different().unwrap())
    }

    #[test]
    fn commands_that_differ_by_a_percent_are_told_apart_and_equal_ones_are_not() {
        let attempts = 100;
        let different = |ratio: f64, purpose: &str| {
            let seeds = (0..attempts).map(|seed| derive(seed, purpose));
            let found: Vec<(u32, bool)> = seeds.map(|seed| attempt(seed, ratio, 0.01)).collect();
            assert!(found.iter().all(|(rounds, _)| *rounds < 500), "{found:?}");
            found.iter().filter(|(_, different)| *different).count()
        };
        let (apart, mistaken) = (different(1.01, "different"), different(1.0, "equal"));
        assert!(apart >= 95, "{apart} of {attempts} told apart");
        assert!(mistaken <= 5, "{mistaken} of {attempts} called different");
    }

    /// Somebody who looks after each of 300 rounds and stops at the first difference is mistaken in at
    /// most 5 % of the attempts; with a t interval it would be about a third.
    #[test]
    fn whoever_stops_at_the_first_difference_is_mistaken_in_at_most_five_percent() {
        let (attempts, rounds) = (400, 300);
        let (mut mistaken, mut by_t) = (0, 0);
        for seed in 0..attempts {
            let (mut random, mut sequence) = (Random(seed, 0), RatioSequence::default());
            let (mut found, mut found_by_t) = (false, false);
            for _ in 0..rounds {
                sequence.push((0.02 * random.normal()).exp(), 1.0);
                let ratio = sequence.ratio().unwrap();
                found |= ratio.is_different() == Some(true);
                let n = f64::from(sequence.pairs);
                let error = (sequence.squares / (n - 1.0) / n).sqrt();
                // The 97.5 % quantile of t with 29 degrees of freedom; with more it is smaller.
                found_by_t |= n >= 30.0 && sequence.mean.abs() > 2.05 * error;
            }
            mistaken += u32::from(found);
            by_t += u32::from(found_by_t);
        }
        // 5 % of 400 are 20; the method is exact for normal values, and the bound is not sharp.
        assert!(mistaken <= 20, "{mistaken} of {attempts}");
        assert!(by_t > 60, "the simulation does not show the fault: {by_t} of {attempts}");
    }

    #[test]
    fn the_interval_is_the_set_of_means_whose_bayes_factor_is_small() {
        let mut random = Random(7, 0);
        let mut sequence = RatioSequence::default();
        for _ in 0..5 {
            sequence.push(random.normal().exp(), 1.0);
            assert_eq!(sequence.ratio().unwrap().ci95, None);
        }
        for _ in 5..200 {
            sequence.push(random.normal().exp(), 1.0);
            let n = f64::from(sequence.pairs);
            let half = sequence.half_width().unwrap();
            let t = half / (sequence.squares / (n - 1.0) / n).sqrt();
            let a = 1.0 + n * TAU_SQUARED;
            let power = (1.0 + t * t / (n - 1.0)) / (1.0 + t * t / ((n - 1.0) * a));
            let factor = (n / 2.0 * power.ln() - 0.5 * a.ln()).exp();
            assert!((factor * ALPHA - 1.0).abs() < 1e-6, "{n}: {factor}");
        }
    }

    #[test]
    fn a_pair_without_a_ratio_is_left_out() {
        let mut sequence = RatioSequence::default();
        for (a, b) in [(0.0, 1.0), (1.0, 0.0), (-1.0, -1.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0)]
        {
            assert!(!sequence.push(a, b));
        }
        assert_eq!(sequence.ratio(), None);
        assert!(sequence.push(2.0, 1.0));
        let ratio = sequence.ratio().unwrap();
        assert!((ratio.ratio - 2.0).abs() < 1e-12 && !ratio.is_precise(1.0));
        assert_eq!(ratio.is_different(), None);
    }

    #[test]
    fn the_ratio_turns_over_when_the_commands_change_places() {
        let (mut there, mut back) = (RatioSequence::default(), RatioSequence::default());
        for number in 0..20 {
            let (a, b) = (10.0 + f64::from(number % 3), 9.0 + f64::from(number % 4));
            there.push(a, b);
            back.push(b, a);
        }
        let (there, back) = (there.ratio().unwrap(), back.ratio().unwrap());
        let ([low, high], [other_low, other_high]) = (there.ci95.unwrap(), back.ci95.unwrap());
        for (one, other) in [(there.ratio, back.ratio), (low, other_high), (high, other_low)] {
            assert!((one * other - 1.0).abs() < 1e-12);
        }
    }
}
