//! The rows that verdicts may rest on in a study that looks at its verdicts several times, and the error rate of its
//! intervals.

use std::collections::{BTreeMap, BTreeSet};

use record::Experiment;

use super::{percent, rows::Rows};
use crate::stats::look_error_rates;

/// The error rate of all looks at a verdict together: that of 95 % intervals.
pub(super) const ERROR_RATE: f64 = 0.05;

/// The looks of an experiment that are over.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LooksSoFar {
    /// The numbers of repetitions after which the study looks, in rising order.
    pub(crate) all: Vec<u32>,
    /// How many looks are over.
    pub(crate) done: usize,
    /// The error rate of each look.
    pub(crate) error_rates: Vec<f64>,
}

impl LooksSoFar {
    fn of(looks: &BTreeSet<u32>, repetitions: &BTreeMap<u32, usize>) -> Option<Self> {
        let all: Vec<u32> = looks.iter().copied().collect();
        let error_rates = look_error_rates(&all, ERROR_RATE).ok()?;
        let most = repetitions.values().copied().max().unwrap_or(0);
        // The runs after a look start when all runs before it have ended.
        let is_over = |look: &&u32| {
            let later = repetitions.keys().any(|repetition| repetition >= *look);
            let runs = |repetition| repetitions.get(&repetition).copied().unwrap_or(0);
            later || (0..**look).all(|repetition| runs(repetition) == most && most > 0)
        };
        let done = all.iter().take_while(is_over).count();
        Some(Self { all, done, error_rates })
    }

    /// The number of repetitions at the last look that is over; 0 before the first.
    pub(crate) fn repetitions(&self) -> u32 {
        self.done.checked_sub(1).map_or(0, |last| self.all[last])
    }

    /// What a reader of the verdict should know.
    pub(super) fn in_words(&self) -> String {
        let ends = self.all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let what =
            format!("The study looks at this verdict after {ends} repetitions and may stop there");
        match self.done {
            0 => format!("{what}. It has not come to its first look, so nothing is decided."),
            done => format!(
                "{what}; this is look {done}. All looks together have the error rate of a 95 % interval, so \
                 that of this look is {}.",
                percent(self.error_rate()),
            ),
        }
    }

    /// The error rate of an interval at the last look that is over.
    pub(crate) fn error_rate(&self) -> f64 {
        self.done.checked_sub(1).map_or(ERROR_RATE, |last| self.error_rates[last])
    }
}

/// What verdicts may rest on.
#[derive(Debug)]
pub(super) struct Looked {
    /// The rows up to the last look of each experiment.
    pub(super) rows: Rows,
    by_experiment: BTreeMap<Experiment, LooksSoFar>,
}

impl Looked {
    /// `None` if every experiment looks once, at its end: all rows count.
    pub(super) fn of(rows: &Rows) -> Option<Self> {
        if rows.looks.is_empty() {
            return None;
        }
        let mut by_experiment = BTreeMap::new();
        for (experiment, looks) in &rows.looks {
            let runs = repetitions(rows, *experiment);
            by_experiment.extend(LooksSoFar::of(looks, &runs).map(|so_far| (*experiment, so_far)));
        }
        let mut rows = rows.clone();
        let limit = |experiment| by_experiment.get(&experiment).map(LooksSoFar::repetitions);
        if let Some(limit) = limit(Experiment::Tuning) {
            rows.trials.retain(|row| row.repetition < limit);
        }
        if let Some(limit) = limit(Experiment::Layers) {
            rows.layers.retain(|row| row.repetition < limit);
            rows.own.retain(|row| row.repetition < limit);
        }
        if let Some(limit) = limit(Experiment::Batching) {
            rows.queues.retain(|row| row.repetition < limit);
        }
        if let Some(limit) = limit(Experiment::Timeline) {
            rows.infers.retain(|row| row.repetition < limit);
        }
        Some(Self { rows, by_experiment })
    }

    pub(super) fn at(&self, experiment: Experiment) -> Option<&LooksSoFar> {
        self.by_experiment.get(&experiment)
    }
}

/// The number of runs of each repetition of an experiment.
fn repetitions(rows: &Rows, experiment: Experiment) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    let mut count = |repetition: u32| *counts.entry(repetition).or_default() += 1;
    match experiment {
        Experiment::Tuning => rows.trials.iter().for_each(|row| count(row.repetition)),
        Experiment::Layers => {
            rows.layers.iter().for_each(|row| count(row.repetition));
            rows.own.iter().for_each(|row| count(row.repetition));
        }
        Experiment::Batching => rows.queues.iter().for_each(|row| count(row.repetition)),
        Experiment::Timeline => rows.infers.iter().for_each(|row| count(row.repetition)),
        _ => {}
    }
    counts
}
