//! Power over time, reconstructed from readings, and the energy between two times.

use super::{
    beats::{Beats, beats, breaks},
    deconvolve,
    response::Response,
    series::Series,
    transitions::{noise, range},
};

/// Standard deviation of a uniform distribution of width 1.
const UNIFORM: f64 = 0.288_675_134_594_812_9;

/// How much later a driver shows a value than the sensor has it, in seconds: 0 to 8 ms on five
/// recorded boards (`validate --real`).
const DELAY: f64 = 0.002;

/// Beyond the last update, the power may have changed by this share of its range.
const UNSEEN: f64 = 0.1;

/// A beat takes up to this long, in seconds: an A100 under a load of 104 ms beats every 3.4 s.
const LONGEST_BEAT: f64 = 4.0;

/// No known board sees a smaller share of the time.
const SMALLEST_SHARE: f64 = 0.25;

/// A stretch of constant power.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    from: f64,
    watts: f64,
    /// Variance of its energy, in J².
    variance: f64,
    /// Energy and variance before it.
    energy_before: f64,
    variance_before: f64,
}

/// An energy and its random error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// In joules, with the sensor's own gain.
    pub(crate) energy: f64,
    /// In J², without the error of the gain.
    pub(crate) variance: f64,
}

/// Power over time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Profile {
    pub(crate) response: Response,
    pub(crate) period: f64,
    times: Vec<f64>,
    /// The readings and the powers at the updates, in watts.
    shown: Vec<f64>,
    powers: Vec<f64>,
    pieces: Vec<Piece>,
    beats: Vec<Beats>,
    /// Standard deviation of the time of a change, in seconds.
    jitter: f64,
    /// Number of updates over which the sensor averages, and how far their means are from the readings.
    deviations: Option<(usize, Vec<f64>)>,
    range: f64,
}

impl Profile {
    /// Reconstructs the power from the readings; `None` if they do not show how the sensor answers.
    /// `before`: the power shown before the first update, in watts.
    pub(crate) fn of(series: &Series, before: f64) -> Option<Self> {
        let response = Response::of(&series.values)?;
        let mut deviations = None;
        let powers = match response {
            Response::Share { .. } => series.values.clone(),
            Response::Keeps(keeps) => deconvolve::exponential(&series.values, keeps),
            Response::Mean(updates) => {
                let width = updates.round() as usize;
                let (powers, misfits) = deconvolve::mean(&series.values, width);
                deviations = Some((width, misfits));
                powers
            }
        };
        let beats = if response.may_be_partial() { beats(&powers) } else { Vec::new() };
        let mut profile = Self {
            response,
            period: series.period,
            times: series.times.clone(),
            range: range(&powers),
            shown: series.values.clone(),
            powers,
            pieces: Vec::new(),
            beats,
            jitter: series.blur * UNIFORM + DELAY,
            deviations,
        };
        profile.build(before);
        Some(profile)
    }

    fn beats_at(&self, update: usize) -> Option<&Beats> {
        self.beats.iter().find(|beats| (beats.first..beats.end).contains(&update))
    }

    /// The power shown at an update, or the mean power if it is part of a beat.
    fn level(&self, update: usize) -> f64 {
        let beats = self.beats_at(update).filter(|_| self.response.is_partial());
        beats.map_or(self.powers[update], |beats| beats.mean)
    }

    fn build(&mut self, before: f64) {
        let mut pieces: Vec<(f64, f64, f64)> = vec![(self.times[0], before, 0.0)];
        for update in 1..self.times.len() {
            let (from, to) = (self.times[update - 1], self.times[update]);
            let level = self.level(update);
            let seen = match self.response {
                Response::Share { share, .. } if self.response.is_partial() => share * self.period,
                _ => to - from,
            };
            let beats = self.beats_at(update).is_some() && self.beats_at(update - 1).is_some();
            let unseen = (to - from - seen).max(0.0);
            if unseen > 0.0 && !beats {
                // The power changed somewhere in the time that the sensor did not see.
                let jump = (self.powers[update] - self.powers[update - 1]).abs();
                let between = f64::midpoint(self.level(update - 1), level);
                pieces.push((from, between, (jump * unseen * UNIFORM).powi(2)));
                pieces.push((to - seen.min(to - from), level, 0.0));
            } else {
                pieces.push((from, level, 0.0));
            }
        }
        let (mut energy, mut sum) = (0.0, 0.0);
        let ends: Vec<f64> = pieces.iter().skip(1).map(|piece| piece.0).collect();
        let last = self.times.last().copied().unwrap_or_default();
        for ((from, watts, variance), to) in pieces.into_iter().zip(ends.into_iter().chain([last]))
        {
            self.pieces.push(Piece {
                from,
                watts,
                variance,
                energy_before: energy,
                variance_before: sum,
            });
            energy += watts * (to - from);
            sum += variance;
        }
    }

    /// The energy between two times, in seconds. Outside the updates, the power is taken as constant.
    pub(crate) fn energy(&self, from: f64, to: f64) -> Estimate {
        let (first, last) = (self.before(from), self.before(to));
        let mut variance = (last.variance - first.variance).max(0.0);
        variance += self.edge(from) + self.edge(to) + self.beating(from, to);
        variance += self.unsure(from, to);
        let beyond = to - self.times.last().copied().unwrap_or(to);
        if beyond > 0.0 {
            variance += (UNSEEN * self.range * beyond.min(to - from)).powi(2);
        }
        Estimate { energy: last.energy - first.energy, variance }
    }

    fn before(&self, at: f64) -> Estimate {
        let next = self.pieces.partition_point(|piece| piece.from <= at);
        let piece = self.pieces[next.saturating_sub(1)];
        let end = self.pieces.get(next.max(1)).map_or(f64::INFINITY, |piece| piece.from);
        let passed = at - piece.from;
        let share = (passed / (end - piece.from)).clamp(0.0, 1.0);
        Estimate {
            energy: piece.energy_before + piece.watts * passed,
            variance: piece.variance_before + piece.variance * share,
        }
    }

    /// Variance from one end of a stretch: when the power changed near it, and by how much.
    fn edge(&self, at: f64) -> f64 {
        let last = self.times.len() - 1;
        let update = self.times.partition_point(|time| *time < at).min(last);
        if self.beats_at(update).is_some() {
            return 0.0;
        }
        let near = &self.powers[update.saturating_sub(2)..(update + 3).min(last + 1)];
        let jump = near.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max);
        let mut sigma = jump * (self.period * UNIFORM / 2.0).hypot(self.jitter);
        if let Some((width, misfits)) = &self.deviations {
            // The means fix the energy of each averaging time to their deviations: within ± the worst
            // of those near it, uniformly.
            let near = &misfits[update.saturating_sub(*width)..(update + width).min(last + 1)];
            let worst = near.iter().map(|misfit| misfit.abs()).fold(0.0, f64::max);
            sigma = sigma.hypot(2.0 * UNIFORM * worst * self.period * *width as f64);
        }
        if let Response::Keeps(keeps) = self.response {
            sigma = sigma.hypot(noise(&self.powers) * self.period / (1.0 - keeps));
        }
        sigma.powi(2)
    }

    /// Variance of a stretch that ends with the latest reading, which later readings will remove.
    fn unsure(&self, from: f64, to: f64) -> f64 {
        let last = self.times.len() - 1;
        if to < self.times[last] - self.period {
            return 0.0;
        }
        if let Some((width, _)) = &self.deviations {
            // The latest increments are the power of now, or of the sensor's own samples out of step.
            let latest = self.shown[last.saturating_sub(3)..].windows(2);
            let worst = latest.map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max);
            return (deconvolve::JITTER * worst * self.period * *width as f64).powi(2);
        }
        // Soon after a change, the readings of a board that sees part of the time may be the start of
        // a beat: the power may be anything from what is shown to the other end of the range, in the
        // time that is not seen.
        let begin = breaks(&self.powers).last().map_or(self.times[0], |at| self.times[*at]);
        let known = !self.response.may_be_partial() || self.beats_at(last).is_some();
        if known || self.times[last] - begin > LONGEST_BEAT {
            return 0.0;
        }
        let deviation = 2.0 * UNIFORM * self.range * (1.0 - SMALLEST_SHARE);
        (deviation * (to - from.max(begin)).max(0.0)).powi(2)
    }

    /// Variance from the beats between two times: of their mean, and of the part of a cycle of the
    /// load by which the stretch is not a whole number of cycles.
    fn beating(&self, from: f64, to: f64) -> f64 {
        let part = (to - from).rem_euclid(self.period);
        let rest = part.min(self.period - part);
        let variance = |beats: &Beats| {
            let begin = self.times[beats.first];
            // Beats that last until the latest update have not ended.
            let end =
                self.times.get(beats.end).map_or(f64::INFINITY, |_| self.times[beats.end - 1]);
            let length = to.min(end) - from.max(begin);
            if length <= 0.0 {
                return 0.0;
            }
            if !self.response.is_partial() {
                // It may be a beat, or a power that wanders and is seen all the time.
                return (beats.swing * UNIFORM * length).powi(2);
            }
            (beats.deviation * length).powi(2) + (beats.swing / 2.0 * rest).powi(2) / 3.0
        };
        self.beats.iter().map(variance).sum()
    }
}
