//! Learns from the readings how often a sensor renews its value, because sensors do not say.

use std::collections::VecDeque;

use units::Seconds;

/// Number of times between updates that are remembered.
const REMEMBERED: usize = 9;

/// Number of them from which on their median is used.
const ENOUGH: usize = 3;

/// An update is located well enough if the readings around it are no further apart than this share
/// of the time since the update before.
const SHARP: f64 = 0.34;

/// What the readings of one channel have shown about its updates.
///
/// An update is visible only as a reading that differs from the one before, so it happened between the
/// two. Two visible updates in a row give the update period if readings are much denser than updates,
/// and nothing otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Updates {
    declared: Seconds,
    value: Option<u64>,
    /// Time of the last reading.
    seen: Seconds,
    /// The last update happened between these times.
    last: Option<(Seconds, Seconds)>,
    spacings: VecDeque<f64>,
    learnt: Option<Seconds>,
}

impl Updates {
    /// A channel whose maker or driver states this period; 0 if it is not known.
    pub(crate) fn new(declared: Seconds) -> Self {
        Self {
            declared,
            value: None,
            seen: Seconds(0.0),
            last: None,
            spacings: VecDeque::with_capacity(REMEMBERED),
            learnt: None,
        }
    }

    /// Adds a reading.
    pub(crate) fn see(&mut self, at: Seconds, value: u64) {
        let before = self.value.replace(value);
        let seen = std::mem::replace(&mut self.seen, at);
        if before.is_none_or(|before| before == value) {
            return;
        }
        let update = (seen, at);
        if let Some(last) = self.last.replace(update) {
            let spacing = (middle(update) - middle(last)).0;
            let blur = (update.1 - update.0).0.max((last.1 - last.0).0);
            if blur <= spacing * SHARP {
                if self.spacings.len() == REMEMBERED {
                    self.spacings.pop_front();
                }
                self.spacings.push_back(spacing);
                if self.spacings.len() >= ENOUGH {
                    let mut sorted: Vec<f64> = self.spacings.iter().copied().collect();
                    sorted.sort_by(f64::total_cmp);
                    self.learnt = Some(Seconds(sorted[sorted.len() / 2]));
                }
            }
        }
    }

    /// Forgets what the readings have shown; the period is the stated one again.
    pub(crate) fn forget(&mut self) {
        *self = Self { value: self.value, seen: self.seen, ..Self::new(self.declared) };
    }

    /// The update period: learnt, or else as stated.
    pub(crate) fn period(&self) -> Seconds {
        self.learnt.unwrap_or(self.declared)
    }

    /// The update period, if readings have shown it.
    pub(crate) fn learnt(&self) -> Option<Seconds> {
        self.learnt
    }

    /// When the value that was read at `now` was last renewed: the middle of the possible times, and
    /// their width. With an unknown period it was renewed when it was last seen to change.
    pub(crate) fn renewed(&self, now: Seconds) -> (Seconds, Seconds) {
        let period = self.period();
        let oldest = now - period;
        match self.last {
            // No visible update for longer than a period: the value was renewed without a change.
            // The period is known to the time between two dense readings.
            Some((from, until)) if until.0 + (until - from).0.min(period.0 * SHARP) < oldest.0 => {
                (oldest + period * 0.5, period)
            }
            Some((from, until)) => {
                let from = if from < until - period { until - period } else { from };
                (middle((from, until)), until - from)
            }
            None => (oldest + period * 0.5, period),
        }
    }
}

fn middle((from, to): (Seconds, Seconds)) -> Seconds {
    Seconds((from.0 + to.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Readings every `step` seconds of a counter that is renewed every `period` seconds.
    fn poll(period: f64, step: f64, count: u32) -> Updates {
        let mut updates = Updates::new(Seconds(0.001));
        for at in (0..count).map(|reading| f64::from(reading) * step) {
            updates.see(Seconds(at), (at / period) as u64);
        }
        updates
    }

    proptest! {
        #[test]
        fn dense_readings_show_the_period(period in 0.002_f64..1.0, density in 5.0_f64..40.0) {
            let found = poll(period, period / density, 400).learnt().unwrap().0;
            prop_assert!((found / period - 1.0).abs() < 0.25, "{found} for {period}");
        }

        #[test]
        fn the_last_update_is_within_the_given_width(period in 0.002_f64..1.0, count in 150_u32..400) {
            // Not a whole number of readings, so that none falls on an update, where rounding decides
            // which value it shows.
            let step = period / (3.0 * std::f64::consts::PI);
            let now = f64::from(count - 1) * step;
            let (middle, width) = poll(period, step, count).renewed(Seconds(now));
            let truth = (now / period).floor() * period;
            prop_assert!((middle.0 - truth).abs() <= width.0 * 0.5 + 1e-9);
        }
    }

    #[test]
    fn sparse_readings_do_not_show_the_period() {
        let updates = poll(0.001, 0.1, 100);
        assert_eq!((updates.learnt(), updates.period()), (None, Seconds(0.001)));
    }
}
