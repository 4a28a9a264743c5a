//! One channel followed from reading to reading.

use units::{Domain, Joules, Method, Seconds, Watts};

use crate::{
    counter::{Advance, Counter},
    power::{Integral, Trapezoid},
    source::{Channel, Kind},
    update::Updates,
};

/// A sampler this many intervals late has left a gap in a power sensor's curve.
const LATE: f64 = 3.0;

/// Counters are updated at some rate: over short times they may seem to run this much ahead.
const AHEAD: Seconds = Seconds(1.0);

/// A fall this close below the range is a wrap even if it came faster than is possible.
const NEAR_WRAP: f64 = 1.0 / 16.0;

/// A counter's recent power is taken over so many of its updates (at first over fewer: a rough
/// value is better than none),
const UPDATES: f64 = 10.0;
pub(crate) const FIRST_UPDATES: f64 = 3.0;

/// and over no less than this, however often it is updated.
pub(crate) const SHORTEST_WINDOW: Seconds = Seconds(1e-3);

/// From this period on, the updates of a counter are seen one by one and it is interpolated between
/// them. A faster counter costs nothing worth it, and its readings are told as they are.
const INTERPOLATED: Seconds = Seconds(5e-3);

/// A channel's state between two readings.
#[derive(Clone, Debug)]
pub(crate) struct Track {
    pub(crate) channel: Channel,
    counter: Counter,
    integral: Integral,
    pub(crate) updates: Updates,
    /// Time between samples; `None` if nobody samples regularly.
    interval: Option<Seconds>,
    /// Time of the last good reading.
    last: Option<Seconds>,
    /// Whether a reading failed since then.
    failed: bool,
    /// What the counter showed before it fell as no wrap can, and what since, until it counts on
    /// from there: if it is up again instead, it was misread and not reset.
    fell: Option<(u64, u64)>,
    /// Energy that the interpolation is ahead of the counter.
    ahead: Joules,
    /// Power of late, of a counter.
    recent: Option<Watts>,
    /// Where the next value of `recent` is being taken.
    window: Option<(Seconds, Joules)>,
    /// Since the meter started.
    pub(crate) total: Joules,
    /// Last known power, for those who watch.
    pub(crate) power: Option<Watts>,
}

/// What a reading says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Outcome {
    /// Nothing: it failed, for this reason.
    Failed(String),
    /// The first good one: there is nothing to compare with.
    First(Edge),
    /// The energy since the last good one.
    Step(Step),
}

/// What is not known about a reading's age.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) at: Seconds,
    /// Power just before it; `None` if nothing was measured before.
    pub(crate) power: Option<Watts>,
    /// The value's age is uniform over this width,
    pub(crate) width: Seconds,
    /// and the value is told as if it were new, though it is this old on average.
    pub(crate) lag: Seconds,
}

/// The energy between two good readings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) from: Seconds,
    pub(crate) to: Seconds,
    pub(crate) energy: Joules,
    /// Of power that was integrated: between the two readings.
    pub(crate) sampled: Option<Trapezoid>,
    /// At `to`.
    pub(crate) edge: Edge,
    pub(crate) doubt: Option<Doubt>,
}

/// What is wrong with a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Doubt {
    /// Power was not read for too long in between.
    Gap,
    /// The counter started anew; what it counted before that is lost, about this much.
    Reset(Joules),
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

    /// Takes a reading at `now`, or why there was none. `slept`: the machine was suspended since
    /// the reading before.
    pub(crate) fn advance(
        &mut self,
        now: Seconds,
        reading: Result<u64, String>,
        slept: bool,
    ) -> Outcome {
        let raw = match reading {
            Ok(raw) => raw,
            Err(reason) => {
                self.failed = true;
                return Outcome::Failed(reason);
            }
        };
        let Some(from) = self.last else {
            (self.last, self.failed) = (Some(now), false);
            self.start(now, raw);
            return Outcome::First(self.edge(now));
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
        Outcome::Step(step)
    }

    /// Whether a reading of that time is news.
    pub(crate) fn is_before(&self, at: Seconds) -> bool {
        self.last.is_none_or(|last| last < at)
    }

    /// The last reading, if it is not older than that.
    pub(crate) fn last_edge(&self, oldest: Seconds) -> Option<Edge> {
        self.last.filter(|last| *last >= oldest).map(|last| self.edge(last))
    }

    /// Whether the period of a sensor's counter is still to be found out.
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

    /// Whether a fall is a reset rather than a wrap: the counter has no range, was outside of it,
    /// or would have to have counted more than hardware can draw.
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

    /// Energy since the reading before, and what is wrong with it.
    fn count(
        &mut self,
        raw: u64,
        range: Option<u64>,
        length: Seconds,
        slept: bool,
    ) -> (Joules, Option<Doubt>) {
        let highest = highest_power(self.channel.domain);
        let whole = range.map(|it| self.channel.joules(it));
        let lost = self.recent.unwrap_or_default() * length;
        if let Some((before, shown)) = self.fell.filter(|it| raw >= it.0 || raw == it.1) {
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

    /// Energy of a step of the interpolated counter: what the counter will have counted by now
    /// if power goes on as of late. It never falls, so that parts never exceed their whole.
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
        self.updates.learnt().is_some_and(|it| it >= INTERPOLATED)
    }

    /// Keeps the power of late over windows that are long enough for updates not to show.
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

    fn edge(&self, at: Seconds) -> Edge {
        let (width, lag) = match self.channel.kind {
            Kind::Counter { .. } if self.interpolates() => {
                (self.updates.renewed(at).1, Seconds(0.0))
            }
            Kind::Counter { .. } => (self.updates.period(), self.updates.period() * 0.5),
            // What it does not know, its sway tells.
            Kind::Power => (Seconds(0.0), Seconds(0.0)),
        };
        Edge { at, power: self.recent, width, lag }
    }
}

/// More than any hardware draws through one channel of this kind. The shortest time in which a
/// counter can wrap is its range over this power.
pub(crate) fn highest_power(domain: Domain) -> Watts {
    match domain {
        Domain::CpuPackage
        | Domain::CpuCore
        | Domain::CpuUncore
        | Domain::CpuDie
        | Domain::Dram => Watts(2e3),
        Domain::Gpu => Watts(5e3),
        // Computed, not sensed: nothing can go wrong with it.
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
        let first = track.advance(Seconds(0.0), Ok(RANGE - 1_000_000), false);
        assert!(matches!(first, Outcome::First(_)), "{first:?}");
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
    fn a_value_that_is_misread_once_is_no_reset() {
        let mut track = track(Kind::Counter { range: Some(RANGE) });
        track.advance(Seconds(0.0), Ok(150_000_000), false);
        let short = step(track.advance(Seconds(0.1), Ok(15), false));
        assert!(matches!(short.doubt, Some(Doubt::Reset(_))), "{short:?}");
        let step = step(track.advance(Seconds(0.2), Ok(170_000_000), false));
        assert_eq!((step.energy, step.doubt), (Joules(20.0), None));
    }

    #[test]
    fn a_fall_while_the_machine_slept_is_a_reset() {
        let mut track = track(Kind::Counter { range: Some(RANGE) });
        track.advance(Seconds(0.0), Ok(RANGE - 1_000_000), false);
        let step = step(track.advance(Seconds(0.1), Ok(2_000_000), true));
        assert!(matches!(step.doubt, Some(Doubt::Reset(_))), "{step:?}");
        assert_eq!(step.energy, Joules(2.0));
    }

    #[test]
    fn a_pause_longer_than_the_shortest_wrap_is_doubted() {
        let mut track = track(Kind::Counter { range: Some(RANGE) });
        track.advance(Seconds(0.0), Ok(0), false);
        // 262 kJ at 2 kW: 131 s.
        assert_eq!(step(track.advance(Seconds(130.0), Ok(1_000), false)).doubt, None);
        let late = step(track.advance(Seconds(262.0), Ok(2_000), false));
        assert!(matches!(late.doubt, Some(Doubt::Wraps(_))), "{late:?}");
    }

    #[test]
    fn a_failed_reading_of_a_counter_loses_nothing() {
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
        /// A counter that is renewed every 100 ms and read every 10 ms follows a constant power to
        /// well under an update, and never falls.
        #[test]
        fn a_slow_counter_is_followed_between_its_updates(power in 10.0_f64..500.0, phase in 0.0_f64..0.1) {
            let kind = Kind::Counter { range: None };
            let mut channel = Channel::new("t", Domain::Gpu, "g", kind, Method::Counter, 1e-3);
            channel.period = Seconds(0.1);
            let mut track = Track::new(channel, None);
            for at in (0..600_u32).map(|it| f64::from(it) * 0.01) {

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
