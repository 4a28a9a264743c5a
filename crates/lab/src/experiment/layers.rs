//! RQ2 and RQ3: the layer factorial.

use record::{Adam, Experiment, NetworkKind, RunSpec, StudyNetwork, Task, TrainTask};

use super::{Brief, FixedRuns, Plan, PlanError, Records};
use crate::{
    config::LayersConfig,
    seed::{derive, shuffle, unit},
};

/// The layer factorial: every cell of conv × linear × ReLU, in blocks of one setting of the
/// optimizer and one repetition, in random order within each block.
///
/// The study ran its cells one after the other and used other settings for networks with ReLU than
/// for those without; here every cell has the same settings, and drift of the machine falls on all
/// cells alike.
#[derive(Debug)]
pub struct Layers {
    runs: FixedRuns,
}

impl Layers {
    /// All its runs follow from the configuration and a seed.
    #[must_use]
    pub fn new(config: &LayersConfig, seed: u64) -> Self {
        let mut specs = Vec::new();
        for repetition in 0..config.repetitions {
            for setting in 0..config.settings {
                let purpose = format!("repetition {repetition}, setting {setting}");
                let mut block = block(config, seed, repetition, setting);
                shuffle(derive(seed, &format!("order of {purpose}")), &mut block);
                specs.append(&mut block);
            }
        }
        Self { runs: FixedRuns::new(specs) }
    }
}

fn block(config: &LayersConfig, seed: u64, repetition: u32, setting: u32) -> Vec<RunSpec> {
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
                            },
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
fn optimizer(seed: u64, setting: u32) -> Adam {
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

impl Plan for Layers {
    fn experiment(&self) -> Experiment {
        Experiment::Layers
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
            Task::Train(task) => Some((task.network, task.data.name.clone())),
            _ => None,
        })
    }
}
