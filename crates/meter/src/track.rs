//! One channel followed from reading to reading.

use units::{Domain, Joules, Method, Seconds, Watts};

use crate::{
    follow::{Counted, Event, Follower, Powers, RawReading},
    plausible::{highest, likely_power, refused},
    power::{
        Integral, Trapezoid,
        history::{Estimate, History},
    },
    source::{Channel, Kind},
    update::Updates,
};

/// A reading of power that comes this many sampling intervals after the one before leaves a gap.
const LATE: f64 = 3.0;

/// A channel that was followed for this long has shown which powers are likely.
const OBSERVED: Seconds = Seconds(0.3);

/// A power is shown for at least this long, times [`LATE`], after the reading that gave it, so that a
/// few failed readings do not hide it.
const SHORTEST_LIFE: Seconds = Seconds(0.5);

/// Where there are no readings, a channel may draw this many times the highest power that it has
/// shown: a load that begins while the sensor is silent is not seen.
const MORE: f64 = 2.0;

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
    counter: Follower,
    integral: Integral,
    /// The latest changes of a power whose averaging is not known.
    history: Option<History>,
    pub(crate) updates: Updates,
    /// Time between samples; `None` if there is no sampling thread.
    interval: Option<Seconds>,
    /// Times of the first and the last good reading.
    first: Option<Seconds>,
    last: Option<Seconds>,
    /// Whether a reading has failed since then.
    failed: bool,
    /// Energy by which the sum may be wrong until later readings show it: see [`crate::follow`].
    pending: Joules,
    /// The highest power that the channel has shown.
    peak: Option<Watts>,
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

/// A reading's time, and what is not known about its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) at: Seconds,
    /// Power just before the reading; `None` if it is not known yet.
    pub(crate) power: Option<Watts>,
    /// Most likely the channel draws no more than this while nothing reads it.
    pub(crate) likely: Watts,
    /// The value's age is uniformly distributed over this width.
    pub(crate) width: Seconds,
    /// The value is used as if it were new, although it is this old on average.
    pub(crate) lag: Seconds,
    /// Energy by which the sum up to here may be wrong, because the value is doubtful.
    pub(crate) pending: Joules,
    /// The value cannot follow the ones before it, and later ones have not shown why.
    pub(crate) doubtful: bool,
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
    /// The value differs from the one before.
    pub(crate) moved: bool,
    pub(crate) doubt: Option<Doubt>,
}

/// Why a step's energy is in doubt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Doubt {
    /// The two readings of power are too far apart.
    Gap,
    /// What a counter's value has shown, and the energy and the time that this leaves in doubt.
    Counter { event: Event, energy: Joules, lost: Seconds },
}

impl Track {
    pub(crate) fn new(channel: Channel, interval: Option<Seconds>) -> Self {
        let range = match channel.kind {
            Kind::Counter { range } => range,
            Kind::Power => None,
        };
        Self {
            counter: Follower::new(channel.unit, range),
            integral: Integral::default(),
            history: is_remembered(&channel).then(History::default),
            updates: Updates::new(channel.period),
            interval,
            first: None,
            last: None,
            failed: false,
            pending: Joules(0.0),
            peak: None,
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
        let reading = reading.and_then(|raw| match refused(&self.channel, raw) {
            Some(reason) => Err(reason),
            None => Ok(raw),
        });
        let raw = match reading {
            Ok(raw) => raw,
            Err(reason) => {
                self.failed = true;
                return Increment::Failed(reason);
            }
        };
        let Some(from) = self.last else {
            (self.first, self.last, self.failed) = (Some(now), Some(now), false);
            self.start(now, raw);
            return Increment::First(self.edge(now));
        };
        self.last = Some(now);
        let failed = std::mem::take(&mut self.failed);
        self.updates.see(now, raw);
        if let Some(learnt) = self.updates.learnt() {
            self.channel.period = learnt;
        }
        let step = match self.channel.kind {
            Kind::Counter { .. } => self.counted(from, RawReading { now, raw, slept }),
            Kind::Power => {
                let power = self.channel.watts(raw);
                let moved = self.power != Some(power);
                let sampled = self.integral.advance(now, power);
                self.power = Some(power);
                self.see_power(power);
                let late = self.interval.is_some_and(|interval| {
                    let period = self.updates.period();
                    now - from > if interval < period { period } else { interval } * LATE
                });
                let doubt = (failed || late || slept).then_some(Doubt::Gap);
                if let Some(history) = &mut self.history {
                    if doubt.is_some() {
                        history.interrupt();
                    }
                    history.see(now.0, power.0);
                }
                let (edge, energy) = (self.edge(now), sampled.energy);
                Step { from, to: now, energy, sampled: Some(sampled), edge, moved, doubt }
            }
        };
        self.total += step.energy;
        Increment::Step(step)
    }

    /// The step to a counter's reading.
    fn counted(&mut self, from: Seconds, reading: RawReading) -> Step {
        let powers =
            Powers { highest: highest(&self.channel), likely: self.likely(), recent: self.recent };
        let Counted { energy, doubt, pending, lost, event, moved } =
            self.counter.advance(reading, powers);
        let now = reading.now;
        let energy = match event {
            // A reading that was misread and counted may have put the sum ahead of the counter.
            None | Some(Event::Misread) => self.interpolate(now, energy),
            Some(Event::Wraps) => {
                self.ahead = Joules(0.0);
                energy
            }
            // The interpolation stays as far ahead as it is.
            Some(_) => energy,
        };
        self.watch(now, energy, event.is_none());
        self.pending = pending;
        let doubt = event.map(|event| Doubt::Counter { event, energy: doubt, lost });
        Step { from, to: now, energy, sampled: None, edge: self.edge(now), moved, doubt }
    }

    /// Whether the last good reading is older than `at`.
    pub(crate) fn is_before(&self, at: Seconds) -> bool {
        self.last.is_none_or(|last| last < at)
    }

    /// The last good reading, if it is not older than `oldest`.
    pub(crate) fn last_edge(&self, oldest: Seconds) -> Option<Edge> {
        self.last.filter(|last| *last >= oldest).map(|last| self.edge(last))
    }

    /// The last known power, unless it is so old that the device may be lost: the readings since then
    /// failed, or there were none.
    pub(crate) fn recent_power(&self, now: Seconds) -> Option<Watts> {
        let age = now - self.last?;
        let longest = |a: Seconds, b: Seconds| if a < b { b } else { a };
        let expected = self.interval.map(|interval| {
            longest(longest(interval, self.updates.period()), SHORTEST_LIFE) * LATE
        });
        // Without a sampling thread, nobody knows when the next reading is due.
        let lost = expected.map_or(self.failed, |expected| age > expected);
        self.power.filter(|_| !lost)
    }

    /// Whether the update period of a sensor's counter is not known from readings yet.
    pub(crate) fn is_learning(&self) -> bool {
        matches!(self.channel.kind, Kind::Counter { .. })
            && self.channel.method != Method::Model
            && self.updates.learnt().is_none()
    }

    /// The shortest time in which the counter can wrap; `None` if it cannot.
    pub(crate) fn shortest_wrap(&self) -> Option<Seconds> {
        let time = self.channel.joules(self.counter.range()?).0 / highest(&self.channel).0;
        (time > 0.0).then_some(Seconds(time))
    }

    fn start(&mut self, now: Seconds, raw: u64) {
        self.updates.see(now, raw);
        match self.channel.kind {
            Kind::Counter { .. } => {
                self.counted(now, RawReading { now, raw, slept: false });
                self.window = Some((now, Joules(0.0)));
            }
            Kind::Power => {
                let power = self.channel.watts(raw);
                self.power = Some(power);
                self.see_power(power);
                self.integral.advance(now, power);
                if let Some(history) = &mut self.history {
                    history.see(now.0, power.0);
                }
            }
        }
    }

    /// The energy of a past stretch, reconstructed from the readings of a power whose averaging is not
    /// known; `None` for other channels, and if the readings do not show how the sensor works.
    pub(crate) fn past(&mut self, from: Seconds, to: Seconds) -> Option<Estimate> {
        self.history.as_mut()?.energy(from.0, to.0)
    }

    /// Whether the readings are remembered.
    pub(crate) fn has_history(&self) -> bool {
        self.history.is_some()
    }

    /// What is remembered of the power.
    pub(crate) fn history(&mut self) -> Option<&mut History> {
        self.history.as_mut()
    }

    fn see_power(&mut self, power: Watts) {
        if self.peak.is_none_or(|peak| peak < power) {
            self.peak = Some(power);
        }
    }

    /// A power that the channel most likely stays below while nothing reads it.
    fn likely(&self) -> Watts {
        let usual = likely_power(self.channel.domain);
        let shown = self.peak.unwrap_or_default() * MORE;
        let observed = self.first.zip(self.last).is_some_and(|(from, to)| to - from >= OBSERVED);
        let likely = if shown > Watts(0.0) && (observed || shown > usual) { shown } else { usual };
        let highest = highest(&self.channel);
        if likely < highest { likely } else { highest }
    }

    /// Energy of a step of the interpolated counter, which adds what was drawn since the counter's
    /// last update at the recent power. The interpolated counter never decreases, so that the parts
    /// of a span never exceed the whole.
    fn interpolate(&mut self, now: Seconds, passed: Joules) -> Joules {
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
        self.see_power(energy / time);
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
        // What a misread value has put the sum ahead of the counter is in doubt, too.
        let due = self.recent.unwrap_or_default() * self.updates.period();
        let ahead = if self.ahead > due { self.ahead - due } else { Joules(0.0) };
        let (likely, pending) = (self.likely(), self.pending + ahead);
        let doubtful = self.counter.is_doubtful();
        Edge { at, power: self.recent, likely, width, lag, pending, doubtful }
    }
}

/// Whether a channel is a GPU's power over an unknown time. Drivers state neither the time over which
/// such sensors average nor when they sample.
fn is_remembered(channel: &Channel) -> bool {
    channel.kind == Kind::Power
        && channel.domain == Domain::Gpu
        && channel.method != Method::Model
        && channel.averaging == Seconds(0.0)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod interpolation {
    use proptest::prelude::*;
    use units::Domain;

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
