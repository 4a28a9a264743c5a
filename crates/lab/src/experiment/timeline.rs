//! RQ5: a decade of vision networks.

use record::{Experiment, InferTask, RunSpec, Task};

use super::fixed::FixedPlan;
use crate::{
    config::TimelineConfig,
    seed::{derive, shuffle},
};

/// The forward pass of every network over the same images, in random order within each repetition.
pub(super) fn plan(config: &TimelineConfig, seed: u64) -> FixedPlan {
    let mut specs = Vec::new();
    for repetition in 0..config.repetitions {
        let mut block: Vec<RunSpec> = config
            .networks
            .iter()
            .flat_map(|network| config.precision.iter().map(move |of| (network, *of)))
            .map(|(network, precision)| {
                let file = config.files.iter().find(|file| file.file == *network);
                RunSpec {
                    experiment: Experiment::Timeline,
                    repetition,
                    seed: derive(seed, &format!("images {repetition}")),
                    task: Task::Infer(InferTask {
                        network: network.clone(),
                        text: file.map(|file| file.text.clone()),
                        published: file.and_then(|file| file.published),
                        image_side: file.map_or(config.image_side, |file| file.side),
                        batch: config.batch,
                        batches: config.batches,
                        warmup_batches: config.warmup_batches,
                        precision,
                    }),
                }
            })
            .collect();
        shuffle(derive(seed, &format!("order of repetition {repetition}")), &mut block);
        specs.append(&mut block);
    }
    FixedPlan::new(Experiment::Timeline, specs, cost_key)
}

fn cost_key(spec: &RunSpec) -> String {
    match &spec.task {
        Task::Infer(task) => task.precision.of_network(&task.network),
        _ => String::new(),
    }
}
