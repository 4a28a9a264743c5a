//! RQ4: batching at inference.

use record::{Arrivals, Experiment, RunSpec, ServeTask, Task};

use super::fixed::FixedPlan;
use crate::{
    config::BatchingExperimentConfig,
    seed::{derive, shuffle},
};

/// Every network at every arrival rate under every batching policy, in random order within each
/// repetition. Within a repetition all policies see the same arrivals.
pub(super) fn plan(config: &BatchingExperimentConfig, seed: u64) -> FixedPlan {
    let mut specs = Vec::new();
    for repetition in 0..config.repetitions {
        let mut block = block(config, seed, repetition);
        shuffle(derive(seed, &format!("order of repetition {repetition}")), &mut block);
        specs.append(&mut block);
    }
    FixedPlan::new(Experiment::Batching, specs, cost_key)
}

fn block(config: &BatchingExperimentConfig, seed: u64, repetition: u32) -> Vec<RunSpec> {
    let mut block = Vec::new();
    for network in &config.networks {
        for &rate in &config.rates_per_s {
            for (&policy, &precision) in config
                .policies
                .iter()
                .flat_map(|policy| config.precision.iter().map(move |of| (policy, of)))
            {
                block.push(RunSpec {
                    experiment: Experiment::Batching,
                    repetition,
                    seed: derive(seed, &format!("arrivals {repetition}")),
                    task: Task::Serve(ServeTask {
                        network: network.clone(),
                        image_side: config.image_side,
                        arrivals: Arrivals {
                            rate,
                            jitter: config.jitter,
                            requests: config.requests,
                        },
                        policy,
                        warmup_batches: config.warmup_batches,
                        photographs: config.photographs.clone(),
                        precision,
                    }),
                });
            }
        }
    }
    block
}

fn cost_key(spec: &RunSpec) -> String {
    match &spec.task {
        Task::Serve(task) => {
            let network = task.precision.of_network(&task.network);
            format!("{network} {} {:?}", task.arrivals.rate, task.policy)
        }
        _ => String::new(),
    }
}
