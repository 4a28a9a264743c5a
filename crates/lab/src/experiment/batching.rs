//! RQ4: batching at inference.

use record::{Arrivals, Experiment, RunSpec, ServeTask, Task};

use super::{Brief, FixedRuns, Plan, PlanError, Records};
use crate::{
    config::BatchingConfig,
    seed::{derive, shuffle},
};

/// Every network at every rate under every policy, in random order within each repetition; within
/// a repetition all policies see the same arrivals.
#[derive(Debug)]
pub struct Batching {
    runs: FixedRuns,
}

impl Batching {
    /// All its runs follow from the configuration and a seed.
    #[must_use]
    pub fn new(config: &BatchingConfig, seed: u64) -> Self {
        let mut specs = Vec::new();
        for repetition in 0..config.repetitions {
            let mut block = block(config, seed, repetition);
            shuffle(derive(seed, &format!("order of repetition {repetition}")), &mut block);
            specs.append(&mut block);
        }
        Self { runs: FixedRuns::new(specs) }
    }
}

fn block(config: &BatchingConfig, seed: u64, repetition: u32) -> Vec<RunSpec> {
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

impl Plan for Batching {
    fn experiment(&self) -> Experiment {
        Experiment::Batching
    }

    fn total(&self) -> usize {
        self.runs.specs.len()
    }

    fn owns(&self, spec: &RunSpec) -> bool {
        self.runs.owns(&spec.id())
    }

    fn owns_record(&self, record: &Brief) -> bool {
        self.runs.owns(&record.id)
    }

    fn next(
        &self,
        records: &Records,
        pending: &[RunSpec],
        limit: usize,
    ) -> Result<Vec<RunSpec>, PlanError> {
        Ok(self.runs.next(records, pending, limit))
    }

    fn kinds(&self) -> Vec<(RunSpec, usize)> {
        self.runs.kinds(|spec| match &spec.task {
            Task::Serve(task) => {
                Some((task.network.clone(), task.arrivals.rate.to_bits(), task.policy))
            }
            _ => None,
        })
    }
}
