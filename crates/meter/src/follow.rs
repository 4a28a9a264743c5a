//! Follows a counter through readings that cannot be right.
//!
//! Counters step back (by 1 mJ to 20 J: AMD SMI issue 115), show one reading near zero (Intel XPU
//! Manager issue 130), are reset, or jump. Three rules keep the sum honest:
//!
//! 1. A reading adds at most what the hardware can have drawn since the last good one.
//! 2. A reading that cannot follow the last good one is *doubtful*. Until a later reading shows what
//!    it was, the counter is taken to have gone on at its recent power, and the difference to what
//!    may have happened is *pending*.
//! 3. The next readings decide. If they follow the last good one, the doubtful one was misread and
//!    nothing is lost. If they go on from the doubtful one, the counter was reset or moved, and what
//!    it counted in between is lost. If both are possible, the likelier is chosen, and the interval
//!    includes the other.

mod resolve;

use units::{Joules, Seconds, Watts};

use crate::counter::{Advance, Counter};

/// Counters are updated in steps, so over a short time they may seem to run ahead by this much.
const AHEAD: Seconds = Seconds(1.0);

/// A wrap is told from a step back by its energy, so less than [`AHEAD`] is allowed.
const AHEAD_OF_WRAP: Seconds = Seconds(0.25);

/// What is known about a counter's power, for [`Follower::advance`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Powers {
    /// No hardware of this kind draws more.
    pub(crate) highest: Watts,
    /// Most likely it does not draw more.
    pub(crate) likely: Watts,
    /// The recent mean power, if it is known.
    pub(crate) recent: Option<Watts>,
}

/// What a reading of a counter adds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counted {
    /// Energy since the reading before. It is negative if a misread value was counted before.
    pub(crate) energy: Joules,
    /// Energy that will stay in doubt.
    pub(crate) doubt: Joules,
    /// Energy by which the sum so far may be wrong; later readings show it.
    pub(crate) pending: Joules,
    /// Time whose energy the counter lost.
    pub(crate) lost: Seconds,
    pub(crate) event: Option<Event>,
    /// The counter shows another value than at the reading before.
    pub(crate) moved: bool,
}

/// What a reading has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The value cannot follow the last good one.
    Doubtful,
    /// The values before this one were misread; nothing is lost.
    Misread,
    /// The counter was reset or stepped back.
    Reset,
    /// The counter jumped up by more than hardware can draw.
    Jumped,
    /// The counter may have wrapped more than once.
    Wraps,
}

/// One reading of a counter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawReading {
    pub(crate) now: Seconds,
    pub(crate) raw: u64,
    /// The machine was suspended since the reading before, so a decrease is a reset.
    pub(crate) slept: bool,
}

/// A counter, its last good reading, and the doubtful ones since then.
#[derive(Clone, Debug)]
pub(crate) struct Follower {
    /// Joules per raw unit.
    unit: f64,
    good: Counter,
    /// Time of the last good reading.
    at: Seconds,
    /// The counter's last change happened after this time.
    changed: Seconds,
    /// Time of the last reading, good or not.
    seen: Seconds,
    doubtful: Option<Doubtful>,
}

#[derive(Clone, Copy, Debug)]
struct Doubtful {
    kind: Kind,
    shown: Counter,
    /// Time of the first reading of this value, and of the reading before.
    since: Seconds,
    before: Seconds,
    /// How many readings in a row have followed one another, but at an unlikely power.
    moves: u32,
    /// Energy that was counted since the last good reading.
    counted: Joules,
    /// Energy by which that may be wrong.
    pending: Joules,
}

/// What a doubtful reading did.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    /// It rose faster than the hardware can have filled the counter, by little; its energy was
    /// counted.
    Fast,
    /// It rose by more than hardware can draw.
    Jumped,
    /// It fell, and may have counted this much since a reset to 0.
    Fell(Option<Joules>),
}

impl Follower {
    pub(crate) fn new(unit: f64, range: Option<u64>) -> Self {
        let zero = Seconds(0.0);
        let good = Counter::new(range);
        Self { unit, good, at: zero, changed: zero, seen: zero, doubtful: None }
    }

    /// The value at which the counter wraps, unless it was seen to exceed it.
    pub(crate) fn range(&self) -> Option<u64> {
        self.good.range()
    }

    /// Whether the last reading was doubtful.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.doubtful.is_some_and(|doubtful| doubtful.kind != Kind::Fast)
    }

    /// Adds a reading.
    pub(crate) fn advance(&mut self, reading: RawReading, powers: Powers) -> Counted {
        let RawReading { now, raw, .. } = reading;
        let shown = self.doubtful.map_or(self.good, |doubtful| doubtful.shown).last();
        let counted = match (shown, self.doubtful.take()) {
            (None, _) => {
                self.accept(raw, now, now);
                Counted::default()
            }
            (_, Some(doubtful)) => self.resolve(doubtful, reading, powers),
            (_, None) => self.follow(reading, powers),
        };
        self.seen = now;
        Counted { moved: shown != Some(raw), ..counted }
    }

    /// Takes a value as good. Its last change happened after `changed`.
    fn accept(&mut self, raw: u64, now: Seconds, changed: Seconds) {
        if self.good.last() != Some(raw) {
            self.changed = changed;
        }
        self.good.advance(raw);
        self.at = now;
        if self.good.range().is_some_and(|range| raw >= range) {
            self.good.forget_range();
        }
    }

    fn joules(&self, raw: u64) -> Joules {
        Joules(raw as f64 * self.unit)
    }

    /// The energy from one value to another, if hardware can have drawn it in this time.
    fn possible(&self, from: &Counter, raw: u64, time: Seconds, powers: Powers) -> Option<Joules> {
        let Advance::By(passed) = from.since(raw) else { return None };
        let wrapped = from.last().is_some_and(|last| raw < last);
        let ahead = if wrapped { AHEAD_OF_WRAP } else { AHEAD };
        let energy = self.joules(passed);
        (energy <= powers.highest * (time + ahead)).then_some(energy)
    }

    /// Adds a reading after a good one.
    fn follow(&mut self, reading: RawReading, powers: Powers) -> Counted {
        let RawReading { now, raw, slept } = reading;
        let last = self.good.last().unwrap_or_default();
        let (length, filled) = (now - self.at, now - self.changed);
        let fell = raw < last;
        if powers.highest.0.is_infinite() {
            // The output of a model. CPU time falls if a part of it is no longer known.
            self.accept(raw, now, self.seen);
            return Counted { energy: self.joules(raw.saturating_sub(last)), ..Counted::default() };
        }
        let whole = self.good.range().map(|range| self.joules(range));
        if let (Advance::By(passed), Some(whole)) = (self.good.since(raw), whole)
            && powers.highest * length > whole
            && !(slept && fell)
        {
            let most = (powers.highest * length / whole).floor();
            self.accept(raw, now, self.seen);
            return Counted {
                energy: self.joules(passed),
                doubt: whole * most,
                event: Some(Event::Wraps),
                ..Counted::default()
            };
        }
        let possible = self.possible(&self.good, raw, filled, powers);
        if let Some(energy) = possible.filter(|_| !(slept && fell)) {
            let most = powers.highest * filled;
            if energy <= most {
                self.accept(raw, now, self.seen);
                return Counted { energy, ..Counted::default() };
            }
            return self.doubt(Kind::Fast, reading, (energy, energy - most));
        }
        let expected = powers.recent.map(|recent| recent * length);
        let event = Some(Event::Doubtful);
        if !fell {
            let counted = expected.unwrap_or_default();
            let pending = larger(powers.likely * length - counted, counted);
            return Counted { event, ..self.doubt(Kind::Jumped, reading, (counted, pending)) };
        }
        let reset = self.since_reset(raw, filled, powers);
        if slept {
            let doubt = expected.unwrap_or(powers.likely * length);
            self.accept(raw, now, self.seen);
            return Counted {
                energy: reset.unwrap_or_default(),
                doubt,
                lost: length,
                event: Some(Event::Reset),
                ..Counted::default()
            };
        }
        let counted = match (reset, expected) {
            (Some(reset), Some(expected)) => smaller(reset, expected),
            (Some(reset), None) => reset,
            (None, expected) => expected.unwrap_or_default(),
        };
        let most = larger(powers.likely * length, reset.unwrap_or_default());
        let least = if reset.is_some() { Joules(0.0) } else { counted };
        let pending = larger(most - counted, least);
        Counted { event, ..self.doubt(Kind::Fell(reset), reading, (counted, pending)) }
    }

    /// The energy since a reset to 0, if a fall to this value may be one: it is far below the last
    /// value, and the hardware has likely drawn it since the last change.
    fn since_reset(&self, raw: u64, filled: Seconds, powers: Powers) -> Option<Joules> {
        let last = self.good.last().unwrap_or_default();
        let energy = self.joules(raw);
        let most = match powers.recent {
            Some(_) => powers.likely * filled,
            // Without a power to compare with, it may have been updated in a large step.
            None => powers.highest * (filled + AHEAD),
        };
        (raw < last / 2 && energy <= most).then_some(energy)
    }

    fn doubt(
        &mut self,
        kind: Kind,
        RawReading { now, raw, .. }: RawReading,
        (counted, pending): (Joules, Joules),
    ) -> Counted {
        let mut shown = Counter::new(self.good.range());
        shown.advance(raw);
        let (since, before) = (now, self.seen);
        self.doubtful = Some(Doubtful { kind, shown, since, before, moves: 0, counted, pending });
        Counted { energy: counted, pending, ..Counted::default() }
    }
}

impl Doubtful {
    /// Energy from the last good reading to the doubtful one, if that is right: at least what the
    /// counter has counted since a reset.
    fn total(&self) -> Joules {
        match self.kind {
            Kind::Fell(Some(reset)) => larger(reset, self.counted),
            _ => self.counted,
        }
    }
}

impl Counted {
    /// Both readings as one.
    fn after(self, first: Self) -> Self {
        Self {
            energy: first.energy + self.energy,
            doubt: first.doubt + self.doubt,
            lost: first.lost + self.lost,
            event: self.event.or(first.event),
            ..self
        }
    }
}

fn larger(a: Joules, b: Joules) -> Joules {
    if a < b { b } else { a }
}

fn smaller(a: Joules, b: Joules) -> Joules {
    if a < b { a } else { b }
}
