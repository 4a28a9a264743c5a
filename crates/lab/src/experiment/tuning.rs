//! RQ1: search strategies.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use hpo::{Grid, History, Parameter, Sampler, Scale, Space};
use record::{
    Adam, DataSpec, Experiment, NetworkKind, RunId, RunSpec, SamplerKind, StudyNetwork, Task,
    TrainTask, TrialId, TuningSpace,
};

use super::{
    plan::{Plan, PlanError},
    records::{RecordDigest, Records, Tried, search_of},
};
use crate::{
    config::TuningConfig,
    seed::{derive, shuffle},
};

/// Searches: one study for each data set, network, space, strategy and repetition. Trial n of every
/// study runs before trial n + 1 of any, in random order, so that drift of the machine falls on all
/// strategies alike.
#[derive(Debug)]
pub(super) struct Tuning {
    config: TuningConfig,
    seed: u64,
    studies: Vec<Study>,
    /// Which study a search is.
    by_search: HashMap<RunId, usize>,
}

/// One search.
#[derive(Clone, Debug)]
struct Study {
    data: DataSpec,
    network: NetworkKind,
    space: TuningSpace,
    sampler: SamplerKind,
    repetition: u32,
    /// With the trials before, it determines a trial's parameters.
    search_seed: u64,
    /// As [`search_of`] its trials' specs.
    search: Option<RunId>,
}

impl Tuning {
    /// Everything follows from the configuration, a seed and the records.
    #[must_use]
    pub(super) fn new(config: TuningConfig, seed: u64) -> Self {
        let mut this = Self { config, seed, studies: Vec::new(), by_search: HashMap::new() };
        this.studies = this.studies();
        let searches = this.studies.iter().enumerate();
        this.by_search = searches.filter_map(|(at, it)| Some((it.search.clone()?, at))).collect();
        this
    }

    fn studies(&self) -> Vec<Study> {
        let mut studies = Vec::new();
        for repetition in 0..self.config.repetitions {
            for data in &self.config.data {
                for &network in &self.config.networks {
                    for &space in &self.config.spaces {
                        for &sampler in &self.config.samplers {
                            let name = &data.name;
                            let purpose =
                                format!("{name} {network:?} {space:?} {sampler:?} {repetition}");
                            let mut study = Study {
                                data: data.clone(),
                                network,
                                space,
                                sampler,
                                repetition,
                                search_seed: derive(self.seed, &purpose),
                                search: None,
                            };
                            study.search = search_of(&self.spec(&study, 0, Adam::default()));
                            studies.push(study);
                        }
                    }
                }
            }
        }
        studies
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
                trial: Some(TrialId {
                    sampler: study.sampler,
                    space: study.space,
                    number,
                    search_seed: study.search_seed,
                }),
            }),
        }
    }

    /// The trials of a study so far.
    fn tried<'a>(&self, study: &Study, records: &'a Records) -> impl Iterator<Item = &'a Tried> {
        let log = study.search.as_ref().and_then(|it| records.search(it));
        let trials = self.config.trials;
        log.into_iter().flat_map(|it| &it.trials).filter(move |it| it.number < trials)
    }

    /// How many there are.
    fn count(&self, study: &Study, records: &Records) -> usize {
        match study.search.as_ref().and_then(|it| records.search(it)) {
            // The usual case, without looking at each.
            Some(log) if log.highest < self.config.trials => log.trials.len(),
            _ => self.tried(study, records).count(),
        }
    }

    /// Time to choose that trial from the answers of a smooth function.
    fn time_to_choose(&self, study: &Study, number: u32) -> Duration {
        let space = space(study.space);
        let seed = study.search_seed;
        let answered = |number: u32| {
            let nothing = History::new(Vec::new(), Vec::new());
            let parameters = hpo::suggest(&space, Sampler::Random, seed, number, &nothing).ok()?;
            let rate: f64 = parameters.first()?.log10();
            let value = Some(1.0 / (1.0 + (rate + 3.0).abs()));
            Some(hpo::Trial { number, parameters, value, cost: None })
        };
        let history = History::new((0..number).filter_map(answered).collect(), Vec::new());
        let start = Instant::now();
        drop(hpo::suggest(&space, sampler(study.sampler), seed, number, &history));
        start.elapsed()
    }

    /// The study of a trial under way, and the trial.
    fn under_way(&self, spec: &RunSpec) -> Option<(usize, (u32, Adam))> {
        let Task::Train(task) = &spec.task else { return None };
        let at = *self.by_search.get(&search_of(spec)?)?;
        Some((at, (task.trial?.number, task.optimizer)))
    }

    /// Whether a study may have another trial while so many are under way: one of a strategy that
    /// learns waits for their answers.
    fn goes_on(&self, study: &Study, under_way: usize) -> bool {
        matches!(study.sampler, SamplerKind::Grid | SamplerKind::Random)
            || under_way < self.config.parallel
    }

    /// A fixed random order of all studies for a round.
    fn order(&self, round: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.studies.len()).collect();
        shuffle(derive(self.seed, &format!("order of round {round}")), &mut all);
        all
    }

    /// The next trial of a study.
    fn propose(
        &self,
        study: &Study,
        records: &Records,
        under_way: &[(u32, Adam)],
    ) -> Result<RunSpec, PlanError> {
        let space = space(study.space);
        let trials: Vec<hpo::Trial> = self
            .tried(study, records)
            .map(|it| hpo::Trial {
                number: it.number,
                parameters: point(&it.optimizer, space.dimensions()),
                value: it.value,
                cost: None,
            })
            .collect();
        // The lowest that is free: one whose worker never came back is asked for again.
        let taken: HashSet<u32> =
            trials.iter().map(|it| it.number).chain(under_way.iter().map(|it| it.0)).collect();
        let number = (0..).find(|it| !taken.contains(it)).unwrap_or_default();
        // By number: the order in which they were handed out, whoever tells of them.
        let mut under_way = under_way.to_vec();
        under_way.sort_by_key(|it| it.0);
        let pending = under_way.iter().map(|it| point(&it.1, space.dimensions())).collect();
        let history = History::new(trials, pending);
        let sampler = sampler(study.sampler);
        let suggestion =
            hpo::suggest(&space, sampler, study.search_seed, number, &history).map_err(
                |source| PlanError::Search { sampler: study.sampler.title(), number, source },
            )?;
        Ok(self.spec(study, number, optimizer(&suggestion)))
    }

    /// Whether a trial of that search and number is one of ours.
    fn is_ours(&self, search: Option<&RunId>, spec: &RunSpec) -> bool {
        let number = match &spec.task {
            Task::Train(task) => task.trial.map(|it| it.number),
            _ => None,
        };
        search.is_some_and(|it| self.by_search.contains_key(it))
            && number.is_some_and(|it| it < self.config.trials)
    }
}

/// The studies' spaces. β1 and β2 end just below 1, where Adam's bias correction divides by 0; the
/// study's uniform draws never hit 1 either.
pub(crate) fn space(kind: TuningSpace) -> Space {
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
pub(crate) fn point(adam: &Adam, dimensions: usize) -> Vec<f64> {
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

impl Plan for Tuning {
    fn experiment(&self) -> Experiment {
        Experiment::Tuning
    }

    fn total(&self) -> usize {
        self.studies.len() * self.config.trials as usize
    }

    fn owns(&self, spec: &RunSpec) -> bool {
        self.is_ours(search_of(spec).as_ref(), spec)
    }

    fn owns_record(&self, record: &RecordDigest) -> bool {
        self.is_ours(record.search.as_ref(), &record.spec)
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
        let done: Vec<usize> = self.studies.iter().map(|it| self.count(it, records)).collect();
        // Trials under way, by study.
        let mut under_way: Vec<Vec<(u32, Adam)>> = vec![Vec::new(); self.studies.len()];
        for (at, trial) in pending.iter().filter_map(|it| self.under_way(it)) {
            under_way[at].push(trial);
        }
        let mut given = Vec::new();
        while given.len() < limit {
            let open: Vec<usize> = (0..self.studies.len())
                .filter(|it| done[*it] + under_way[*it].len() < self.config.trials as usize)
                .filter(|it| self.goes_on(&self.studies[*it], under_way[*it].len()))
                .collect();
            let round = |it: &usize| done[*it] + under_way[*it].len();
            let Some(round) = open.iter().map(round).min() else { break };
            let in_round = |it: &usize| done[*it] + under_way[*it].len() == round;
            let order: Vec<usize> = self
                .order(round)
                .into_iter()
                .filter(|it| open.contains(it) && in_round(it))
                .collect();
            for at in order.into_iter().take(limit - given.len()) {
                let spec = self.propose(&self.studies[at], records, &under_way[at])?;
                under_way[at].extend(self.under_way(&spec).map(|it| it.1));
                given.push(spec);
            }
        }
        Ok(given)
    }

    /// Each strategy chooses one trial from half as many made-up answers as a search has in the end.
    fn asking(&self) -> Duration {
        let half = self.config.trials / 2;
        let mut each = Vec::new();
        let mut all = Duration::ZERO;
        for study in &self.studies {
            let key = (study.sampler, study.space);
            if !each.iter().any(|(it, _)| *it == key) {
                each.push((key, self.time_to_choose(study, half)));
            }
            all += each.iter().find(|it| it.0 == key).map_or(Duration::ZERO, |it| it.1);
        }
        all * self.config.trials
    }

    fn kinds(&self) -> Vec<(RunSpec, usize)> {
        let mut kinds: Vec<(RunSpec, usize)> = Vec::new();
        let studies = &self.studies;
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
