//! Beats: a load that switches almost in step with a sensor that sees part of the time.
//!
//! Such a sensor meets the load a little later in its cycle at each update. Its readings wander
//! smoothly between the load's low and high power, although the mean power is constant. Over whole
//! beats the readings sample the cycle evenly, so their mean is the mean power. Without a whole beat
//! the mean is hardly known.
//!
//! A load whose power really wanders looks the same. GPU loads switch within milliseconds and then
//! stay or repeat, so a smooth swing of more than a quarter of the power, back and forth, is taken for
//! a beat, and only on a board that sees part of the time.

use super::transitions::range;

/// A change between two updates by this share of the range, and much larger than its neighbors, ends
/// a stretch.
const BREAK: f64 = 0.15;
const LARGER: f64 = 2.5;

/// A stretch of fewer updates shows no beat.
const SHORTEST: usize = 6;

/// The swing as a share of the mean, the path as a multiple of the swing, and the largest step as a
/// share of it, from which on a stretch is a beat.
const SWING: f64 = 0.25;
const PATH: f64 = 1.7;
const STEP: f64 = 0.4;

/// A stretch of updates with beats.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Beats {
    /// Index of the first update.
    pub(super) first: usize,
    /// Index after the last update.
    pub(super) end: usize,
    /// Mean power, in watts.
    pub(super) mean: f64,
    /// Standard deviation of the mean, in watts.
    pub(super) deviation: f64,
    /// Highest minus lowest reading, in watts.
    pub(super) swing: f64,
}

/// The updates at which the readings change at once, and not as part of a smooth course.
pub(super) fn breaks(values: &[f64]) -> Vec<usize> {
    let steps: Vec<f64> = values.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
    let large = BREAK * range(values);
    let found = (0..steps.len()).filter(|at| {
        let before = at.checked_sub(1).map_or(0.0, |before| steps[before]);
        let after = steps.get(at + 1).copied().unwrap_or(0.0);
        steps[*at] > large && steps[*at] > LARGER * before.max(after)
    });
    found.map(|at| at + 1).collect()
}

/// Every stretch of readings that beats.
pub(super) fn beats(values: &[f64]) -> Vec<Beats> {
    let mut ends = breaks(values);
    ends.push(values.len());
    let mut first = 0;
    let stretches = ends.into_iter().map(|end| (std::mem::replace(&mut first, end), end));
    stretches.filter_map(|(first, end)| beat(&values[first..end], first)).collect()
}

fn beat(stretch: &[f64], first: usize) -> Option<Beats> {
    if stretch.len() < SHORTEST {
        return None;
    }
    let swing = range(stretch);
    let plain = stretch.iter().sum::<f64>() / stretch.len() as f64;
    let steps = stretch.windows(2).map(|pair| (pair[1] - pair[0]).abs());
    let (path, largest) =
        steps.fold((0.0, 0.0_f64), |(path, largest), step| (path + step, largest.max(step)));
    if swing <= SWING * plain || path <= PATH * swing || largest >= STEP * swing {
        return None;
    }
    let lowest = stretch.iter().copied().fold(f64::INFINITY, f64::min);
    let middle = lowest + swing / 2.0;
    let (mut sum, mut count) = (0.0, 0.0);
    for rising in [true, false] {
        let crossings: Vec<usize> = (1..stretch.len())
            .filter(|at| {
                let (before, after) = (stretch[at - 1] >= middle, stretch[*at] >= middle);
                before != after && after == rising
            })
            .collect();
        if let [from, .., to] = crossings[..] {
            sum += stretch[from..to].iter().sum::<f64>();
            count += (to - from) as f64;
        }
    }
    // Whole beats begin and end at the nearest update; the error of one update's share of the swing
    // stands for that. Without a whole beat the mean is anywhere in the middle half of the swing.
    let (mean, deviation) =
        if count > 0.0 { (sum / count, swing / count) } else { (plain, swing / 4.0) };
    Some(Beats { first, end: first + stretch.len(), mean, deviation, swing })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A load of 52 ms on and 52 ms off, seen for 25 ms every `period` seconds, after and before rest.
    fn seen(period: f64) -> Vec<f64> {
        let power = |at: f64| if (at / 0.104).rem_euclid(1.0) < 0.5 { 194.0 } else { 60.0 };
        let reading = |update: u32| {
            let end = f64::from(update) * period;
            (0..100).map(|part| power(end - 0.025 * f64::from(part) / 100.0)).sum::<f64>() / 100.0
        };
        let rest = std::iter::repeat_n(60.0, 10);
        rest.clone().chain((0..80).map(reading)).chain(rest).collect()
    }

    #[test]
    fn the_mean_over_whole_beats_is_the_mean_of_the_load() {
        // An A100 renews its reading every 101 to 104 ms: a beat takes 20 to 40 updates.
        for period in [0.1008, 0.1072] {
            let found = beats(&seen(period));
            assert_eq!(found.len(), 1, "{found:?}");
            let error = (found[0].mean - 127.0).abs();
            assert!(error < 2.0 * found[0].deviation && error < 6.0, "{found:?}");
        }
    }

    #[test]
    fn a_step_a_ramp_and_a_slow_decline_do_not_beat() {
        let step: Vec<f64> =
            (0..60).map(|at| if (20..40).contains(&at) { 190.0 } else { 60.0 }).collect();
        let ramp: Vec<f64> = (0..60).map(|at| 60.0 + f64::from(at)).collect();
        let decline: Vec<f64> =
            (0..60).map(|at| 60.0 + 100.0 * (-f64::from(at) / 10.0).exp()).collect();
        for values in [step, ramp, decline, Vec::new()] {
            assert_eq!(beats(&values), []);
        }
    }
}
