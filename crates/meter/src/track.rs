//! One channel followed from reading to reading.

use units::{Domain, Joules, Method, Seconds, Watts};

use crate::{
    counter::{Advance, Counter},
    power::{Integral, Trapezoid},
    source::{Channel, Kind},
    update::Updates,
};

/// A reading of power that comes this many sampling intervals after the one before leaves a gap.
const LATE: f64 = 3.0;

/// Counters are updated in steps, so over a short time they may seem to run ahead by this much.
const AHEAD: Seconds = Seconds(1.0);

/// A decrease that, as a wrap, adds less than this share of the range is a wrap even if it came
/// faster than hardware allows.
const NEAR_WRAP: f64 = 1.0 / 16.0;

/// A counter's recent power is a mean over this many of its updates. The first value is a mean over
/// fewer, because a rough value is better than none.
const UPDATES: f64 = 10.0;
pub(crate) const FIRST_UPDATES: f64 = 3.0;

/// The shortest time over which a mean power is taken, however often the counter is updated.
pub(crate) const SHORTEST_WINDOW: Seconds = Seconds(1e-3);

/// A counter with this update period or a longer one is interpolated between its updates, which
/// the readings show one by one. Readings of a faster counter are used unchanged.
const INTERPOLATED: Seconds = Seconds(5e-3);

/// A channel and the state that its readings have left.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) channel: Channel,
    counter: Counter,
    integral: Integral,
    pub(crate) updates: Updates,
    /// Time between samples; `None` if there is no sampling thread.
    interval: Option<Seconds>,
    /// Time of the last good reading.
    last: Option<Seconds>,
    /// Whether a reading has failed since then.
    failed: bool,
    /// The values before and after a decrease that no wrap can explain, until the counter counts on
    /// from the lower one. If it returns to the higher one instead, it was misread and not reset.
    fell: Option<(u64, u64)>,
    /// Energy by which the interpolation is ahead of the counter.
    ahead: Joules,
    /// Recent mean power of a counter.
    recent: Option<Watts>,
    /// Start and energy so far of the window that gives the next value of `recent`.
    window: Option<(Seconds, Joules)>,
    /// Energy since the meter started.
    pub(crate) total: Joules,
    /// The last known power, for [`crate::Reading`].
    pub(crate) power: Option<Watts>,
}

/// What a reading adds to a channel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Increment {
    /// The reading failed, for this reason.
    Failed(String),
    /// The first good reading: there is nothing to compare it with.
    First(Edge),
    /// The energy since the last good reading.
    Step(Step),
}

/// A reading's time, and what is not known about the age of its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) at: Seconds,
    /// Power just before the reading; `None` if it is not known yet.
    pub(crate) power: Option<Watts>,
    /// The value's age is uniformly distributed over this width.
    pub(crate) width: Seconds,
    /// The value is used as if it were new, although it is this old on average.
    pub(crate) lag: Seconds,
}

/// The energy between two good readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) from: Seconds,
    pub(crate) to: Seconds,
    pub(crate) energy: Joules,
    /// The integral between the two readings; `None` for a counter.
    pub(crate) sampled: Option<Trapezoid>,
    /// The reading at `to`.
    pub(crate) edge: Edge,
    pub(crate) doubt: Option<Doubt>,
}

/// Why a step's energy is in doubt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Doubt {
    /// The two readings of power are too far apart.
    Gap,
    /// The counter was reset. What it counted since the reading before is lost, about this much.
    Reset(Joules),
    /// The two readings are so far apart that the counter may have wrapped more often, by this much
    /// energy.
    Wraps(Joules),
    /// The energy is more than hardware of this kind can draw.
    Implausible,
}

impl Track {
    pub(crate) fn new(channel: Channel, interval: Option<Seconds>) -> Self {
        let range = match channel.kind {
            Kind::Counter { range } => range,
            Kind::Power => None,
        };
        Self {
            counter: Counter::new(range),
            integral: Integral::default(),
            updates: Updates::new(channel.period),
            interval,
            last: None,
            failed: false,
            fell: None,
            ahead: Joules(0.0),
            recent: None,
            window: None,
            total: Joules(0.0),
            power: None,
            channel,
        }
    }

    /// Adds a reading at `now`, or the reason why it failed. `slept`: the machine was suspended
    /// since the reading before.
    pub(crate) fn advance(
        &mut self,
        now: Seconds,
        reading: Result<u64, String>,
        slept: bool,
    ) -> Increment {
        let raw = match reading {
            Ok(raw) => raw,
            Err(reason) => {
                self.failed = true;
                return Increment::Failed(reason);
            }
        };
        let Some(from) = self.last else {
            (self.last, self.failed) = (Some(now), false);
            self.start(now, raw);
            return Increment::First(self.edge(now));
        };
        self.last = Some(now);
        let failed = std::mem::take(&mut self.failed);
        let length = now - from;
        self.updates.see(now, raw);
        if let Some(learnt) = self.updates.learnt() {
            self.channel.period = learnt;
        }
        let step = match self.channel.kind {
            Kind::Counter { range } => {
                let (passed, doubt) = self.count(raw, range, length, slept);
                let energy = self.interpolate(now, passed, doubt.is_some());
                self.watch(now, energy, doubt.is_none());
                let edge = self.edge(now);
                Step { from, to: now, energy, sampled: None, edge, doubt }
            }
            Kind::Power => {
                let power = self.channel.watts(raw);
                let sampled = self.integral.advance(now, power);
                self.power = Some(power);
                let late = self.interval.is_some_and(|interval| {
                    let period = self.updates.period();
                    length > if interval < period { period } else { interval } * LATE
                });
                let doubt = (failed || late || slept).then_some(Doubt::Gap);
                let edge = self.edge(now);
                Step { from, to: now, energy: sampled.energy, sampled: Some(sampled), edge, doubt }
            }
        };
        self.total += step.energy;
        Increment::Step(step)
    }

    /// Whether the last good reading is older than `at`.
    pub(crate) fn is_before(&self, at: Seconds) -> bool {
        self.last.is_none_or(|last| last < at)
    }

    /// The last good reading, if it is not older than `oldest`.
    pub(crate) fn last_edge(&self, oldest: Seconds) -> Option<Edge> {
        self.last.filter(|last| *last >= oldest).map(|last| self.edge(last))
    }

    /// Whether the update period of a sensor's counter is not known from readings yet.
    pub(crate) fn is_learning(&self) -> bool {
        matches!(self.channel.kind, Kind::Counter { .. })
            && self.channel.method != Method::Model
            && self.updates.learnt().is_none()
    }

    /// The shortest time in which the counter can wrap; `None` if it cannot.
    pub(crate) fn shortest_wrap(&self) -> Option<Seconds> {
        let Kind::Counter { range: Some(range) } = self.channel.kind else { return None };
        let time = self.channel.joules(range).0 / highest_power(self.channel.domain).0;
        (time > 0.0).then_some(Seconds(time))
    }

    fn start(&mut self, now: Seconds, raw: u64) {
        self.updates.see(now, raw);
        match self.channel.kind {
            Kind::Counter { .. } => {
                self.counter.advance(raw);
                self.window = Some((now, Joules(0.0)));
            }
            Kind::Power => {
                self.power = Some(self.channel.watts(raw));
                self.integral.advance(now, self.channel.watts(raw));
            }
        }
    }

    /// Whether a decrease is a reset rather than a wrap: the counter has no range, was outside its
    /// range, or would have counted more than hardware can draw.
    fn is_reset(
        &self,
        raw: u64,
        last: u64,
        range: Option<u64>,
        length: Seconds,
        slept: bool,
    ) -> bool {
        let Some(range) = range.filter(|range| last < *range) else { return true };
        let energy = self.channel.joules(range - last + raw);
        let implausible = energy > highest_power(self.channel.domain) * (length + AHEAD);
        slept || implausible && energy > self.channel.joules(range) * NEAR_WRAP
    }

    /// Energy since the reading before, and why it is in doubt.
    fn count(
        &mut self,
        raw: u64,
        range: Option<u64>,
        length: Seconds,
        slept: bool,
    ) -> (Joules, Option<Doubt>) {
        let highest = highest_power(self.channel.domain);
        let whole = range.map(|range| self.channel.joules(range));
        let lost = self.recent.unwrap_or_default() * length;
        if let Some((before, shown)) =
            self.fell.filter(|(before, shown)| raw >= *before || raw == *shown)
        {
            let passed = raw.saturating_sub(before);
            if raw != shown {
                self.fell = None;
            }
            self.counter.advance(raw);
            return (self.channel.joules(passed), None);
        }
        let last = self.counter.last().unwrap_or_default();
        let reset = raw < last && self.is_reset(raw, last, range, length, slept);
        self.fell = (reset && !slept).then_some((last, raw));
        let (passed, doubt) = match self.counter.advance(raw) {
            Advance::First => (0, None),
            Advance::By(_) | Advance::Reset(_) if reset => (raw, Some(Doubt::Reset(lost))),
            Advance::Reset(after) => (after, Some(Doubt::Reset(lost))),
            Advance::By(passed) => match whole {
                Some(whole) if highest * length > whole => {
                    let most = (highest * length / whole).floor();
                    (passed, Some(Doubt::Wraps(whole * most)))
                }
                _ => {
                    let possible = highest * (length + AHEAD);
                    let implausible = self.channel.joules(passed) > possible;
                    (passed, implausible.then_some(Doubt::Implausible))
                }
            },
        };
        (self.channel.joules(passed), doubt)
    }

    /// Energy of a step of the interpolated counter, which adds what was drawn since the counter's
    /// last update at the recent power. The interpolated counter never decreases, so that the parts
    /// of a span never exceed the whole.
    fn interpolate(&mut self, now: Seconds, passed: Joules, doubted: bool) -> Joules {
        if doubted {
            self.ahead = Joules(0.0);
            return passed;
        }
        let due = if self.interpolates() {
            let (renewed, _) = self.updates.renewed(now);
            let age = (now - renewed).0.clamp(0.0, self.updates.period().0);
            self.recent.unwrap_or_default() * Seconds(age)
        } else {
            Joules(0.0)
        };
        let left = self.ahead - passed;
        let ahead = if due > left { due } else { left };
        let step = passed + ahead - self.ahead;
        self.ahead = ahead;
        step
    }

    fn interpolates(&self) -> bool {
        self.updates.learnt().is_some_and(|period| period >= INTERPOLATED)
    }

    /// Updates the recent mean power, over windows that are long compared with the update period.
    fn watch(&mut self, now: Seconds, energy: Joules, trusted: bool) {
        let (from, before) = match self.window {
            Some(window) if trusted => window,
            _ => {
                self.window = Some((now, Joules(0.0)));
                return;
            }
        };
        let (time, energy) = (now - from, before + energy);
        let updates = if self.recent.is_none() { FIRST_UPDATES } else { UPDATES };
        if time < self.updates.period() * updates || time < SHORTEST_WINDOW {
            self.window = Some((from, energy));
            return;
        }
        self.recent = Some(energy / time);
        self.power = self.recent;
        self.window = Some((now, Joules(0.0)));
    }

    /// Forgets the learnt update period: see [`crate::Meter::forget_update_periods`].
    pub(crate) fn forget_update_period(&mut self) {
        self.updates.forget();
        self.channel.period = self.updates.period();
    }

    fn edge(&self, at: Seconds) -> Edge {
        let (width, lag) = match self.channel.kind {
            Kind::Counter { .. } if self.interpolates() => {
                (self.updates.renewed(at).1, Seconds(0.0))
            }
            Kind::Counter { .. } => (self.updates.period(), self.updates.period() * 0.5),
            // The error of sampled power comes from how much it varies: see `Sway`.
            Kind::Power => (Seconds(0.0), Seconds(0.0)),
        };
        Edge { at, power: self.recent, width, lag }
    }
}

/// A power that no hardware exceeds through one channel of this domain. A counter's shortest time
/// to wrap is its range divided by this power.
pub(crate) fn highest_power(domain: Domain) -> Watts {
    match domain {
        Domain::CpuPackage
        | Domain::CpuCore
        | Domain::CpuUncore
        | Domain::CpuDie
        | Domain::Dram => Watts(2e3),
        Domain::Gpu => Watts(5e3),
        // A model's output: there is no hardware that could misreport it.
        Domain::CpuProcess => Watts(f64::INFINITY),
        _ => Watts(1e5),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(kind: Kind) -> Track {
        let method = Method::Counter;
        Track::new(Channel::new("test", Domain::CpuPackage, "p", kind, method, 1e-6), None)
    }

    fn step(increment: Increment) -> Step {
        match increment {
            Increment::Step(step) => step,
            other => panic!("expected a step, found {other:?}"),
        }
    }

    /// A 32-bit counter of 2^-14 J, as powercap shows it.
    const RANGE: u64 = 262_143_328_850;

    #[test]
    fn a_counter_that_wraps_adds_the_difference_and_a_reset_adds_the_new_value() {
        let mut track = track(Kind::Counter { range: Some(RANGE) });
        let first = track.advance(Seconds(0.0), Ok(RANGE - 1_000_000), false);
        assert!(matches!(first, Increment::First(_)), "{first:?}");
        let wrapped = step(track.advance(Seconds(0.1), Ok(2_000_000), false));
        assert_eq!((wrapped.energy, wrapped.doubt), (Joules(3.0), None));
        let up = step(track.advance(Seconds(0.2), Ok(102_000_000), false));
        assert_eq!((up.energy, up.doubt), (Joules(100.0), None));
        // As a wrap this would be 262 kJ in a tenth of a second.
        let reset = step(track.advance(Seconds(0.3), Ok(5_000_000), false));
        assert_eq!(reset.energy, Joules(5.0));
        assert!(matches!(reset.doubt, Some(Doubt::Reset(lost)) if (lost.0 - 100.0).abs() < 1e-9));
    }

    #[test]
    fn a_value_that_is_misread_once_loses_no_energy() {
        let mut track = track(Kind::Counter { range: Some(RANGE) });
        track.advance(Seconds(0.0), Ok(150_000_000), false);
        let short = step(track.advance(Seconds(0.1), Ok(15), false));
        assert!(matches!(short.doubt, Some(Doubt::Reset(_))), "{short:?}");
        let step = step(track.advance(Seconds(0.2), Ok(170_000_000), false));
        assert_eq!((step.energy, step.doubt), (Joules(20.0), None));
    }

    #[test]
    fn a_decrease_across_a_suspend_is_a_reset() {
        let mut track = track(Kind::Counter { range: Some(RANGE) });
        track.advance(Seconds(0.0), Ok(RANGE - 1_000_000), false);
        let step = step(track.advance(Seconds(0.1), Ok(2_000_000), true));
        assert!(matches!(step.doubt, Some(Doubt::Reset(_))), "{step:?}");
        assert_eq!(step.energy, Joules(2.0));
    }

    #[test]
    fn a_pause_longer_than_the_shortest_wrap_is_in_doubt() {
        let mut track = track(Kind::Counter { range: Some(RANGE) });
        track.advance(Seconds(0.0), Ok(0), false);
        // 262 kJ at 2 kW: 131 s.
        assert_eq!(step(track.advance(Seconds(130.0), Ok(1_000), false)).doubt, None);
        let late = step(track.advance(Seconds(262.0), Ok(2_000), false));
        assert!(matches!(late.doubt, Some(Doubt::Wraps(_))), "{late:?}");
    }

    #[test]
    fn a_failed_reading_of_a_counter_loses_no_energy() {
        let mut track = track(Kind::Counter { range: None });
        track.advance(Seconds(0.0), Ok(0), false);
        track.advance(Seconds(1.0), Err("busy".to_owned()), false);
        let step = step(track.advance(Seconds(2.0), Ok(7_000_000), false));
        assert_eq!((step.from, step.energy, step.doubt), (Seconds(0.0), Joules(7.0), None));
    }
}

#[cfg(test)]
mod interpolation {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// A counter that is renewed every 100 ms and read every 10 ms follows a constant power with
        /// an error well below one update, and never decreases.
        #[test]
        fn a_slow_counter_is_followed_between_its_updates(power in 10.0_f64..500.0, phase in 0.0_f64..0.1) {
            let kind = Kind::Counter { range: None };
            let mut channel = Channel::new("t", Domain::Gpu, "g", kind, Method::Counter, 1e-3);
            channel.period = Seconds(0.1);
            let mut track = Track::new(channel, None);
            for at in (0..600_u32).map(|step| f64::from(step) * 0.01) {
                let shown = ((at + phase) / 0.1).floor() * 0.1 * power;
                let before = track.total;
                track.advance(Seconds(at), Ok((shown * 1e3) as u64), false);
                prop_assert!(track.total >= before);
            }
            let truth = power * 5.99;
            prop_assert!((track.total.0 - truth).abs() < power * 0.02 + power * 0.1, "{}", track.total);
        }
    }
}
