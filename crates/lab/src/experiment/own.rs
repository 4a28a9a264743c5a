//! RQ2 with a network of the user: a factorial over values of its file.

use record::{
    Engine, Experiment, FactorLevel, OwnNetwork, RunSpec, Task, TrainTask, TrainedNetwork,
};

use super::layers::optimizer;
use crate::{
    config::OwnConfig,
    seed::{derive, shuffle},
};

/// Every combination of the factors' levels, in blocks of one optimizer setting and one repetition, in random
/// order within each block, as the layer factorial.
pub(super) fn specs(config: &OwnConfig, engine: Engine, seed: u64) -> Vec<RunSpec> {
    let cells = cells(config);
    let mut specs = Vec::new();
    for repetition in 0..config.repetitions {
        for setting in 0..config.settings {
            let purpose = format!("repetition {repetition}, setting {setting}");
            let of = |data: &record::DataSpec, levels: &Vec<FactorLevel>| RunSpec {
                experiment: Experiment::Layers,
                repetition,
                // One seed for the whole block: cells differ in their network alone.
                seed: derive(seed, &format!("training of own network {repetition}, {setting}")),
                task: Task::Train(TrainTask {
                    network: TrainedNetwork::Own(OwnNetwork {
                        file: config.network.clone(),
                        text: config.text.clone(),
                        levels: levels.clone(),
                    }),
                    engine,
                    data: data.clone(),
                    optimizer: optimizer(seed, setting),
                    epochs: config.epochs,
                    minibatch: config.minibatch,
                    trial: None,
                }),
            };
            let mut block: Vec<RunSpec> = config
                .data
                .iter()
                .flat_map(|data| cells.iter().map(move |levels| of(data, levels)))
                .collect();
            shuffle(derive(seed, &format!("order of own network, {purpose}")), &mut block);
            specs.append(&mut block);
        }
    }
    specs
}

/// Every combination of levels; the last factor varies fastest.
fn cells(config: &OwnConfig) -> Vec<Vec<FactorLevel>> {
    let mut cells = vec![Vec::new()];
    for factor in &config.factors {
        let extended = cells.iter().flat_map(|cell: &Vec<FactorLevel>| {
            factor.values.iter().map(|value| {
                let level = FactorLevel { path: factor.path.clone(), value: value.clone() };
                [cell.clone(), vec![level]].concat()
            })
        });
        cells = extended.collect();
    }
    cells
}
