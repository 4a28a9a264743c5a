//! Serves a queue of requests with a vision network, on the real clock.

use std::{ops::ControlFlow, time::Instant};

use inference_sim::{
    ArrivalProcess, BatchServer, BuiltInPolicy, ConfigError, Fixed, Greedy, LiveError, RealClock,
    serve,
};
use models::vision::{self, NetworkInfo, VisionError, VisionNetwork};
use record::{
    Arrivals, BatchPolicy, Outcome, RunSpec, Seconds, ServeTask, Served, Warning, WarningKind,
};
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
    /// Those kept in memory, on the device of the network.
    pool: Option<vision::Images>,
    /// Time spent before the network ran, in all batches so far.
    preparing: Seconds,
}

impl BatchServer for Server<'_> {
    type Error = VisionError;

    fn serve(&mut self, requests: &[usize]) -> Result<(), VisionError> {
        if let Some(pool) = &self.pool {
            let numbers: Vec<usize> = requests.iter().map(|request| request % POOL).collect();
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

/// The images of the requests of a task.
pub(super) fn images(
    data: &DataFolder,
    spec: &RunSpec,
    task: &ServeTask,
    network: &NetworkInfo,
) -> Result<Images, RunError> {
    match &task.photographs {
        Some(name) => {
            let folder = data.photographs(name)?;
            Ok(Images::photographs(&folder, false, &task.network, task.image_side)?)
        }
        None => Ok(Images::random(network, task.image_side, spec.seed)?),
    }
}

/// The intended arrival of each request, in seconds from the start: the first requests of the
/// study's process.
fn arrivals(process: &Arrivals, seed: u64) -> Result<Vec<f64>, ConfigError> {
    let times = ArrivalProcess::jittered(process.rate, process.jitter)?.times(seed);
    Ok(times.take(process.requests).collect())
}

/// The simulator's policy for the one of a task.
fn policy(policy: BatchPolicy) -> Result<BuiltInPolicy, ConfigError> {
    Ok(match policy {
        BatchPolicy::Fixed(size) => Fixed::new(size)?.into(),
        BatchPolicy::Greedy(size) => Greedy::new(size)?.into(),
    })
}

pub(super) fn run(
    context: &mut RunContext,
    spec: &RunSpec,
    task: &ServeTask,
) -> Result<Done, RunError> {
    let span = context.meter.span("load");
    let times = arrivals(&task.arrivals, spec.seed)?;
    let named = (task.network.as_str(), None);
    let network = context.take_network(named, task.precision, task.image_side)?;
    let images = images(&context.data, spec, task, network.info())?;
    let pool = images.pool().map(|pool| network.upload(pool)).transpose()?;
    let mut server = Server { network: &network, images, pool, preparing: Seconds(0.0) };
    let load = span.end();
    let interrupt = context.interrupt.clone();
    let batch: Vec<usize> = (0..task.policy.max_size().min(task.arrivals.requests)).collect();
    let (_, warmup) = context.measured("warm-up", |_| {
        for _ in 0..task.warmup_batches {
            server.serve(&batch)?;
        }
        Ok(())
    })?;
    server.preparing = Seconds(0.0);
    let mut policy = policy(task.policy)?;
    let (serving, main) = context.main("serve", |_| {
        let mut control = |_: &_| match interrupt.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        serve(&times, &mut policy, &mut server, &RealClock::start(), &mut control).map_err(
            |error| match error {
                LiveError::Stopped(_) => RunError::Interrupted,
                LiveError::Server { source, .. } => source.into(),
                _ => {
                    unreachable!("arrivals are in order and the policy is a built-in one: {error}")
                }
            },
        )
    })?;
    let mut hash = Sha256::new();
    times.iter().for_each(|time| hash.update(time.to_le_bytes()));
    let mut warnings = Vec::new();
    let busy: f64 = serving.batches.iter().map(|batch| batch.end_s - batch.start_s).sum();
    if serving.makespan().is_some_and(|makespan| busy > 0.97 * makespan.0) {
        warnings.push(Warning::new(
            WarningKind::Overloaded,
            "requests arrived faster than they could be served: response times grow with their number",
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
            arrivals_sha256: hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
            photographs_sha256,
        }),
        main,
        spans: vec![load, warmup],
        serving: Some(serving),
        preparing,
        warnings,
    })
}
