//! A batching policy of one's own on every engine of the simulator, and in a live queue.
//!
//! Exits with an error if the policy behaves differently on any of them.

use std::{error::Error, num::NonZeroUsize, ops::ControlFlow};

use wattlab_inference_sim::{
    ArrivalConfig, BatchingConfig, Decision, ModeledServer, Policy, PolicyContext, PowerConfig,
    Queue, QueueConfig, ServiceConfig, SimulationConfig, VirtualClock, sample_path_with, serve,
    simulate, simulate_all_with, simulate_replicated_with, simulate_with,
};

/// Waits until a batch takes fewer joules per request than a given limit, but no longer than a
/// given time.
struct CheapEnough {
    size: usize,
    longest_wait_s: f64,
}

impl CheapEnough {
    fn new(context: &PolicyContext<'_>, most_j_per_request: f64, longest_wait_s: f64) -> Self {
        let cheap = |&size: &usize| {
            let joules = context.energy.joules(size, context.law.mean_s(size), 0.0);
            joules / size as f64 <= most_j_per_request
        };
        Self { size: (1..=64).find(cheap).unwrap_or(64), longest_wait_s }
    }
}

impl Policy for CheapEnough {
    fn decide(&self, queue: &Queue) -> Decision {
        let due = queue.oldest_s + self.longest_wait_s;
        if queue.waiting >= self.size || queue.now_s >= due || !queue.more_to_come {
            Decision::Serve(queue.waiting.min(self.size))
        } else {
            Decision::WaitUntil(due)
        }
    }

    fn max_size(&self) -> usize {
        self.size
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // Measured: seconds and joules of batches of 1, 8 and 32 requests.
    let queue = SimulationConfig::new(
        ArrivalConfig::poisson(30.0),
        ServiceConfig::table(vec![(1, 0.02), (8, 0.05), (32, 0.15)]),
        BatchingConfig::greedy(1),
    )
    .with_power(PowerConfig::table(50.0, vec![(1, 4.0), (8, 12.0), (32, 40.0)]));
    let policy = |context: &PolicyContext<'_>| Ok(CheapEnough::new(context, 1.6, 0.5));

    let single = simulate(&queue)?;
    let ours = simulate_with(&queue, policy)?;
    for (name, report) in [("single requests", &single), ("cheap enough", &ours)] {
        let p99_s = report.p99_response.ok_or("the queue is unstable")?.0;
        let joules = report.energy_per_request.ok_or("there are no powers")?.0;
        println!("{name:<16} p99 {p99_s:.3} s, {joules:.3} J/request");
    }
    let saved = ours.energy_per_request < single.energy_per_request;
    check(saved, "the policy takes fewer joules than single requests")?;

    // The general engine: the limit is never reached.
    let path = sample_path_with(&queue, policy)?;
    let general = queue.clone().with_queue(QueueConfig::limited(1_000_000));
    check(path == sample_path_with(&general, policy)?, "both engines have the same sample path")?;

    // The live loop, here before a modeled server.
    let process = queue.arrivals.process()?;
    let arrivals: Vec<f64> = process.times(queue.seed).take(queue.requests).collect();
    let law = queue.service.law()?;
    let power = queue.power.as_ref().ok_or("there are no powers")?.power()?;
    let context = PolicyContext::new(process.mean_rate(), &law);
    let mut policy_live = policy(&context.with_energy(&power.batch, power.idle_w))?;
    let clock = VirtualClock::new();
    let mut server = ModeledServer::new(law.clone(), queue.seed, &clock);
    let control = &mut |_: &_| ControlFlow::Continue(());
    let served = serve(&arrivals, &mut policy_live, &mut server, &clock, control)?;
    check(served == path, "the live loop has the same sample path")?;

    // Replications and sweeps.
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let ten = NonZeroUsize::new(10).unwrap_or(NonZeroUsize::MIN);
    let replicated = simulate_replicated_with(&queue, ten, threads, policy)?;
    let [low, high] = replicated.ci95.mean_response_s.ok_or("there is no interval")?;
    println!("mean response    {low:.4} s to {high:.4} s in 10 replications");
    let limits = [1.5, 2.0, 3.0];
    let sweep = vec![queue; limits.len()];
    let reports = simulate_all_with(&sweep, threads, |number, context| {
        Ok(CheapEnough::new(context, limits[number], 0.5))
    })?;
    for (limit, report) in limits.iter().zip(&reports) {
        println!("at most {limit} J    mean batch {:.2}", report.mean_batch);
    }
    let falling = reports.is_sorted_by(|a, b| a.mean_batch >= b.mean_batch);
    check(falling, "the more a request may take, the smaller the batches")
}

/// Fails with the name of an expectation that does not hold.
fn check(holds: bool, expectation: &str) -> Result<(), Box<dyn Error>> {
    if holds { Ok(()) } else { Err(format!("expected that {expectation}").into()) }
}
