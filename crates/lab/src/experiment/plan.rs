//! What an experiment must be able to say: which runs it wants next.

use std::time::Duration;

use rayon::prelude::*;
use record::{Experiment, RunSpec};

use super::records::{RecordDigest, Records};

/// An experiment of a study: which runs it wants, given the records so far.
pub trait Plan: Send + Sync {
    /// The experiment.
    fn experiment(&self) -> Experiment;

    /// The number of its runs.
    fn total(&self) -> usize;

    /// The number of runs that [`Plan::kinds`] describes: all, unless the records decide how many are done.
    fn foreseen(&self) -> usize {
        self.total()
    }

    /// Whether a run belongs to this experiment with this configuration and seed.
    fn owns(&self, spec: &RunSpec) -> bool;

    /// The same for a record, whose id is already known.
    fn owns_record(&self, record: &RecordDigest) -> bool;

    /// Whether all runs are known beforehand, so that no record changes what the plan asks for.
    fn is_fixed(&self) -> bool {
        true
    }

    /// Whether a run's record may change what the plan asks for, although its runs were all handed out.
    fn depends_on(&self, spec: &RunSpec) -> bool {
        !self.is_fixed() && self.owns(spec)
    }

    /// Whether it asks for no more runs.
    fn is_done(&self, records: &Records) -> bool {
        self.done(records) >= self.total()
    }

    /// How many of its runs have a record.
    fn done(&self, records: &Records) -> usize {
        records.all().par_iter().filter(|record| self.owns_record(record)).count()
    }

    /// The next runs, at most `limit`. Empty if every run is done, or if the next one depends on
    /// runs that are under way.
    ///
    /// `pending` are the runs that were handed out and have no record yet.
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

    /// The expected time to choose all its runs; zero where the runs are known beforehand.
    fn asking(&self) -> Duration {
        Duration::ZERO
    }

    /// One run of each kind whose cost differs, with the number of such runs: the basis of an
    /// estimate of the whole.
    fn kinds(&self) -> Vec<(RunSpec, usize)>;
}

/// Why an experiment cannot choose its next run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A search strategy failed.
    #[error("failed to propose trial {number} of the {sampler} search")]
    Search {
        /// The name of the search strategy.
        sampler: &'static str,
        /// The number of the trial.
        number: u32,
        /// The reason.
        source: hpo::HpoError,
    },
}
