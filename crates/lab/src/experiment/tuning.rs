//! RQ1: search strategies for hyper-parameters.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use hpo::{Gp, Grid, PaperPi, Parameter, Random, Sampler, Scale, SearchState, Space, suggest};
use record::{
    Adam, DataSpec, Engine, Experiment, NetworkKind, RunId, RunSpec, SamplerKind, StudyNetwork,
    Task, TrainTask, TrialId, TuningSpace,
};

use super::{
    plan::{Plan, PlanError},
    records::{RecordDigest, Records, Tried, search_of},
};
use crate::{
    config::TuningConfig,
    seed::{derive, shuffle},
};

/// The searches: one for each data set, network, space, strategy and repetition. Trial n of every search
/// runs before trial n + 1 of any, in random order, so that drift of the machine affects all strategies
/// alike.
#[derive(Debug)]
pub(super) struct Tuning {
    config: TuningConfig,
    engine: Engine,
    seed: u64,
    studies: Vec<Study>,
    /// Index of the search with an id.
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
    /// Seed of the search. With the earlier trials, it determines a trial's parameters.
    search_seed: u64,
    /// Id of the search, as [`search_of`] its trials' specs.
    search: Option<RunId>,
}

impl Tuning {
    /// The searches of a configuration. What they try follows from it, the seed and the records.
    #[must_use]
    pub(super) fn new(config: TuningConfig, engine: Engine, seed: u64) -> Self {
        let (studies, by_search) = (Vec::new(), HashMap::new());
        let mut this = Self { config, engine, seed, studies, by_search };
        this.studies = this.studies();
        let searches = this.studies.iter().enumerate();
        this.by_search =
            searches.filter_map(|(index, search)| Some((search.search.clone()?, index))).collect();
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
            // The same for every strategy and trial of a repetition, so that trainings differ only in
            // their hyper-parameters.
            seed: derive(
                self.seed,
                &format!("{} {:?} {}", study.data.name, study.network, study.repetition),
            ),
            task: Task::Train(TrainTask {
                network: StudyNetwork { kind: study.network, conv, linear: 3, relu: true }.into(),
                engine: self.engine,
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

    /// The trials of a search so far.
    fn tried<'a>(&self, study: &Study, records: &'a Records) -> impl Iterator<Item = &'a Tried> {
        let log = study.search.as_ref().and_then(|search| records.search(search));
        let trials = self.config.trials;
        log.into_iter().flat_map(|log| &log.trials).filter(move |trial| trial.number < trials)
    }

    /// Number of trials of a search so far.
    fn count(&self, study: &Study, records: &Records) -> usize {
        match study.search.as_ref().and_then(|search| records.search(search)) {
            // The usual case; no need to look at each trial.
            Some(log) if log.highest < self.config.trials => log.trials.len(),
            _ => self.tried(study, records).count(),
        }
    }

    /// Time to choose trial `number` after trials of a smooth function.
    fn time_to_choose(&self, study: &Study, number: u32) -> Duration {
        let space = space(study.space);
        let seed = study.search_seed;
        let completed = |number: u32| {
            let search = SearchState::new(&space, seed, number, &[]);
            let parameters = suggest(&Random, &search).ok()?.parameters;
            let rate: f64 = parameters.first()?.log10();
            let value = 1.0 / (1.0 + (rate + 3.0).abs());
            Some(hpo::Trial::completed(number, parameters, &[value]))
        };
        let trials: Vec<hpo::Trial> = (0..number).filter_map(completed).collect();
        let search = SearchState::new(&space, seed, number, &trials);
        let start = Instant::now();
        drop(suggest(sampler(study.sampler), &search));
        start.elapsed()
    }

    /// Index of the search of a pending trial, and the trial.
    fn under_way(&self, spec: &RunSpec) -> Option<(usize, (u32, Adam))> {
        let Task::Train(task) = &spec.task else { return None };
        let at = *self.by_search.get(&search_of(spec)?)?;
        Some((at, (task.trial?.number, task.optimizer)))
    }

    /// Whether a search may start another trial while some are pending. A strategy that learns waits for
    /// results.
    fn goes_on(&self, study: &Study, under_way: usize) -> bool {
        matches!(study.sampler, SamplerKind::Grid | SamplerKind::Random)
            || under_way < self.config.parallel
    }

    /// The random order of all searches in a round, fixed by the seed.
    fn order(&self, round: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.studies.len()).collect();
        shuffle(derive(self.seed, &format!("order of round {round}")), &mut all);
        all
    }

    /// The next trial of a search.
    fn propose(
        &self,
        study: &Study,
        records: &Records,
        under_way: &[(u32, Adam)],
    ) -> Result<RunSpec, PlanError> {
        let space = space(study.space);
        let ended = self.tried(study, records).map(|tried| {
            let parameters = point(&tried.optimizer, space.dimensions());
            match tried.value {
                Some(value) => hpo::Trial::completed(tried.number, parameters, &[value]),
                None => hpo::Trial::failed(tried.number, parameters),
            }
        });
        let running = under_way
            .iter()
            .map(|(number, adam)| hpo::Trial::running(*number, point(adam, space.dimensions()), 1));
        let mut trials: Vec<hpo::Trial> = ended.chain(running).collect();
        trials.sort_by_key(|trial| trial.number);
        // The lowest free number: a trial whose worker never came back is asked for again.
        let taken: HashSet<u32> = trials.iter().map(|trial| trial.number).collect();
        let number = (0..).find(|number| !taken.contains(number)).unwrap_or_default();
        let search = SearchState::new(&space, study.search_seed, number, &trials);
        let suggestion = suggest(sampler(study.sampler), &search).map_err(|source| {
            PlanError::Search { sampler: study.sampler.title(), number, source }
        })?;
        Ok(self.spec(study, number, optimizer(&suggestion.parameters)))
    }

    /// Whether the trial of a spec belongs to one of these searches.
    fn is_ours(&self, search: Option<&RunId>, spec: &RunSpec) -> bool {
        let number = match &spec.task {
            Task::Train(task) => task.trial.map(|trial| trial.number),
            _ => None,
        };
        search.is_some_and(|search| self.by_search.contains_key(search))
            && number.is_some_and(|number| number < self.config.trials)
    }
}

/// The search spaces of the published study. β1 and β2 end just below 1, where Adam's bias correction
/// would divide by 0; the study's uniform draws never are 1 either.
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

/// The sampler of a strategy.
fn sampler(kind: SamplerKind) -> &'static dyn Sampler {
    const GRID: Grid = Grid::paper();
    match kind {
        SamplerKind::Grid => &GRID,
        SamplerKind::Random => &Random,
        SamplerKind::PaperPi => &PaperPi,
        SamplerKind::Gp => &Gp,
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
        let done: Vec<usize> =
            self.studies.iter().map(|study| self.count(study, records)).collect();
        // Pending trials of each search.
        let mut under_way: Vec<Vec<(u32, Adam)>> = vec![Vec::new(); self.studies.len()];
        for (at, trial) in pending.iter().filter_map(|spec| self.under_way(spec)) {
            under_way[at].push(trial);
        }
        let mut given = Vec::new();
        while given.len() < limit {
            let open: Vec<usize> = (0..self.studies.len())
                .filter(|at| done[*at] + under_way[*at].len() < self.config.trials as usize)
                .filter(|at| self.goes_on(&self.studies[*at], under_way[*at].len()))
                .collect();
            let round = |at: &usize| done[*at] + under_way[*at].len();
            let Some(round) = open.iter().map(round).min() else { break };
            let in_round = |at: &usize| done[*at] + under_way[*at].len() == round;
            let order: Vec<usize> = self
                .order(round)
                .into_iter()
                .filter(|at| open.contains(at) && in_round(at))
                .collect();
            for at in order.into_iter().take(limit - given.len()) {
                let spec = self.propose(&self.studies[at], records, &under_way[at])?;
                under_way[at].extend(self.under_way(&spec).map(|(_, trial)| trial));
                given.push(spec);
            }
        }
        Ok(given)
    }

    /// Measured with one suggestion per strategy and space, after half as many made-up trials as a search
    /// has in the end.
    fn asking(&self) -> Duration {
        let half = self.config.trials / 2;
        let mut each = Vec::new();
        let mut all = Duration::ZERO;
        for study in &self.studies {
            let key = (study.sampler, study.space);
            if !each.iter().any(|(other, _)| *other == key) {
                each.push((key, self.time_to_choose(study, half)));
            }
            all += each
                .iter()
                .find(|(other, _)| *other == key)
                .map_or(Duration::ZERO, |(_, time)| *time);
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
                let found =
                    studies.iter().find(|study| study.data == *data && study.network == *network);
                if let Some(study) = found {
                    kinds.push((self.spec(study, 0, Adam::default()), each));
                }
            }
        }
        kinds
    }
}
