//! When requests come.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Exp1};
use units::limits::{self, Limit};

use crate::{
    count_law::CountLaw,
    error::{ConfigError, limited, limited_count},
    ramp::Ramp,
    random::{Stream, generator},
    renewal::Gaps,
    requests::TraceRequests,
};

pub(crate) const RATE: &str = "the mean number of requests per second";
pub(crate) const JITTER: &str = "a number from 0 to 1";
pub(crate) const RATES: &str = "two rates that are not both 0, in requests per second";
pub(crate) const AMPLITUDE: &str = "a number from 0 to 1";
pub(crate) const DAY_S: f64 = 86_400.0;
pub(crate) const SOJOURNS: &str = "two times above 0, in seconds";

/// Each of them has a place in memory.
const CLIENTS: Limit<u64> = Limit::whole("number of clients", "", 1, 1_000_000);
/// Changes of state that a modulated process may make for each request on average: more would take
/// the simulation forever.
const CHANGES_PER_REQUEST: Limit<f64> = Limit::real("changes of state per request", "", 0.0, 1e4);

/// When requests come: a random process, a recorded trace, or clients that wait for their answers.
///
/// Time starts at 0. The first request of a random process comes after one time between requests,
/// the first of a trace at 0.
#[derive(Clone, Debug)]
pub struct ArrivalProcess {
    process: Process,
    /// How many requests come together.
    group: Option<CountLaw>,
}

#[derive(Clone, Debug)]
enum Process {
    Poisson { rate: f64 },
    Deterministic { rate: f64 },
    Jittered { rate: f64, jitter: f64 },
    Renewal { rate: f64, gaps: Gaps },
    Mmpp { rates: [f64; 2], mean_sojourns: [f64; 2] },
    Daily { rate: f64, amplitude: f64, period: f64 },
    Ramp(Ramp),
    Trace(TraceRequests),
    Closed(Clients),
}

/// Clients that send a request, wait for its answer, think, and send the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Clients {
    pub(crate) count: usize,
    /// The mean of an exponential time; 0 for none.
    pub(crate) think_s: f64,
}

impl From<Process> for ArrivalProcess {
    fn from(process: Process) -> Self {
        Self { process, group: None }
    }
}

impl ArrivalProcess {
    /// Independent exponential times between requests, `rate` requests per second on average.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a rate outside [`crate::limits::RATE_PER_S`].
    pub fn poisson(rate: f64) -> Result<Self, ConfigError> {
        Ok(Process::Poisson { rate: limited("arrivals.rate", rate, limits::RATE_PER_S)? }.into())
    }

    /// A request every `1/rate` seconds.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a rate outside [`crate::limits::RATE_PER_S`].
    pub fn deterministic(rate: f64) -> Result<Self, ConfigError> {
        let rate = limited("arrivals.rate", rate, limits::RATE_PER_S)?;
        Ok(Process::Deterministic { rate }.into())
    }

    /// Independent times between requests, uniform in `1/rate · [1-jitter, 1+jitter]`.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a rate outside [`crate::limits::RATE_PER_S`] or a jitter outside
    /// [0, 1].
    pub fn jittered(rate: f64, jitter: f64) -> Result<Self, ConfigError> {
        Ok(Process::Jittered {
            rate: limited("arrivals.rate", rate, limits::RATE_PER_S)?,
            jitter: limited("arrivals.jitter", jitter, limits::SHARE)?,
        }
        .into())
    }

    /// Independent gamma times between requests with mean `1/rate` and coefficient of variation `cv`:
    /// bursts above 1, nearly regular below. Load generators call `cv⁻²` the burstiness.
    ///
    /// # Errors
    /// [`ConfigError`] for a rate outside [`crate::limits::RATE_PER_S`], or a `cv` of 0 or outside
    /// [`crate::limits::VARIATION`].
    pub fn gamma(rate: f64, cv: f64) -> Result<Self, ConfigError> {
        Self::renewal(rate, Gaps::gamma(cv)?)
    }

    /// The same with Weibull times.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for a rate outside [`crate::limits::RATE_PER_S`] or a `cv` outside
    /// [0.01, 400].
    pub fn weibull(rate: f64, cv: f64) -> Result<Self, ConfigError> {
        Self::renewal(rate, Gaps::weibull(cv)?)
    }

    /// The same with log-normal times.
    ///
    /// # Errors
    /// As [`ArrivalProcess::gamma`].
    pub fn lognormal(rate: f64, cv: f64) -> Result<Self, ConfigError> {
        Self::renewal(rate, Gaps::lognormal(cv)?)
    }

    fn renewal(rate: f64, gaps: Gaps) -> Result<Self, ConfigError> {
        let rate = limited("arrivals.rate", rate, limits::RATE_PER_S)?;
        Ok(Process::Renewal { rate, gaps }.into())
    }

    /// A Poisson process whose rate is linear between the points `(seconds, requests per second)` and
    /// stays at that of the last one.
    ///
    /// # Errors
    /// [`ConfigError`] for no points, times that do not rise from 0, rates outside
    /// [`crate::limits::RATE_OR_ZERO_PER_S`], and a last rate of 0.
    pub fn ramp(points: &[(f64, f64)]) -> Result<Self, ConfigError> {
        Ok(Process::Ramp(Ramp::new(points)?).into())
    }

    /// `clients` clients, each of which sends a request, waits for its answer (or its loss), thinks for
    /// an exponential time of mean `think_s` seconds, and sends the next one. It has no arrival times
    /// of its own: [`ArrivalProcess::times`] is empty.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for no or more than a million clients, or a time outside
    /// [`crate::limits::DURATION_S`].
    pub fn closed(clients: usize, think_s: f64) -> Result<Self, ConfigError> {
        let count = limited_count("arrivals.clients", clients, CLIENTS)?;
        let think_s = limited("arrivals.think_s", think_s, limits::DURATION_S)?;
        Ok(Process::Closed(Clients { count, think_s }).into())
    }

    /// The same, but requests come in groups, whose number follows the law, at the times of the
    /// process. The rate stays that of single requests, so that groups are rarer.
    ///
    /// # Errors
    /// [`ConfigError::Unused`] for a trace, clients and processes whose rate changes.
    pub fn in_groups(self, group: CountLaw) -> Result<Self, ConfigError> {
        let scale = group.mean().recip();
        let process = match self.process {
            Process::Poisson { rate } => Process::Poisson { rate: rate * scale },
            Process::Deterministic { rate } => Process::Deterministic { rate: rate * scale },
            Process::Jittered { rate, jitter } => Process::Jittered { rate: rate * scale, jitter },
            Process::Renewal { rate, gaps } => Process::Renewal { rate: rate * scale, gaps },
            _ => {
                let kind = "this process".to_owned();
                return Err(ConfigError::Unused { key: "arrivals.group", kind });
            }
        };
        Ok(Self { process, group: Some(group) })
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
        let process = Self::from(Process::Mmpp { rates, mean_sojourns });
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
        Ok(Process::Daily {
            rate: limited("arrivals.rate", rate, limits::RATE_PER_S)?,
            amplitude: limited("arrivals.amplitude", amplitude, limits::SHARE)?,
            period: limited("arrivals.period_s", period, limits::POSITIVE_DURATION_S)?,
        }
        .into())
    }

    /// Recorded arrival times in seconds, shifted so that the first is 0; every seed gives the
    /// same. See [`crate::read_trace`].
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for no times at all, and for times that decrease or are beyond
    /// ±10¹² seconds.
    pub fn trace(times: &[f64]) -> Result<Self, ConfigError> {
        Ok(Self::recorded(TraceRequests::new(times)?))
    }

    pub(crate) fn recorded(requests: TraceRequests) -> Self {
        Process::Trace(requests).into()
    }

    /// The requests of a trace.
    pub(crate) fn trace_requests(&self) -> Option<&TraceRequests> {
        match &self.process {
            Process::Trace(requests) => Some(requests),
            _ => None,
        }
    }

    /// The clients, if requests come from clients that wait for their answers.
    pub(crate) fn clients(&self) -> Option<Clients> {
        match self.process {
            Process::Closed(clients) => Some(clients),
            _ => None,
        }
    }

    /// Requests per second in the long run; for a trace the mean over its length, infinite if all its
    /// requests arrive at once; for clients the most that they can send.
    #[must_use]
    pub fn mean_rate(&self) -> f64 {
        let group = self.group.as_ref().map_or(1.0, CountLaw::mean);
        match &self.process {
            Process::Poisson { rate }
            | Process::Deterministic { rate }
            | Process::Daily { rate, .. }
            | Process::Renewal { rate, .. }
            | Process::Jittered { rate, .. } => rate * group,
            Process::Ramp(ramp) => ramp.last_rate(),
            Process::Closed(clients) => clients.count as f64 / clients.think_s,
            Process::Mmpp { rates, mean_sojourns: [first, second] } => {
                (rates[0] * first + rates[1] * second) / (first + second)
            }
            Process::Trace(requests) => requests.mean_rate(),
        }
    }

    /// The number of requests of a trace; `None` for random processes, which never end.
    #[must_use]
    pub fn limit(&self) -> Option<usize> {
        self.trace_requests().map(TraceRequests::count)
    }

    /// Whether every seed gives the same times.
    pub(crate) fn is_certain(&self) -> bool {
        let grouped = self.group.as_ref().is_none_or(CountLaw::is_certain);
        grouped
            && match self.process {
                Process::Deterministic { .. } | Process::Trace(_) => true,
                Process::Jittered { jitter, .. } => jitter == 0.0,
                Process::Closed(clients) => clients.think_s == 0.0,
                Process::Poisson { .. }
                | Process::Renewal { .. }
                | Process::Mmpp { .. }
                | Process::Ramp(_)
                | Process::Daily { .. } => false,
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
        let state = match &self.process {
            Process::Mmpp { mean_sojourns: [first, second], .. } => {
                usize::from(random.random::<f64>() * (first + second) >= *first)
            }
            _ => 0,
        };
        ArrivalTimes {
            process: self.process.clone(),
            group: self.group.clone(),
            random,
            number: 0,
            left: 0,
            time: 0.0,
            state,
        }
    }
}

/// The arrival times of a process; see [`ArrivalProcess::times`].
#[derive(Clone, Debug)]
pub struct ArrivalTimes {
    process: Process,
    group: Option<CountLaw>,
    random: ChaCha8Rng,
    /// Requests or groups so far.
    number: usize,
    /// Requests of the last group that are left.
    left: usize,
    /// The arrival of the last request.
    time: f64,
    /// The state of a modulated process; the points so far of a ramp.
    state: usize,
}

impl Iterator for ArrivalTimes {
    type Item = f64;

    #[inline]
    fn next(&mut self) -> Option<f64> {
        // The most frequent process is inlined into the fast engine.
        if let (Process::Poisson { rate }, None) = (&self.process, &self.group) {
            self.time += exponential(&mut self.random) / rate;
            return Some(self.time);
        }
        self.next_of_any()
    }
}

impl ArrivalTimes {
    fn next_of_any(&mut self) -> Option<f64> {
        if self.left > 0 {
            self.left -= 1;
            return Some(self.time);
        }
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
            Process::Renewal { rate, gaps } => self.time + gaps.sample(&mut self.random) / rate,
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
            Process::Ramp(ramp) => {
                let area = exponential(&mut self.random);
                ramp.after(self.time, area, &mut self.state)
            }
            Process::Trace(requests) => requests.time(number)?,
            Process::Closed(_) => return None,
        };
        if let Some(group) = &self.group {
            self.left = group.sample(&mut self.random) - 1;
        }
        Some(self.time)
    }
}

/// A random number of an exponential distribution with mean 1.
#[inline]
pub(crate) fn exponential(random: &mut ChaCha8Rng) -> f64 {
    Exp1.sample(random)
}
