//! Compares a device's energy counter with its power reading: how often each is renewed, and how much
//! their joules differ.
//!
//! Both are read one after the other, as fast as they answer, while a load runs. Everything else is
//! computed from these readings. The counter is taken as the truth; a comparison on one device
//! cannot find an error of its gain.

use units::Seconds;

use crate::{
    clock::Clock,
    source::{Channel, Kind, ReadError, Source},
};

/// What both channels showed at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairReading {
    /// The time.
    pub at: Seconds,
    /// The counter, in joules since its start.
    pub joules: f64,
    /// The power, in watts.
    pub watts: f64,
}

/// The readings of a device's two channels, in order of time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SensorTrace(pub Vec<PairReading>);

/// Quantiles of a sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// The 5th percentile.
    pub p5: f64,
    /// The median.
    pub median: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// Number of values.
    pub count: usize,
}

/// What the two channels say about adjacent spans of one length.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spans {
    /// Length of each span.
    pub length: Seconds,
    /// Integrated power divided by the counter's joules, with the counter interpolated between its
    /// updates.
    pub power: Quantiles,
    /// Joules that the counter showed at the ends, divided by the interpolated ones.
    pub shown: Quantiles,
}

/// The energy that polling the power at one rate would have given: mean reading × duration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Polled {
    /// Time between two polls.
    pub every: Seconds,
    /// Its joules divided by the counter's, for polls that start at ten different times.
    pub joules: Quantiles,
}

/// The indices of the counter and the power of each device that has both channels.
#[must_use]
pub fn pairs(channels: &[Channel]) -> Vec<(usize, usize)> {
    let counters = channels.iter().enumerate().filter(|(_, channel)| channel.kind != Kind::Power);
    let power = |device: &str| {
        channels.iter().position(|channel| channel.kind == Kind::Power && channel.device == device)
    };
    counters.filter_map(|(at, counter)| Some((at, power(&counter.device)?))).collect()
}

/// Reads both channels as fast as they answer, for as long as `go_on` returns true.
///
/// # Errors
///
/// If one of the channels cannot be read.
pub fn watch(
    source: &mut dyn Source,
    (counter, power): (usize, usize),
    clock: &dyn Clock,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<SensorTrace, ReadError> {
    let (joules, watts) = (source.channels()[counter].unit, source.channels()[power].unit);
    let mut seen = Vec::new();
    while go_on() {
        let counted = source.read(counter)?;
        // Between the two.
        let at = clock.now();
        let shown = source.read(power)?;
        seen.push(PairReading { at, joules: counted as f64 * joules, watts: shown as f64 * watts });
    }
    Ok(SensorTrace(seen))
}

fn quantiles(mut values: Vec<f64>) -> Option<Quantiles> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| values[(last as f64 * share).round() as usize];
    Some(Quantiles { p5: at(0.05), median: at(0.5), p95: at(0.95), count: values.len() })
}

/// Joules between two readings of power, by the trapezoid rule.
fn trapezoid(first: PairReading, second: PairReading) -> f64 {
    (second.at - first.at).0 * (first.watts + second.watts) / 2.0
}

impl SensorTrace {
    /// Time from the first reading to the last.
    #[must_use]
    pub fn duration(&self) -> Seconds {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => last.at - first.at,
            _ => Seconds(0.0),
        }
    }

    /// Joules that the counter counted from the first reading to the last.
    #[must_use]
    pub fn counted(&self) -> f64 {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => last.joules - first.joules,
            _ => 0.0,
        }
    }

    /// Joules of the power readings, by the trapezoid rule.
    #[must_use]
    pub fn integrated(&self) -> f64 {
        self.0.windows(2).map(|pair| trapezoid(pair[0], pair[1])).sum()
    }

    /// Seconds between two readings.
    #[must_use]
    pub fn gap(&self) -> Option<Quantiles> {
        quantiles(self.0.windows(2).map(|pair| (pair[1].at - pair[0].at).0).collect())
    }

    /// Seconds between two new values of the counter.
    #[must_use]
    pub fn counter_period(&self) -> Option<Quantiles> {
        self.period(|reading| reading.joules)
    }

    /// Seconds between two new values of the power. An update that does not change the value cannot be
    /// seen, so the small quantiles are meaningful and the large ones are not.
    #[must_use]
    pub fn power_period(&self) -> Option<Quantiles> {
        self.period(|reading| reading.watts)
    }

    fn period(&self, value: impl Fn(&PairReading) -> f64) -> Option<Quantiles> {
        let changes: Vec<f64> = self
            .0
            .windows(2)
            .filter(|pair| value(&pair[0]) != value(&pair[1]))
            .map(|pair| pair[1].at.0)
            .collect();
        quantiles(changes.windows(2).map(|times| times[1] - times[0]).collect())
    }

    /// The readings that were the first to show a new value of the counter.
    fn updates(&self) -> Vec<PairReading> {
        let changes = self.0.windows(2).filter(|pair| pair[0].joules != pair[1].joules);
        changes.map(|pair| pair[1]).collect()
    }

    /// All adjacent spans of one length between the counter's first update and its last; `None` if
    /// there is none.
    #[must_use]
    pub fn spans(&self, length: Seconds) -> Option<Spans> {
        let updates = self.updates();
        let (first, last) = (updates.first()?, updates.last()?);
        let interpolated = |at: f64| {
            let next =
                updates.partition_point(|update| update.at.0 <= at).clamp(1, updates.len() - 1);
            let (a, b) = (updates[next - 1], updates[next]);
            a.joules + (b.joules - a.joules) * (at - a.at.0) / (b.at - a.at).0
        };
        // Joules of the power up to each reading.
        let mut sums = vec![0.0];
        for pair in self.0.windows(2) {
            sums.push(sums.last().copied().unwrap_or(0.0) + trapezoid(pair[0], pair[1]));
        }
        let before = |at: f64| self.last_before(at);
        let integrated = |at: f64| {
            let index = before(at);
            sums[index] + (at - self.0[index].at.0) * self.0[index].watts
        };
        let count = ((last.at - first.at).0 / length.0).floor() as usize;
        let (mut power, mut shown) = (Vec::new(), Vec::new());
        for span in 0..count {
            let (from, to) =
                (first.at.0 + span as f64 * length.0, first.at.0 + (span + 1) as f64 * length.0);
            let truth = interpolated(to) - interpolated(from);
            power.push((integrated(to) - integrated(from)) / truth);
            shown.push((self.0[before(to)].joules - self.0[before(from)].joules) / truth);
        }
        Some(Spans { length, power: quantiles(power)?, shown: quantiles(shown)? })
    }

    /// The index of the last reading that is not after `at` seconds.
    fn last_before(&self, at: f64) -> usize {
        self.0.partition_point(|reading| reading.at.0 <= at).saturating_sub(1)
    }

    /// The energy that polling the power at this rate would have given; `None` if the trace is
    /// shorter than `every`.
    #[must_use]
    pub fn polled(&self, every: Seconds) -> Option<Polled> {
        const PHASES: usize = 10;
        let (first, duration) = (self.0.first()?.at.0, self.duration().0);
        let told = (0..PHASES).filter_map(|phase| {
            let begin = first + every.0 * phase as f64 / PHASES as f64;
            let polls = ((first + duration - begin) / every.0).floor();
            (polls >= 1.0).then(|| {
                let shown = (0..polls as usize)
                    .map(|poll| self.0[self.last_before(begin + poll as f64 * every.0)].watts);
                shown.sum::<f64>() / polls * duration / self.counted()
            })
        });
        Some(Polled { every, joules: quantiles(told.collect())? })
    }
}

#[cfg(test)]
mod tests {
    use units::Domain;

    use crate::{
        clock::VirtualClock,
        validate::{Sensor, Wave},
    };

    use super::*;

    /// A board with both channels.
    struct Board(Vec<Channel>, Sensor, Sensor);

    impl Source for Board {
        fn channels(&self) -> &[Channel] {
            &self.0
        }

        fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
            if channel == 0 { self.1.read(0) } else { self.2.read(0) }
        }
    }

    /// The readings of a board that is read every millisecond for 30 seconds.
    fn trace(
        wave: Wave,
        counter_period: f64,
        (power_period, averaging): (f64, f64),
        duty: f64,
    ) -> SensorTrace {
        let clock = VirtualClock::default();
        let counter = Sensor::counter(&clock, Domain::Gpu, wave, (1e-3, counter_period, None));
        let power =
            Sensor::power(&clock, Domain::Gpu, wave, (1e-3, power_period, averaging)).duty(duty);
        let channels = vec![counter.channels()[0].clone(), power.channels()[0].clone()];
        let mut board = Board(channels, counter, power);
        let pair = pairs(board.channels())[0];
        let mut go_on = || {
            clock.advance(1_000_000);
            clock.now().0 < 30.0
        };
        watch(&mut board, pair, &clock, &mut go_on).unwrap()
    }

    #[test]
    fn periods_are_found_and_a_steady_power_agrees() {
        let trace = trace(Wave::Sine(300.0, 100.0, 1.7), 0.02, (0.1, 0.0), 1.0);
        let (counter, power) = (trace.counter_period().unwrap(), trace.power_period().unwrap());
        assert!((counter.median - 0.02).abs() < 0.0011, "{counter:?}");
        assert!((power.median - 0.1).abs() < 0.0011, "{power:?}");
        let ratio = trace.integrated() / trace.counted();
        assert!((ratio - 1.0).abs() < 0.01, "{ratio}");
        assert!((trace.counted() - 9000.0).abs() < 60.0, "{}", trace.counted());
    }

    #[test]
    fn averaged_power_is_wrong_for_short_spans_and_right_for_long_ones() {
        // Work of 40 ms in every 200 ms, shown as the mean of the last second.
        let trace = trace(Wave::Square(600.0, 100.0, 0.2, 0.2), 0.005, (0.1, 1.0), 1.0);
        let short = trace.spans(Seconds(0.05)).unwrap();
        assert!(short.power.p5 < 0.6 && short.power.p95 > 1.8, "{short:?}");
        let long = trace.spans(Seconds(10.0)).unwrap();
        assert!((long.power.median - 1.0).abs() < 0.03, "{long:?}");
        // A counter renewed every 5 ms measures 50 ms to a tenth.
        assert!(
            (short.shown.p5 - 1.0).abs() < 0.5 && (short.shown.median - 1.0).abs() < 0.1,
            "{short:?}"
        );
    }

    #[test]
    fn polling_a_sensor_that_samples_a_quarter_of_the_time_misses_work_in_step_with_it() {
        let wave = Wave::Square(600.0, 100.0, 0.1, 0.5);
        let polled = trace(wave, 0.005, (0.1, 0.0), 0.25).polled(Seconds(1.0)).unwrap();
        assert!((polled.joules.median - 100.0 / 350.0).abs() < 0.02, "{polled:?}");
        let fair = trace(wave, 0.005, (0.1, 1.0), 1.0).polled(Seconds(0.1)).unwrap();
        assert!((fair.joules.median - 1.0).abs() < 0.05, "{fair:?}");
    }

    #[test]
    fn an_empty_trace_has_no_quantiles() {
        let none = SensorTrace::default();
        assert!(none.spans(Seconds(1.0)).is_none() && none.polled(Seconds(1.0)).is_none());
        assert!(none.gap().is_none() && none.counter_period().is_none());
        let constant = trace(Wave::Constant(100.0), 0.02, (0.1, 0.0), 1.0);
        assert!(constant.power_period().is_none(), "a power that never changes has no period");
    }
}
