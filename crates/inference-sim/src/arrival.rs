//! When requests come.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};

use crate::{
    error::{ConfigError, positive, within},
    random::{Stream, generator},
};

pub(crate) const RATE: &str = "a finite number above 0, in requests per second";
pub(crate) const JITTER: &str = "a number in [0, 1]";
pub(crate) const RATES: &str =
    "two finite numbers, at least 0 and not both 0, in requests per second";
pub(crate) const AMPLITUDE: &str = "a number in [0, 1]";
pub(crate) const DAY_S: f64 = 86_400.0;
pub(crate) const SOJOURNS: &str = "two finite numbers above 0, in seconds";

/// The intended arrival of each request of a live run, in seconds from the start, in order.
///
/// The time from one request to the next is `1/rate · U(1-jitter, 1+jitter)`, the process of the
/// study of batching; the first comes after one such time. The same as
/// [`ArrivalProcess::jittered`] with the same seed.
///
/// # Errors
/// [`ConfigError::Invalid`] for a rate that is not above 0 or a jitter outside [0, 1].
pub fn arrivals(process: &record::Arrivals, seed: u64) -> Result<Vec<f64>, ConfigError> {
    let times = ArrivalProcess::jittered(process.rate, process.jitter)?.times(seed);
    Ok(times.take(process.requests).collect())
}

/// When requests come: a stationary random process, or a recorded trace.
///
/// Time starts at 0. The first request of a random process comes after one time between requests,
/// the first of a trace at 0.
#[derive(Clone, Debug)]
pub struct ArrivalProcess(Process);

#[derive(Clone, Debug)]
enum Process {
    Poisson { rate: f64 },
    Deterministic { rate: f64 },
    Jittered { rate: f64, jitter: f64 },
    Mmpp { rates: [f64; 2], mean_sojourns: [f64; 2] },
    Daily { rate: f64, amplitude: f64, period: f64 },
    Trace(Arc<[f64]>),
}

impl ArrivalProcess {
    /// Independent exponential times between requests, `rate` requests per second on average.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a rate that is not a finite number above 0.
    pub fn poisson(rate: f64) -> Result<Self, ConfigError> {
        Ok(Self(Process::Poisson { rate: positive("arrivals.rate", rate, RATE)? }))
    }

    /// A request every `1/rate` seconds.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a rate that is not a finite number above 0.
    pub fn deterministic(rate: f64) -> Result<Self, ConfigError> {
        Ok(Self(Process::Deterministic { rate: positive("arrivals.rate", rate, RATE)? }))
    }

    /// Independent times between requests, uniform in `1/rate · [1-jitter, 1+jitter]`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a rate that is not above 0 or a jitter outside [0, 1].
    pub fn jittered(rate: f64, jitter: f64) -> Result<Self, ConfigError> {
        Ok(Self(Process::Jittered {
            rate: positive("arrivals.rate", rate, RATE)?,
            jitter: within("arrivals.jitter", jitter, (0.0..=1.0).contains(&jitter), JITTER)?,
        }))
    }

    /// A Markov-modulated Poisson process with two states: a Poisson process whose rate is
    /// `rates[0]` and `rates[1]` by turns, each for an exponential time of mean
    /// `mean_sojourns[i]` seconds. It starts in a state drawn by the share of time spent there.
    ///
    /// Source: Fischer and Meier-Hellstern 1993, The Markov-modulated Poisson process cookbook,
    /// Performance Evaluation 18.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for rates that are negative or both 0, or sojourns that are not
    /// above 0.
    pub fn mmpp(rates: [f64; 2], mean_sojourns: [f64; 2]) -> Result<Self, ConfigError> {
        let invalid = |key, found: [f64; 2], expected| {
            Err(ConfigError::Invalid { key, found: format!("{found:?}"), expected })
        };
        let finite = |values: [f64; 2]| values.iter().all(|value| value.is_finite());
        if !finite(rates) || rates.iter().any(|&rate| rate < 0.0) || rates == [0.0, 0.0] {
            return invalid("arrivals.rates", rates, RATES);
        }
        if !finite(mean_sojourns) || mean_sojourns.iter().any(|&sojourn| sojourn <= 0.0) {
            return invalid("arrivals.mean_sojourns_s", mean_sojourns, SOJOURNS);
        }
        Ok(Self(Process::Mmpp { rates, mean_sojourns }))
    }

    /// A Poisson process whose rate swings as `rate · (1 + amplitude · sin(2π t / period))`, with
    /// the period in seconds: a day of a service.
    ///
    /// By thinning (Lewis and Shedler 1979, Naval Research Logistics Quarterly 26(3)).
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for a rate or a period that is not above 0 or an amplitude outside
    /// [0, 1].
    pub fn daily(rate: f64, amplitude: f64, period: f64) -> Result<Self, ConfigError> {
        let inside = (0.0..=1.0).contains(&amplitude);
        Ok(Self(Process::Daily {
            rate: positive("arrivals.rate", rate, RATE)?,
            amplitude: within("arrivals.amplitude", amplitude, inside, AMPLITUDE)?,
            period: positive("arrivals.period_s", period, "a finite number above 0, in seconds")?,
        }))
    }

    /// Recorded arrival times in seconds, shifted so that the first is 0; every seed gives the
    /// same. See [`crate::read_trace`].
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for no times at all, and for times that are not finite or fall.
    pub fn trace(times: &[f64]) -> Result<Self, ConfigError> {
        let invalid = |found: String| ConfigError::Invalid {
            key: "arrivals.trace",
            found,
            expected: "finite times that never fall, at least one",
        };
        let Some(&first) = times.first() else { return Err(invalid("empty".to_owned())) };
        if let Some(number) = times.iter().position(|time| !time.is_finite()) {
            return Err(invalid(format!("{} at position {number}", times[number])));
        }
        if let Some(pair) = times.windows(2).find(|pair| pair[1] < pair[0]) {
            return Err(invalid(format!("{} after {}", pair[1], pair[0])));
        }
        Ok(Self(Process::Trace(times.iter().map(|time| time - first).collect())))
    }

    /// Requests per second in the long run; of a trace, the mean over its length, infinite if all
    /// its requests arrive at once.
    #[must_use]
    pub fn mean_rate(&self) -> f64 {
        match &self.0 {
            Process::Poisson { rate }
            | Process::Deterministic { rate }
            | Process::Daily { rate, .. }
            | Process::Jittered { rate, .. } => *rate,
            Process::Mmpp { rates, mean_sojourns: [first, second] } => {
                (rates[0] * first + rates[1] * second) / (first + second)
            }
            Process::Trace(times) => match times.last() {
                Some(&last) if last > 0.0 => (times.len() - 1) as f64 / last,
                _ => f64::INFINITY,
            },
        }
    }

    /// How many requests there can be: all of a trace's; otherwise `None`, without limit.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        match &self.0 {
            Process::Trace(times) => Some(times.len()),
            _ => None,
        }
    }

    /// Whether every seed gives the same times.
    pub(crate) fn is_certain(&self) -> bool {
        match self.0 {
            Process::Deterministic { .. } | Process::Trace(_) => true,
            Process::Jittered { jitter, .. } => jitter == 0.0,
            Process::Poisson { .. } | Process::Mmpp { .. } | Process::Daily { .. } => false,
        }
    }

    /// The arrival times, in seconds, which never fall; the same for the same seed. Endless but
    /// for a trace.
    #[must_use]
    pub fn times(&self, seed: u64) -> ArrivalTimes {
        self.times_of(seed, 0)
    }

    /// The same for one of several models.
    pub(crate) fn times_of(&self, seed: u64, model: u64) -> ArrivalTimes {
        let mut random = generator(seed, Stream::Arrivals, model);
        let state = match &self.0 {
            Process::Mmpp { mean_sojourns: [first, second], .. } => {
                usize::from(random.random::<f64>() * (first + second) >= *first)
            }
            _ => 0,
        };
        ArrivalTimes { process: self.0.clone(), random, number: 0, time: 0.0, state }
    }
}

/// The arrival times of a process; see [`ArrivalProcess::times`].
#[derive(Clone, Debug)]
pub struct ArrivalTimes {
    process: Process,
    random: ChaCha8Rng,
    /// How many have been told.
    number: usize,
    /// Of the last request.
    time: f64,
    /// Of a modulated process.
    state: usize,
}

impl Iterator for ArrivalTimes {
    type Item = f64;

    #[inline]
    fn next(&mut self) -> Option<f64> {
        let number = self.number;
        self.number += 1;
        self.time = match &self.process {
            Process::Poisson { rate } => self.time + exponential(&mut self.random) / rate,
            // Not a running sum, whose rounding errors would add up.
            Process::Deterministic { rate } => self.number as f64 / rate,
            Process::Jittered { rate, jitter } => {
                let factor = 1.0 + jitter * (2.0 * self.random.random::<f64>() - 1.0);
                self.time + factor / rate
            }
            Process::Mmpp { rates, mean_sojourns } => {
                let mut time = self.time;
                // What is left of a sojourn is exponential again, so each arrival may race afresh
                // against the change of state.
                loop {
                    let rate = rates[self.state];
                    let either = rate + mean_sojourns[self.state].recip();
                    time += exponential(&mut self.random) / either;
                    if self.random.random::<f64>() * either < rate {
                        break time;
                    }
                    self.state = 1 - self.state;
                }
            }
            Process::Daily { rate, amplitude, period } => {
                let mut time = self.time;
                loop {
                    time += exponential(&mut self.random) / (rate * (1.0 + amplitude));
                    let swing = (time / period * std::f64::consts::TAU).sin();
                    let kept = (1.0 + amplitude * swing) / (1.0 + amplitude);
                    if self.random.random::<f64>() < kept {
                        break time;
                    }
                }
            }
            Process::Trace(times) => *times.get(number)?,
        };
        Some(self.time)
    }
}

#[inline]
fn exponential(random: &mut ChaCha8Rng) -> f64 {
    Exp1.sample(random)
}
