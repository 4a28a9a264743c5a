//! A description in, a report out.

use record::{BatchTimes, Joules, Seconds, Serving};
use serde::Serialize;

use crate::{
    config::{PowerConfig, SimulationConfig},
    engine::{Engine, Observer},
    error::ConfigError,
    policy::BatchingPolicy,
    random::{Stream, generator},
    service::ServiceLaw,
    statistics::{Block, Statistics},
};

/// The schema of [`SimulationReport`].
pub const SIMULATE_SCHEMA: &str = "wattlab.simulate/1";

/// What a simulated queue did, from the arrival of the first request after the warm-up to the
/// last end of service.
///
/// A number that does not exist (a rate over no time) is NaN or infinite, which JSON shows as
/// `null`. A queue that is not stable has no long-run means and quantiles: they are `None`, and
/// [`Growth`] tells how it grows. Only where the simulated requests are all there is, a trace or
/// a queue without anything random, they are that run's own figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SimulationReport {
    /// [`SIMULATE_SCHEMA`]
    pub schema: &'static str,
    /// Requests in the statistics: all but the warm-up.
    pub requests: usize,
    /// Arrival to start of service, mean.
    #[serde(rename = "mean_wait_s")]
    pub mean_wait: Option<Seconds>,
    /// Arrival to end of service, mean.
    #[serde(rename = "mean_response_s")]
    pub mean_response: Option<Seconds>,
    /// Median response; like the other quantiles at most 0.1 % from the exact quantile of the
    /// simulated responses.
    #[serde(rename = "p50_response_s")]
    pub p50_response: Option<Seconds>,
    /// The response that 90 % of the requests do not exceed.
    #[serde(rename = "p90_response_s")]
    pub p90_response: Option<Seconds>,
    /// The response that 99 % of the requests do not exceed.
    #[serde(rename = "p99_response_s")]
    pub p99_response: Option<Seconds>,
    /// The longest wait.
    #[serde(rename = "max_wait_s")]
    pub max_wait: Seconds,
    /// Share of the time that a server serves, mean over the servers, in [0, 1].
    #[serde(rename = "utilisation")]
    pub utilization: f64,
    /// Requests per batch, mean over the batches.
    pub mean_batch: f64,
    /// Requests per second.
    #[serde(rename = "throughput_rps")]
    pub throughput: f64,
    /// From the first arrival to the last end of service.
    #[serde(rename = "duration_s")]
    pub duration: Seconds,
    /// Of all servers over that time, idle power included; `None` without powers.
    #[serde(rename = "energy_j")]
    pub energy: Option<Joules>,
    /// The same per request.
    #[serde(rename = "energy_j_per_request")]
    pub energy_per_request: Option<Joules>,
    /// Mean arrival rate over the rate at which all servers together can serve, idle never; for
    /// an adaptive policy a lower bound.
    pub offered_load: f64,
    /// Whether the offered load is below 1. If not, the queue grows without limit, and times are
    /// those of the simulated length and not of a steady state.
    pub stable: bool,
    /// How a queue that is not stable grew in this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// 95 % confidence intervals.
    pub ci95: Intervals,
}

/// How a queue grew, from the waits in the first and in the last of 20 blocks of requests; in the
/// long run (load - 1) seconds of wait per second, and that times the throughput in requests.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Growth {
    /// Seconds by which the wait gets longer, per second.
    pub wait_s_per_s: f64,
    /// Requests by which the queue gets longer, per second.
    pub requests_per_s: f64,
}

/// 95 % confidence intervals, `[low, high]`, in the units of [`SimulationReport`], by batch means
/// over 20 blocks of requests.
///
/// They hold for blocks much longer than the queue's memory, which is about 1/(1 - load)² requests.
/// `None` where a block has too few requests to tell, always for fewer than 40 in all; and for a
/// queue that is not stable, which has no long-run means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Intervals {
    /// Of `mean_wait`.
    pub mean_wait_s: Option<[f64; 2]>,
    /// Of `mean_response`.
    pub mean_response_s: Option<[f64; 2]>,
    /// Of `utilization`.
    pub utilisation: Option<[f64; 2]>,
    /// Of `mean_batch`.
    pub mean_batch: Option<[f64; 2]>,
    /// Of `throughput`.
    pub throughput_rps: Option<[f64; 2]>,
    /// Of `energy_per_request`; `None` without powers.
    pub energy_j_per_request: Option<[f64; 2]>,
}

/// Simulates a queue and reports its statistics; the same for the same description.
///
/// Memory grows with the requests that wait at a time, not with those simulated.
///
/// # Errors
/// [`ConfigError`] for a description that cannot be simulated.
pub fn simulate(config: &SimulationConfig) -> Result<SimulationReport, ConfigError> {
    let mut statistics = Statistics::new(config.requests, config.warmup.min(config.requests));
    let load = run(config, &mut statistics)?;
    Ok(report(config, &statistics, &load))
}

/// Simulates a queue and returns every request and every batch, those of the warm-up too, in
/// order of the batches' starts.
///
/// # Errors
/// [`ConfigError`] for a description that cannot be simulated.
pub fn sample_path(config: &SimulationConfig) -> Result<Serving, ConfigError> {
    let mut path = Path(Serving { arrivals_s: Vec::new(), batches: Vec::new() });
    run(config, &mut path)?;
    Ok(path.0)
}

struct Path(Serving);

impl Observer for Path {
    fn arrival(&mut self, _request: usize, time_s: f64, _free_s: impl Iterator<Item = f64>) {
        self.0.arrivals_s.push(time_s);
    }

    fn batch(&mut self, _first: usize, batch: &BatchTimes, _arrivals: impl Iterator<Item = f64>) {
        self.0.batches.push(*batch);
    }
}

/// What a report must know of a queue besides its statistics.
struct Load {
    /// Arrival rate over the largest rate of service.
    offered: f64,
    /// Whether the simulated requests are all there is to know.
    whole: bool,
}

/// Runs a queue under an observer and returns its offered load.
fn run(config: &SimulationConfig, observer: &mut impl Observer) -> Result<Load, ConfigError> {
    let process = config.arrivals.process()?;
    let law = config.service.law()?;
    let policy = config.batching.policy()?;
    config.check(&process)?;
    let engine = Engine {
        arrivals: process.times(config.seed),
        requests: config.requests,
        law: &law,
        service_random: generator(config.seed, Stream::Service),
        servers: config.servers.count,
    };
    let offered = process.mean_rate() / (config.servers.count as f64 * capacity(&law, &policy));
    // Of a trace there is no more than itself, and without chance each run is the only one.
    let whole = process.limit().is_some() || (process.is_certain() && law.is_certain());
    let load = Load { offered, whole };
    match policy {
        BatchingPolicy::Fixed(policy) => engine.run(policy, observer),
        BatchingPolicy::Greedy(policy) => engine.run(policy, observer),
        BatchingPolicy::Window(policy) => engine.run(policy, observer),
        BatchingPolicy::Adaptive(policy) => engine.run(policy, observer),
    }
    Ok(load)
}

fn capacity(law: &ServiceLaw, policy: &BatchingPolicy) -> f64 {
    let largest = policy.max_size();
    let smallest = if matches!(policy, BatchingPolicy::Fixed(_)) { largest } else { 1 };
    law.capacity(smallest, largest)
}

fn report(config: &SimulationConfig, statistics: &Statistics, load: &Load) -> SimulationReport {
    let total = statistics.total();
    let servers = config.servers.count as f64;
    let requests = total.requests as f64;
    let duration = statistics.end_s - statistics.start_s;
    let energy = |power: PowerConfig, time: f64, busy: f64| {
        power.idle * Seconds(time * servers - busy) + power.busy * Seconds(busy)
    };
    let mean_wait = total.wait_s / requests;
    let mean_response = total.response_s / requests;
    let utilization = statistics.busy_s / (duration * servers);
    let mean_batch = total.batch_sizes as f64 / total.batches as f64;
    let throughput = requests / duration;
    let total_energy = config.power.map(|power| energy(power, duration, statistics.busy_s));
    let energy_per_request = total_energy.map(|energy| energy * requests.recip());
    let stable = load.offered < 1.0;
    let known = stable || load.whole;
    let interval = |center, value: &dyn Fn(&Block, f64) -> f64| {
        statistics.interval(center, value).filter(|_| stable)
    };
    let ci95 = Intervals {
        mean_wait_s: interval(mean_wait, &|block, _| block.wait_s / block.requests as f64),
        mean_response_s: interval(mean_response, &|block, _| {
            block.response_s / block.requests as f64
        }),
        utilisation: interval(utilization, &|block, time| block.service_s / (time * servers)),
        mean_batch: interval(mean_batch, &|block, _| {
            block.batch_sizes as f64 / block.batches as f64
        }),
        throughput_rps: interval(throughput, &|block, time| block.requests as f64 / time),
        energy_j_per_request: energy_per_request.zip(config.power).and_then(|(center, power)| {
            interval(center.0, &|block, time| {
                energy(power, time, block.service_s).0 / block.requests as f64
            })
        }),
    };
    let response = |share| known.then(|| Seconds(statistics.responses.quantile(share)));
    SimulationReport {
        schema: SIMULATE_SCHEMA,
        requests: total.requests,
        mean_wait: known.then_some(Seconds(mean_wait)),
        mean_response: known.then_some(Seconds(mean_response)),
        p50_response: response(0.5),
        p90_response: response(0.9),
        p99_response: response(0.99),
        max_wait: Seconds(statistics.max_wait_s),
        utilization,
        mean_batch,
        throughput,
        duration: Seconds(duration),
        energy: total_energy,
        energy_per_request,
        offered_load: load.offered,
        stable,
        growth: statistics.growth().filter(|_| !stable),
        ci95,
    }
}
