//! Experiments: pure functions from the records so far to the next runs.
//!
//! An experiment holds its configuration and nothing else. What has been done it sees in the
//! records; so an interrupted study goes on from its journal alone, and so parallel workers and
//! clusters need no protocol of their own.

mod batching;
mod layers;
mod timeline;
mod tuning;

use std::collections::HashMap;

use record::{Experiment, RunId, RunRecord, RunSpec};

pub use self::{batching::Batching, layers::Layers, timeline::Timeline, tuning::Tuning};
use crate::{config::Profile, seed::derive};

/// The records of a journal, found by id.
#[derive(Debug, Default)]
pub struct Records {
    list: Vec<RunRecord>,
    by_id: HashMap<RunId, usize>,
}

impl Records {
    /// Of a journal's records, in its order.
    #[must_use]
    pub fn new(list: Vec<RunRecord>) -> Self {
        let by_id = list.iter().enumerate().map(|(at, record)| (record.id.clone(), at)).collect();
        Self { list, by_id }
    }

    /// Adds the newest record.
    pub fn push(&mut self, record: RunRecord) {
        self.by_id.insert(record.id.clone(), self.list.len());
        self.list.push(record);
    }

    /// All of them, in the order they were made.
    #[must_use]
    pub fn all(&self) -> &[RunRecord] {
        &self.list
    }

    /// Whether a run is done.
    #[must_use]
    pub fn contains(&self, spec: &RunSpec) -> bool {
        self.by_id.contains_key(&spec.id())
    }
}

/// An experiment of a study: which runs it wants, given those it has.
pub trait Plan {
    /// Which experiment this is.
    fn experiment(&self) -> Experiment;

    /// How many runs there are in all.
    fn total(&self) -> usize;

    /// Whether a run is one of this experiment's.
    fn owns(&self, spec: &RunSpec) -> bool;

    /// Whether its runs are known beforehand: no record changes what it asks for.
    fn is_fixed(&self) -> bool {
        true
    }

    /// The next runs, at most `limit`; none if every run is done, or waits for a running one.
    ///
    /// `pending` are runs that were handed out and are not yet in the records.
    ///
    /// # Errors
    ///
    /// If a search strategy cannot propose a trial.
    fn next(
        &self,
        records: &Records,
        pending: &[RunSpec],
        limit: usize,
    ) -> Result<Vec<RunSpec>, PlanError>;

    /// One run of each kind whose cost differs, with the number of such runs: what an estimate of
    /// the whole is made of.
    fn kinds(&self) -> Vec<(RunSpec, usize)>;
}

/// Why an experiment cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A search strategy failed.
    #[error("failed to propose trial {number} of the {sampler} search")]
    Search {
        /// The strategy.
        sampler: &'static str,
        /// The trial.
        number: u32,
        /// Its reason.
        source: hpo::HpoError,
    },
}

/// The experiments of a profile, in the order of the questions.
#[must_use]
pub fn plans(profile: &Profile) -> Vec<Box<dyn Plan>> {
    let seed = |purpose| derive(profile.seed, purpose);
    let mut plans: Vec<Box<dyn Plan>> = Vec::new();
    if let Some(config) = &profile.tuning {
        plans.push(Box::new(Tuning::new(config.clone(), seed("tuning"))));
    }
    if let Some(config) = &profile.layers {
        plans.push(Box::new(Layers::new(config, seed("layers"))));
    }
    if let Some(config) = &profile.batching {
        plans.push(Box::new(Batching::new(config, seed("batching"))));
    }
    if let Some(config) = &profile.timeline {
        plans.push(Box::new(Timeline::new(config, seed("timeline"))));
    }
    plans
}

/// The questions of the studies that an experiment answers.
#[must_use]
pub fn questions(experiment: Experiment) -> &'static [u8] {
    match experiment {
        Experiment::Tuning => &[1],
        Experiment::Layers => &[2, 3],
        Experiment::Batching => &[4],
        Experiment::Timeline => &[5],
    }
}

/// A fixed list of runs, known in advance: every experiment but the searches.
#[derive(Debug)]
struct FixedRuns {
    specs: Vec<RunSpec>,
    ids: HashMap<RunId, usize>,
}

impl FixedRuns {
    fn new(specs: Vec<RunSpec>) -> Self {
        let ids = specs.iter().enumerate().map(|(at, spec)| (spec.id(), at)).collect();
        Self { specs, ids }
    }

    fn owns(&self, spec: &RunSpec) -> bool {
        self.ids.contains_key(&spec.id())
    }

    fn next(&self, records: &Records, pending: &[RunSpec], limit: usize) -> Vec<RunSpec> {
        self.specs
            .iter()
            .filter(|spec| !records.contains(spec) && !pending.contains(spec))
            .take(limit)
            .cloned()
            .collect()
    }

    /// Groups the runs by a key; the first of each group stands for it.
    fn kinds<K: PartialEq>(&self, key: impl Fn(&RunSpec) -> K) -> Vec<(RunSpec, usize)> {
        let mut kinds: Vec<(K, RunSpec, usize)> = Vec::new();
        for spec in &self.specs {
            let found = key(spec);
            match kinds.iter_mut().find(|(key, ..)| *key == found) {
                Some((.., count)) => *count += 1,
                None => kinds.push((found, spec.clone(), 1)),
            }
        }
        kinds.into_iter().map(|(_, spec, count)| (spec, count)).collect()
    }
}

#[cfg(test)]
mod tests;
