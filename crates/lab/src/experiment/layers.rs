//! RQ2 and RQ3: the layer factorial.

use record::{Adam, Engine, Experiment, NetworkKind, RunSpec, StudyNetwork, Task, TrainTask};

use crate::{
    config::LayersConfig,
    seed::{derive, shuffle, unit},
};

/// The layer factorial: every cell of conv × linear × ReLU. Runs come in blocks of one optimizer
/// setting and one repetition, in random order within each block.
///
/// The study ran its cells one after the other, and gave networks with ReLU other optimizer settings
/// than those without. Here every cell has the same settings, and the random order spreads drift of
/// the machine evenly over the cells.
pub(super) fn specs(config: &LayersConfig, engine: Engine, seed: u64) -> Vec<RunSpec> {
    let mut specs = Vec::new();
    for repetition in 0..config.repetitions {
        for setting in 0..config.settings {
            let purpose = format!("repetition {repetition}, setting {setting}");
            let mut block = block(config, engine, seed, repetition, setting);
            shuffle(derive(seed, &format!("order of {purpose}")), &mut block);
            specs.append(&mut block);
        }
    }
    specs
}

fn block(
    config: &LayersConfig,
    engine: Engine,
    seed: u64,
    repetition: u32,
    setting: u32,
) -> Vec<RunSpec> {
    let mut block = Vec::new();
    for data in &config.data {
        for &conv in &config.conv {
            for &linear in &config.linear {
                for &relu in &config.relu {
                    block.push(RunSpec {
                        experiment: Experiment::Layers,
                        repetition,
                        // One seed for the whole block: cells differ in their layers alone.
                        seed: derive(seed, &format!("training {repetition}, {setting}")),
                        task: Task::Train(TrainTask {
                            network: StudyNetwork {
                                kind: NetworkKind::SimpleCnn,
                                conv,
                                linear,
                                relu,
                            }
                            .into(),
                            engine,
                            data: data.clone(),
                            optimizer: optimizer(seed, setting),
                            epochs: config.epochs,
                            minibatch: config.minibatch,
                            trial: None,
                        }),
                    });
                }
            }
        }
    }
    block
}

/// Setting 0 is Adam's default, the others are drawn around it: learning rate log-uniform in
/// [5e-4, 5e-3], β1 uniform in [0.8, 0.95], β2 uniform in [0.98, 0.9995].
pub(super) fn optimizer(seed: u64, setting: u32) -> Adam {
    if setting == 0 {
        return Adam::default();
    }
    let draw = |name: &str| unit(derive(seed, &format!("setting {setting}: {name}")));
    Adam {
        learning_rate: 5e-4 * 10_f64.powf(draw("learning rate")),
        beta1: 0.8 + 0.15 * draw("beta1"),
        beta2: 0.98 + 0.0195 * draw("beta2"),
        ..Adam::default()
    }
}

/// Trainings with equal keys cost the same.
pub(super) fn cost_key(spec: &RunSpec) -> String {
    match &spec.task {
        Task::Train(task) => {
            format!("{:?} {} {}", task.network, task.data.name, task.engine.title())
        }
        _ => String::new(),
    }
}
