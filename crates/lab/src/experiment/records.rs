//! The records so far, as plans see them.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Mutex, PoisonError},
};

use record::{Adam, Energy, Outcome, RunId, RunRecord, RunSpec, RunSummary, Task};

/// What plans, estimates and progress need of a record: a million of them fit into memory.
#[derive(Clone, Debug)]
pub struct Brief {
    /// From the spec alone.
    pub id: RunId,
    /// What was to be done.
    pub spec: RunSpec,
    /// What a search is told: the validation accuracy, also of a training that diverged.
    pub value: Option<f64>,
    /// Of the main span; `None` where nothing was read.
    pub energy: Option<Energy>,
    /// The search that it is a trial of.
    pub(super) search: Option<RunId>,
}

impl From<RunRecord> for Brief {
    fn from(record: RunRecord) -> Self {
        RunSummary::from(record).into()
    }
}

impl From<RunSummary> for Brief {
    fn from(record: RunSummary) -> Self {
        let value = match &record.outcome {
            Outcome::Trained(outcome) => outcome.validation_accuracy,
            _ => None,
        };
        let search = search_of(&record.spec);
        Self { id: record.id, search, spec: record.spec, value, energy: record.energy.total }
    }
}

/// Names the search that a spec is a trial of: the id of its spec without what differs from trial to
/// trial.
pub(super) fn search_of(spec: &RunSpec) -> Option<RunId> {
    let Task::Train(task) = &spec.task else { return None };
    let trial = task.trial?;
    let mut task = task.clone();
    task.optimizer = Adam::default();
    task.trial = Some(record::Trial { number: 0, ..trial });
    Some(RunSpec { task: Task::Train(task), ..spec.clone() }.id())
}

/// The trials of a search so far.
#[derive(Debug, Default)]
pub(super) struct SearchLog {
    /// In the journal's order.
    pub(super) trials: Vec<Tried>,
    /// The highest number among them.
    pub(super) highest: u32,
}

/// A trial that is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tried {
    pub(super) number: u32,
    pub(super) optimizer: Adam,
    pub(super) value: Option<f64>,
}

/// The records of a journal, found by id.
///
/// They only grow. What is found in them is remembered in them, so that a plan, which has no state,
/// need not begin at the first record each time it is asked.
#[derive(Debug, Default)]
pub struct Records {
    list: Vec<Brief>,
    by_id: HashMap<RunId, usize>,
    searches: HashMap<RunId, SearchLog>,
    /// How many runs of a list, from its front, are done.
    fronts: Mutex<HashMap<u64, usize>>,
}

impl Records {
    /// Of a journal's records, in its order.
    #[must_use]
    pub fn new(list: impl IntoIterator<Item = impl Into<Brief>>) -> Self {
        let list = list.into_iter();
        let mut records = Self::default();
        records.list.reserve(list.size_hint().0);
        records.by_id.reserve(list.size_hint().0);
        list.for_each(|it| records.push(it));
        records
    }

    /// Adds the newest record; one whose run is there already is passed over.
    pub fn push(&mut self, record: impl Into<Brief>) {
        let record = record.into();
        let Entry::Vacant(place) = self.by_id.entry(record.id.clone()) else { return };
        place.insert(self.list.len());
        if let (Some(search), Task::Train(task)) = (&record.search, &record.spec.task) {
            let number = task.trial.map_or(0, |it| it.number);
            let log = self.searches.entry(search.clone()).or_default();
            log.highest = log.highest.max(number);
            log.trials.push(Tried { number, optimizer: task.optimizer, value: record.value });
        }
        self.list.push(record);
    }

    /// All of them, in the order they were made.
    #[must_use]
    pub fn all(&self) -> &[Brief] {
        &self.list
    }

    /// Whether a run is done.
    #[must_use]
    pub fn contains(&self, spec: &RunSpec) -> bool {
        self.contains_id(&spec.id())
    }

    /// Whether the run of an id is done.
    #[must_use]
    pub fn contains_id(&self, id: &RunId) -> bool {
        self.by_id.contains_key(id)
    }

    /// The trials of a search.
    pub(super) fn search(&self, search: &RunId) -> Option<&SearchLog> {
        self.searches.get(search)
    }

    /// How many runs of a list are done without one missing before them; `key` names the list.
    pub(super) fn front(&self, key: u64, ids: &[RunId]) -> usize {
        let mut fronts = self.fronts.lock().unwrap_or_else(PoisonError::into_inner);
        let front = fronts.entry(key).or_default();
        *front += ids[*front..].iter().take_while(|it| self.contains_id(it)).count();
        *front
    }
}
