//! Serves a queue of requests with a vision network, on the real clock.

use inference_sim::{BatchingPolicy, Control, Executor, LiveError, Real, arrivals, serve};
use models::vision::{Images, VisionError, VisionNetwork, random_images};
use record::{BatchPolicy, Outcome, RunSpec, ServeTask, Served, Warning, WarningKind};
use sha2::{Digest, Sha256};

use super::{Done, RunError, Worker};

/// Different images; request i asks for image i modulo this.
const POOL: usize = 64;

/// A network that answers requests.
struct Server<'a> {
    network: &'a VisionNetwork,
    /// `POOL` of them.
    pool: Images,
}

impl Executor for Server<'_> {
    type Error = VisionError;

    fn serve(&mut self, requests: &[usize]) -> Result<(), VisionError> {
        let numbers: Vec<usize> = requests.iter().map(|it| it % POOL).collect();
        self.network.run(&self.pool, Some(&numbers))?;
        Ok(())
    }
}

pub(super) fn run(worker: &mut Worker, spec: &RunSpec, task: &ServeTask) -> Result<Done, RunError> {
    let span = worker.meter.span("load");
    let times = arrivals(&task.arrivals, spec.seed)?;
    let network = worker.take_network(&task.network)?;
    let pool = network.keep(&random_images(POOL, task.image_side, spec.seed)?)?;
    let mut server = Server { network: &network, pool };
    let load = span.end();
    let interrupt = worker.interrupt.clone();
    let (BatchPolicy::Fixed(size) | BatchPolicy::Greedy(size)) = task.policy;
    let batch: Vec<usize> = (0..size.min(task.arrivals.requests)).collect();
    let (_, warmup) = worker.measured("warm-up", |_| {
        for _ in 0..task.warmup_batches {
            server.serve(&batch)?;
        }
        Ok(())
    })?;
    let mut policy = BatchingPolicy::try_from(task.policy)?;
    let (serving, main) = worker.main("serve", |_| {
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
    let parameters = network.parameters();
    worker.keep_network(network);
    Ok(Done {
        outcome: Outcome::Served(Served {
            requests: times.len(),
            parameters,
            arrivals_sha256: hash.finalize().iter().map(|it| format!("{it:02x}")).collect(),
        }),
        main,
        spans: vec![load, warmup],
        serving: Some(serving),
        warnings,
    })
}
