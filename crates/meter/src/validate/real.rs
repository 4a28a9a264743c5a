//! Replays recorded power sensors and compares the meter's energies with a power meter's.
//!
//! The readings pass through a meter in virtual time, as live readings do. How a sensor works is
//! inferred from them, and its gain comes from other boards only. The power meter's samples are used
//! for nothing but the comparison.

use std::collections::VecDeque;

use units::{Domain, Joules, Method, Seconds, Watts};

use super::recording::Recording;
use crate::{
    clock::{Clock, VirtualClock},
    meter::Meter,
    power::{
        boards::gain,
        history::{Estimate, History},
        response::Response,
    },
    source::{Channel, Kind, ReadError, Source},
    uncertainty::{Random, half_width},
};

/// Lengths of the windows, in seconds.
pub const WINDOWS: [f64; 4] = [0.1, 0.5, 1.0, 5.0];

/// Each window begins this much later than the one before, in seconds.
pub const SLIDE: f64 = 0.02;

/// Which of the driver's two readings is replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shown {
    /// `power.draw`.
    Draw,
    /// `power.draw.instant`.
    Instant,
}

/// How a recorded sensor works, as its readings show it, and the gain of other boards of its kind.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RealSensor {
    /// Time between two updates; `None` if the readings do not show it.
    pub period: Option<Seconds>,
    /// How the sensor averages, in words.
    pub response: String,
    /// What readings are multiplied with.
    pub gain: f64,
    /// Half of the 95 % interval of the gain, as a share.
    pub gain_error: f64,
}

/// Mean powers in one window, in watts.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RealWindow {
    /// Start of the window.
    pub from: Seconds,
    /// What the power meter measured.
    pub truth: Watts,
    /// What this meter finds.
    pub estimate: Watts,
    /// Half of its 95 % interval.
    pub half_width: Watts,
    /// The integral of `power.draw` by the trapezoid rule, as other programs compute it.
    pub naive: Watts,
}

/// All windows of one length.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RealWindows {
    /// Their length.
    pub length: Seconds,
    /// Each window, with the readings after it known too.
    pub windows: Vec<RealWindow>,
    /// The same as spans that are reported when they end, before later readings are known. They begin
    /// and end at polls.
    pub spans: Vec<RealWindow>,
}

/// A recording that was replayed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RealTrace {
    /// Name of the recording.
    pub name: String,
    /// Which reading was replayed.
    pub shown: Shown,
    /// The sensor.
    pub sensor: RealSensor,
    /// Windows of each length, [`WINDOWS`] if no others were asked for, that is not longer than the recording.
    pub lengths: Vec<RealWindows>,
}

impl RealWindow {
    /// Whether the interval contains the power meter's value.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        (self.estimate.0 - self.truth.0).abs() <= self.half_width.0
    }
}

impl RealWindows {
    /// Number of windows whose interval contains the power meter's value.
    #[must_use]
    pub fn covered(&self) -> usize {
        self.windows.iter().filter(|window| window.is_covered()).count()
    }

    /// The same as windows, with the energies that were reported at once.
    #[must_use]
    pub fn at_once(&self) -> Self {
        Self { windows: self.spans.clone(), ..self.clone() }
    }

    /// Median half-width of the interval.
    #[must_use]
    pub fn half_width(&self) -> Watts {
        Watts(self.quantile(0.5, |window| window.half_width.0))
    }

    /// 95th percentile of the estimate's absolute error.
    #[must_use]
    pub fn error(&self) -> Watts {
        Watts(self.quantile(0.95, |window| (window.estimate.0 - window.truth.0).abs()))
    }

    /// 95th percentile of plain integration's absolute error.
    #[must_use]
    pub fn naive_error(&self) -> Watts {
        Watts(self.quantile(0.95, |window| (window.naive.0 - window.truth.0).abs()))
    }

    /// 95th percentiles of the two errors as shares of the window's true power: estimate, plain.
    #[must_use]
    pub fn relative_errors(&self) -> [f64; 2] {
        let share = |found: Watts, window: &RealWindow| (found.0 / window.truth.0 - 1.0).abs();
        [
            self.quantile(0.95, |window| share(window.estimate, window)),
            self.quantile(0.95, |window| share(window.naive, window)),
        ]
    }

    /// A quantile, interpolated linearly between the two nearest values.
    fn quantile(&self, share: f64, value: impl Fn(&RealWindow) -> f64) -> f64 {
        let mut values: Vec<f64> = self.windows.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
        let at = share * last as f64;
        let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
        low + (high - low) * at.fract()
    }
}

/// Replays a recording; `None` if it does not have this reading.
#[must_use]
pub fn replay(recording: &Recording, shown: Shown) -> Option<RealTrace> {
    replay_windows(recording, shown, &WINDOWS)
}

/// The same with windows of other lengths, in seconds.
#[must_use]
pub fn replay_windows(recording: &Recording, shown: Shown, lengths: &[f64]) -> Option<RealTrace> {
    let polls = recording.polls.iter();
    let powers: Option<Vec<f64>> = polls
        .map(|poll| match shown {
            Shown::Draw => Some(poll.draw.0),
            Shown::Instant => poll.instant.map(|watts| watts.0),
        })
        .collect();
    let begin = recording.polls[0].at.0;
    let times: Vec<f64> = recording.polls.iter().map(|poll| poll.at.0 - begin).collect();
    let polls = Polls { times, powers: powers? };
    let truth = Integral::new(recording.meter.iter().map(|(at, watts)| (at.0 - begin, watts.0)));
    let draws = recording.polls.iter().map(|poll| (poll.at.0 - begin, poll.draw.0));
    let naive = Integral::new(draws);
    let meter = polls.watch();
    let sensor = meter.with_history(|history| describe(history, recording.board()))?;
    let plain = Integral::new(polls.times.iter().copied().zip(polls.powers.iter().copied()));
    let window = |from: f64, to: f64, found: Estimate| {
        let length = to - from;
        let energy = Joules(found.energy * sensor.gain);
        let random = Random { variance: found.variance * sensor.gain.powi(2), bias: Joules(0.0) };
        let half = half_width(random, energy * sensor.gain_error, Joules(0.0));
        RealWindow {
            from: Seconds(from + begin),
            truth: Watts(truth.between(from, to) / length),
            estimate: Watts(energy.0 / length),
            half_width: Watts(half.0 / length),
            naive: Watts(naive.between(from, to) / length),
        }
    };
    let (first, last) = (truth.times[0], truth.times[truth.times.len() - 1]);
    let lengths = lengths.iter().filter(|length| first + **length <= last).map(|length| {
        let count = ((last - first - length) / SLIDE + 1e-9).floor() as u32 + 1;
        let windows = (0..count).map(|index| {
            let from = first + f64::from(index) * SLIDE;
            let to = from + length;
            let past = meter.past(Seconds(from), Seconds(to)).into_iter().next().flatten();
            window(from, to, past.unwrap_or_else(|| plain.estimate(from, to)))
        });
        let spans = polls.spans(*length, (first, last)).into_iter();
        let spans = spans.map(|(from, to, found)| {
            window(from, to, found.unwrap_or_else(|| plain.estimate(from, to)))
        });
        RealWindows { length: Seconds(*length), windows: windows.collect(), spans: spans.collect() }
    });
    let lengths = lengths.collect();
    Some(RealTrace { name: recording.name.clone(), shown, sensor, lengths })
}

/// The best trace of a recording: of `power.draw.instant` where it was recorded, because it averages
/// over the shorter time, else of `power.draw`.
#[must_use]
pub fn replay_best(recording: &Recording) -> Option<RealTrace> {
    replay(recording, Shown::Instant).or_else(|| replay(recording, Shown::Draw))
}

/// Readings of power in watts at times in seconds, the first at 0.
struct Polls {
    times: Vec<f64>,
    powers: Vec<f64>,
}

/// A meter over recorded readings, and its clock.
struct Player {
    meter: Meter,
    clock: VirtualClock,
    now: u64,
}

impl Polls {
    fn player(&self) -> Player {
        let clock = VirtualClock::default();
        let source = Replay::new(&clock, &self.times, &self.powers);
        let meter = Meter::with_sources(vec![Box::new(source)], Box::new(clock.clone()));
        Player { meter, clock, now: 0 }
    }

    /// A meter that has sampled every poll.
    fn watch(&self) -> Meter {
        let mut player = self.player();
        for at in self.times.iter().skip(1) {
            player.advance(*at);
        }
        player.meter
    }

    /// Spans of about this length within a time, each at least [`SLIDE`] later than the one before:
    /// their ends, and what is known of their energies when they end.
    fn spans(&self, length: f64, (first, last): (f64, f64)) -> Vec<(f64, f64, Option<Estimate>)> {
        let mut player = self.player();
        let (mut open, mut next, mut found) = (VecDeque::new(), first, Vec::new());
        for at in self.times.iter().copied().skip(1).take_while(|at| *at <= last) {
            player.advance(at);
            while open.front().is_some_and(|from| at - from >= length) {
                if let Some(from) = open.pop_front() {
                    let past = player.meter.past(Seconds(from), Seconds(at));
                    found.push((from, at, past.into_iter().next().flatten()));
                }
            }
            if at >= next {
                open.push_back(at);
                next = at + SLIDE;
            }
        }
        found
    }
}

impl Player {
    /// Advances the clock to a time in seconds, and samples.
    fn advance(&mut self, at: f64) {
        let until = (at * 1e9).round() as u64 + MARGIN;
        self.clock.advance(until - self.now);
        self.now = until;
        self.meter.sample();
    }
}

/// Polls are read this much later, in nanoseconds, so that rounding never reads the one before.
const MARGIN: u64 = 500;

fn describe(history: &mut History, board: &str) -> RealSensor {
    let found = history.profile().map(|profile| (profile.response, profile.period));
    // Without a profile, the readings are those of a recent board.
    let recent = (Response::Share { share: 1.0, partial: 1.0 }, 0.1);
    let (response, period) = found.unwrap_or(recent);
    let gain = gain(response, period, board);
    RealSensor {
        period: found.map(|_| Seconds(period)),
        response: found.map_or_else(|| "not known".to_owned(), |_| response.to_string()),
        gain: gain.factor,
        gain_error: gain.relative_error,
    }
}

/// A sensor that shows what was recorded.
struct Replay {
    channels: Vec<Channel>,
    clock: VirtualClock,
    times: Vec<f64>,
    powers: Vec<f64>,
}

impl Replay {
    fn new(clock: &VirtualClock, times: &[f64], powers: &[f64]) -> Self {
        let method = Method::IntegratedPower;
        let channel = Channel::new("replay", Domain::Gpu, "board", Kind::Power, method, 1e-3);
        Self {
            channels: vec![channel],
            clock: clock.clone(),
            times: times.to_vec(),
            powers: powers.to_vec(),
        }
    }
}

impl Source for Replay {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn may_block(&self) -> bool {
        false
    }

    fn read(&mut self, _channel: usize) -> Result<u64, ReadError> {
        let now = self.clock.now().0;
        let next = self.times.partition_point(|time| *time <= now);
        Ok((self.powers[next.saturating_sub(1)] * 1e3).round() as u64)
    }
}

/// The integral of samples by the trapezoid rule.
struct Integral {
    times: Vec<f64>,
    powers: Vec<f64>,
    sums: Vec<f64>,
}

impl Integral {
    fn new(samples: impl Iterator<Item = (f64, f64)>) -> Self {
        let (times, powers): (Vec<f64>, Vec<f64>) = samples.unzip();
        let mut sums = vec![0.0];
        for at in 1..times.len() {
            let step = (times[at] - times[at - 1]) * f64::midpoint(powers[at], powers[at - 1]);
            sums.push(sums[at - 1] + step);
        }
        Self { times, powers, sums }
    }

    fn until(&self, at: f64) -> f64 {
        let last = self.times.len() - 1;
        let next = self.times.partition_point(|time| *time <= at).clamp(1, last);
        let (from, to) = (self.times[next - 1], self.times[next]);
        let passed = at.clamp(from, to) - from;
        let slope = (self.powers[next] - self.powers[next - 1]) / (to - from);
        self.sums[next - 1] + passed * (self.powers[next - 1] + slope * passed / 2.0)
    }

    fn between(&self, from: f64, to: f64) -> f64 {
        self.until(to) - self.until(from)
    }

    /// The energy if nothing is known about the sensor: the power may have been any of those shown.
    fn estimate(&self, from: f64, to: f64) -> Estimate {
        let variance = (self.range() * (to - from).min(1.0)).powi(2) / 12.0;
        Estimate { energy: self.between(from, to), variance }
    }

    fn range(&self) -> f64 {
        let highest = self.powers.iter().copied().fold(0.0, f64::max);
        highest - self.powers.iter().copied().fold(highest, f64::min)
    }
}
