//! The same queue under several seeds.

use std::num::NonZeroUsize;

use units::{Joules, Seconds};

use crate::{
    config::SimulationConfig,
    error::ConfigError,
    policy::{Policy, PolicyContext},
    report::{Intervals, SimulationReport},
    simulation::{SimulationError, built_in, simulate_with_sketch},
    sketch::Sketch,
    student::t_975,
    sweep::in_parallel,
};

/// Simulates a queue under several seeds, from the description's seed on.
///
/// The report has means over the replications, with Student's 95 % intervals, which need no
/// assumption on the length of a queue's memory; quantiles of all responses together; and sums of
/// requests, losses, time and joules. It does not depend on the number of threads. It has no
/// statistics per model and no shares above thresholds.
///
/// # Errors
/// [`SimulationError::Config`] for a description that cannot be simulated.
pub fn simulate_replicated(
    config: &SimulationConfig,
    replications: NonZeroUsize,
    threads: NonZeroUsize,
) -> Result<SimulationReport, SimulationError> {
    simulate_replicated_with(config, replications, threads, built_in(config))
}

/// The same with any policy, as [`crate::simulate_with`]: each replication makes its own.
///
/// # Errors
/// As [`crate::simulate_with`].
pub fn simulate_replicated_with<P: Policy>(
    config: &SimulationConfig,
    replications: NonZeroUsize,
    threads: NonZeroUsize,
    policy: impl Fn(&PolicyContext<'_>) -> Result<P, ConfigError> + Sync,
) -> Result<SimulationReport, SimulationError> {
    let seeds: Vec<u64> =
        (0..replications.get() as u64).map(|number| config.seed.wrapping_add(number)).collect();
    let runs = in_parallel(&seeds, threads, |_, &seed| {
        simulate_with_sketch(&config.clone().with_seed(seed), &policy)
    });
    let mut responses = Sketch::new();
    let mut reports = Vec::with_capacity(runs.len());
    for run in runs {
        let (report, sketch) = run?;
        responses.merge(&sketch);
        reports.push(report);
    }
    Ok(pool(&reports, &responses))
}

fn pool(reports: &[SimulationReport], responses: &Sketch) -> SimulationReport {
    let values = |value: &dyn Fn(&SimulationReport) -> Option<f64>| -> Option<Vec<f64>> {
        reports.iter().map(value).collect()
    };
    let sum = |value: &dyn Fn(&SimulationReport) -> f64| reports.iter().map(value).sum::<f64>();
    let count = |value: &dyn Fn(&SimulationReport) -> usize| reports.iter().map(value).sum();
    let mean = |value: &dyn Fn(&SimulationReport) -> Option<f64>| {
        values(value).map(|values| average(&values))
    };
    let plain = |value: &dyn Fn(&SimulationReport) -> f64| sum(value) / reports.len() as f64;
    let stable = reports.iter().all(|report| report.stable);
    let interval = |value: &dyn Fn(&SimulationReport) -> Option<f64>| {
        values(value).filter(|_| stable).and_then(|values| interval(&values))
    };
    let mean_wait = |report: &SimulationReport| report.mean_wait.map(|time| time.0);
    let mean_response = |report: &SimulationReport| report.mean_response.map(|time| time.0);
    let joules = |report: &SimulationReport| report.energy_per_request.map(|energy| energy.0);
    let known = mean(&mean_wait).is_some();
    let quantile = |share| known.then(|| Seconds(responses.quantile(share)));
    SimulationReport {
        schema: reports[0].schema,
        requests: count(&|report| report.requests),
        mean_wait: mean(&mean_wait).map(Seconds),
        mean_response: mean(&mean_response).map(Seconds),
        p50_response: quantile(0.5),
        p90_response: quantile(0.9),
        p95_response: quantile(0.95),
        p99_response: quantile(0.99),
        p999_response: quantile(0.999),
        max_wait: Seconds(reports.iter().map(|report| report.max_wait.0).fold(0.0, f64::max)),
        utilization: plain(&|report| report.utilization),
        mean_batch: plain(&|report| report.mean_batch),
        mean_batch_images: mean(&|report| report.mean_batch_images),
        asked: mean(&|report| report.asked),
        throughput: plain(&|report| report.throughput),
        duration: Seconds(sum(&|report| report.duration.0)),
        energy: values(&|report| report.energy.map(|energy| energy.0))
            .map(|energies| Joules(energies.iter().sum())),
        energy_per_request: mean(&joules).map(Joules),
        wait_sd: mean(&|report| report.wait_sd.map(|time| time.0)).map(Seconds),
        p_wait: mean(&|report| report.p_wait),
        mean_waiting: mean(&|report| report.mean_waiting),
        wait_over: Vec::new(),
        response_over: Vec::new(),
        histogram: if known && reports.iter().any(|report| !report.histogram.is_empty()) {
            responses.histogram()
        } else {
            Vec::new()
        },
        rejected: count(&|report| report.rejected),
        dropped: count(&|report| report.dropped),
        abandoned: count(&|report| report.abandoned),
        p_loss: plain(&|report| report.p_loss),
        asleep: plain(&|report| report.asleep),
        waking: plain(&|report| report.waking),
        offered_load: reports[0].offered_load,
        stable,
        growth: reports[0].growth,
        ci95: Intervals {
            mean_wait_s: interval(&mean_wait),
            mean_response_s: interval(&mean_response),
            utilisation: interval(&|report| Some(report.utilization)),
            mean_batch: interval(&|report| Some(report.mean_batch)),
            throughput_rps: interval(&|report| Some(report.throughput)),
            energy_j_per_request: interval(&joules),
        },
        models: Vec::new(),
    }
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn interval(values: &[f64]) -> Option<[f64; 2]> {
    let degrees = values.len().checked_sub(1).filter(|&degrees| degrees > 0)?;
    let mean = average(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let half = t_975(degrees) * (squares / degrees as f64 / values.len() as f64).sqrt();
    Some([mean - half, mean + half])
}
