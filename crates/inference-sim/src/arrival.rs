//! When requests come.

use std::sync::Arc;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use units::limits::{self, Limit};

use crate::{
    error::{ConfigError, limited},
    random::{Stream, generator},
};

pub(crate) const RATE: &str = "the mean number of requests per second";
pub(crate) const JITTER: &str = "a number from 0 to 1";
pub(crate) const RATES: &str = "two rates that are not both 0, in requests per second";
pub(crate) const AMPLITUDE: &str = "a number from 0 to 1";
pub(crate) const DAY_S: f64 = 86_400.0;
pub(crate) const SOJOURNS: &str = "two times above 0, in seconds";

/// A recorded arrival: more than 30,000 years.
const TRACE_TIME_S: Limit<f64> = Limit::real("arrival time", "seconds", -1e12, 1e12);
/// Changes of state that a modulated process may make for each request on average: more would take
/// the simulation forever.
const CHANGES_PER_REQUEST: Limit<f64> = Limit::real("changes of state per request", "", 0.0, 1e4);

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
    /// [`ConfigError::OutOfRange`] for a rate outside [`crate::limits::RATE_PER_S`].
    pub fn poisson(rate: f64) -> Result<Self, ConfigError> {
        Ok(Self(Process::Poisson { rate: limited("arrivals.rate", rate, limits::RATE_PER_S)? }))
    }

    /// A request every `1/rate` seconds.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a rate outside [`crate::limits::RATE_PER_S`].
    pub fn deterministic(rate: f64) -> Result<Self, ConfigError> {
        Ok(Self(Process::Deterministic {
            rate: limited("arrivals.rate", rate, limits::RATE_PER_S)?,
        }))
    }

    /// Independent times between requests, uniform in `1/rate · [1-jitter, 1+jitter]`.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a rate outside [`crate::limits::RATE_PER_S`] or a jitter outside
    /// [0, 1].
    pub fn jittered(rate: f64, jitter: f64) -> Result<Self, ConfigError> {
        Ok(Self(Process::Jittered {
            rate: limited("arrivals.rate", rate, limits::RATE_PER_S)?,
            jitter: limited("arrivals.jitter", jitter, limits::SHARE)?,
        }))
    }

    /// A Markov-modulated Poisson process with two states: a Poisson process whose rate is
    /// `rates[0]` and `rates[1]` by turns, each for an exponential time of mean
    /// `mean_sojourns[i]` seconds. The first state is random, by the share of time spent in each.
    ///
    /// Source: Fischer and Meier-Hellstern 1993, The Markov-modulated Poisson process cookbook,
    /// Performance Evaluation 18.
    ///
    /// # Errors
    /// [`ConfigError`] for rates that are negative or both 0, for sojourns that are not above 0, and
    /// for sojourns so short that the state changes more than 10,000 times per request.
    pub fn mmpp(rates: [f64; 2], mean_sojourns: [f64; 2]) -> Result<Self, ConfigError> {
        for rate in rates {
            limited("arrivals.rates", rate, limits::RATE_OR_ZERO_PER_S)?;
        }
        for sojourn in mean_sojourns {
            limited("arrivals.mean_sojourns_s", sojourn, limits::POSITIVE_DURATION_S)?;
        }
        if rates == [0.0, 0.0] {
            let found = format!("{rates:?}");
            return Err(ConfigError::Invalid { key: "arrivals.rates", found, expected: RATES });
        }
        let process = Self(Process::Mmpp { rates, mean_sojourns });
        let changes_per_s = 2.0 / (mean_sojourns[0] + mean_sojourns[1]);
        let changes = changes_per_s / process.mean_rate();
        CHANGES_PER_REQUEST.check(changes).map_err(|_| ConfigError::Invalid {
            key: "arrivals.mean_sojourns_s",
            found: format!("{mean_sojourns:?}"),
            expected: "longer times: at most 10000 changes of state per request",
        })?;
        Ok(process)
    }

    /// A Poisson process whose rate swings as `rate · (1 + amplitude · sin(2π t / period))`, with
    /// the period in seconds: a day of a service.
    ///
    /// By thinning (Lewis and Shedler 1979, Naval Research Logistics Quarterly 26(3)).
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a rate or a period that is not above 0, or an amplitude
    /// outside [0, 1].
    pub fn daily(rate: f64, amplitude: f64, period: f64) -> Result<Self, ConfigError> {
        Ok(Self(Process::Daily {
            rate: limited("arrivals.rate", rate, limits::RATE_PER_S)?,
            amplitude: limited("arrivals.amplitude", amplitude, limits::SHARE)?,
            period: limited("arrivals.period_s", period, limits::POSITIVE_DURATION_S)?,
        }))
    }

    /// Recorded arrival times in seconds, shifted so that the first is 0; every seed gives the
    /// same. See [`crate::read_trace`].
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for no times at all, and for times that decrease or are beyond
    /// ±10¹² seconds.
    pub fn trace(times: &[f64]) -> Result<Self, ConfigError> {
        let invalid = |found: String| ConfigError::Invalid {
            key: "arrivals.trace",
            found,
            expected: "at least one time, all within ±1e12 seconds and none earlier than the one before",
        };
        let Some(&first) = times.first() else { return Err(invalid("empty".to_owned())) };
        if let Some(number) = times.iter().position(|&time| TRACE_TIME_S.check(time).is_err()) {
            return Err(invalid(format!("{} at position {number}", times[number])));
        }
        if let Some(pair) = times.windows(2).find(|pair| pair[1] < pair[0]) {
            return Err(invalid(format!("{} after {}", pair[1], pair[0])));
        }
        Ok(Self(Process::Trace(times.iter().map(|time| time - first).collect())))
    }

    /// Requests per second in the long run; for a trace the mean over its length, infinite if all its
    /// requests arrive at once.
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

    /// The number of requests of a trace; `None` for random processes, which never end.
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

    /// The arrival times, in seconds, which never decrease; the same for the same seed. They end only
    /// for a trace.
    #[must_use]
    pub fn times(&self, seed: u64) -> ArrivalTimes {
        self.times_of(seed, 0)
    }

    /// The same for one of several models, each of which has its own random numbers.
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
    /// Requests so far.
    number: usize,
    /// The arrival of the last request.
    time: f64,
    /// The state of a modulated process.
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
                // The remaining sojourn is exponential again, so after each arrival the next one can
                // race against the change of state anew.
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
