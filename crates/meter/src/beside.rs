//! A device's energy counter beside its power reading: how often each is really renewed, and how far the
//! joules of the one are from those of the other.
//!
//! Both are read one after the other, as fast as they answer, while something else is done. Everything
//! else follows from what was seen. A counter is taken for the truth here; what its own gain is off, no
//! comparison on one device can tell.

use units::Seconds;

use crate::{
    clock::Clock,
    source::{Channel, Kind, ReadError, Source},
};

/// What both showed at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Seen {
    /// When.
    pub at: Seconds,
    /// The counter, in joules since it began.
    pub joules: f64,
    /// The power, in watts.
    pub watts: f64,
}

/// What a device's two channels showed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace(pub Vec<Seen>);

/// Quantiles of something, or of nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// 5 % are below.
    pub p5: f64,
    /// Half are below.
    pub median: f64,
    /// 95 % are below.
    pub p95: f64,
    /// Of so many.
    pub count: usize,
}

/// Spans of one length, end to end.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spans {
    /// Of each.
    pub length: Seconds,
    /// Integrated power over the counter's joules, the counter interpolated between its updates.
    pub power: Spread,
    /// The counter's joules as it showed them at the ends, over those interpolated.
    pub shown: Spread,
}

/// What polling the power at one rate would have told: the mean of the readings times the duration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Polled {
    /// Time from poll to poll.
    pub every: Seconds,
    /// Its joules over the counter's, for polls that begin at ten different times.
    pub joules: Spread,
}

/// The two channels of each device that has both: its counter and its power.
#[must_use]
pub fn pairs(channels: &[Channel]) -> Vec<(usize, usize)> {
    let counters = channels.iter().enumerate().filter(|(_, it)| it.kind != Kind::Power);
    let power =
        |device: &str| channels.iter().position(|it| it.kind == Kind::Power && it.device == device);
    counters.filter_map(|(at, it)| Some((at, power(&it.device)?))).collect()
}

/// Reads both as fast as they answer, as long as `go_on` says so.
///
/// # Errors
///
/// If one of them cannot be read.
pub fn watch(
    source: &mut dyn Source,
    (counter, power): (usize, usize),
    clock: &dyn Clock,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Trace, ReadError> {
    let (joules, watts) = (source.channels()[counter].unit, source.channels()[power].unit);
    let mut seen = Vec::new();
    while go_on() {
        let counted = source.read(counter)?;
        // Between the two.
        let at = clock.now();
        let shown = source.read(power)?;
        seen.push(Seen { at, joules: counted as f64 * joules, watts: shown as f64 * watts });
    }
    Ok(Trace(seen))
}

fn spread(mut values: Vec<f64>) -> Option<Spread> {
    values.retain(|it| it.is_finite());
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| values[(last as f64 * share).round() as usize];
    Some(Spread { p5: at(0.05), median: at(0.5), p95: at(0.95), count: values.len() })
}

impl Trace {
    /// From the first reading to the last.
    #[must_use]
    pub fn duration(&self) -> Seconds {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => last.at - first.at,
            _ => Seconds(0.0),
        }
    }

    /// The counter's joules, from the first reading to the last.
    #[must_use]
    pub fn counted(&self) -> f64 {
        match (self.0.first(), self.0.last()) {
            (Some(first), Some(last)) => last.joules - first.joules,
            _ => 0.0,
        }
    }

    /// The power's, by the trapezoid rule.
    #[must_use]
    pub fn integrated(&self) -> f64 {
        let pieces = self.0.windows(2);
        pieces.map(|it| (it[1].at - it[0].at).0 * (it[0].watts + it[1].watts) / 2.0).sum()
    }

    /// Seconds from reading to reading.
    #[must_use]
    pub fn gap(&self) -> Option<Spread> {
        spread(self.0.windows(2).map(|it| (it[1].at - it[0].at).0).collect())
    }

    /// Seconds from one new value of the counter to the next.
    #[must_use]
    pub fn counter_period(&self) -> Option<Spread> {
        self.period(|it| it.joules)
    }

    /// Seconds from one new value of the power to the next. A power that does not change is not seen to be
    /// renewed: the smallest part counts, not the largest.
    #[must_use]
    pub fn power_period(&self) -> Option<Spread> {
        self.period(|it| it.watts)
    }

    fn period(&self, value: impl Fn(&Seen) -> f64) -> Option<Spread> {
        let changes: Vec<f64> = self
            .0
            .windows(2)
            .filter(|it| value(&it[0]) != value(&it[1]))
            .map(|it| it[1].at.0)
            .collect();
        spread(changes.windows(2).map(|it| it[1] - it[0]).collect())
    }

    /// The readings that were the first to show a new value of the counter.
    fn updates(&self) -> Vec<Seen> {
        let new = self.0.windows(2).filter(|it| it[0].joules != it[1].joules).map(|it| it[1]);
        new.collect()
    }

    /// All spans of that length between the counter's first update and its last.
    #[must_use]
    pub fn spans(&self, length: Seconds) -> Option<Spans> {
        let updates = self.updates();
        let (first, last) = (updates.first()?, updates.last()?);
        let interpolated = |at: f64| {
            let next = updates.partition_point(|it| it.at.0 <= at).clamp(1, updates.len() - 1);
            let (a, b) = (updates[next - 1], updates[next]);
            a.joules + (b.joules - a.joules) * (at - a.at.0) / (b.at - a.at).0
        };
        // The power's joules up to each reading.
        let mut sums = vec![0.0];
        for it in self.0.windows(2) {
            let piece = (it[1].at - it[0].at).0 * (it[0].watts + it[1].watts) / 2.0;
            sums.push(sums.last().copied().unwrap_or(0.0) + piece);
        }
        let before = |at: f64| self.0.partition_point(|it| it.at.0 <= at).saturating_sub(1);
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
        Some(Spans { length, power: spread(power)?, shown: spread(shown)? })
    }

    /// What polling at that rate would have told.
    #[must_use]
    pub fn polled(&self, every: Seconds) -> Option<Polled> {
        const PHASES: usize = 10;
        let (first, duration) = (self.0.first()?.at.0, self.duration().0);
        let told = (0..PHASES).filter_map(|phase| {
            let begin = first + every.0 * phase as f64 / PHASES as f64;
            let polls = ((first + duration - begin) / every.0).floor();
            (polls >= 1.0).then(|| {
                let shown = (0..polls as usize).map(|it| {
                    let at = begin + it as f64 * every.0;
                    self.0[self.0.partition_point(|it| it.at.0 <= at).saturating_sub(1)].watts
                });
                shown.sum::<f64>() / polls * duration / self.counted()
            })
        });
        Some(Polled { every, joules: spread(told.collect())? })
    }
}

#[cfg(test)]
mod tests {
    use units::Domain;

    use crate::{
        clock::Virtual,
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

    /// Read every millisecond for so long.
    fn trace(
        wave: Wave,
        counter_period: f64,
        (power_period, averaging): (f64, f64),
        duty: f64,
    ) -> Trace {
        let clock = Virtual::default();
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
    fn short_spans_differ_where_a_power_is_averaged_and_long_ones_do_not() {
        // Work of 40 ms in every 200 ms, shown as the mean of the last second.
        let trace = trace(Wave::Square(600.0, 100.0, 0.2, 0.2), 0.005, (0.1, 1.0), 1.0);
        let short = trace.spans(Seconds(0.05)).unwrap();
        assert!(short.power.p5 < 0.6 && short.power.p95 > 1.8, "{short:?}");
        let long = trace.spans(Seconds(10.0)).unwrap();
        assert!((long.power.median - 1.0).abs() < 0.03, "{long:?}");
        // A counter renewed every 5 ms tells 50 ms to a tenth.
        assert!(
            (short.shown.p5 - 1.0).abs() < 0.5 && (short.shown.median - 1.0).abs() < 0.1,
            "{short:?}"
        );
    }

    #[test]
    fn polling_a_sensor_that_looks_a_quarter_of_the_time_misses_work_in_step_with_it() {
        let wave = Wave::Square(600.0, 100.0, 0.1, 0.5);
        let polled = trace(wave, 0.005, (0.1, 0.0), 0.25).polled(Seconds(1.0)).unwrap();
        assert!((polled.joules.median - 100.0 / 350.0).abs() < 0.02, "{polled:?}");
        let fair = trace(wave, 0.005, (0.1, 1.0), 1.0).polled(Seconds(0.1)).unwrap();
        assert!((fair.joules.median - 1.0).abs() < 0.05, "{fair:?}");
    }

    #[test]
    fn nothing_seen_is_nothing_told() {
        let none = Trace::default();
        assert!(none.spans(Seconds(1.0)).is_none() && none.polled(Seconds(1.0)).is_none());
        assert!(none.gap().is_none() && none.counter_period().is_none());
        let constant = trace(Wave::Constant(100.0), 0.02, (0.1, 0.0), 1.0);
        assert!(constant.power_period().is_none(), "a power that never changes has no period");
    }
}
