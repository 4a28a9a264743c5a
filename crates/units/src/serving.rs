//! When the requests of a queue arrived and when they were served.

use serde::{Deserialize, Serialize};

use crate::Seconds;

/// The times of a served queue, in seconds since the start of its span.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serving {
    /// Intended arrival of each request, in ascending order.
    pub arrivals_s: Vec<f64>,
    /// The batches in the order of service. They take the requests in the order of arrival.
    pub batches: Vec<BatchTimes>,
}

/// The times of one batch, in seconds since the start of the span.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchTimes {
    /// Number of requests in the batch.
    pub size: usize,
    /// Start of the service.
    pub start_s: f64,
    /// End of the service.
    pub end_s: f64,
}

impl Serving {
    /// Waiting time of each request, from its intended arrival to the start of its service, in seconds.
    pub fn waits(&self) -> impl Iterator<Item = f64> {
        self.per_request(|arrival, batch| batch.start_s - arrival)
    }

    /// Response time of each request, from its intended arrival to the end of its service, in seconds.
    pub fn responses(&self) -> impl Iterator<Item = f64> {
        self.per_request(|arrival, batch| batch.end_s - arrival)
    }

    /// Time from the first arrival to the end of the last service; `None` if nothing was served.
    #[must_use]
    pub fn makespan(&self) -> Option<Seconds> {
        Some(Seconds(self.batches.last()?.end_s - self.arrivals_s.first()?))
    }

    fn per_request(&self, time: impl Fn(f64, &BatchTimes) -> f64) -> impl Iterator<Item = f64> {
        self.batches
            .iter()
            .flat_map(|batch| std::iter::repeat_n(batch, batch.size))
            .zip(&self.arrivals_s)
            .map(move |(batch, arrival)| time(*arrival, batch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_take_requests_in_the_order_of_arrival() {
        let serving = Serving {
            arrivals_s: vec![0.0, 1.0, 1.5],
            batches: vec![
                BatchTimes { size: 2, start_s: 1.0, end_s: 3.0 },
                BatchTimes { size: 1, start_s: 3.0, end_s: 4.0 },
            ],
        };
        assert_eq!(serving.waits().collect::<Vec<_>>(), [1.0, 0.0, 1.5]);
        assert_eq!(serving.responses().collect::<Vec<_>>(), [3.0, 2.0, 2.5]);
        assert_eq!(serving.makespan(), Some(Seconds(4.0)));
    }
}
