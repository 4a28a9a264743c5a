//! The results of a simulation.

use serde::Serialize;
use units::{Joules, Seconds};

use crate::{
    growth::Growth,
    power::ServerPower,
    statistics::{Block, Over, Statistics},
    system::Asleep,
};

/// The schema of [`SimulationReport`].
pub const SIMULATE_SCHEMA: &str = "wattlab.simulate/1";

/// Statistics of a simulated queue, from the arrival of the first request after the warm-up to the
/// time at which the request after the last would have arrived; without a warm-up or a steady
/// state, to the last end of service.
///
/// A number that does not exist (a rate over no time) is NaN or infinite, which JSON shows as
/// `null`. An unstable queue has no long-run means and quantiles: they are `None`, and [`Growth`]
/// says how it grows. A trace, and a queue in which nothing is random, has the figures of its one
/// run even if it is unstable.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
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
    /// Median response. Like the other quantiles, it is at most 0.1 % off the exact quantile of the
    /// simulated responses.
    #[serde(rename = "p50_response_s")]
    pub p50_response: Option<Seconds>,
    /// The response that 90 % of the requests do not exceed.
    #[serde(rename = "p90_response_s")]
    pub p90_response: Option<Seconds>,
    /// The response that 95 % of the requests do not exceed.
    #[serde(rename = "p95_response_s")]
    pub p95_response: Option<Seconds>,
    /// The response that 99 % of the requests do not exceed.
    #[serde(rename = "p99_response_s")]
    pub p99_response: Option<Seconds>,
    /// The response that 99.9 % of the requests do not exceed.
    #[serde(rename = "p999_response_s")]
    pub p999_response: Option<Seconds>,
    /// The longest wait.
    #[serde(rename = "max_wait_s")]
    pub max_wait: Seconds,
    /// Share of the time in which a server serves, mean over the servers, in [0, 1].
    #[serde(rename = "utilisation")]
    pub utilization: f64,
    /// Requests per batch, mean over the batches.
    pub mean_batch: f64,
    /// Images per batch, mean over the batches; `None` where every request has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_batch_images: Option<f64>,
    /// Share of the images that were asked of the large network; `None` without `cascade`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked: Option<f64>,
    /// Requests per second.
    #[serde(rename = "throughput_rps")]
    pub throughput: f64,
    /// The time that the statistics cover.
    #[serde(rename = "duration_s")]
    pub duration: Seconds,
    /// Energy of all servers over that time, idle power included; `None` without powers.
    #[serde(rename = "energy_j")]
    pub energy: Option<Joules>,
    /// Energy per request; `None` without powers.
    #[serde(rename = "energy_j_per_request")]
    pub energy_per_request: Option<Joules>,
    /// Standard deviation of the waits.
    #[serde(rename = "wait_sd_s")]
    pub wait_sd: Option<Seconds>,
    /// Share of the requests that wait at all.
    pub p_wait: Option<f64>,
    /// Number of waiting requests, mean over time (without those that are dropped later).
    pub mean_waiting: Option<f64>,
    /// Rows `[seconds, share of the requests that wait longer]`, for the configured thresholds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub wait_over: Vec<(f64, f64)>,
    /// Rows `[seconds, share of the requests with a longer response]`, for the configured
    /// thresholds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_over: Vec<(f64, f64)>,
    /// Rows `[from, to, requests]` of the responses, in seconds, if asked for: four rows for each doubling,
    /// counted in the buckets of the quantiles.
    #[serde(rename = "response_histogram", skip_serializing_if = "Vec::is_empty")]
    pub histogram: Vec<(f64, f64, u64)>,
    /// Requests that found their queue full; not in `requests`.
    pub rejected: usize,
    /// Requests that the policy dropped; not in `requests`.
    pub dropped: usize,
    /// Requests whose clients left before their service; not in `requests`.
    pub abandoned: usize,
    /// Share of the requests that were rejected, dropped or abandoned.
    pub p_loss: f64,
    /// Share of the time in which a server sleeps, mean over the servers.
    pub asleep: f64,
    /// Share of the time in which a server wakes up, mean over the servers.
    pub waking: f64,
    /// Mean arrival rate divided by the highest rate at which all servers together can serve; for an
    /// adaptive policy a lower bound.
    pub offered_load: f64,
    /// Whether the offered load is below 1, or requests are lost instead of making the queue longer.
    /// If not, the queue grows without limit.
    pub stable: bool,
    /// How an unstable queue grew in this run; `None` for a stable one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub growth: Option<Growth>,
    /// 95 % confidence intervals.
    pub ci95: Intervals,
    /// Model by model, if there are several; in the order of the description.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<ModelReport>,
}

/// Statistics of the requests of one model.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ModelReport {
    /// Requests served.
    pub requests: usize,
    /// Arrival to start of service, mean.
    #[serde(rename = "mean_wait_s")]
    pub mean_wait: Option<Seconds>,
    /// Arrival to end of service, mean.
    #[serde(rename = "mean_response_s")]
    pub mean_response: Option<Seconds>,
    /// The response that 99 % of the requests do not exceed.
    #[serde(rename = "p99_response_s")]
    pub p99_response: Option<Seconds>,
    /// Requests per batch, mean over the batches.
    pub mean_batch: f64,
    /// Requests that found their queue full.
    pub rejected: usize,
    /// Requests that the policy dropped.
    pub dropped: usize,
    /// Requests whose clients left before their service.
    pub abandoned: usize,
}

/// 95 % confidence intervals, `[low, high]`, in the units of [`SimulationReport`], by batch means
/// over 20 blocks of requests.
///
/// They are valid for blocks much longer than the queue's memory, which is about 1/(1 - load)²
/// requests. `None` if a block has too few requests, always for fewer than 40 in all; and for an
/// unstable queue, which has no long-run means.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
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

/// What a report needs to know of a queue besides its statistics.
pub(crate) struct Outlook {
    pub(crate) servers: usize,
    pub(crate) power: Option<ServerPower>,
    /// Arrival rate divided by the highest rate of service.
    pub(crate) load: f64,
    /// Whether requests are lost instead of making the queue longer.
    pub(crate) bounded: bool,
    /// Whether every run of this queue has the same figures.
    pub(crate) whole: bool,
    pub(crate) asleep: Asleep,
    /// Whether a large network is asked for some images.
    pub(crate) cascade: bool,
}

impl Outlook {
    pub(crate) fn stable(&self) -> bool {
        self.bounded || self.load < 1.0
    }
}

pub(crate) fn report(
    statistics: &Statistics,
    models: &[Statistics],
    outlook: &Outlook,
) -> SimulationReport {
    let total = statistics.total();
    let servers = outlook.servers as f64;
    let requests = total.requests as f64;
    let duration = statistics.duration_s();
    let Asleep { asleep_s, waking_s } = outlook.asleep;
    let share = |part: usize| part as f64 / requests;
    let energy = outlook.power.as_ref().map(|power| {
        let idle_s = duration * servers - statistics.busy_s - asleep_s - waking_s;
        let states = power.sleep_w * asleep_s + power.wakeup_w * waking_s;
        Joules(power.idle_w * idle_s + statistics.batch_j + states)
    });
    let stable = outlook.stable();
    let known = (stable || outlook.whole) && total.requests > 0;
    let mean_wait = total.wait_s / requests;
    let mean_response = total.response_s / requests;
    let utilization = statistics.busy_s / (duration * servers);
    let mean_batch = total.batch_sizes as f64 / total.batches as f64;
    let throughput = requests / duration;
    let energy_per_request = energy.map(|energy| energy * requests.recip());
    let interval = |center, value: &dyn Fn(&Block, f64) -> f64| {
        statistics.interval(center, value).filter(|_| stable)
    };
    // The states of sleep are not counted by block.
    let awake = outlook.power.as_ref().filter(|_| asleep_s + waking_s == 0.0);
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
        energy_j_per_request: energy_per_request.zip(awake).and_then(|(center, power)| {
            interval(center.0, &|block, time| {
                let idle_s = time * servers - block.service_s;
                (power.idle_w * idle_s + block.batch_j) / block.requests as f64
            })
        }),
    };
    let response = |share| known.then(|| Seconds(statistics.responses.quantile(share)));
    let over = |over: &Over| over.0.iter().map(|&(limit, count)| (limit, share(count))).collect();
    let lost = statistics.rejected + statistics.dropped + statistics.abandoned;
    let variance = total.wait_s2 / requests - mean_wait * mean_wait;
    SimulationReport {
        schema: SIMULATE_SCHEMA,
        requests: total.requests,
        mean_wait: known.then_some(Seconds(mean_wait)),
        mean_response: known.then_some(Seconds(mean_response)),
        p50_response: response(0.5),
        p90_response: response(0.9),
        p95_response: response(0.95),
        p99_response: response(0.99),
        p999_response: response(0.999),
        max_wait: Seconds(statistics.max_wait_s),
        utilization,
        mean_batch,
        mean_batch_images: (total.items != total.batch_sizes)
            .then(|| total.items as f64 / total.batches as f64),
        asked: outlook.cascade.then(|| total.asked as f64 / total.items as f64),
        throughput,
        duration: Seconds(duration),
        energy,
        energy_per_request,
        wait_sd: known.then(|| Seconds(variance.max(0.0).sqrt())),
        p_wait: known.then(|| share(total.waited)),
        mean_waiting: known.then_some(total.wait_s / duration),
        wait_over: over(&statistics.wait_over),
        response_over: over(&statistics.response_over),
        histogram: if known && statistics.histogram {
            statistics.responses.histogram()
        } else {
            Vec::new()
        },
        rejected: statistics.rejected,
        dropped: statistics.dropped,
        abandoned: statistics.abandoned,
        p_loss: lost as f64 / (lost as f64 + requests),
        asleep: asleep_s / (duration * servers),
        waking: waking_s / (duration * servers),
        offered_load: outlook.load,
        stable,
        growth: statistics.growth().filter(|_| !stable),
        ci95,
        models: models.iter().map(|model| of_model(model, known)).collect(),
    }
}

fn of_model(statistics: &Statistics, known: bool) -> ModelReport {
    let total = statistics.total();
    let requests = total.requests as f64;
    let mean = |sum: f64| (known && total.requests > 0).then(|| Seconds(sum / requests));
    ModelReport {
        requests: total.requests,
        mean_wait: mean(total.wait_s),
        mean_response: mean(total.response_s),
        p99_response: mean(statistics.responses.quantile(0.99) * requests),
        mean_batch: total.batch_sizes as f64 / total.batches as f64,
        rejected: statistics.rejected,
        dropped: statistics.dropped,
        abandoned: statistics.abandoned,
    }
}
