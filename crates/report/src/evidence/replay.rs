//! Searches that were replayed on a table of measured trainings.

/// Searches over the networks of a data set, by several strategies with several seeds.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Replay {
    /// The data set.
    pub data: String,
    /// Validation accuracy that the searches should reach, in [0, 1].
    pub target: f64,
    /// What the target is, in words.
    pub target_words: String,
    /// The searches.
    pub searches: Vec<ReplayedSearch>,
}

/// A search that was replayed.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ReplayedSearch {
    /// The strategy, for readers.
    pub strategy: String,
    /// Whether this is the strategy that the claim is about.
    pub is_of_claim: bool,
    /// Whether the claim compares with this strategy.
    pub is_simple: bool,
    /// The seed; searches of one seed are a block.
    pub seed: u64,
    /// Its trials in order.
    pub trials: Vec<ReplayedTrial>,
}

/// A training that a search asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ReplayedTrial {
    /// Joules of the training, as measured.
    pub joules: f64,
    /// Validation accuracy, in [0, 1].
    pub validation: f64,
    /// Test accuracy, in [0, 1].
    pub test: f64,
}

impl Replay {
    /// A replay without searches.
    #[must_use]
    pub fn new(data: impl Into<String>, target: f64, target_words: impl Into<String>) -> Self {
        let (data, target_words) = (data.into(), target_words.into());
        Self { data, target, target_words, searches: Vec::new() }
    }
}

impl ReplayedSearch {
    /// A search without trials.
    #[must_use]
    pub fn new(strategy: impl Into<String>, seed: u64) -> Self {
        Self { strategy: strategy.into(), seed, ..Self::default() }
    }

    /// Joules spent until a trial reached the target, and whether one did; without one, all joules.
    #[must_use]
    pub fn joules_to(&self, target: f64) -> (f64, bool) {
        let mut spent = 0.0;
        for trial in &self.trials {
            spent += trial.joules;
            if trial.validation >= target {
                return (spent, true);
            }
        }
        (spent, false)
    }

    /// Test accuracy of the trial with the best validation accuracy; `None` without trials.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        let best = self.trials.iter().max_by(|a, b| a.validation.total_cmp(&b.validation));
        best.map(|trial| trial.test)
    }

    /// Mean test accuracy of its trials; `None` without trials.
    #[must_use]
    pub fn mean_accuracy(&self) -> Option<f64> {
        let sum: f64 = self.trials.iter().map(|trial| trial.test).sum();
        (!self.trials.is_empty()).then(|| sum / self.trials.len() as f64)
    }
}

impl ReplayedTrial {
    /// A trial with its joules, validation and test accuracy.
    #[must_use]
    pub fn new(joules: f64, validation: f64, test: f64) -> Self {
        Self { joules, validation, test }
    }
}
