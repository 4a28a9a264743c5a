//! Decides what doubtful readings were, from the readings after them.

use units::{Joules, Seconds};

use super::{AHEAD, Counted, Doubtful, Event, Follower, Kind, Powers, RawReading, larger};
use crate::counter::Counter;

/// A doubtful value that stays unchanged for this long is what the counter now shows.
const SETTLES: Seconds = Seconds(1.0);

/// Two wrong values in a row may look as if the counter went on from the first, at a power that it
/// is not likely to have. After this many such rises in a row it goes on nevertheless.
const MOVES: u32 = 3;

impl Follower {
    /// Adds a reading after doubtful ones.
    pub(super) fn resolve(
        &mut self,
        doubtful: Doubtful,
        reading: RawReading,
        powers: Powers,
    ) -> Counted {
        let RawReading { now, raw, slept } = reading;
        if slept {
            let settled = self.settle(&doubtful);
            return self.follow(reading, powers).after(settled);
        }
        let unchanged = doubtful.shown.last() == Some(raw);
        let settles = now - doubtful.since >= SETTLES;
        let back = self.possible(&self.good, raw, now - self.changed, powers);
        let on = self.possible(&doubtful.shown, raw, now - doubtful.before, powers);
        if doubtful.kind == Kind::Fast {
            if unchanged && !settles {
                self.doubtful = Some(doubtful);
                return Counted { pending: doubtful.pending, ..Counted::default() };
            }
            if let (None, Some(back)) = (on, back) {
                return self.misread(&doubtful, reading, back, powers);
            }
            // The counter goes on from the higher value, which confirms it, or falls from it.
            self.settle(&doubtful);
            return self.follow(reading, powers);
        }
        if unchanged && back.is_none() {
            if !settles {
                return self.wait(doubtful, reading, powers);
            }
            let settled = self.settle(&doubtful);
            self.accept(raw, now, doubtful.before);
            return settled;
        }
        match (back, on) {
            (Some(back), None) => self.misread(&doubtful, reading, back, powers),
            (None, Some(on)) => {
                let likely = powers.likely * (now - doubtful.before);
                if on <= likely || doubtful.moves == MOVES {
                    return self.go_on(&doubtful, reading, on, powers);
                }
                let moves = doubtful.moves + 1;
                self.wait(Doubtful { moves, ..doubtful }, reading, powers)
            }
            (Some(back), Some(on)) => self.choose(&doubtful, reading, (back, on), powers),
            (None, None) => self.wait(Doubtful { moves: 0, ..doubtful }, reading, powers),
        }
    }

    /// Both explanations are possible: the one whose energy is nearer to the recent power is taken,
    /// and the interval includes the other unless its power is unlikely.
    fn choose(
        &mut self,
        doubtful: &Doubtful,
        reading: RawReading,
        (back, on): (Joules, Joules),
        powers: Powers,
    ) -> Counted {
        let time = reading.now - self.at;
        let if_on = doubtful.total() + on;
        let expected = powers.recent.map_or(back, |recent| recent * time);
        let off = |total: Joules| (total - expected).0.abs();
        let (taken, other) = if off(back) <= off(if_on) { (back, if_on) } else { (if_on, back) };
        let counted = if taken == back {
            self.misread(doubtful, reading, back, powers)
        } else {
            self.go_on(doubtful, reading, on, powers)
        };
        if other > larger(powers.likely * time, expected * 2.0) {
            return counted;
        }
        Counted { doubt: larger(counted.doubt, Joules((taken - other).0.abs())), ..counted }
    }

    /// Keeps doubting: the value says nothing new, or fits neither of the readings before.
    fn wait(&mut self, mut doubtful: Doubtful, reading: RawReading, powers: Powers) -> Counted {
        let RawReading { now, raw, .. } = reading;
        let mut energy = Joules(0.0);
        let pending = larger(doubtful.pending, powers.likely * (now - self.at));
        if doubtful.shown.last() != Some(raw) {
            let expected = powers.recent.unwrap_or_default() * (now - self.at);
            energy = larger(expected - doubtful.counted, energy);
            let fell = self.good.last().is_some_and(|last| raw < last);
            let reset = || self.since_reset(raw, now - self.changed, powers);
            doubtful.kind = if fell { Kind::Fell(reset()) } else { Kind::Jumped };
            doubtful.shown = Counter::new(self.good.range());
            doubtful.shown.advance(raw);
            doubtful.counted += energy;
            doubtful.pending = pending;
            (doubtful.since, doubtful.before) = (now, self.seen);
        }
        self.doubtful = Some(doubtful);
        Counted { energy, pending, event: Some(Event::Doubtful), ..Counted::default() }
    }

    /// The doubtful values were misread: this one follows the last good one.
    ///
    /// If it is only little above that one, the counter may have stepped back, too. Then the energy at
    /// the recent power is missing, and stays in doubt.
    fn misread(
        &mut self,
        doubtful: &Doubtful,
        reading: RawReading,
        back: Joules,
        powers: Powers,
    ) -> Counted {
        let expected = powers.recent.unwrap_or_default() * (reading.now - self.at);
        self.accept(reading.raw, reading.now, self.seen);
        let doubt = larger(expected - back, Joules(0.0));
        let (energy, event) = (back - doubtful.counted, Some(Event::Misread));
        Counted { energy, doubt, event, ..Counted::default() }
    }

    /// The counter goes on from the doubtful value.
    fn go_on(
        &mut self,
        doubtful: &Doubtful,
        reading: RawReading,
        on: Joules,
        powers: Powers,
    ) -> Counted {
        let last = self.good.last().unwrap_or_default();
        let shown = doubtful.shown.last().unwrap_or_default();
        let time = reading.now - self.at;
        let mut settled = self.settle(doubtful);
        // It may also be a copy of the counter that lags behind, and not a step back.
        let stepped = self.joules(last.saturating_sub(shown));
        if doubtful.kind == Kind::Fell(None) && stepped <= powers.highest * AHEAD {
            settled.doubt += stepped;
        }
        // More than at the recent power may be the work of two wrong values.
        if let Some(recent) = powers.recent {
            settled.doubt = larger(settled.doubt, doubtful.total() + on - recent * time);
        }
        self.accept(reading.raw, reading.now, self.seen);
        Counted { energy: settled.energy + on, ..settled }
    }

    /// Takes the doubtful value as the counter's own.
    fn settle(&mut self, doubtful: &Doubtful) -> Counted {
        let lost = doubtful.since - self.at;
        self.accept(doubtful.shown.last().unwrap_or_default(), doubtful.since, doubtful.before);
        let event = match doubtful.kind {
            Kind::Fast => return Counted::default(),
            Kind::Jumped => Event::Jumped,
            Kind::Fell(_) => Event::Reset,
        };
        Counted {
            energy: doubtful.total() - doubtful.counted,
            doubt: doubtful.pending,
            lost,
            event: Some(event),
            ..Counted::default()
        }
    }
}
