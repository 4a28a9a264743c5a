//! MLPerf's scenarios by the rules of its LoadGen, on any server and clock.

use std::ops::ControlFlow;

use rand_distr::{Distribution, Exp1};
use serde::Serialize;
use units::{BatchTimes, Serving};

use crate::{
    clock::Clock,
    live::{LiveError, QueueProgress, serve},
    policy::Policy,
    random::{Stream, generator},
    server::BatchServer,
};

/// How requests arrive, after Reddi et al. 2020 (MLPerf Inference Benchmark, ISCA).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "scenario", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Scenario {
    /// One request at a time, the next when the last is answered; the p90 is reported.
    SingleStream,
    /// Queries of several requests, one query at a time; their p99 is reported.
    MultiStream {
        /// Requests in a query; LoadGen uses 8.
        samples: usize,
    },
    /// Poisson arrivals; 99 % of the requests must be answered within the bound.
    Server {
        /// Requests per second.
        rate: f64,
        /// The bound, in seconds.
        bound_s: f64,
    },
    /// All requests at once; the throughput is reported.
    Offline,
}

/// The minimum length of a test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ScenarioRules {
    /// The fewest queries; LoadGen asks for 24,576 requests under `Offline`.
    pub min_queries: usize,
    /// The shortest duration, in seconds; LoadGen asks for 600.
    pub min_duration_s: f64,
    /// Confidence of early stopping; LoadGen uses 0.99.
    pub confidence: f64,
}

/// The result of a test, as in LoadGen's summary.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScenarioSummary {
    /// The scenario.
    #[serde(flatten)]
    pub scenario: Scenario,
    /// Queries answered.
    pub queries: usize,
    /// First arrival to last answer, in seconds.
    pub duration_s: f64,
    /// Requests per second.
    pub throughput_rps: f64,
    /// The quantile that the scenario reports: 0.9 for single streams, else 0.99.
    pub percentile: f64,
    /// The latency of that quantile among the queries, in seconds.
    pub latency_s: f64,
    /// LoadGen's early stopping, in seconds; `None` if there are too few queries. Of n queries, t may exceed a
    /// latency so that the rest proves the quantile at the confidence: the latency at index n − t of the sorted
    /// ones, for t of at least 1; for `Server` the smallest bound that the queries prove, at index n − 1 − t.
    pub early_stopping_s: Option<f64>,
    /// Whether the test meets the rules and, for `Server`, the bound.
    pub valid: bool,
    /// The reasons why it is not valid.
    pub reasons: Vec<String>,
    /// The times of all queries.
    #[serde(skip)]
    pub serving: Serving,
}

/// All times of a test are kept.
const MAX_QUERIES: usize = 10_000_000;

/// The fewest queries, of which `over` exceed a latency, that prove at this confidence that the share
/// `percentile` of all queries does not: the smallest n with
/// P(Binomial(n, 1 - `percentile`) ≤ `over`) ≤ 1 - `confidence` (LoadGen's early stopping).
///
/// At a confidence of 0.99, 44, 64 and 81 for 0, 1 and 2 at p90, and 459, 662 and 838 at p99.
#[must_use]
pub fn queries_needed(over: usize, percentile: f64, confidence: f64) -> usize {
    let enough = |n: usize| n > over && binomial_cdf(over, n, 1.0 - percentile) <= 1.0 - confidence;
    let mut high = over + 1;
    while !enough(high) {
        high *= 2;
    }
    let mut low = over;
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if enough(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// The most of `queries` that may exceed the latency; `None` if not even 0 may.
fn allowed_over(queries: usize, percentile: f64, confidence: f64) -> Option<usize> {
    let allowed = |over: usize| queries_needed(over, percentile, confidence) <= queries;
    let (mut low, mut high) = (0, queries);
    if !allowed(0) {
        return None;
    }
    while high - low > 1 {
        let middle = usize::midpoint(low, high);
        if allowed(middle) { low = middle } else { high = middle }
    }
    Some(low)
}

fn binomial_cdf(most: usize, n: usize, p: f64) -> f64 {
    let (log_p, log_q) = (p.ln(), (1.0 - p).ln());
    let mut log_choose = 0.0_f64;
    let mut sum = 0.0;
    for k in 0..=most.min(n) {
        if k > 0 {
            log_choose += ((n - k + 1) as f64 / k as f64).ln();
        }
        sum += (log_choose + k as f64 * log_p + (n - k) as f64 * log_q).exp();
    }
    sum
}

/// Runs a scenario: live with a network on a [`crate::RealClock`], or simulated with a
/// [`crate::ModeledServer`] on a [`crate::VirtualClock`]. Only `Server` and `Offline` use the
/// policy. `control` may stop the test, as in [`serve`].
///
/// # Errors
/// See [`LiveError`].
pub fn run_scenario<P, S, C>(
    scenario: Scenario,
    rules: &ScenarioRules,
    seed: u64,
    policy: &mut P,
    server: &mut S,
    clock: &C,
    control: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<ScenarioSummary, LiveError<S::Error>>
where
    P: Policy + ?Sized,
    S: BatchServer + ?Sized,
    C: Clock + ?Sized,
{
    let serving = match scenario {
        Scenario::SingleStream => stream(1, rules, server, clock, control)?,
        Scenario::MultiStream { samples } => stream(samples, rules, server, clock, control)?,
        Scenario::Server { rate, .. } => {
            // LoadGen issues queries, the first at once, until the schedule has both the fewest queries and the
            // shortest duration.
            check_queries((rate * rules.min_duration_s).ceil() as usize)?;
            let mut random = generator(seed, Stream::Arrivals, 0);
            let mut time = 0.0;
            let mut arrivals = vec![time];
            while arrivals.len() < rules.min_queries || time < rules.min_duration_s {
                check_queries(arrivals.len() + 1)?;
                let gap: f64 = Exp1.sample(&mut random);
                time += gap / rate;
                arrivals.push(time);
            }
            serve(&arrivals, policy, server, clock, &mut |_| control())?
        }
        Scenario::Offline => {
            check_queries(rules.min_queries)?;
            let arrivals = vec![0.0; rules.min_queries];
            serve(&arrivals, policy, server, clock, &mut |_| control())?
        }
    };
    Ok(judge_scenario(scenario, rules, serving))
}

fn check_queries<E>(queries: usize) -> Result<(), LiveError<E>> {
    let limit = MAX_QUERIES;
    if queries > limit { Err(LiveError::TooManyQueries { limit }) } else { Ok(()) }
}

/// Runs queries one after another until the rules are met.
fn stream<S, C>(
    samples: usize,
    rules: &ScenarioRules,
    server: &mut S,
    clock: &C,
    control: &mut dyn FnMut() -> ControlFlow<()>,
) -> Result<Serving, LiveError<S::Error>>
where
    S: BatchServer + ?Sized,
    C: Clock + ?Sized,
{
    let origin = clock.now();
    let (mut arrivals_s, mut batches) = (Vec::new(), Vec::<BatchTimes>::new());
    // A query is issued as long as the one before was issued too early.
    while batches.len() < rules.min_queries
        || batches.last().is_none_or(|last| last.start_s < rules.min_duration_s)
    {
        let served = arrivals_s.len();
        check_queries(served.saturating_add(samples))?;
        if control().is_break() {
            let progress = QueueProgress { served, arrived: served, requests: served };
            return Err(LiveError::Stopped(progress));
        }
        let requests: Vec<usize> = (served..served + samples).collect();
        let start_s = clock.now() - origin;
        server.serve(&requests).map_err(|source| LiveError::Server {
            first: served,
            size: samples,
            source,
        })?;
        let now = clock.now() - origin;
        arrivals_s.extend(std::iter::repeat_n(start_s, samples));
        batches.push(BatchTimes { size: samples, start_s, end_s: now });
    }
    Ok(Serving { arrivals_s, batches })
}

/// LoadGen's judgment of a test that has ended (`results.cc` of mlcommons/inference).
///
/// A batch is a query of a stream; under `Server` and `Offline` each request is a query. The minimum
/// duration is that from the first query to the last scheduled one (`Server`), to the last issued
/// one (streams), or the longest latency (`Offline`).
#[must_use]
pub fn judge_scenario(
    scenario: Scenario,
    rules: &ScenarioRules,
    serving: Serving,
) -> ScenarioSummary {
    let percentile = if scenario == Scenario::SingleStream { 0.9 } else { 0.99 };
    let mut latencies: Vec<f64> = match scenario {
        Scenario::MultiStream { .. } => {
            serving.batches.iter().map(|batch| batch.end_s - batch.start_s).collect()
        }
        _ => serving.responses().collect(),
    };
    latencies.sort_by(f64::total_cmp);
    let queries = latencies.len();
    // LoadGen takes the latency at this index, counted from 0.
    let rank = (percentile * queries as f64).floor() as usize;
    let latency_s = latencies.get(rank.min(queries.saturating_sub(1))).copied().unwrap_or(f64::NAN);
    let over = allowed_over(queries, percentile, rules.confidence);
    let is_server = matches!(scenario, Scenario::Server { .. });
    let early_stopping_s = match over {
        // The smallest bound that would be met.
        Some(over) if is_server => latencies.get(queries - 1 - over).copied(),
        // One more than a bound needs: LoadGen discards the highest latencies and takes the next.
        Some(over @ 1..) => latencies.get(queries - over).copied(),
        _ => None,
    };
    let end = serving.batches.iter().map(|batch| batch.end_s).fold(0.0, f64::max);
    let duration_s = end - serving.arrivals_s.first().copied().unwrap_or_default();
    let mut reasons = Vec::new();
    let offline = scenario == Scenario::Offline;
    if queries < rules.min_queries {
        reasons.push(format!("{queries} queries: expected at least {}", rules.min_queries));
    }
    let lasted_s = match scenario {
        Scenario::Offline => latencies.last().copied(),
        Scenario::Server { .. } => serving.arrivals_s.last().copied(),
        _ => serving.batches.last().map(|batch| batch.start_s),
    };
    let lasted_s = lasted_s.unwrap_or_default();
    if lasted_s < rules.min_duration_s {
        reasons.push(format!("{lasted_s:.3} s: expected at least {} s", rules.min_duration_s));
    }
    if early_stopping_s.is_none() && !offline {
        let needed = queries_needed(usize::from(!is_server), percentile, rules.confidence);
        reasons.push(format!("{queries} queries: expected at least {needed} for early stopping"));
    }
    if let Scenario::Server { bound_s, .. } = scenario
        && early_stopping_s.is_none_or(|found| found > bound_s)
    {
        reasons.push(format!("the queries do not prove a p99 within {bound_s} s"));
    }
    ScenarioSummary {
        scenario,
        queries,
        duration_s,
        throughput_rps: serving.arrivals_s.len() as f64 / duration_s,
        percentile,
        latency_s,
        early_stopping_s,
        valid: reasons.is_empty(),
        reasons,
        serving,
    }
}

/// Searches the highest valid rate of the `Server` scenario between `low` and `high`, to a relative
/// 1 %; returns it with its summary, or `None` if `low` is not valid. `test` runs the scenario at a
/// rate.
///
/// # Errors
/// Those of `test`.
pub fn highest_rate<E>(
    low: f64,
    high: f64,
    mut test: impl FnMut(f64) -> Result<ScenarioSummary, E>,
) -> Result<Option<(f64, ScenarioSummary)>, E> {
    let mut best = Some((low, test(low)?)).filter(|(_, summary)| summary.valid);
    let Some((mut valid, _)) = best else { return Ok(None) };
    let mut invalid = high;
    while invalid / valid > 1.01 {
        let rate = (valid * invalid).sqrt();
        let summary = test(rate)?;
        if summary.valid {
            valid = rate;
            best = Some((rate, summary));
        } else {
            invalid = rate;
        }
    }
    Ok(best)
}

/// The batches as a Chrome trace (`chrome://tracing`, Perfetto): JSON, in microseconds.
#[must_use]
pub fn chrome_trace(serving: &Serving) -> String {
    let mut first = 0;
    let events = serving.batches.iter().map(|batch| {
        let waited = batch.start_s - serving.arrivals_s.get(first).copied().unwrap_or_default();
        let event = format!(
            r#"{{"name":"batch of {}","ph":"X","pid":1,"tid":1,"ts":{:.3},"dur":{:.3},"args":{{"first_request":{first},"longest_wait_s":{waited}}}}}"#,
            batch.size,
            batch.start_s * 1e6,
            (batch.end_s - batch.start_s) * 1e6,
        );
        first += batch.size;
        event
    });
    format!("{{\"traceEvents\":[{}]}}", events.collect::<Vec<_>>().join(",\n"))
}
