//! One channel followed from reading to reading.

use record::{Domain, Joules, Seconds, Watts};

use crate::{
    counter::{Advance, Counter},
    power::Integral,
    source::{Channel, Kind},
};

/// A sampler this many intervals late has left a gap in a power sensor's curve.
const LATE: f64 = 3.0;

/// Counters are updated at some rate: over short times they may seem to run this much ahead.
const AHEAD: Seconds = Seconds(1.0);

/// A fall this close below the range is a wrap even if it came faster than is possible.
const NEAR_WRAP: f64 = 1.0 / 16.0;

/// A channel's state between two readings.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) channel: Channel,
    counter: Counter,
    integral: Integral,
    /// Time between samples; `None` if nobody samples regularly.
    interval: Option<Seconds>,
    /// Time of the last good reading.
    last: Option<Seconds>,
    /// Whether a reading failed since then.
    failed: bool,
}

/// What a reading says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Nothing: it failed, for this reason.
    Failed(String),
    /// The first good one: there is nothing to compare with.
    First(Seconds),
    /// The energy since the last good one.
    Step(Step),
}

/// The energy between two good readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) from: Seconds,
    pub(crate) to: Seconds,
    pub(crate) energy: Joules,
    /// How far power that was integrated may have swayed between its readings.
    pub(crate) sway: Joules,
    pub(crate) doubt: Option<Doubt>,
}

/// What is wrong with a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Doubt {
    /// Power was not read for too long in between.
    Gap,
    /// The counter started anew; what it counted before that is lost.
    Reset,
    /// So long that the counter may have wrapped once more, by this much.
    Wraps(Joules),
    /// More than hardware of this kind can draw.
    Implausible,
}

impl Track {
    pub(crate) fn new(channel: Channel, interval: Option<Seconds>) -> Self {
        let range = match channel.kind {
            Kind::Counter { range } => range,
            Kind::Power => None,
        };
        Self {
            channel,
            counter: Counter::new(range),
            integral: Integral::default(),
            interval,
            last: None,
            failed: false,
        }
    }

    /// Takes a reading at `now`, or why there was none.
    pub(crate) fn advance(&mut self, now: Seconds, reading: Result<u64, String>) -> Outcome {
        let raw = match reading {
            Ok(raw) => raw,
            Err(reason) => {
                self.failed = true;
                return Outcome::Failed(reason);
            }
        };
        let from = self.last.replace(now);
        let failed = std::mem::take(&mut self.failed);
        let passed = match self.channel.kind {
            Kind::Counter { range } => self.count(raw, range, from.map(|from| now - from)),
            Kind::Power => {
                let (energy, sway) = self.integral.advance(now, self.channel.watts(raw));
                let late = self.interval.zip(from).is_some_and(|(interval, from)| {
                    let allowed =
                        if interval < self.channel.period { self.channel.period } else { interval };
                    now - from > allowed * LATE
                });
                (energy, sway, (failed || late).then_some(Doubt::Gap))
            }
        };
        match from {
            None => Outcome::First(now),
            Some(from) => {
                let (energy, sway, doubt) = passed;
                Outcome::Step(Step { from, to: now, energy, sway, doubt })
            }
        }
    }

    fn count(
        &mut self,
        raw: u64,
        range: Option<u64>,
        since: Option<Seconds>,
    ) -> (Joules, Joules, Option<Doubt>) {
        let before = self.counter;
        let highest = highest_power(self.channel.domain);
        let possible = highest * (since.unwrap_or_default() + AHEAD);
        let whole = range.map(|it| self.channel.joules(it));
        let (passed, doubt) = match self.counter.advance(raw) {
            Advance::First => (0, None),
            Advance::Reset(after) => (after, Some(Doubt::Reset)),
            Advance::By(passed) => {
                let energy = self.channel.joules(passed);
                let fell = before.last().is_some_and(|last| raw < last);
                let implausible = energy > possible;
                if fell && implausible && whole.is_some_and(|it| energy > it * NEAR_WRAP) {
                    (raw, Some(Doubt::Reset))
                } else if let (Some(whole), Some(since)) = (whole, since)
                    && highest * since > whole
                {
                    (passed, Some(Doubt::Wraps(whole)))
                } else {
                    (passed, implausible.then_some(Doubt::Implausible))
                }
            }
        };
        (self.channel.joules(passed), Joules(0.0), doubt)
    }
}

/// More than any hardware draws through one channel of this kind. The shortest time in which a
/// counter can wrap is its range over this power.
fn highest_power(domain: Domain) -> Watts {
    match domain {
        Domain::CpuPackage
        | Domain::CpuCore
        | Domain::CpuUncore
        | Domain::CpuDie
        | Domain::Dram => Watts(2e3),
        Domain::Gpu => Watts(5e3),
        Domain::System | Domain::Psys | Domain::Other => Watts(1e5),
        // Computed, not sensed: nothing can go wrong with it.
        Domain::CpuProcess => Watts(f64::INFINITY),
    }
}

#[cfg(test)]
mod tests {
    use record::Method;

    use super::*;

    fn track(kind: Kind) -> Track {
        let method = Method::Counter;
        Track::new(Channel::new("test", Domain::CpuPackage, "p", kind, method, 1e-6), None)
    }

    fn step(outcome: Outcome) -> Step {
        match outcome {
            Outcome::Step(step) => step,
            other => panic!("expected a step, found {other:?}"),
        }
    }

    /// A 32-bit counter of 2^-14 J, as powercap shows it.
    const RANGE: u64 = 262_143_328_850;

    #[test]
    fn a_wrap_is_a_small_step_and_a_reset_is_not_a_wrap() {
        let mut track = track(Kind::Counter { range: Some(RANGE) });
        assert_eq!(
            track.advance(Seconds(0.0), Ok(RANGE - 1_000_000)),
            Outcome::First(Seconds(0.0))
        );
        let wrapped = step(track.advance(Seconds(0.1), Ok(2_000_000)));
        assert_eq!((wrapped.energy, wrapped.doubt), (Joules(3.0), None));
        let up = step(track.advance(Seconds(0.2), Ok(102_000_000)));
        assert_eq!((up.energy, up.doubt), (Joules(100.0), None));
        // As a wrap this would be 262 kJ in a tenth of a second.
        let reset = step(track.advance(Seconds(0.3), Ok(5_000_000)));
        assert_eq!((reset.energy, reset.doubt), (Joules(5.0), Some(Doubt::Reset)));
    }

    #[test]
    fn a_pause_longer_than_the_shortest_wrap_is_doubted() {
        let mut track = track(Kind::Counter { range: Some(RANGE) });
        track.advance(Seconds(0.0), Ok(0));
        // 262 kJ at 2 kW: 131 s.
        assert_eq!(step(track.advance(Seconds(130.0), Ok(1_000))).doubt, None);
        let late = step(track.advance(Seconds(262.0), Ok(2_000)));
        assert!(matches!(late.doubt, Some(Doubt::Wraps(_))), "{late:?}");
    }

    #[test]
    fn a_failed_reading_of_a_counter_loses_nothing() {
        let mut track = track(Kind::Counter { range: None });
        track.advance(Seconds(0.0), Ok(0));
        track.advance(Seconds(1.0), Err("busy".to_owned()));
        let step = step(track.advance(Seconds(2.0), Ok(7_000_000)));
        assert_eq!((step.from, step.energy, step.doubt), (Seconds(0.0), Joules(7.0), None));
    }
}
