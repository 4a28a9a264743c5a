//! The records of a journal as plans see them.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    sync::{Mutex, PoisonError},
};

use record::{Adam, Energy, Experiment, Outcome, RunId, RunRecord, RunSpec, RunSummary, Task};
use report::{RunDigest, Runs};

/// What plans, estimates and progress need of a record; small enough that a million fit into memory.
#[derive(Clone, Debug)]
pub struct RecordDigest {
    /// The id of the run, computed from the spec alone.
    pub id: RunId,
    /// What the run was asked to do.
    pub spec: RunSpec,
    /// The value that a search maximizes: the validation accuracy, also of a training that diverged.
    /// `None` for runs that are no training, or without validation images.
    pub value: Option<f64>,
    /// The energy of the main span; `None` where nothing was measured or estimated.
    pub energy: Option<Energy>,
    /// The time of the run, in seconds.
    pub seconds: f64,
    /// The search that the run is a trial of; `None` if it is no trial.
    pub(super) search: Option<RunId>,
    /// What the claims' tests see of the run; see [`RecordDigest::observed`].
    run: Option<RunDigest>,
}

impl RecordDigest {
    /// The digest of a record for [`Records::observing`].
    #[must_use]
    pub fn observed(record: RunSummary) -> Self {
        let run = Some(RunDigest::from(record.clone()));
        Self { run, ..Self::from(record) }
    }
}

impl From<RunRecord> for RecordDigest {
    fn from(record: RunRecord) -> Self {
        RunSummary::from(record).into()
    }
}

impl From<RunSummary> for RecordDigest {
    fn from(record: RunSummary) -> Self {
        let value = match &record.outcome {
            Outcome::Trained(outcome) => outcome.validation_accuracy,
            _ => None,
        };
        let search = search_of(&record.spec);
        Self {
            id: record.id,
            search,
            spec: record.spec,
            value,
            energy: record.energy.total,
            seconds: record.timing.duration.0,
            run: None,
        }
    }
}

/// The search that a run is a trial of, named by the id of its spec without what differs from trial
/// to trial. `None` if the run is no trial.
pub(super) fn search_of(spec: &RunSpec) -> Option<RunId> {
    let Task::Train(task) = &spec.task else { return None };
    let trial = task.trial?;
    let mut task = task.clone();
    task.optimizer = Adam::default();
    task.trial = Some(record::TrialId { number: 0, ..trial });
    Some(RunSpec { task: Task::Train(task), ..spec.clone() }.id())
}

/// The trials of a search so far.
#[derive(Debug, Default)]
pub(super) struct SearchLog {
    /// The trials, in the journal's order.
    pub(super) trials: Vec<Tried>,
    /// The highest trial number.
    pub(super) highest: u32,
}

/// A finished trial.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
    pub(super) number: u32,
    pub(super) optimizer: Adam,
    pub(super) value: Option<f64>,
}

/// The records of a journal, found by id.
///
/// Records are only added. Results of look-ups are remembered here, so that a plan, which has no
/// state, need not start at the first record each time it is asked.
#[derive(Debug, Default)]
pub struct Records {
    list: Vec<RecordDigest>,
    by_id: HashMap<RunId, usize>,
    searches: HashMap<RunId, SearchLog>,
    /// What the claims' tests see; `None` if nobody tests claims while runs are left.
    runs: Option<Runs>,
    /// After how many repetitions the study looks at its verdicts, by experiment.
    looks: BTreeMap<Experiment, Vec<u32>>,
    /// For each list of runs (by its key): how many of its first runs are done without a gap.
    fronts: Mutex<HashMap<u64, usize>>,
}

impl Records {
    /// The records of a journal, in its order.
    #[must_use]
    pub fn new(list: impl IntoIterator<Item = impl Into<RecordDigest>>) -> Self {
        let list = list.into_iter();
        let mut records = Self::default();
        records.list.reserve(list.size_hint().0);
        records.by_id.reserve(list.size_hint().0);
        list.for_each(|record| records.push(record));
        records
    }

    /// The records of a journal, in its order, for a study that looks at its verdicts after these numbers of
    /// repetitions. The digests must be those of [`RecordDigest::observed`].
    #[must_use]
    pub fn observing(
        list: impl IntoIterator<Item = RecordDigest>,
        looks: BTreeMap<Experiment, Vec<u32>>,
    ) -> Self {
        let mut records = Self { runs: Some(Runs::default()), looks, ..Self::default() };
        list.into_iter().for_each(|record| records.push(record));
        records
    }

    /// What the claims' tests see of the records; `None` unless they are observed.
    pub(crate) fn runs(&self) -> Option<&Runs> {
        self.runs.as_ref()
    }

    /// Fills in what a record says of its place in the study: how many records are before it, and when the study looks
    /// at its verdicts.
    pub(crate) fn place(&self, record: &mut RunRecord) {
        record.timing.order = self.list.len() as u64;
        record.looks = self.looks.get(&record.spec.experiment).cloned().unwrap_or_default();
    }

    /// Adds the newest record of the study. A second record of the same run is ignored.
    pub(crate) fn push_newest(&mut self, record: RunRecord) {
        if self.runs.is_some() {
            self.push(RecordDigest::observed(record.into()));
        } else {
            self.push(record);
        }
    }

    /// Adds the newest record. A second record of the same run is ignored.
    pub fn push(&mut self, record: impl Into<RecordDigest>) {
        let mut record = record.into();
        let run = record.run.take();
        let Entry::Vacant(vacant) = self.by_id.entry(record.id.clone()) else { return };
        vacant.insert(self.list.len());
        if let (Some(runs), Some(run)) = (&mut self.runs, run) {
            runs.push(run);
        }
        if let (Some(search), Task::Train(task)) = (&record.search, &record.spec.task) {
            let number = task.trial.map_or(0, |trial| trial.number);
            let log = self.searches.entry(search.clone()).or_default();
            log.highest = log.highest.max(number);
            log.trials.push(Tried { number, optimizer: task.optimizer, value: record.value });
        }
        self.list.push(record);
    }

    /// All records, in the order they were made.
    #[must_use]
    pub fn all(&self) -> &[RecordDigest] {
        &self.list
    }

    /// Whether a run has a record.
    #[must_use]
    pub fn contains(&self, spec: &RunSpec) -> bool {
        self.contains_id(&spec.id())
    }

    /// Whether the run with this id has a record.
    #[must_use]
    pub fn contains_id(&self, id: &RunId) -> bool {
        self.by_id.contains_key(id)
    }

    /// The trials of a search; `None` if there are none yet.
    pub(super) fn search(&self, search: &RunId) -> Option<&SearchLog> {
        self.searches.get(search)
    }

    /// How many of the first runs of a list are done without a gap; `key` names the list.
    pub(super) fn front(&self, key: u64, ids: &[RunId]) -> usize {
        let mut fronts = self.fronts.lock().unwrap_or_else(PoisonError::into_inner);
        let front = fronts.entry(key).or_default();
        *front += ids[*front..].iter().take_while(|id| self.contains_id(id)).count();
        *front
    }
}
