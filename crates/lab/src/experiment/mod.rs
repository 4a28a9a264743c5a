//! Experiments: pure functions from the records so far to the next runs.
//!
//! An experiment holds its configuration and nothing else. What has been done it sees in the
//! records; so an interrupted study goes on from its journal alone, and so parallel workers and
//! clusters need no protocol of their own.

mod batching;
mod layers;
mod records;
mod timeline;
mod tuning;

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
    time::Duration,
};

use rayon::prelude::*;
use record::{Experiment, RunId, RunSpec};

pub(crate) use self::tuning::{point, space};
pub use self::{
    batching::Batching,
    layers::Layers,
    records::{Brief, Records},
    timeline::Timeline,
    tuning::Tuning,
};
use crate::{config::Profile, seed::derive};

/// An experiment of a study: which runs it wants, given those it has.
pub trait Plan: Sync {
    /// Which experiment this is.
    fn experiment(&self) -> Experiment;

    /// How many runs there are in all.
    fn total(&self) -> usize;

    /// Whether a run is one of this experiment's.
    fn owns(&self, spec: &RunSpec) -> bool;

    /// The same of a record, whose identity is known.
    fn owns_record(&self, record: &Brief) -> bool;

    /// Whether its runs are known beforehand: no record changes what it asks for.
    fn is_fixed(&self) -> bool {
        true
    }

    /// How many of its runs are done.
    fn done(&self, records: &Records) -> usize {
        records.all().par_iter().filter(|it| self.owns_record(it)).count()
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

    /// Time that choosing all its runs takes.
    fn asking(&self) -> Duration {
        Duration::ZERO
    }

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
    /// Of those, in their order.
    ids: Vec<RunId>,
    index: HashSet<RunId>,
    /// Names this list.
    key: u64,
}

impl FixedRuns {
    fn new(specs: Vec<RunSpec>) -> Self {
        let ids: Vec<RunId> = specs.par_iter().map(RunSpec::id).collect();
        let mut hasher = DefaultHasher::new();
        ids.hash(&mut hasher);
        Self { specs, index: ids.iter().cloned().collect(), ids, key: hasher.finish() }
    }

    fn owns(&self, id: &RunId) -> bool {
        self.index.contains(id)
    }

    fn next(&self, records: &Records, pending: &[RunSpec], limit: usize) -> Vec<RunSpec> {
        let pending: HashSet<RunId> = pending.iter().map(RunSpec::id).collect();
        let front = records.front(self.key, &self.ids);
        let open = self.specs[front..].iter().zip(&self.ids[front..]);
        open.filter(|(_, id)| !records.contains_id(id) && !pending.contains(id))
            .take(limit)
            .map(|(spec, _)| spec.clone())
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
#[cfg(test)]
pub(crate) use tests::record_of;
