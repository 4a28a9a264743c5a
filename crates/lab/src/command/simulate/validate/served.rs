//! The queues of a round: calibrated around each, served, and simulated.

use inference_sim::{BatchingConfig, PolicyKind, SimulationConfig};
use meter::Meter;

use super::{
    super::{
        calibrate::{self, Measured},
        description, live,
        network::Network,
    },
    Args, Cell,
    speed::{at_speed_of, drift},
};
use crate::{Failure, Interrupt, progress};

/// A network's turn in a round.
pub(super) struct Round<'a> {
    pub(super) args: &'a Args,
    pub(super) arch: &'a str,
    /// From 0.
    pub(super) round: u32,
    /// No other round follows.
    pub(super) is_last: bool,
    /// Loads of this round and their requests per second, of queues that were served earlier.
    pub(super) rates: Vec<(f64, f64)>,
    pub(super) meter: &'a Meter,
    pub(super) interrupt: &'a Interrupt,
}

impl Round<'_> {
    /// Serves queues, and measures the batches before, between and after them: each is simulated at
    /// the speed that the machine had right before and right after it. What a batch takes beside
    /// others does not depend on that: all that were measured so far tell it.
    pub(super) fn measure(
        &self,
        queues: &[(f64, PolicyKind)],
        each: &mut dyn FnMut(Cell) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let &Self { args, arch, round, meter, interrupt, .. } = self;
        let path = args.out.join(match round {
            0 => format!("{arch}.toml"),
            _ => format!("{arch}-{}.toml", round + 1),
        });
        let plan = &args.plan;
        let mut network = Network::new(arch, plan.side, &plan.images, &plan.place)?;
        let mut measured = Measured::begin(&network, meter, interrupt)?;
        let sweeps = plan.repetitions.div_ceil(queues.len() as u32 + 1);
        let sweep = |network: &mut Network, measured: &mut Measured| {
            for _ in 0..sweeps {
                plan.once_more(network, meter, interrupt, measured)?;
            }
            Ok(measured.observations().len())
        };
        let mut before = 0..sweep(&mut network, &mut measured)?;
        // Rates follow from the first tables: all queues of a load have the same.
        let first = plan.describe(arch, network.device(), &measured)?;
        let by = live::By { meter, interrupt, warmup: live::WARMUP, compat: None };
        for &(load, kind) in queues {
            let mut queue = first.clone();
            let rate = self.rate(load, &queue);
            prepare(&mut queue, rate, args.duration, kind);
            queue.seed = queue.seed.wrapping_add(u64::from(round));
            let live = live::serve_beside(&queue, &path, &mut network, &by)?.live;
            progress::line(&format!("round {}: {arch}, {}, load {load}", round + 1, word(kind)));
            let after = before.end..sweep(&mut network, &mut measured)?;
            let all = measured.observations();
            let alike = at_speed_of(&all[before.start..after.end], all);
            let mut calibrated = plan.describe(arch, network.device(), &measured.only(alike))?;
            // The same holds for how soon a pause is over.
            let whole = plan.describe(arch, network.device(), &measured)?;
            calibrated.service.recovery_s = whole.service.recovery_s;
            let drift = drift(&all[before], &all[after.clone()]);
            before = after;
            let SimulationConfig { service, power, .. } = calibrated;
            let queue = SimulationConfig { service, power, ..queue };
            let simulated = inference_sim::simulate(&queue)
                .map_err(|error| Failure::bad_input(description::in_file(&path, error)))?;
            let size = queue.batching.size.unwrap_or_default();
            each(Cell {
                network: arch.to_owned(),
                policy: format!("{} {size}", word(kind)),
                load,
                round,
                rate_rps: rate,
                requests: queue.requests,
                live_mean_batch: live.mean_batch,
                simulated_mean_batch: simulated.mean_batch,
                live_response_s: live.mean_response_s,
                simulated_response_s: simulated.mean_response.map(|it| it.0),
                live_j_per_request: live.energy_j_per_request,
                simulated_j_per_request: simulated.energy_per_request.map(|it| it.0),
                energy_origin: live.energy.map(|it| it.origin),
                others_share: live.others_share,
                drift,
            })?;
        }
        measured.warn(arch);
        let whole = plan.describe(arch, network.device(), &measured)?;
        calibrate::write(&whole, &path)
    }

    /// Requests per second of a load.
    fn rate(&self, load: f64, calibrated: &SimulationConfig) -> f64 {
        let known = self.rates.iter().find(|it| it.0 == load).map(|it| it.1);
        // A calibration describes half of what can be served.
        known.unwrap_or_else(|| calibrated.arrivals.rate.unwrap_or(1.0) * 2.0 * load)
    }
}

/// Poisson arrivals for so long, and a policy: full batches of 8, what waits up to 32, or 16 within
/// the time in which 8 arrive.
fn prepare(config: &mut SimulationConfig, rate: f64, duration_s: f64, kind: PolicyKind) {
    config.arrivals.rate = Some(rate);
    config.requests = ((rate * duration_s / 16.0).ceil() as usize).max(4) * 16;
    config.warmup = 0;
    config.batching = match kind {
        PolicyKind::Fixed => BatchingConfig::new(kind, 8),
        PolicyKind::Window => {
            BatchingConfig { delay_s: Some(8.0 / rate), ..BatchingConfig::new(kind, 16) }
        }
        _ => BatchingConfig::new(kind, 32),
    };
}

pub(super) fn word(kind: PolicyKind) -> &'static str {
    match kind {
        PolicyKind::Fixed => "fixed",
        PolicyKind::Window => "window",
        _ => "greedy",
    }
}
