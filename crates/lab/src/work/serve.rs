//! Serves a queue of requests with a vision network, on the real clock.

use std::time::Instant;

use inference_sim::{BatchingPolicy, Control, Executor, LiveError, Real, arrivals, serve};
use models::vision::{self, VisionError, VisionNetwork};
use record::{BatchPolicy, Outcome, RunSpec, Seconds, ServeTask, Served, Warning, WarningKind};
use sha2::{Digest, Sha256};

use super::{
    context::{Done, RunContext},
    error::RunError,
};
use crate::{
    data::DataFolder,
    images::{Images, POOL},
};

/// A network that answers requests.
struct Server<'a> {
    network: &'a VisionNetwork,
    images: Images,
    /// Of those that lie ready, where the network runs.
    pool: Option<vision::Images>,
    /// What went by before the network ran, so far.
    preparing: Seconds,
}

impl Executor for Server<'_> {
    type Error = VisionError;

    fn serve(&mut self, requests: &[usize]) -> Result<(), VisionError> {
        if let Some(pool) = &self.pool {
            let numbers: Vec<usize> = requests.iter().map(|it| it % POOL).collect();
            self.network.run(pool, Some(&numbers))?;
            return Ok(());
        }
        let start = Instant::now();
        let images = self.images.batch(requests)?;
        self.preparing += Seconds(start.elapsed().as_secs_f64());
        self.network.forward(&images)?;
        Ok(())
    }
}

/// What the requests of a task ask for.
pub(super) fn images(
    data: &DataFolder,
    spec: &RunSpec,
    task: &ServeTask,
) -> Result<Images, RunError> {
    match &task.photographs {
        Some(name) => {
            let folder = data.photographs(name)?;
            Ok(Images::photographs(&folder, false, &task.network, task.image_side)?)
        }
        None => Ok(Images::random(task.image_side, spec.seed)?),
    }
}

pub(super) fn run(
    context: &mut RunContext,
    spec: &RunSpec,
    task: &ServeTask,
) -> Result<Done, RunError> {
    let span = context.meter.span("load");
    let times = arrivals(&task.arrivals, spec.seed)?;
    let network = context.take_network(&task.network)?;
    let images = images(&context.data, spec, task)?;
    let pool = images.pool().map(|it| network.upload(it)).transpose()?;
    let mut server = Server { network: &network, images, pool, preparing: Seconds(0.0) };
    let load = span.end();
    let interrupt = context.interrupt.clone();
    let (BatchPolicy::Fixed(size) | BatchPolicy::Greedy(size)) = task.policy;
    let batch: Vec<usize> = (0..size.min(task.arrivals.requests)).collect();
    let (_, warmup) = context.measured("warm-up", |_| {
        for _ in 0..task.warmup_batches {
            server.serve(&batch)?;
        }
        Ok(())
    })?;
    server.preparing = Seconds(0.0);
    let mut policy = BatchingPolicy::try_from(task.policy)?;
    let (serving, main) = context.main("serve", |_| {
        let mut control =
            |_: &_| if interrupt.is_set() { Control::Stop } else { Control::Continue };
        serve(&times, &mut policy, &mut server, &Real::start(), &mut control).map_err(|error| {
            match error {
                LiveError::Stopped(_) => RunError::Interrupted,
                LiveError::Executor { source, .. } => source.into(),
                LiveError::Arrivals { .. } | LiveError::Policy { .. } => {
                    unreachable!("`arrivals` gives times in order and the policy is the simulator's own: {error}")
                }
            }
        })
    })?;
    let mut hash = Sha256::new();
    times.iter().for_each(|it| hash.update(it.to_le_bytes()));
    let mut warnings = Vec::new();
    let busy: f64 = serving.batches.iter().map(|it| it.end_s - it.start_s).sum();
    if serving.makespan().is_some_and(|it| busy > 0.97 * it.0) {
        warnings.push(Warning::new(
            WarningKind::Overloaded,
            "requests came faster than they could be served: response times grow with their number",
        ));
    }
    let photographs_sha256 = server.images.sha256().map(str::to_owned);
    let preparing = photographs_sha256.is_some().then_some(server.preparing);
    let parameters = network.parameters();
    context.keep_network(network);
    Ok(Done {
        outcome: Outcome::Served(Served {
            requests: times.len(),
            parameters,
            arrivals_sha256: hash.finalize().iter().map(|it| format!("{it:02x}")).collect(),
            photographs_sha256,
        }),
        main,
        spans: vec![load, warmup],
        serving: Some(serving),
        preparing,
        warnings,
    })
}
