//! RQ5: a decade of vision networks.

use record::{Experiment, InferTask, RunSpec, Task};

use super::{Brief, FixedRuns, Plan, PlanError, Records};
use crate::{
    config::TimelineConfig,
    seed::{derive, shuffle},
};

/// Every network forward over the same images, in random order within each repetition.
#[derive(Debug)]
pub struct Timeline {
    runs: FixedRuns,
}

impl Timeline {
    /// All its runs follow from the configuration and a seed.
    #[must_use]
    pub fn new(config: &TimelineConfig, seed: u64) -> Self {
        let mut specs = Vec::new();
        for repetition in 0..config.repetitions {
            let mut block: Vec<RunSpec> = config
                .networks
                .iter()
                .map(|network| RunSpec {
                    experiment: Experiment::Timeline,
                    repetition,
                    seed: derive(seed, &format!("images {repetition}")),
                    task: Task::Infer(InferTask {
                        network: network.clone(),
                        image_side: config.image_side,
                        batch: config.batch,
                        batches: config.batches,
                        warmup_batches: config.warmup_batches,
                    }),
                })
                .collect();
            shuffle(derive(seed, &format!("order of repetition {repetition}")), &mut block);
            specs.append(&mut block);
        }
        Self { runs: FixedRuns::new(specs) }
    }
}

impl Plan for Timeline {
    fn experiment(&self) -> Experiment {
        Experiment::Timeline
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
            Task::Infer(task) => Some(task.network.clone()),
            _ => None,
        })
    }
}
