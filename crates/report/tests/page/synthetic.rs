//! Made-up records of a whole reproduction: as many and as large as those of a profile, with effects
//! like those that the studies found.

use record::{
    Adam, Arrivals, BatchPolicy, BatchTimes, DataSpec, DataUse, Energy, Engine, EpochOutcome,
    Experiment, InferTask, InferencePrecision, Inferred, Joules, NetworkKind, Origin, Outcome,
    RunRecord, RunSpec, SamplerKind, Seconds, ServeTask, Served, Serving, StudyNetwork, Task,
    TrainTask, Trained, TrialId, TuningSpace,
};

/// The number of runs of each kind.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) data: usize,
    pub(crate) trials: u32,
    pub(crate) searches: u32,
    pub(crate) settings: u32,
    pub(crate) trainings: u32,
    pub(crate) requests: usize,
    pub(crate) queues: u32,
    pub(crate) infers: u32,
    pub(crate) epochs: u32,
}

/// The numbers of `configs/paper.toml`: 15,515 runs.
pub(crate) const PAPER: Scale = Scale {
    data: 2,
    trials: 64,
    searches: 8,
    settings: 16,
    trainings: 24,
    requests: 8192,
    queues: 3,
    infers: 10,
    epochs: 25,
};

/// A few runs of each kind.
#[allow(dead_code, reason = "not every user of this file is small")]
pub(crate) const SMALL: Scale = Scale {
    data: 1,
    trials: 5,
    searches: 2,
    settings: 2,
    trainings: 2,
    requests: 40,
    queues: 2,
    infers: 2,
    epochs: 2,
};

/// Numbers that look like noise and are the same in every run of a test (Weyl's sequence).
struct Noise(f64);

impl Noise {
    /// The next number, in [-1, 1).
    fn next(&mut self) -> f64 {
        self.0 = (self.0 + 0.618_033_988_749_895).fract();
        let bent = (self.0 * 997.0).fract();
        2.0 * bent - 1.0
    }
}

/// All runs, in the order of the experiments.
pub(crate) fn records(scale: Scale, origin: Origin) -> Vec<RunRecord> {
    let template = serde_json::from_str(include_str!("record.json"));
    let mut study = Study {
        scale,
        origin,
        template: template.expect("a record"),
        noise: Noise(0.1),
        records: Vec::new(),
    };
    study.tuning();
    study.layers();
    study.batching();
    study.timeline();
    study.records
}

struct Study {
    scale: Scale,
    origin: Origin,
    template: RunRecord,
    noise: Noise,
    records: Vec<RunRecord>,
}

impl Study {
    fn push(
        &mut self,
        experiment: Experiment,
        repetition: u32,
        task: Task,
        outcome: Outcome,
        joules: f64,
        serving: Option<Serving>,
    ) {
        let mut record = self.template.clone();
        record.spec = RunSpec { experiment, repetition, seed: u64::from(repetition), task };
        record.id = record.spec.id();
        record.outcome = outcome;
        let energy = Energy {
            joules: Joules(joules),
            uncertainty: Joules(joules * 0.05),
            origin: self.origin,
        };
        record.energy.total = Some(energy);
        for span in &mut record.energy.spans {
            span.energy = Some(Energy { joules: Joules(joules * 1e-3), ..energy });
        }
        record.timing.main = Seconds(joules / 40.0);
        record.timing.order = self.records.len() as u64;
        record.timing.serving = serving;
        self.records.push(record);
    }

    fn data(&self) -> Vec<DataSpec> {
        let names = ["fashion-mnist", "cifar-10"].into_iter().take(self.scale.data);
        let spec = |name: &str| DataSpec {
            name: name.to_owned(),
            train: 50_000,
            validation: 10_000,
            test: 10_000,
        };
        names.map(spec).collect()
    }

    fn train(
        &mut self,
        network: StudyNetwork,
        data: &DataSpec,
        optimizer: Adam,
        trial: Option<TrialId>,
        accuracy: f64,
    ) -> (Task, Outcome) {
        let task = TrainTask {
            network: network.into(),
            engine: Engine::Fused,
            data: data.clone(),
            optimizer,
            epochs: self.scale.epochs,
            minibatch: 512,
            trial,
        };
        let DataSpec { name, train, validation, test } = data.clone();
        let epochs = (0..self.scale.epochs).map(|epoch| EpochOutcome {
            loss: Some(1.0 / f64::from(epoch + 1)),
            accuracy: accuracy * 0.9,
        });
        let outcome = Trained {
            data: DataUse { name, sha256: "0123456789abcdef".repeat(4), train, validation, test },
            parameters: 100_000,
            epochs: epochs.collect(),
            validation_accuracy: Some(accuracy),
            test_accuracy: (accuracy + 0.002 * self.noise.next()).clamp(0.0, 1.0),
            diverged_in_epoch: (accuracy < 0.15).then_some(1),
        };
        (Task::Train(task), Outcome::Trained(outcome))
    }

    fn tuning(&mut self) {
        let samplers = [SamplerKind::Grid, SamplerKind::Random, SamplerKind::PaperPi];
        let kinds = [NetworkKind::SimpleCnn, NetworkKind::DensePoly, NetworkKind::DenseLinear];
        for data in self.data() {
            for kind in kinds {
                for (rank, sampler) in samplers.into_iter().enumerate() {
                    for repetition in 0..self.scale.searches {
                        for number in 0..self.scale.trials {
                            let learned = f64::from(number) / f64::from(self.scale.trials);
                            let level = 0.5 + 0.12 * rank as f64 * learned.sqrt();
                            let accuracy = (level + 0.35 * self.noise.next()).clamp(0.1, 0.9);
                            let trial = TrialId {
                                sampler,
                                space: TuningSpace::Three,
                                number,
                                search_seed: u64::from(repetition),
                            };
                            let network = StudyNetwork { kind, conv: 2, linear: 3, relu: true };
                            let optimizer = Adam {
                                learning_rate: 1e-3 * (1.1 + self.noise.next()),
                                ..Adam::default()
                            };
                            let (task, outcome) =
                                self.train(network, &data, optimizer, Some(trial), accuracy);
                            let joules = 300.0 * (1.0 + 0.1 * self.noise.next());
                            self.push(Experiment::Tuning, repetition, task, outcome, joules, None);
                        }
                    }
                }
            }
        }
    }

    fn layers(&mut self) {
        for data in self.data() {
            for repetition in 0..self.scale.trainings {
                for setting in 0..self.scale.settings {
                    for cell in 0..8 {
                        let (conv, linear, relu) =
                            ([1, 4][cell & 1], [3, 7][cell >> 1 & 1], cell >> 2 == 1);
                        let network =
                            StudyNetwork { kind: NetworkKind::SimpleCnn, conv, linear, relu };
                        let optimizer = Adam {
                            learning_rate: 1e-4 * f64::from(setting + 1),
                            ..Adam::default()
                        };
                        let accuracy = 0.85 + 0.002 * f64::from(conv) + 0.004 * self.noise.next();
                        let (task, outcome) = self.train(network, &data, optimizer, None, accuracy);
                        let joules = 600.0
                            + 270.0 * f64::from(conv)
                            + 15.0 * f64::from(linear)
                            + f64::from(setting)
                            + 5.0 * self.noise.next();
                        self.push(Experiment::Layers, repetition, task, outcome, joules, None);
                    }
                }
            }
        }
    }

    fn batching(&mut self) {
        let policies = [
            BatchPolicy::Fixed(16),
            BatchPolicy::Fixed(32),
            BatchPolicy::Fixed(64),
            BatchPolicy::Fixed(128),
            BatchPolicy::Greedy(128),
        ];
        for (at, network) in ["alexnet", "densenet121", "shufflenet_v2_x0_5"].iter().enumerate() {
            for policy in policies {
                for repetition in 0..self.scale.queues {
                    let (BatchPolicy::Fixed(size) | BatchPolicy::Greedy(size)) = policy;
                    let requests = self.scale.requests;
                    let arrivals: Vec<f64> =
                        (0..requests).map(|index| index as f64 / 16.0).collect();
                    let batches = arrivals.chunks(size).map(|chunk| {
                        let start_s = chunk[chunk.len() - 1];
                        let end_s = start_s + 0.02 * chunk.len() as f64;
                        BatchTimes { size: chunk.len(), start_s, end_s }
                    });
                    let serving = Serving { batches: batches.collect(), arrivals_s: arrivals };
                    let task = Task::Serve(ServeTask {
                        precision: InferencePrecision::Float32,
                        network: (*network).to_owned(),
                        image_side: 224,
                        arrivals: Arrivals { rate: 16.0, jitter: 0.2, requests },
                        policy,
                        warmup_batches: 1,
                        photographs: None,
                    });
                    let outcome = Outcome::Served(Served {
                        requests,
                        parameters: 1_000_000,
                        arrivals_sha256: "0".repeat(64),
                        photographs_sha256: None,
                    });
                    let each = 1.0 + at as f64 + 16.0 / size as f64;
                    let joules = requests as f64 * each * (1.0 + 0.02 * self.noise.next());
                    let experiment = Experiment::Batching;
                    self.push(experiment, repetition, task, outcome, joules, Some(serving));
                }
            }
        }
    }

    fn timeline(&mut self) {
        let networks = [
            "alexnet",
            "vgg11",
            "vgg16",
            "resnet18",
            "resnet50",
            "resnet152",
            "squeezenet1_1",
            "densenet121",
            "mobilenet_v2",
            "shufflenet_v2_x0_5",
            "shufflenet_v2_x1_0",
        ];
        for (at, network) in networks.into_iter().enumerate() {
            for repetition in 0..self.scale.infers {
                let task = Task::Infer(InferTask {
                    precision: InferencePrecision::Float32,
                    text: None,
                    published: None,
                    network: network.to_owned(),
                    image_side: 224,
                    batch: 32,
                    batches: 32,
                    warmup_batches: 4,
                });
                let outcome = Outcome::Inferred(Inferred {
                    images: 1024,
                    parameters: 1_000_000,
                    mean_logit: 0.5,
                });
                let joules = 1024.0 * (0.5 + at as f64 * 0.3) * (1.0 + 0.03 * self.noise.next());
                self.push(Experiment::Timeline, repetition, task, outcome, joules, None);
            }
        }
    }
}
