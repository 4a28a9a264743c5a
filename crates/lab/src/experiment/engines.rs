//! What the engine costs: the same trainings with both engines.

use record::{Adam, Engine, Experiment, RunSpec, Task, TrainTask};

use super::{fixed::FixedPlan, layers::cost_key};
use crate::{
    config::EnginesConfig,
    seed::{derive, shuffle},
};

/// Pairs of trainings, one with each engine, from the same seed and with Adam's default setting. Within each
/// repetition, the pairs are in random order. Which engine begins alternates from repetition to repetition, so
/// that drift of the machine favors neither.
pub(super) fn plan(config: &EnginesConfig, seed: u64) -> FixedPlan {
    let mut specs = Vec::new();
    for repetition in 0..config.repetitions {
        let mut engines = [Engine::Fused, Engine::Candle];
        if repetition % 2 == 1 {
            engines.reverse();
        }
        let mut pairs: Vec<[RunSpec; 2]> = Vec::new();
        for data in &config.data {
            for network in &config.networks {
                pairs.push(engines.map(|engine| RunSpec {
                    experiment: Experiment::Engines,
                    repetition,
                    seed: derive(seed, &format!("training {repetition}")),
                    task: Task::Train(TrainTask {
                        network: (*network).into(),
                        engine,
                        data: data.clone(),
                        optimizer: Adam::default(),
                        epochs: config.epochs,
                        minibatch: config.minibatch,
                        trial: None,
                    }),
                }));
            }
        }
        shuffle(derive(seed, &format!("order of repetition {repetition}")), &mut pairs);
        specs.extend(pairs.into_iter().flatten());
    }
    FixedPlan::new(Experiment::Engines, specs, cost_key)
}
