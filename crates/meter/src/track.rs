//! One channel followed through time: energy so far, and what went wrong meanwhile.

use record::{Joules, Seconds, Watts};

use crate::{
    counter::{Advance, Counter},
    power::Integral,
    source::{Channel, Kind},
};

/// No machine that we know draws more through one channel: with it, the shortest time in which a
/// counter can wrap is its range over this power.
const HIGHEST_POWER: Watts = Watts(2000.0);

/// A channel's state since the meter started. All sums only grow, so that a span is a difference.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) channel: Channel,
    counter: Counter,
    integral: Integral,
    /// Time of the last good reading.
    last: Option<Seconds>,
    /// Whether a reading failed since then.
    failed: bool,
    pub(crate) sums: Sums,
}

/// What a span takes the difference of.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) energy: Joules,
    pub(crate) samples: u64,
    pub(crate) failures: u64,
    pub(crate) resets: u64,
    /// Readings so far apart that a counter may have wrapped twice.
    pub(crate) ambiguous: u64,
    pub(crate) gap: Seconds,
}

impl Track {
    pub(crate) fn new(channel: Channel) -> Self {
        let range = match channel.kind {
            Kind::Counter { range } => range,
            Kind::Power => None,
        };
        Self {
            channel,
            counter: Counter::new(range),
            integral: Integral::default(),
            last: None,
            failed: false,
            sums: Sums::default(),
        }
    }

    /// Takes a reading, or that there was none; the mean power since the last good one.
    pub(crate) fn advance(&mut self, now: Seconds, reading: Option<u64>) -> Option<Watts> {
        let Some(raw) = reading else {
            self.sums.failures += 1;
            self.failed = true;
            return None;
        };
        let since = self.last.map(|last| now - last);
        let passed = match self.channel.kind {
            Kind::Counter { range } => self.count(raw, range, since),
            // Power at its readings: the trapezoid over a failed one is a guess, so it is a gap.
            Kind::Power => {
                let power = Watts(raw as f64 * self.channel.unit);
                if self.failed {
                    self.sums.gap += since.unwrap_or_default();
                }
                self.integral.advance(now, power)
            }
        };
        self.last = Some(now);
        self.failed = false;
        self.sums.samples += 1;
        let passed = passed?;
        self.sums.energy += passed;
        since.filter(|it| it.0 > 0.0).map(|it| passed / it)
    }

    fn count(&mut self, raw: u64, range: Option<u64>, since: Option<Seconds>) -> Option<Joules> {
        if let (Some(range), Some(since)) = (range, since)
            && HIGHEST_POWER * since > self.channel.joules(range)
        {
            self.sums.ambiguous += 1;
        }
        match self.counter.advance(raw) {
            Advance::First => None,
            Advance::By(passed) => Some(self.channel.joules(passed)),
            Advance::Reset(after) => {
                self.sums.resets += 1;
                self.sums.gap += since.unwrap_or_default();
                Some(self.channel.joules(after))
            }
        }
    }
}

impl Sums {
    pub(crate) fn since(self, start: Self) -> Self {
        Self {
            energy: self.energy - start.energy,
            samples: self.samples - start.samples,
            failures: self.failures - start.failures,
            resets: self.resets - start.resets,
            ambiguous: self.ambiguous - start.ambiguous,
            gap: self.gap - start.gap,
        }
    }
}
