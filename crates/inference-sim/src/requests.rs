//! What requests are besides their arrival: images, levels of priority, time limits.

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use units::limits::Limit;

use crate::{count_law::CountLaw, error::ConfigError};

/// A recorded arrival: more than 30,000 years.
const TRACE_TIME_S: Limit<f64> = Limit::real("arrival time", "seconds", -1e12, 1e12);

/// A recorded sequence of requests.
#[derive(Clone, Debug)]
pub(crate) struct TraceRequests {
    /// From 0 on, rising.
    times: Arc<[f64]>,
    pub(crate) sizes: Option<Arc<[u32]>>,
    pub(crate) levels: Option<Arc<[u32]>>,
    pub(crate) limits_s: Option<Arc<[f64]>>,
    /// Tokens of prompts and of answers, for generative models.
    pub(crate) prompts: Option<Arc<[u32]>>,
    pub(crate) outputs: Option<Arc<[u32]>>,
}

impl TraceRequests {
    pub(crate) fn new(times: &[f64]) -> Result<Self, ConfigError> {
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
        let times = times.iter().map(|time| time - first).collect();
        Ok(Self { times, sizes: None, levels: None, limits_s: None, prompts: None, outputs: None })
    }

    pub(crate) fn count(&self) -> usize {
        self.times.len()
    }

    #[inline]
    pub(crate) fn time(&self, number: usize) -> Option<f64> {
        self.times.get(number).copied()
    }

    pub(crate) fn mean_rate(&self) -> f64 {
        match self.times.last() {
            Some(&last) if last > 0.0 => (self.times.len() - 1) as f64 / last,
            _ => f64::INFINITY,
        }
    }

    fn mean_size(&self) -> f64 {
        self.sizes.as_ref().map_or(1.0, |sizes| {
            sizes.iter().map(|&size| f64::from(size)).sum::<f64>() / sizes.len() as f64
        })
    }
}

/// What a request is besides its arrival.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Mark {
    /// Images, at least 1.
    pub(crate) size: usize,
    /// The level of priority, 0 if it has none.
    pub(crate) level: u32,
    /// Its own limit of the time in the queue.
    pub(crate) limit_s: Option<f64>,
}

/// The marks of a model's requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct MarkLaws {
    pub(crate) trace: Option<TraceRequests>,
    pub(crate) size: Option<CountLaw>,
    pub(crate) level: Option<CountLaw>,
}

impl MarkLaws {
    /// Whether all requests are alike: of one image, without a level or a limit.
    pub(crate) fn are_plain(&self) -> bool {
        let recorded = self.trace.as_ref().is_some_and(|trace| {
            trace.sizes.is_some() || trace.levels.is_some() || trace.limits_s.is_some()
        });
        self.size.is_none() && self.level.is_none() && !recorded
    }

    pub(crate) fn are_certain(&self) -> bool {
        [&self.size, &self.level].into_iter().flatten().all(CountLaw::is_certain)
    }

    /// Images of a request, on average.
    pub(crate) fn mean_size(&self) -> f64 {
        let recorded = self.trace.as_ref().map_or(1.0, TraceRequests::mean_size);
        self.size.as_ref().map_or(recorded, CountLaw::mean)
    }

    /// The marks of the request with this number of the model.
    pub(crate) fn mark(&self, number: usize, random: &mut ChaCha8Rng) -> Mark {
        let column =
            |column: &Option<Arc<[u32]>>| -> Option<u32> { column.as_ref()?.get(number).copied() };
        let recorded = self.trace.as_ref();
        let size = match &self.size {
            Some(law) => law.sample(random),
            None => recorded.and_then(|trace| column(&trace.sizes)).map_or(1, |size| size as usize),
        };
        let level = match &self.level {
            Some(law) => u32::try_from(law.sample(random)).unwrap_or(u32::MAX),
            None => recorded.and_then(|trace| column(&trace.levels)).unwrap_or(0),
        };
        let limits_s = recorded.and_then(|trace| trace.limits_s.as_ref());
        let limit_s = limits_s.and_then(|limits_s| limits_s.get(number).copied());
        Mark { size, level, limit_s: limit_s.filter(|&limit_s| limit_s > 0.0) }
    }
}
