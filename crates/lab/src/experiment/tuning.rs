//! RQ1: search strategies.

use hpo::{Grid, History, Parameter, Sampler, Scale, Space};
use record::{
    Adam, DataSpec, Experiment, NetworkKind, Outcome, RunRecord, RunSpec, SamplerKind,
    StudyNetwork, Task, TrainTask, Trial, TuningSpace,
};

use super::{Plan, PlanError, Records};
use crate::{
    config::TuningConfig,
    seed::{derive, shuffle},
};

/// Searches: one study for each data set, network, space, strategy and repetition. Trial n of every
/// study runs before trial n + 1 of any, in random order, so that drift of the machine falls on all
/// strategies alike.
#[derive(Debug)]
pub struct Tuning {
    config: TuningConfig,
    seed: u64,
}

/// One search.
#[derive(Clone, Debug, PartialEq)]
struct Study {
    data: DataSpec,
    network: NetworkKind,
    space: TuningSpace,
    sampler: SamplerKind,
    repetition: u32,
}

impl Tuning {
    /// Everything follows from the configuration, a seed and the records.
    #[must_use]
    pub fn new(config: TuningConfig, seed: u64) -> Self {
        Self { config, seed }
    }

    fn studies(&self) -> Vec<Study> {
        let mut studies = Vec::new();
        for repetition in 0..self.config.repetitions {
            for data in &self.config.data {
                for &network in &self.config.networks {
                    for &space in &self.config.spaces {
                        for &sampler in &self.config.samplers {
                            let data = data.clone();
                            studies.push(Study { data, network, space, sampler, repetition });
                        }
                    }
                }
            }
        }
        studies
    }

    /// The seed of a study's search.
    fn search_seed(&self, study: &Study) -> u64 {
        let Study { data, network, space, sampler, repetition } = study;
        let name = &data.name;
        derive(self.seed, &format!("{name} {network:?} {space:?} {sampler:?} {repetition}"))
    }

    fn spec(&self, study: &Study, number: u32, optimizer: Adam) -> RunSpec {
        let conv = if study.network == NetworkKind::SimpleCnn { 2 } else { 0 };
        RunSpec {
            experiment: Experiment::Tuning,
            repetition: study.repetition,
            // The same for every strategy and trial of a repetition: trainings differ by their
            // hyper-parameters alone.
            seed: derive(
                self.seed,
                &format!("{} {:?} {}", study.data.name, study.network, study.repetition),
            ),
            task: Task::Train(TrainTask {
                network: StudyNetwork { kind: study.network, conv, linear: 3, relu: true },
                data: study.data.clone(),
                optimizer,
                epochs: self.config.epochs,
                minibatch: self.config.minibatch,
                trial: Some(Trial {
                    sampler: study.sampler,
                    space: study.space,
                    number,
                    search_seed: self.search_seed(study),
                }),
            }),
        }
    }

    /// The study and the trial that a spec belongs to, if it is one of ours.
    fn place(&self, spec: &RunSpec) -> Option<(Study, u32, Adam)> {
        let Task::Train(task) = &spec.task else { return None };
        let trial = task.trial?;
        let study = Study {
            data: task.data.clone(),
            network: task.network.kind,
            space: trial.space,
            sampler: trial.sampler,
            repetition: spec.repetition,
        };
        // Whatever its parameters, the rest of the spec must be what we would ask for.
        let ours = self.spec(&study, trial.number, task.optimizer) == *spec
            && trial.number < self.config.trials;
        ours.then_some((study, trial.number, task.optimizer))
    }
}

/// The studies' spaces. β1 and β2 end just below 1, where Adam's bias correction divides by 0; the
/// study's uniform draws never hit 1 either.
fn space(kind: TuningSpace) -> Space {
    let rate = |scale| Parameter::new("learning_rate", 1e-5, 1e-1, scale);
    let betas = || {
        let below_one = 1.0 - f64::EPSILON;
        [
            Parameter::new("beta1", 0.1, below_one, Scale::Linear),
            Parameter::new("beta2", 0.8, below_one, Scale::Linear),
        ]
    };
    let [beta1, beta2] = betas();
    let parameters = match kind {
        TuningSpace::Three => vec![rate(Scale::Linear), beta1, beta2],
        TuningSpace::ThreeAsRun => vec![rate(Scale::Linear), beta1],
        TuningSpace::ThreeLog => vec![rate(Scale::Log), beta1, beta2],
        TuningSpace::Five => vec![
            rate(Scale::Linear),
            beta1,
            beta2,
            Parameter::new("epsilon", 1e-9, 1e-7, Scale::Linear),
            Parameter::new("weight_decay", 0.0, 0.1, Scale::Linear),
        ],
    };
    Space::new(parameters).expect("constant, valid bounds")
}

/// A point of a space as Adam's settings.
fn optimizer(point: &[f64]) -> Adam {
    let mut adam = Adam::default();
    let places: [&mut f64; 5] = [
        &mut adam.learning_rate,
        &mut adam.beta1,
        &mut adam.beta2,
        &mut adam.epsilon,
        &mut adam.weight_decay,
    ];
    places.into_iter().zip(point).for_each(|(place, value)| *place = *value);
    adam
}

/// Adam's settings as a point of a space.
fn point(adam: &Adam, dimensions: usize) -> Vec<f64> {
    [adam.learning_rate, adam.beta1, adam.beta2, adam.epsilon, adam.weight_decay][..dimensions]
        .to_vec()
}

fn sampler(kind: SamplerKind) -> Sampler {
    match kind {
        SamplerKind::Grid => Sampler::Grid(Grid::paper()),
        SamplerKind::Random => Sampler::Random,
        SamplerKind::PaperPi => Sampler::PaperPi,
        SamplerKind::Gp => Sampler::Gp,
    }
}

/// What a strategy is told: the validation accuracy, also of a training that diverged.
fn value(record: &RunRecord) -> Option<f64> {
    match &record.outcome {
        Outcome::Trained(outcome) => outcome.validation_accuracy,
        _ => None,
    }
}

impl Plan for Tuning {
    fn experiment(&self) -> Experiment {
        Experiment::Tuning
    }

    fn total(&self) -> usize {
        self.studies().len() * self.config.trials as usize
    }

    fn owns(&self, spec: &RunSpec) -> bool {
        self.place(spec).is_some()
    }

    fn is_fixed(&self) -> bool {
        false
    }

    fn next(
        &self,
        records: &Records,
        pending: &[RunSpec],
        limit: usize,
    ) -> Result<Vec<RunSpec>, PlanError> {
        let studies = self.studies();
        let mut done: Vec<Vec<hpo::Trial>> = vec![Vec::new(); studies.len()];
        for record in records.all() {
            let Some((study, number, adam)) = self.place(&record.spec) else { continue };
            let Some(at) = studies.iter().position(|it| *it == study) else { continue };
            let parameters = point(&adam, space(study.space).dimensions());
            done[at].push(hpo::Trial { number, parameters, value: value(record), cost: None });
        }
        // A study whose trial is under way waits for it: its next one depends on the answer.
        let waiting: Vec<Study> = pending.iter().filter_map(|it| Some(self.place(it)?.0)).collect();
        let mut order: Vec<usize> = (0..studies.len())
            .filter(|it| (done[*it].len() as u32) < self.config.trials)
            .filter(|it| !waiting.contains(&studies[*it]))
            .collect();
        if let Some(round) = order.iter().map(|it| done[*it].len()).min() {
            order.retain(|it| done[*it].len() == round);
            // A fixed order of all studies for the round; those that are done have left it.
            let mut all: Vec<usize> = (0..studies.len()).collect();
            shuffle(derive(self.seed, &format!("order of round {round}")), &mut all);
            order.sort_by_key(|it| all.iter().position(|other| other == it));
        }
        order
            .into_iter()
            .take(limit)
            .map(|at| {
                let (study, number) = (&studies[at], done[at].len() as u32);
                let history = History::new(std::mem::take(&mut done[at]), Vec::new());
                let seed = self.search_seed(study);
                let suggestion = hpo::suggest(
                    &space(study.space),
                    sampler(study.sampler),
                    seed,
                    number,
                    &history,
                );
                let suggestion = suggestion.map_err(|source| PlanError::Search {
                    sampler: study.sampler.title(),
                    number,
                    source,
                })?;
                Ok(self.spec(study, number, optimizer(&suggestion)))
            })
            .collect()
    }

    fn kinds(&self) -> Vec<(RunSpec, usize)> {
        let mut kinds: Vec<(RunSpec, usize)> = Vec::new();
        let studies = self.studies();
        let each = studies.len() * self.config.trials as usize
            / (self.config.data.len() * self.config.networks.len());
        for data in &self.config.data {
            for network in &self.config.networks {
                let found = studies.iter().find(|it| it.data == *data && it.network == *network);
                if let Some(study) = found {
                    kinds.push((self.spec(study, 0, Adam::default()), each));
                }
            }
        }
        kinds
    }
}
