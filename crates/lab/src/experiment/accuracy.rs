//! RQ5 with accuracy that is measured here: trained networks on labeled images.

use record::{EvaluateTask, Experiment, RunSpec, Task};

use super::fixed::FixedPlan;
use crate::{
    config::AccuracyConfig,
    seed::{derive, shuffle},
};

/// Every network over the same images, in random order within each repetition.
pub(super) fn plan(config: &AccuracyConfig, seed: u64) -> FixedPlan {
    let mut specs = Vec::new();
    for repetition in 0..config.repetitions {
        let mut block: Vec<RunSpec> = config
            .networks
            .iter()
            .flat_map(|trained| config.precision.iter().map(move |of| (trained, *of)))
            .map(|(trained, precision)| RunSpec {
                experiment: Experiment::Accuracy,
                repetition,
                seed: derive(seed, &format!("evaluation {repetition}")),
                task: Task::Evaluate(EvaluateTask {
                    network: trained.network.clone(),
                    text: trained.read.as_ref().map(|read| read.text.clone()),
                    weights: trained.weights.clone(),
                    year: trained.year,
                    data: config.data.clone(),
                    images: config.images,
                    batch: config.batch,
                    warmup_batches: config.warmup_batches,
                    mean: config.mean.clone(),
                    deviation: config.deviation.clone(),
                    precision,
                }),
            })
            .collect();
        shuffle(derive(seed, &format!("order of repetition {repetition}")), &mut block);
        specs.append(&mut block);
    }
    FixedPlan::new(Experiment::Accuracy, specs, cost_key)
}

fn cost_key(spec: &RunSpec) -> String {
    match &spec.task {
        Task::Evaluate(task) => task.precision.of_network(&task.network),
        _ => String::new(),
    }
}
