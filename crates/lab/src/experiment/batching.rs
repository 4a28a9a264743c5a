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
            for &policy in &config.policies {
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
            format!("{} {} {:?}", task.network, task.arrivals.rate, task.policy)
        }
        _ => String::new(),
    }
}
