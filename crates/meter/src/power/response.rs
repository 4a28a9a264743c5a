//! How a power sensor answers a change of power, inferred from its readings alone.
//!
//! A load may change slowly, but no reading changes faster than its sensor allows. So the sharpest
//! transition shows the sensor.

use std::fmt;

use super::transitions::{Transition, transitions};

/// What a reading says about the power before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Response {
    /// The mean over this share of the time since the update before. Boards of the GA100 and GH100
    /// families see 25 of 100 ms (Yang et al., arXiv 2312.02741).
    Share {
        /// The share, as far as the transitions show it.
        share: f64,
        /// Probability that the sensor sees only part of the time.
        partial: f64,
    },
    /// The mean over this many updates: `power.draw` of Ampere and later is a mean over one second.
    Mean(f64),
    /// Each update keeps this share of the reading before: the "capacitor charging" of Kepler.
    Keeps(f64),
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Share { share, .. } if self.is_partial() => {
                write!(f, "sees about {:.0} % of the time", share * 100.0)
            }
            Self::Share { .. } => f.write_str("mean since the update before"),
            Self::Mean(updates) => write!(f, "mean of {updates:.1} updates"),
            Self::Keeps(keeps) => write!(f, "keeps {:.0} % at each update", keeps * 100.0),
        }
    }
}

/// A transition that is sharper than this number of updates is within one.
const SHARP: f64 = 3.0;

/// One update with a value between the two levels makes a width of at most 2.
const ONE_BETWEEN: f64 = 2.2;

/// A largest increment below this share of the change means that a value was between the levels.
const BETWEEN: f64 = 0.93;

/// Below this share, a sensor that sees part of the time is taken for one.
const PART: f64 = 0.6;

impl Response {
    /// The response that the sharpest transition shows; `None` if there is no transition.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let all = transitions(values);
        let sharpest = all.iter().min_by(|a, b| a.width().total_cmp(&b.width()))?;
        if sharpest.width() >= SHARP {
            return Some(slow(sharpest));
        }
        // A mean over the share f of a period shows a value between the levels with probability f.
        // With a uniform prior, the posterior mean is (between + 1) / (sharp + 2).
        let sharp: Vec<&Transition> =
            all.iter().filter(|transition| transition.width() <= ONE_BETWEEN).collect();
        let between = sharp.iter().filter(|transition| transition.largest() < BETWEEN).count();
        let share = (between + 1) as f64 / (sharp.len() + 2) as f64;
        Some(Self::Share { share, partial: below(PART, between, sharp.len()) })
    }

    /// Whether the sensor sees only part of the time.
    pub(crate) fn is_partial(self) -> bool {
        matches!(self, Self::Share { share, .. } if share < PART)
    }

    /// Whether that is not excluded: with few transitions it is not.
    pub(super) fn may_be_partial(self) -> bool {
        matches!(self, Self::Share { partial, .. } if partial > EXCLUDED)
    }
}

/// A probability from which on something is excluded.
const EXCLUDED: f64 = 0.05;

/// The probability that a share is below `limit`, of which `hits` of `count` independent trials were
/// hits, with a uniform prior: the distribution function of Beta(hits + 1, count - hits + 1).
fn below(limit: f64, hits: usize, count: usize) -> f64 {
    let trials = count + 1;
    let mut choices = 1.0;
    let mut sum = 0.0;
    for number in 0..=trials {
        if number > hits {
            let misses = (trials - number) as i32;
            sum += choices * limit.powi(number as i32) * (1.0 - limit).powi(misses);
        }
        choices *= (trials - number) as f64 / (number + 1) as f64;
    }
    sum
}

/// A mean over several updates or an exponential, whichever fits the course of the transition.
fn slow(transition: &Transition) -> Response {
    let height = transition.height();
    let mut sum = 0.0;
    let course: Vec<f64> = transition
        .0
        .iter()
        .map(|step| {
            sum += step;
            sum / height
        })
        .collect();
    let misfit = |predicted: &dyn Fn(f64) -> f64| -> f64 {
        let parts = course.iter().enumerate();
        parts.map(|(at, share)| (predicted(at as f64) - share).powi(2)).sum()
    };
    let mut best = (f64::INFINITY, Response::Mean(2.0));
    let mut offer = |error: f64, response| {
        if error < best.0 {
            best = (error, response);
        }
    };
    for phase in (0..=10_u32).map(|tenth| f64::from(tenth) / 10.0) {
        for keeps in (30..=95_u32).map(|percent| f64::from(percent) / 100.0) {
            offer(misfit(&|at| 1.0 - keeps.powf(at + phase)), Response::Keeps(keeps));
        }
        for updates in (4..50_u32).map(|halves| f64::from(halves) / 2.0) {
            offer(misfit(&|at| ((at + phase) / updates).min(1.0)), Response::Mean(updates));
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Readings of a load that is switched on and off.
    fn answer(share: impl Fn(f64) -> f64) -> Vec<f64> {
        let level = |at: f64| if at < 0.0 { 0.0 } else { share(at) };
        (0..120)
            .map(|at| 60.0 + 130.0 * (level(f64::from(at) - 20.0) - level(f64::from(at) - 70.0)))
            .collect()
    }

    #[test]
    fn a_mean_over_ten_updates_is_recognized() {
        let found = Response::of(&answer(|at| ((at + 0.4) / 10.0).min(1.0)));
        assert!(
            matches!(found, Some(Response::Mean(updates)) if (updates - 10.0).abs() <= 0.5),
            "{found:?}"
        );
    }

    #[test]
    fn an_exponential_is_recognized() {
        // A Tesla K40m keeps 0.72 to 0.75 from one update to the next.
        let found = Response::of(&answer(|at| 1.0 - 0.75_f64.powf(at + 0.4)));
        assert!(
            matches!(found, Some(Response::Keeps(keeps)) if (keeps - 0.75).abs() < 0.04),
            "{found:?}"
        );
    }

    #[test]
    fn values_between_the_levels_tell_a_whole_from_a_part() {
        let part = Response::of(&answer(|_| 1.0)).unwrap();
        assert!(part.is_partial(), "{part:?}");
        let whole = Response::of(&answer(|at| ((at + 0.5) / 1.0).min(1.0))).unwrap();
        assert!(!whole.is_partial(), "{whole:?}");
        assert_eq!(Response::of(&[60.0; 50]), None);
        // Two transitions exclude neither.
        assert!(part.may_be_partial() && whole.may_be_partial());
    }

    #[test]
    fn five_transitions_with_values_between_exclude_a_part() {
        assert!((below(0.6, 0, 0) - 0.6).abs() < 1e-12);
        assert!(
            (below(0.6, 2, 2) - 0.216).abs() < 1e-12 && (below(0.6, 1, 2) - 0.648).abs() < 1e-12
        );
        assert!(below(0.6, 5, 5) < EXCLUDED && below(0.6, 4, 4) > EXCLUDED);
    }
}
