//! Serves and simulates the queues of a round, and calibrates before and after each.

use std::path::Path;

use inference_sim::{BatchingConfig, SimulationConfig, scaled_to_speed_of, speed_drift};
use meter::Meter;

use super::{
    super::{
        calibrate::{self, Described, Measured},
        description, live,
        network::Network,
    },
    cell::Cell,
};
use crate::{Failure, Interrupt, progress};

/// The policies of the queues that are served.
pub(super) const POLICIES: [&str; 3] = ["fixed", "greedy", "window"];

/// The queues of a network in a round.
pub(super) struct Round<'a> {
    pub(super) plan: &'a calibrate::Plan,
    /// Folder for the calibrations.
    pub(super) out: &'a Path,
    /// Seconds over which the requests of a queue arrive.
    pub(super) duration_s: f64,
    pub(super) arch: &'a str,
    /// From 0.
    pub(super) round: u32,
    /// Whether this is the last round.
    pub(super) is_last: bool,
    /// Loads and rates of queues of this round that were already served, in requests per second.
    pub(super) rates: Vec<(f64, f64)>,
    pub(super) meter: &'a Meter,
    pub(super) interrupt: &'a Interrupt,
}

impl Round<'_> {
    /// Serves queues, and measures batches before, between and after them. Each queue is simulated at
    /// the speed that the machine had right before and right after it. The relation of sizes and
    /// pauses to each other does not depend on the speed and comes from all measurements so far.
    pub(super) fn measure(
        &self,
        queues: &[(f64, &str)],
        each: &mut dyn FnMut(Cell) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let &Self { plan, out, duration_s, arch, round, meter, interrupt, .. } = self;
        let path = out.join(match round {
            0 => format!("{}.toml", calibrate::short(arch)),
            _ => format!("{}-{}.toml", calibrate::short(arch), round + 1),
        });
        let mut network = Network::new(arch, plan.side, &plan.images, &plan.place)?;
        network.check_seen(meter)?;
        let subject = |network: &Network| Described::of(arch, network, plan);
        let mut measured = Measured::begin(meter, interrupt)?;
        let sweeps = plan.repetitions.div_ceil(queues.len() as u32 + 1);
        let sweep = |network: &mut Network, measured: &mut Measured| {
            for _ in 0..sweeps {
                plan.once_more(network, meter, interrupt, measured)?;
            }
            Ok(measured.observations().len())
        };
        let mut before = 0..sweep(&mut network, &mut measured)?;
        // The rates follow from the first tables: all queues with the same load have the same rate.
        let first = plan.describe(subject(&network), &measured)?;
        let by = live::By { meter, interrupt, warmup: live::WARMUP };
        for &(load, policy) in queues {
            let mut queue = first.clone();
            let rate = self.rate(load, &queue);
            prepare(&mut queue, rate, duration_s, policy);
            queue.seed = queue.seed.wrapping_add(u64::from(round));
            let live = live::serve_beside(&queue, &path, &mut network, &by)?.live;
            progress::line(&format!("round {}: {arch}, {policy}, load {load}", round + 1));
            let after = before.end..sweep(&mut network, &mut measured)?;
            let all = measured.observations();
            let alike = scaled_to_speed_of(&all[before.start..after.end], all);
            let mut calibrated = plan.describe(subject(&network), &measured.only(alike))?;
            // So does the time in which the effect of a pause fades.
            let whole = plan.describe(subject(&network), &measured)?;
            calibrated.service.recovery_s = whole.service.recovery_s;
            let drift = speed_drift(&all[before], &all[after.clone()]);
            before = after;
            queue.service = calibrated.service;
            queue.power = calibrated.power;
            let simulated = inference_sim::simulate(&queue)
                .map_err(|error| Failure::bad_input(description::in_file(&path, error)))?;
            queue.service.slowness = measured.slowness_config();
            let slowed = inference_sim::simulate(&queue)
                .map_err(|error| Failure::bad_input(description::in_file(&path, error)))?;
            let size = queue.batching.size().unwrap_or_default();
            each(Cell {
                network: arch.to_owned(),
                policy: format!("{policy} {size}"),
                load,
                round,
                rate_rps: rate,
                requests: queue.requests,
                live_mean_batch: live.mean_batch,
                simulated_mean_batch: simulated.mean_batch,
                live_response_s: live.mean_response_s,
                simulated_response_s: simulated.mean_response.map(|time| time.0),
                live_p99_s: Some(live.p99_response_s),
                simulated_p99_s: slowed.p99_response.map(|time| time.0),
                live_j_per_request: live.energy_j_per_request,
                simulated_j_per_request: simulated.energy_per_request.map(|energy| energy.0),
                energy_origin: live.energy.map(|energy| energy.origin),
                others_share: live.others_share,
                drift,
            })?;
        }
        measured.warn(arch);
        let whole = plan.describe(subject(&network), &measured)?;
        calibrate::write(&whole, &path)
    }

    /// The rate of a load, in requests per second.
    fn rate(&self, load: f64, calibrated: &SimulationConfig) -> f64 {
        let known = self.rates.iter().find(|known| known.0 == load).map(|known| known.1);
        // A calibration describes a queue at half the highest rate.
        known.unwrap_or_else(|| calibrated.arrivals.rate.unwrap_or(1.0) * 2.0 * load)
    }
}

/// Sets Poisson arrivals over `duration_s` seconds and a policy: full batches of 8, whatever waits up
/// to 32, or a window of 16 requests and the time in which 8 arrive.
fn prepare(config: &mut SimulationConfig, rate: f64, duration_s: f64, policy: &str) {
    config.arrivals.rate = Some(rate);
    config.requests = ((rate * duration_s / 16.0).ceil() as usize).max(4) * 16;
    config.warmup = 0;
    config.batching = match policy {
        "fixed" => BatchingConfig::fixed(8),
        "window" => BatchingConfig::window(16, 8.0 / rate),
        _ => BatchingConfig::greedy(32),
    };
}
