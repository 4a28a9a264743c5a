//! What is remembered of a power reading, and the energy of past stretches.

use std::collections::VecDeque;

pub(crate) use super::profile::Estimate;
use super::{
    profile::Profile,
    series::{Change, Series},
};

/// Number of changes that are remembered: 50 s of a board that renews its reading every 100 ms, and
/// 24 KiB in all.
const REMEMBERED: usize = 512;

/// The latest changes of a power reading.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    changes: VecDeque<Change>,
    /// Time of the first reading, or of the oldest change that is remembered.
    begin: Option<f64>,
    /// The value that was shown then, in watts.
    first: f64,
    /// Time and value of the last reading.
    last: Option<(f64, f64)>,
    /// Made from the changes; dropped when there is a new one.
    profile: Option<Option<Profile>>,
}

impl History {
    /// Adds a reading in watts at a time in seconds.
    pub(crate) fn see(&mut self, at: f64, watts: f64) {
        let Some((before, shown)) = self.last.replace((at, watts)) else {
            (self.begin, self.first) = (Some(at), watts);
            return;
        };
        if shown == watts {
            return;
        }
        self.profile = None;
        if self.changes.len() == REMEMBERED
            && let Some(oldest) = self.changes.pop_front()
        {
            (self.begin, self.first) = (Some(oldest.seen), oldest.watts);
        }
        self.changes.push_back(Change { after: before, seen: at, watts });
    }

    /// Forgets everything, because the readings were interrupted.
    pub(crate) fn interrupt(&mut self) {
        *self = Self::default();
    }

    /// The energy between two times in seconds; `None` if it is not remembered, or if the readings are
    /// too sparse to show how the sensor works.
    pub(crate) fn energy(&mut self, from: f64, to: f64) -> Option<Estimate> {
        let estimate = (to > from).then(|| self.profile().map(|profile| profile.energy(from, to)));
        // The profile may leave out the oldest changes.
        estimate.flatten().filter(|_| self.begin.is_some_and(|begin| from >= begin))
    }

    /// The power over time, if the readings show how the sensor works.
    pub(crate) fn profile(&mut self) -> Option<&Profile> {
        let (changes, begin, first) = (&mut self.changes, &mut self.begin, &mut self.first);
        let make = || {
            let changes = changes.make_contiguous();
            let series = Series::of(changes)?;
            if let Some(oldest) = series.left_out.checked_sub(1).and_then(|at| changes.get(at)) {
                (*begin, *first) = (Some(oldest.seen), oldest.watts);
            }
            Profile::of(&series, *first)
        };
        self.profile.get_or_insert_with(make).as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Polls a board every 10 ms that renews its reading every 100 ms; its load is on from 3 to 6 s and
    /// from 8 to 9.5 s.
    fn polled(averaging: f64, until: f64) -> History {
        let energy = |at: f64| {
            let on = |from: f64, to: f64| (at.min(to) - from).max(0.0);
            60.0 * at + 240.0 * (on(3.03, 6.04) + on(8.01, 9.55))
        };
        let mut history = History::default();
        for poll in 0..(until * 100.0) as u32 {
            let at = 0.003 + f64::from(poll) * 0.01;
            let update = ((at * 10.0).floor() / 10.0).max(averaging);
            // Small changes make the updates of a steady power visible.
            let ripple = 0.05 * ((at * 10.0).floor() % 2.0);
            history.see(at, (energy(update) - energy(update - averaging)) / averaging + ripple);
        }
        history
    }

    #[test]
    fn a_mean_over_a_second_gives_the_energy_of_half_a_second() {
        for averaging in [0.1, 1.0] {
            let mut history = polled(averaging, 14.0);
            for (from, to, truth) in [(2.5, 3.03, 31.8), (3.03, 3.53, 150.0), (8.01, 9.55, 462.0)] {
                let found = history.energy(from, to).unwrap();
                let error = (found.energy - truth).abs();
                // A change is located within its update of 100 ms, which is up to 6 J here.
                assert!(error < 6.0 + 0.1 * truth, "{averaging} s: {found:?} for {truth} J");
                assert!(
                    error < 2.5 * found.variance.sqrt() + 0.1,
                    "{averaging} s: {found:?} for {truth} J"
                );
            }
        }
    }

    #[test]
    fn what_was_not_seen_is_not_told() {
        let mut history = polled(0.1, 14.0);
        assert_eq!(history.energy(-1.0, 2.0), None);
        assert_eq!(history.energy(2.0, 2.0), None);
        history.interrupt();
        assert_eq!(history.energy(1.0, 2.0), None);
        assert_eq!(History::default().energy(0.0, 1.0), None);
    }
}
