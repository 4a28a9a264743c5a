//! The same queue under several seeds.

use std::num::NonZeroUsize;

use record::{Joules, Seconds};

use crate::{
    calibration::t_975,
    config::SimulationConfig,
    error::ConfigError,
    report::{Intervals, SimulationReport},
    simulation::simulate_with_sketch,
    sketch::Sketch,
    sweep::in_parallel,
};

/// Simulates a queue under so many seeds from the description's on: means over the replications
/// with Student's 95 % intervals, which need no assumption on the length of a queue's memory;
/// quantiles of all responses together; sums of requests, losses, time and joules. The same
/// whatever the number of threads.
///
/// Of models and tails the report has none.
///
/// # Errors
/// [`ConfigError`] for a description that cannot be simulated.
pub fn simulate_replicated(
    config: &SimulationConfig,
    replications: NonZeroUsize,
    threads: NonZeroUsize,
) -> Result<SimulationReport, ConfigError> {
    let seeds = (0..replications.get() as u64).map(|it| config.seed.wrapping_add(it));
    let configs: Vec<_> = seeds.map(|seed| SimulationConfig { seed, ..config.clone() }).collect();
    let runs = in_parallel(&configs, threads, simulate_with_sketch);
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
    let mean =
        |value: &dyn Fn(&SimulationReport) -> Option<f64>| values(value).map(|it| average(&it));
    let plain = |value: &dyn Fn(&SimulationReport) -> f64| sum(value) / reports.len() as f64;
    let stable = reports.iter().all(|it| it.stable);
    let interval = |value: &dyn Fn(&SimulationReport) -> Option<f64>| {
        values(value).filter(|_| stable).and_then(|it| interval(&it))
    };
    let mean_wait = |it: &SimulationReport| it.mean_wait.map(|it| it.0);
    let mean_response = |it: &SimulationReport| it.mean_response.map(|it| it.0);
    let joules = |it: &SimulationReport| it.energy_per_request.map(|it| it.0);
    let known = mean(&mean_wait).is_some();
    let quantile = |share| known.then(|| Seconds(responses.quantile(share)));
    SimulationReport {
        schema: reports[0].schema,
        requests: count(&|it| it.requests),
        mean_wait: mean(&mean_wait).map(Seconds),
        mean_response: mean(&mean_response).map(Seconds),
        p50_response: quantile(0.5),
        p90_response: quantile(0.9),
        p99_response: quantile(0.99),
        max_wait: Seconds(reports.iter().map(|it| it.max_wait.0).fold(0.0, f64::max)),
        utilization: plain(&|it| it.utilization),
        mean_batch: plain(&|it| it.mean_batch),
        throughput: plain(&|it| it.throughput),
        duration: Seconds(sum(&|it| it.duration.0)),
        energy: values(&|it| it.energy.map(|it| it.0)).map(|it| Joules(it.iter().sum())),
        energy_per_request: mean(&joules).map(Joules),
        wait_sd: mean(&|it| it.wait_sd.map(|it| it.0)).map(Seconds),
        p_wait: mean(&|it| it.p_wait),
        mean_waiting: mean(&|it| it.mean_waiting),
        wait_over: Vec::new(),
        response_over: Vec::new(),
        rejected: count(&|it| it.rejected),
        dropped: count(&|it| it.dropped),
        p_loss: plain(&|it| it.p_loss),
        asleep: plain(&|it| it.asleep),
        waking: plain(&|it| it.waking),
        offered_load: reports[0].offered_load,
        stable,
        growth: reports[0].growth,
        ci95: Intervals {
            mean_wait_s: interval(&mean_wait),
            mean_response_s: interval(&mean_response),
            utilisation: interval(&|it| Some(it.utilization)),
            mean_batch: interval(&|it| Some(it.mean_batch)),
            throughput_rps: interval(&|it| Some(it.throughput)),
            energy_j_per_request: interval(&joules),
        },
        models: Vec::new(),
    }
}

fn average(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn interval(values: &[f64]) -> Option<[f64; 2]> {
    let degrees = values.len().checked_sub(1).filter(|&it| it > 0)?;
    let mean = average(values);
    let squares: f64 = values.iter().map(|it| (it - mean).powi(2)).sum();
    let half = t_975(degrees) * (squares / degrees as f64 / values.len() as f64).sqrt();
    Some([mean - half, mean + half])
}
