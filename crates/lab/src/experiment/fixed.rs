//! Experiments whose runs are all known beforehand: every one but the searches.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use rayon::prelude::*;
use record::{Experiment, RunId, RunSpec};

use super::{
    plan::{Plan, PlanError},
    records::{RecordDigest, Records},
};

/// An experiment with a fixed list of runs. It asks for them in the list's order and leaves out
/// those that have a record.
#[derive(Debug)]
pub(super) struct FixedPlan {
    experiment: Experiment,
    specs: Vec<RunSpec>,
    /// The ids of `specs`, in the same order.
    ids: Vec<RunId>,
    /// The same ids, for look-ups.
    index: HashSet<RunId>,
    /// A hash of the list, by which [`Records`] remembers how many of its runs are done.
    key: u64,
    /// Runs with equal cost keys cost the same.
    cost_key: fn(&RunSpec) -> String,
}

impl FixedPlan {
    /// An experiment with the runs of `specs`, in this order. Runs to which `cost_key` gives the
    /// same text are expected to cost the same.
    pub(super) fn new(
        experiment: Experiment,
        specs: Vec<RunSpec>,
        cost_key: fn(&RunSpec) -> String,
    ) -> Self {
        let ids: Vec<RunId> = specs.par_iter().map(RunSpec::id).collect();
        let mut hasher = DefaultHasher::new();
        ids.hash(&mut hasher);
        let index = ids.iter().cloned().collect();
        Self { experiment, specs, index, ids, key: hasher.finish(), cost_key }
    }
}

impl Plan for FixedPlan {
    fn experiment(&self) -> Experiment {
        self.experiment
    }

    fn total(&self) -> usize {
        self.specs.len()
    }

    fn owns(&self, spec: &RunSpec) -> bool {
        self.index.contains(&spec.id())
    }

    fn owns_record(&self, record: &RecordDigest) -> bool {
        self.index.contains(&record.id)
    }

    fn next(
        &self,
        records: &Records,
        pending: &[RunSpec],
        limit: usize,
    ) -> Result<Vec<RunSpec>, PlanError> {
        let pending: HashSet<RunId> = pending.iter().map(RunSpec::id).collect();
        let front = records.front(self.key, &self.ids);
        let open = self.specs[front..].iter().zip(&self.ids[front..]);
        Ok(open
            .filter(|(_, id)| !records.contains_id(id) && !pending.contains(id))
            .take(limit)
            .map(|(spec, _)| spec.clone())
            .collect())
    }

    fn kinds(&self) -> Vec<(RunSpec, usize)> {
        let mut kinds: Vec<(String, RunSpec, usize)> = Vec::new();
        for spec in &self.specs {
            let key = (self.cost_key)(spec);
            match kinds.iter_mut().find(|(known, ..)| *known == key) {
                Some((.., count)) => *count += 1,
                None => kinds.push((key, spec.clone(), 1)),
            }
        }
        kinds.into_iter().map(|(_, spec, count)| (spec, count)).collect()
    }
}
