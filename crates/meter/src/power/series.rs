//! The updates of a power reading, put in order: one value for each update of the sensor.

/// A change of the shown value. It happened after one reading and not later than the next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Change {
    /// Time of the last reading that showed the value before, in seconds.
    pub(crate) after: f64,
    /// Time of the first reading that showed the new value, in seconds.
    pub(crate) seen: f64,
    /// The new value, in watts.
    pub(crate) watts: f64,
}

impl Change {
    fn middle(self) -> f64 {
        f64::midpoint(self.after, self.seen)
    }
}

/// One value for each update of a sensor that renews its value in regular steps.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// Time between two updates, in seconds.
    pub(crate) period: f64,
    /// Time of each update, in seconds.
    pub(crate) times: Vec<f64>,
    /// The value from that time on, in watts.
    pub(crate) values: Vec<f64>,
    /// Median time between the two readings around a change, in seconds.
    pub(crate) blur: f64,
    /// Number of changes that are too old to be part of it.
    pub(crate) left_out: usize,
}

/// Fewer changes than this show no period.
const FEWEST: usize = 8;

/// Two updates that are closer than this are one that was seen twice, in seconds.
const CLOSEST: f64 = 0.004;

/// Updates are located well enough if the readings around them are no further apart than this share
/// of the period. At a share of 1 the readings show their own period.
const SHARP: f64 = 0.6;

/// At most this many updates are put in order, the latest ones: 64 KiB.
const MOST: f64 = 4096.0;

/// The local phase of the updates is a median over this many on either side.
const REACH: usize = 10;

impl Series {
    /// Finds the period and the time of every update, those without a visible change included.
    /// `None` if the readings are too sparse or too few to show them.
    pub(crate) fn of(changes: &[Change]) -> Option<Self> {
        if changes.len() < FEWEST {
            return None;
        }
        let middles: Vec<f64> = changes.iter().map(|change| change.middle()).collect();
        let spacings: Vec<f64> = middles.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let steps = period(&spacings)?;
        let oldest = middles.last()? - MOST * steps;
        let left_out = middles.partition_point(|middle| *middle < oldest);
        if left_out > 0 {
            let series = Self::of(&changes[left_out..])?;
            return Some(Self { left_out: left_out + series.left_out, ..series });
        }
        let (period, phase, counts) = fit(&middles, &spacings, steps)?;
        let blur = median(changes.iter().map(|change| change.seen - change.after).collect())?;
        if blur > period * SHARP {
            return None;
        }
        let last = *counts.last()?;
        let mut offsets = vec![None; last + 1];
        let mut values = vec![None; last + 1];
        for ((count, middle), change) in counts.iter().zip(&middles).zip(changes) {
            offsets[*count] = Some(middle - phase - period * *count as f64);
            values[*count] = Some(change.watts);
        }
        let times = (0..=last).map(|at| {
            let near = &offsets[at.saturating_sub(REACH)..(at + REACH + 1).min(offsets.len())];
            let offset = median(near.iter().flatten().copied().collect()).unwrap_or(0.0);
            phase + period * at as f64 + offset
        });
        let times = ascending(times.collect());
        let mut held = changes[0].watts;
        let values = values.into_iter().map(|value| {
            held = value.unwrap_or(held);
            held
        });
        Some(Self { period, values: values.collect(), times, blur, left_out: 0 })
    }
}

/// A first guess of the period: the median of the spacings around their lower quartile.
fn period(spacings: &[f64]) -> Option<f64> {
    let mut sorted: Vec<f64> =
        spacings.iter().copied().filter(|spacing| *spacing > CLOSEST).collect();
    sorted.sort_by(f64::total_cmp);
    let quartile = *sorted.get(sorted.len() / 4)?;
    let near = 0.7 * quartile..1.4 * quartile;
    median(sorted.into_iter().filter(|spacing| near.contains(spacing)).collect())
}

/// The period, the time of the first update, and the number of each change's update.
fn fit(middles: &[f64], spacings: &[f64], guess: f64) -> Option<(f64, f64, Vec<usize>)> {
    let (mut period, mut phase) = (guess, middles[0]);
    let mut counts = Vec::new();
    for _ in 0..4 {
        let mut count = 0.0;
        counts = vec![0.0];
        for spacing in spacings {
            count += (spacing / period).round().min(MOST);
            counts.push(count);
        }
        let (fitted, start) = line(&counts, middles)?;
        // A sensor with irregular updates has no line; the guess then stays.
        if (fitted / period - 1.0).abs() > 0.2 || !start.is_finite() {
            break;
        }
        (period, phase) = (fitted, start);
    }
    Some((period, phase, counts.into_iter().map(|count| count as usize).collect()))
}

/// Slope and intercept of a line by least squares.
fn line(xs: &[f64], ys: &[f64]) -> Option<(f64, f64)> {
    let number = xs.len() as f64;
    let (mean_x, mean_y) = (xs.iter().sum::<f64>() / number, ys.iter().sum::<f64>() / number);
    let spread: f64 = xs.iter().map(|x| (x - mean_x).powi(2)).sum();
    let common: f64 = xs.iter().zip(ys).map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let slope = common / spread;
    (slope.is_finite() && slope > 0.0).then_some((slope, mean_y - slope * mean_x))
}

/// Times that never decrease.
fn ascending(mut times: Vec<f64>) -> Vec<f64> {
    for at in 1..times.len() {
        times[at] = times[at].max(times[at - 1]);
    }
    times
}

/// The median of finite values; `None` if there are none.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, middle))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn dense_readings_show_period_and_times(
            period in 0.02_f64..1.0,
            phase in 0.0_f64..1.0,
            hidden in prop::collection::vec(any::<bool>(), 40..120),
        ) {
            let poll = period / 9.7;
            let mut changes = Vec::new();
            for (at, hidden) in hidden.iter().enumerate() {
                // An update whose value stays the same cannot be seen.
                if *hidden && at % 3 == 1 {
                    continue;
                }
                let update = phase * period + at as f64 * period;
                let after = (update / poll).floor() * poll;
                changes.push(Change { after, seen: after + poll, watts: at as f64 });
            }
            let series = Series::of(&changes).unwrap();
            prop_assert!((series.period / period - 1.0).abs() < 0.01, "{}", series.period);
            for (at, time) in series.times.iter().enumerate() {
                let truth = phase * period + (at as f64) * period;
                prop_assert!((time - truth).abs() < poll, "{time} for {truth}");
            }
        }
    }

    #[test]
    fn sparse_readings_show_nothing() {
        let change = |at: u32| Change {
            after: f64::from(at) * 0.1,
            seen: f64::from(at) * 0.1 + 0.1,
            watts: f64::from(at),
        };
        let changes: Vec<Change> = (0..50).map(change).collect();
        assert_eq!(Series::of(&changes), None);
    }
}
