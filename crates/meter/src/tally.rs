//! What one channel contributes to one open span.

use units::{Joules, Method, Seconds, Watts};

use crate::{
    source::{Channel, Kind},
    track::{Doubt, Edge, FIRST_UPDATES, Outcome, SHORTEST_WINDOW, Step, highest_power},
    uncertainty::{Random, Sway, edge_variance},
};

/// A counter's mean power means something over this many of its updates.
const UPDATES: f64 = 10.0;

/// One channel's sums over one span. Only what lies between the span's two ends is in them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tally {
    /// Time of this channel's reading at the span's start.
    start: Seconds,
    pub(crate) energy: Joules,
    /// Half-width of what is not known about the energy, besides the sensor's own error.
    pub(crate) doubt: Joules,
    sway: Sway,
    first: Option<Edge>,
    latest: Option<Edge>,
    /// Good readings, both ends included.
    pub(crate) samples: u64,
    /// Steps that energy came from; without any, the energy is absent and not 0.
    pub(crate) steps: u64,
    pub(crate) failures: u64,
    pub(crate) last_failure: Option<String>,
    pub(crate) resets: u64,
    pub(crate) wraps_in_doubt: u64,
    pub(crate) implausible: u64,
    pub(crate) gap: Seconds,
    pub(crate) peak: Option<Watts>,
    last_good: Option<Seconds>,
    /// Energy since that time, of which no mean power was taken yet.
    window: Option<(Seconds, Joules)>,
}

impl Tally {
    /// A channel that was not there when the span began.
    pub(crate) fn late(start: Seconds) -> Self {
        Self {
            start,
            energy: Joules(0.0),
            doubt: Joules(0.0),
            sway: Sway::default(),
            first: None,
            latest: None,
            samples: 0,
            steps: 0,
            failures: 0,
            last_failure: None,
            resets: 0,
            wraps_in_doubt: 0,
            implausible: 0,
            gap: Seconds(0.0),
            peak: None,
            last_good: None,
            window: None,
        }
    }

    /// Begins with the reading at the span's start.
    pub(crate) fn begin(at: Seconds, first: &Outcome) -> Self {
        let mut this = Self::late(at);
        match first {
            Outcome::Failed(reason) => this.fail(reason),
            Outcome::First(edge) | Outcome::Step(Step { edge, .. }) => {
                this.read_at(edge);
                this.window = Some((at, Joules(0.0)));
            }
        }
        this
    }

    /// Adds a later reading.
    pub(crate) fn add(&mut self, channel: &Channel, outcome: &Outcome) {
        match outcome {
            Outcome::Failed(reason) => self.fail(reason),
            Outcome::First(edge) => self.read_at(edge),
            Outcome::Step(step) => self.step(channel, step),
        }
    }

    /// Ends the span at that time; what lies after the last good reading is a gap, and at the power
    /// of late it is about so much.
    pub(crate) fn end(&mut self, at: Seconds) {
        let covered = self.last_good.unwrap_or(self.start);
        if at > covered {
            let gap = at - covered;
            self.gap += gap;
            if let Some(power) = self.latest.and_then(|it| it.power) {
                self.doubt += power * gap;
            }
        }
    }

    /// The random part of the energy's error. Where the power at an end is not known, the mean over
    /// the span stands for it, and if that is too short to have one, the most that hardware draws:
    /// a counter that has not moved yet may be about to.
    pub(crate) fn error(&self, channel: &Channel, duration: Seconds) -> Random {
        let known = duration >= channel.period * FIRST_UPDATES || channel.method == Method::Model;
        let mean = if duration.0 > 0.0 && known {
            self.energy / duration
        } else {
            highest_power(channel.domain)
        };
        let edges = || self.first.iter().chain(&self.latest);
        let ends = edges().map(|it| edge_variance(it.power.unwrap_or(mean), it.width));
        let lag =
            |edge: Option<Edge>| edge.map_or(Joules(0.0), |it| it.power.unwrap_or(mean) * it.lag);
        let behind = channel.period + channel.averaging;
        Random {
            variance: ends.sum::<f64>() + self.sway.variance(behind),
            bias: lag(self.latest) - lag(self.first),
        }
    }

    fn fail(&mut self, reason: &str) {
        self.failures += 1;
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
        self.read_at(&step.edge);
        self.steps += 1;
        // A step that began before the span (its first reading failed) is shared out by time, and
        // where in the step its energy passed is unknown.
        let length = step.to - step.from;
        let share = if step.from < self.start {
            ((step.to - self.start) / length).clamp(0.0, 1.0)
        } else {
            1.0
        };
        let energy = step.energy * share;
        self.energy += energy;
        if share < 1.0 {
            self.doubt += step.energy * share.max(1.0 - share);
        }
        if let Some(sampled) = &step.sampled {
            self.sway.add(sampled.mean, sampled.jump, length * share);
        }
        match step.doubt {
            None => {}
            Some(Doubt::Gap) => {
                self.gap += length * share;
                self.doubt += energy;
            }
            Some(Doubt::Reset(lost)) => {
                self.gap += length * share;
                self.doubt += lost * share;
                self.resets += 1;
            }
            Some(Doubt::Wraps(range)) => {
                self.doubt += range;
                self.wraps_in_doubt += 1;
            }
            Some(Doubt::Implausible) => self.implausible += 1,
        }
        self.peak(channel, step, share == 1.0 && step.doubt.is_none());
    }

    /// Power of a counter over a window that is long enough for its updates not to show; two
    /// readings in a row would else see an update's whole energy in microseconds.
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
        if self.peak.is_none_or(|it| it < power) {
            self.peak = Some(power);
        }
        self.window = Some((step.to, Joules(0.0)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use units::Domain;

    use super::*;

    fn channel(period: f64) -> Channel {
        let kind = Kind::Counter { range: None };
        let mut channel = Channel::new("test", Domain::CpuPackage, "p", kind, Method::Counter, 1.0);
        channel.period = Seconds(period);
        channel
    }

    fn edge(at: f64) -> Edge {
        Edge { at: Seconds(at), power: None, width: Seconds(0.0), lag: Seconds(0.0) }
    }

    fn step(from: f64, to: f64, energy: f64) -> Outcome {
        Outcome::Step(Step {
            from: Seconds(from),
            to: Seconds(to),
            energy: Joules(energy),
            sampled: None,
            edge: edge(to),
            doubt: None,
        })
    }

    #[test]
    fn energy_from_before_the_span_stays_outside() {
        let failed = Outcome::Failed("busy".to_owned());
        let mut tally = Tally::begin(Seconds(8.0), &failed);
        tally.add(&channel(0.0), &step(0.0, 10.0, 100.0));
        tally.end(Seconds(10.0));
        assert!((tally.energy.0 - 20.0).abs() < 1e-9);
        assert!((tally.doubt.0 - 80.0).abs() < 1e-9);
        assert_eq!((tally.gap, tally.samples, tally.failures), (Seconds(2.0), 1, 1));
    }

    #[test]
    fn a_sensor_that_is_gone_at_the_end_leaves_a_gap() {
        let mut tally = Tally::begin(Seconds(0.0), &Outcome::First(edge(0.0)));
        tally.add(&channel(0.0), &step(0.0, 1.0, 10.0));
        tally.add(&channel(0.0), &Outcome::Failed("gone".to_owned()));
        tally.end(Seconds(5.0));
        assert_eq!((tally.energy, tally.gap), (Joules(10.0), Seconds(4.0)));
    }

    #[test]
    fn two_readings_in_a_row_make_no_peak() {
        let mut tally = Tally::begin(Seconds(0.0), &Outcome::First(edge(0.0)));
        let channel = channel(1e-3);
        tally.add(&channel, &step(0.0, 1e-5, 0.1));
        assert_eq!(tally.peak, None);
        tally.add(&channel, &step(1e-5, 0.1, 9.9));
        assert!((tally.peak.unwrap().0 - 100.0).abs() < 1e-9);
    }

    proptest! {
        /// However readings fail, spans that touch never have more energy together than there was.
        #[test]
        fn touching_spans_never_exceed_the_whole(
            readings in prop::collection::vec((any::<bool>(), 0_u32..100), 2..40),
            cut in 0_usize..40,
        ) {
            let channel = channel(0.0);
            let cut = cut % readings.len();
            let (mut last, mut pending, mut truth) = (0.0, 0.0, 0.0);
            let mut first = Tally::begin(Seconds(0.0), &Outcome::First(edge(0.0)));
            let mut second: Option<Tally> = None;
            for (index, (good, energy)) in readings.iter().enumerate() {
                let now = (index + 1) as f64;
                pending += f64::from(*energy);
                truth += f64::from(*energy);
                let outcome = if *good {
                    let outcome = step(last, now, pending);
                    (last, pending) = (now, 0.0);
                    outcome
                } else {
                    Outcome::Failed(String::new())
                };
                match &mut second {
                    Some(second) => second.add(&channel, &outcome),
                    None => first.add(&channel, &outcome),
                }
                if index == cut {
                    first.end(Seconds(now));
                    second = Some(Tally::begin(Seconds(now), &outcome));
                }
            }
            let second = second.unwrap();
            let sum = first.energy.0 + second.energy.0;
            prop_assert!(sum <= truth + 1e-9);
            // And if the cut and the end were read, they have it all.
            if readings[cut].0 && readings.last().unwrap().0 {
                prop_assert!((sum - truth).abs() < 1e-9);
            }
            prop_assert!(first.gap.0 >= 0.0 && second.gap.0 >= 0.0);
        }
    }
}
