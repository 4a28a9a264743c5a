//! A study that ends when its verdicts are decided: experiments grow in stages, and each stage ends with a look at
//! the verdicts.
//!
//! Every experiment first does the repetitions of its first look. Then the experiment is continued whose next look
//! decides the most claims per second, until every claim that repetitions can decide is decided, or the budget does
//! not suffice for another stage. Each stage is a whole number of repetitions, so that the runs are balanced at each
//! look. What is decided follows from the records alone, as everything that a plan asks for.

use std::sync::{Arc, Mutex, PoisonError};

use rayon::prelude::*;
use record::{Experiment, RunSpec};
use report::{Outlook, outlooks};

use super::{
    plan::{Plan, PlanError},
    records::{RecordDigest, Records},
};
use crate::budget::StudyBudget;

/// An experiment of a sequential study.
pub(crate) struct Part {
    /// The experiment with the repetitions of each of its looks, the last with all.
    pub(crate) stages: Vec<Box<dyn Plan>>,
    /// The number of repetitions of each stage; empty if the experiment answers no claim.
    pub(crate) looks: Vec<u32>,
}

impl Part {
    fn experiment(&self) -> Experiment {
        self.whole().experiment()
    }

    fn whole(&self) -> &dyn Plan {
        &**self.stages.last().expect("a part has at least one stage")
    }

    /// The stage that is under way or was done last, and whether it is done.
    fn progress(&self, records: &Records, pending: &[RunSpec]) -> (usize, bool) {
        let mut done = 0;
        let mut at = 0;
        for (index, stage) in self.stages.iter().enumerate() {
            let begun = stage.done(records);
            let is_new = |spec: &RunSpec| {
                stage.owns(spec)
                    && index.checked_sub(1).is_none_or(|at| !self.stages[at].owns(spec))
            };
            if index == 0 || begun > done || pending.iter().any(is_new) {
                at = index;
                done = begun;
            }
        }
        (at, done >= self.stages[at].total())
    }
}

/// The experiments of a sequential study, which share a budget.
pub(crate) struct Sequence {
    parts: Vec<Part>,
    budget: StudyBudget,
    turn: Mutex<Option<Turn>>,
}

/// What may be worked on, kept until a run is added or ends.
struct Turn {
    /// The numbers of records and of pending runs that it was computed for.
    runs: [usize; 2],
    /// The stage of each part.
    stages: Vec<Option<usize>>,
}

/// Why an experiment does or does not go on, for readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its runs are under way.
    Open,
    /// Every claim that repetitions can decide is decided.
    Decided,
    /// All its repetitions are done, or the budget does not suffice for more.
    Spent,
}

impl Sequence {
    pub(crate) fn new(parts: Vec<Part>, budget: StudyBudget) -> Self {
        Self { parts, budget, turn: Mutex::new(None) }
    }

    /// What the runs so far have used of the budget.
    fn spent(&self, records: &Records, of: impl Fn(&RecordDigest) -> bool + Sync) -> f64 {
        let cost = |record: &RecordDigest| match self.budget {
            StudyBudget::Seconds(_) => record.seconds,
            StudyBudget::Joules(_) => record.energy.map_or(0.0, |energy| energy.joules.0),
        };
        records.all().par_iter().filter(|record| of(record)).map(cost).sum()
    }

    fn limit(&self) -> f64 {
        match self.budget {
            StudyBudget::Seconds(limit) | StudyBudget::Joules(limit) => limit,
        }
    }

    /// The stage of each part that may be worked on now.
    fn turn(&self, records: &Records, pending: &[RunSpec]) -> Vec<Option<usize>> {
        let runs = [records.all().len(), pending.len()];
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        match &*turn {
            Some(known) if known.runs == runs => known.stages.clone(),
            _ => {
                let stages = self.compute(records, pending);
                *turn = Some(Turn { runs, stages: stages.clone() });
                stages
            }
        }
    }

    fn compute(&self, records: &Records, pending: &[RunSpec]) -> Vec<Option<usize>> {
        let none = vec![None; self.parts.len()];
        let spent = self.spent(records, |_| true);
        if spent >= self.limit() {
            return none;
        }
        let progress: Vec<(usize, bool)> =
            self.parts.iter().map(|part| part.progress(records, pending)).collect();
        if progress.iter().any(|(_, is_done)| !is_done) {
            return progress.iter().map(|(at, is_done)| (!is_done).then_some(*at)).collect();
        }
        let outlooks = records.runs().map(|runs| outlooks(&runs.rows)).unwrap_or_default();
        let next =
            self.parts.iter().zip(&progress).enumerate().filter_map(|(index, (part, (at, _)))| {
                let repetitions = *part.looks.get(at + 1)?;
                let gain = gain(&outlooks, part.experiment(), repetitions)?;
                let so_far = self.spent(records, |record| part.whole().owns_record(record));
                let more = f64::from(repetitions) / f64::from(part.looks[*at]) - 1.0;
                let cost = so_far * more;
                (spent + cost <= self.limit()).then_some((index, at + 1, gain / cost.max(1e-9)))
            });
        let best = next.max_by(|a, b| a.2.total_cmp(&b.2));
        let mut stages = none;
        if let Some((index, stage, _)) = best {
            stages[index] = Some(stage);
        }
        stages
    }

    /// How each experiment stands when nothing is pending.
    pub(crate) fn standings(&self, records: &Records) -> Vec<(Experiment, Standing)> {
        let turn = self.turn(records, &[]);
        let outlooks = records.runs().map(|runs| outlooks(&runs.rows)).unwrap_or_default();
        let standing = |(part, stage): (&Part, &Option<usize>)| {
            let experiment = part.experiment();
            // A look that has not been reached may decide what looks decided, or not enough known, so far.
            let (_, is_done) = part.progress(records, &[]);
            let open = !is_done || is_open(&outlooks, experiment);
            let standing = match stage {
                Some(_) => Standing::Open,
                None if !open => Standing::Decided,
                None => Standing::Spent,
            };
            (experiment, standing)
        };
        self.parts.iter().zip(&turn).map(standing).collect()
    }
}

/// The outlooks of the claims on an experiment that more repetitions may decide.
fn open(outlooks: &[Outlook], experiment: Experiment) -> impl Iterator<Item = &Outlook> {
    outlooks.iter().filter(move |outlook| {
        outlook.experiment == experiment && !outlook.is_decided && outlook.depends_on_repetitions()
    })
}

fn is_open(outlooks: &[Outlook], experiment: Experiment) -> bool {
    open(outlooks, experiment).next().is_some()
}

/// The expected number of claims that a look after this many repetitions decides; `None` if no claim is open. At least
/// a thousandth, because an estimate from few runs can be wrong.
fn gain(outlooks: &[Outlook], experiment: Experiment, repetitions: u32) -> Option<f64> {
    let each = |outlook: &Outlook| outlook.probability(repetitions).unwrap_or(0.0).max(1e-3);
    is_open(outlooks, experiment).then(|| open(outlooks, experiment).map(each).sum())
}

/// An experiment of a sequential study as a plan.
pub(crate) struct Staged {
    sequence: Arc<Sequence>,
    at: usize,
}

impl Staged {
    /// A plan for each part of a sequence.
    pub(crate) fn of(sequence: &Arc<Sequence>) -> Vec<Self> {
        (0..sequence.parts.len()).map(|at| Self { sequence: Arc::clone(sequence), at }).collect()
    }

    fn part(&self) -> &Part {
        &self.sequence.parts[self.at]
    }
}

impl Plan for Staged {
    fn experiment(&self) -> Experiment {
        self.part().experiment()
    }

    fn total(&self) -> usize {
        self.part().whole().total()
    }

    fn foreseen(&self) -> usize {
        self.part().stages[0].total()
    }

    fn owns(&self, spec: &RunSpec) -> bool {
        self.part().whole().owns(spec)
    }

    fn owns_record(&self, record: &RecordDigest) -> bool {
        self.part().whole().owns_record(record)
    }

    fn is_fixed(&self) -> bool {
        false
    }

    fn depends_on(&self, _: &RunSpec) -> bool {
        true
    }

    fn is_done(&self, records: &Records) -> bool {
        self.sequence.turn(records, &[])[self.at].is_none()
    }

    fn next(
        &self,
        records: &Records,
        pending: &[RunSpec],
        limit: usize,
    ) -> Result<Vec<RunSpec>, PlanError> {
        match self.sequence.turn(records, pending)[self.at] {
            Some(stage) => self.part().stages[stage].next(records, pending, limit),
            None => Ok(Vec::new()),
        }
    }

    fn asking(&self) -> std::time::Duration {
        self.part().stages[0].asking()
    }

    /// Those of the first stage, which every study does: later ones may not be needed.
    fn kinds(&self) -> Vec<(RunSpec, usize)> {
        self.part().stages[0].kinds()
    }
}
