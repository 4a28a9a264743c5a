//! The sums of one channel over one open span.

use units::{Joules, Method, Seconds, Watts};

use crate::{
    follow::Event,
    plausible::highest_power,
    power::history::Estimate,
    source::{Channel, Kind},
    track::{Doubt, Edge, FIRST_UPDATES, Increment, SHORTEST_WINDOW, Step},
    uncertainty::{Random, Sway, edge_variance, unseen_variance},
};

/// A counter's peak power is taken over at least this many of its updates.
const UPDATES: f64 = 10.0;

/// One channel's sums over one span, from the reading at its start to the reading at its end.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SpanAccumulator {
    /// Time of this channel's reading at the span's start.
    start: Seconds,
    /// End of the span, once it is known: readings may come later.
    until: Option<Seconds>,
    /// A reading has failed since then, so that the one for the end of the span comes late.
    late: bool,
    pub(crate) energy: Joules,
    /// Half-width of the energy's uncertainty from gaps, resets and wraps, besides the sensor's own
    /// error.
    pub(crate) doubt: Joules,
    sway: Sway,
    /// Variance of an energy that was reconstructed from the readings; `sway` is then not used.
    reconstructed: Option<f64>,
    first: Option<Edge>,
    latest: Option<Edge>,
    /// Number of good readings, both ends included.
    pub(crate) samples: u64,
    /// Number of steps between good readings. With none, the energy is absent and not 0.
    pub(crate) steps: u64,
    pub(crate) failures: u64,
    pub(crate) last_failure: Option<String>,
    pub(crate) events: Events,
    pub(crate) gap: Seconds,
    /// Time of the last reading that differs from the one before.
    moved: Option<Seconds>,
    pub(crate) peak: Option<Watts>,
    last_good: Option<Seconds>,
    /// Start and energy so far of the window that gives the next candidate for `peak`.
    window: Option<(Seconds, Joules)>,
}

/// How often a counter's values have shown something within a span.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Events {
    pub(crate) misread: u64,
    pub(crate) resets: u64,
    pub(crate) jumps: u64,
    pub(crate) wraps: u64,
}

impl SpanAccumulator {
    /// For a channel that was not there when the span began.
    pub(crate) fn late(start: Seconds) -> Self {
        Self {
            start,
            until: None,
            late: false,
            energy: Joules(0.0),
            doubt: Joules(0.0),
            sway: Sway::default(),
            reconstructed: None,
            first: None,
            latest: None,
            samples: 0,
            steps: 0,
            failures: 0,
            last_failure: None,
            events: Events::default(),
            gap: Seconds(0.0),
            moved: None,
            peak: None,
            last_good: None,
            window: None,
        }
    }

    /// Starts with the reading at the span's start.
    pub(crate) fn begin(at: Seconds, first: &Increment) -> Self {
        let mut this = Self::late(at);
        match first {
            Increment::Failed(reason) => this.fail(reason),
            Increment::First(edge) | Increment::Step(Step { edge, .. }) => {
                this.read_at(edge);
                this.window = Some((at, Joules(0.0)));
            }
        }
        this
    }

    /// Adds a later reading.
    pub(crate) fn add(&mut self, channel: &Channel, increment: &Increment) {
        match increment {
            Increment::Failed(reason) => self.fail(reason),
            Increment::First(edge) => {
                // Nothing is known of the time before it.
                self.doubt += edge.likely * (edge.at - self.start);
                self.read_at(edge);
            }
            Increment::Step(step) => self.step(channel, step),
        }
    }

    /// The span ends at `at`. If the first reading after that fails, a later one counts in part.
    pub(crate) fn until(&mut self, at: Seconds) {
        self.until = Some(at);
    }

    /// Ends the span at `at`. The time after the last good reading is a gap; what the channel may
    /// have drawn in it is in doubt, and so is what a doubtful value at either end leaves open.
    pub(crate) fn end(&mut self, at: Seconds) {
        let covered = self.last_good.unwrap_or(self.start);
        if at > covered {
            let gap = at - covered;
            self.gap += gap;
            if let Some(edge) = self.latest {
                self.doubt += edge.likely * gap;
            }
        }
        let ends = self.first.iter().chain(&self.latest);
        self.doubt += ends.map(|edge| edge.pending).sum();
    }

    /// Whether the last value is doubtful, and later ones have not shown why.
    pub(crate) fn ends_in_doubt(&self) -> bool {
        self.latest.is_some_and(|edge| edge.doubtful)
    }

    /// Time from the first good reading to the last.
    pub(crate) fn covered(&self) -> Seconds {
        self.first.zip(self.latest).map_or(Seconds(0.0), |(first, latest)| latest.at - first.at)
    }

    /// How long the channel has shown the same value up to its last good reading, and a power that
    /// it most likely stayed below.
    pub(crate) fn unmoved(&self) -> Option<(Seconds, Watts)> {
        let edge = self.latest?;
        let since = self.moved.unwrap_or(self.first?.at);
        (edge.at > since).then(|| (edge.at - since, edge.likely))
    }

    /// Whether the channel has shown the same value in every reading.
    pub(crate) fn never_moved(&self) -> bool {
        self.moved.is_none()
    }

    /// Replaces the integral of the readings by a better estimate, unless readings are missing.
    pub(crate) fn reconstruct(&mut self, estimate: Estimate) {
        if self.steps > 0 && self.gap == Seconds(0.0) && self.doubt == Joules(0.0) {
            self.energy = Joules(estimate.energy);
            self.reconstructed = Some(estimate.variance);
        }
    }

    /// The random part of the energy's error. If the power at an end is not known, the mean over the
    /// span takes its place. If the span is too short for a mean, the most that hardware can draw
    /// does, because a counter that has not moved yet may be about to.
    pub(crate) fn error(&self, channel: &Channel, duration: Seconds) -> Random {
        if let Some(variance) = self.reconstructed {
            return Random { variance, bias: Joules(0.0) };
        }
        let known = duration >= channel.period * FIRST_UPDATES || channel.method == Method::Model;
        let mean = if duration.0 > 0.0 && known {
            self.energy / duration
        } else {
            highest_power(channel.domain)
        };
        let edges = || self.first.iter().chain(&self.latest);
        let ends = edges().map(|edge| edge_variance(edge.power.unwrap_or(mean), edge.width));
        let lag = |edge: Option<Edge>| {
            edge.map_or(Joules(0.0), |edge| edge.power.unwrap_or(mean) * edge.lag)
        };
        let behind = channel.period + channel.averaging;
        let mut variance = ends.sum::<f64>() + self.sway.variance(behind);
        if channel.kind == Kind::Power && channel.method != Method::Model {
            variance += unseen_variance(self.energy, duration, behind);
        }
        Random { variance, bias: lag(self.latest) - lag(self.first) }
    }

    fn fail(&mut self, reason: &str) {
        self.failures += 1;
        self.late = self.until.is_some();
        self.last_failure = Some(reason.to_owned());
    }

    fn read_at(&mut self, edge: &Edge) {
        self.samples += 1;
        self.first.get_or_insert(*edge);
        self.latest = Some(*edge);
        if self.last_good.replace(edge.at).is_none() {
            self.gap += edge.at - self.start;
        }
    }

    fn step(&mut self, channel: &Channel, step: &Step) {
        let end = match self.until.filter(|_| self.late) {
            Some(until) if until < step.from => return,
            Some(until) if until < step.to => until,
            _ => step.to,
        };
        self.read_at(&Edge { at: end, ..step.edge });
        self.steps += 1;
        if step.moved {
            self.moved = Some(end);
        }
        // A step that began before the span, because its first reading failed, or that ends after
        // it, because its last reading failed at first, is divided by time. When in the step its
        // energy was drawn is not known.
        let length = step.to - step.from;
        let begin = if step.from < self.start { self.start } else { step.from };
        let share =
            if end - begin < length { ((end - begin) / length).clamp(0.0, 1.0) } else { 1.0 };
        let energy = step.energy * share;
        self.energy += energy;
        if share < 1.0 {
            let whole = if step.energy > Joules(0.0) { step.energy } else { Joules(0.0) };
            let (inside, outside) = (end - begin, length - (end - begin));
            let most = smaller(whole, step.edge.likely * inside);
            let least = whole - smaller(whole, step.edge.likely * outside);
            self.doubt += larger(most - energy, energy - least);
        }
        if let Some(sampled) = &step.sampled {
            self.sway.add(sampled.mean, sampled.jump, length * share);
        }
        match step.doubt {
            None => {}
            Some(Doubt::Gap) => {
                let inside = length * share;
                self.gap += inside;
                self.doubt += larger(energy, step.edge.likely * inside - energy);
            }
            Some(Doubt::Counter { event, energy, lost }) => {
                self.gap += lost * share;
                self.doubt += energy * share;
                match event {
                    Event::Doubtful => {}
                    Event::Misread => self.events.misread += 1,
                    Event::Reset => self.events.resets += 1,
                    Event::Jumped => self.events.jumps += 1,
                    Event::Wraps => self.events.wraps += 1,
                }
            }
        }
        self.peak(channel, step, share == 1.0 && step.doubt.is_none());
    }

    /// Updates the peak power. A counter's power is taken over a window that is long compared with
    /// its update period; otherwise two readings in a row would see the energy of a whole update in
    /// microseconds.
    fn peak(&mut self, channel: &Channel, step: &Step, trusted: bool) {
        if !trusted {
            self.window = Some((step.to, Joules(0.0)));
            return;
        }
        let (from, before) = self.window.unwrap_or((step.from, Joules(0.0)));
        let (time, energy) = (step.to - from, before + step.energy);
        let updates = match channel.kind {
            Kind::Counter { .. } => channel.period * UPDATES,
            Kind::Power => Seconds(0.0),
        };
        if time < updates || time < SHORTEST_WINDOW {
            self.window = Some((from, energy));
            return;
        }
        let power = energy / time;
        if self.peak.is_none_or(|peak| peak < power) {
            self.peak = Some(power);
        }
        self.window = Some((step.to, Joules(0.0)));
    }
}

fn larger(a: Joules, b: Joules) -> Joules {
    if a < b { b } else { a }
}

fn smaller(a: Joules, b: Joules) -> Joules {
    if a < b { a } else { b }
}

#[cfg(test)]
mod tests;
