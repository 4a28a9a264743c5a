//! A model of our own runs: fitted on the records of a journal.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context, anyhow};
use record::{Origin, scan_journal};
use report::Phase;

use super::{
    calibration::Calibration,
    fit::Coefficients,
    measured::Measured,
    model::{Prediction, Ranges},
    runs::{Conditions, OwnRun, Read, Subject},
    work::NetworkWork,
};
use crate::Failure;

/// More networks of a journal are left out: each has to be built to know its layers.
const MOST_NETWORKS: usize = 500;

/// A model of runs on one machine under equal conditions.
pub(crate) struct OwnModel {
    pub(crate) conditions: Conditions,
    pub(crate) coefficients: Coefficients,
    pub(crate) calibration: Calibration,
    ranges: Ranges,
    /// Number of runs.
    pub(crate) runs: usize,
    /// The batch of most of them.
    pub(crate) batch: usize,
    /// Median of the records' relative uncertainty, which all runs share.
    pub(crate) uncertainty: f64,
    /// What is left out: the reason and the number of runs.
    pub(crate) left_out: BTreeMap<String, usize>,
}

/// Which runs of a journal a model is of.
pub(crate) struct Wanted<'a> {
    pub(crate) device: Option<&'a str>,
    /// `None`: trainings, if there are any.
    pub(crate) phase: Option<Phase>,
}

impl OwnModel {
    /// Fits a model on the runs of a journal that have the most architectures under equal conditions.
    ///
    /// # Errors
    ///
    /// If the journal cannot be read, or has too few networks.
    pub(crate) fn of(journal: &Path, wanted: &Wanted<'_>) -> Result<Self, Failure> {
        let (mut runs, mut left_out) = (Vec::new(), BTreeMap::new());
        let sink = |_, read| match read {
            Read::Run(run) => runs.push(*run),
            Read::LeftOut(reason) => *left_out.entry(reason).or_insert(0) += 1,
        };
        let state = scan_journal(journal, Read::from, sink).map_err(Failure::bad_input)?;
        let undamaged = state.undamaged(journal);
        if undamaged.is_err() && runs.is_empty() && left_out.is_empty() {
            return Err(Failure::BadInput(anyhow!(
                "`{}` has no record of a run that can be read, expected a journal that `wattlab reproduce` wrote",
                journal.display()
            )));
        }
        undamaged.map_err(Failure::bad_input)?;
        let mut by_conditions: BTreeMap<Conditions, Vec<OwnRun>> = BTreeMap::new();
        for run in runs {
            by_conditions.entry(run.conditions.clone()).or_default().push(run);
        }
        let all: Vec<String> = by_conditions.keys().map(ToString::to_string).collect();
        let fits = |conditions: &Conditions| {
            wanted.device.is_none_or(|device| conditions.is_on(device))
                && wanted.phase.is_none_or(|phase| conditions.phase() == phase)
        };
        let architectures = |runs: &[OwnRun]| {
            let mut names: Vec<String> =
                runs.iter().map(|run| run.subject.architecture()).collect();
            names.sort_unstable();
            names.dedup();
            names.len()
        };
        // Trainings first, then the conditions with the most architectures, then those with the most runs.
        let chosen = by_conditions
            .iter()
            .filter(|(conditions, _)| fits(conditions))
            .max_by_key(|(conditions, runs)| {
                (conditions.phase() == Phase::Training, architectures(runs), runs.len())
            })
            .map(|(conditions, _)| conditions.clone());
        let shown = journal.display();
        let Some(conditions) = chosen else {
            return Err(Failure::BadInput(nothing(&shown.to_string(), &all, &left_out)));
        };
        let chosen = by_conditions.remove(&conditions).unwrap_or_default();
        for (others, runs) in by_conditions {
            *left_out.entry(others.to_string()).or_insert(0) += runs.len();
        }
        Self::fitted(conditions, &chosen, left_out)
            .with_context(|| format!("`{shown}`"))
            .map_err(Failure::BadInput)
    }

    fn fitted(
        conditions: Conditions,
        runs: &[OwnRun],
        mut left_out: BTreeMap<String, usize>,
    ) -> anyhow::Result<Self> {
        // Runs of one network and batch are one row, with the mean of the logarithms of their joules.
        let mut rows: BTreeMap<(&Subject, usize), Vec<f64>> = BTreeMap::new();
        for run in runs {
            rows.entry((&run.subject, run.batch)).or_default().push(run.joules_per_image);
        }
        let mut layers = BTreeMap::new();
        let (mut measured, mut used) = (Vec::new(), 0);
        for ((subject, batch), joules) in rows {
            if !layers.contains_key(subject) {
                if layers.len() == MOST_NETWORKS {
                    *left_out.entry(format!("more than {MOST_NETWORKS} networks")).or_insert(0) +=
                        joules.len();
                    continue;
                }
                layers.insert(subject, subject.layers());
            }
            match layers.get(subject) {
                Some(Ok(layers)) => {
                    let logs = joules.iter().map(|joules| joules.ln()).sum::<f64>();
                    used += joules.len();
                    measured.push(Measured {
                        work: layers.sum(|layer| layer.in_batch(batch)),
                        joules: (logs / joules.len() as f64).exp(),
                        group: subject.architecture(),
                    });
                }
                Some(Err(error)) => {
                    let reason = format!("a network that cannot be built: {error}");
                    *left_out.entry(reason).or_insert(0) += joules.len();
                }
                None => {}
            }
        }
        let few = || {
            anyhow!(
                "the {} have too few architectures for an interval (left out: {}); expected runs of at \
                 least 4 that differ in their work",
                conditions,
                listed(&left_out)
            )
        };
        let calibration = Calibration::of_few(&measured).ok_or_else(few)?;
        let coefficients = Coefficients::fit(measured.iter()).ok_or_else(few)?;
        let mut batches: BTreeMap<usize, usize> = BTreeMap::new();
        let mut uncertainties = Vec::new();
        for run in runs {
            *batches.entry(run.batch).or_insert(0) += 1;
            uncertainties.push(run.uncertainty);
        }
        uncertainties.sort_by(f64::total_cmp);
        Ok(Self {
            conditions,
            coefficients,
            calibration,
            ranges: Ranges::of(&measured),
            runs: used,
            batch: batches
                .into_iter()
                .max_by_key(|(_, count)| *count)
                .map_or(1, |(batch, _)| batch),
            uncertainty: uncertainties[uncertainties.len() / 2],
            left_out,
        })
    }

    /// Whether the journal's joules were measured or estimated.
    pub(crate) fn origin(&self) -> Origin {
        self.conditions.origin()
    }

    /// Predicts what a record of this machine would say, in joules per image: its interval covers the differences
    /// between architectures.
    pub(crate) fn as_recorded(&self, work: &NetworkWork) -> Prediction {
        let beyond = self.ranges.beyond(work);
        let is_beyond = beyond > 0.0;
        let half =
            if is_beyond { self.calibration.beyond + beyond } else { self.calibration.within };
        let joules = self.coefficients.joules(work);
        Prediction { joules, interval: [joules * (-half).exp(), joules * half.exp()], is_beyond }
    }

    /// The same with the uncertainty of the records' joules themselves.
    pub(crate) fn predict(&self, work: &NetworkWork) -> Prediction {
        let recorded = self.as_recorded(work);
        let joules = recorded.joules;
        let half = (recorded.interval[1] / joules).ln();
        // An uncertainty of 100 % or more reaches down to 0.
        let low = if self.uncertainty < 1.0 { -(-self.uncertainty).ln_1p() } else { f64::INFINITY };
        let high = self.uncertainty.ln_1p();
        let interval = [joules * (-half.hypot(low)).exp(), joules * half.hypot(high).exp()];
        Prediction { interval, ..recorded }
    }
}

fn listed(left_out: &BTreeMap<String, usize>) -> String {
    if left_out.is_empty() {
        return "nothing".to_owned();
    }
    let each = left_out.iter().map(|(reason, count)| format!("{count} × {reason}"));
    each.collect::<Vec<_>>().join("; ")
}

fn nothing(journal: &str, all: &[String], left_out: &BTreeMap<String, usize>) -> anyhow::Error {
    if all.is_empty() {
        return anyhow!(
            "`{journal}` has no runs to learn from (left out: {}); expected trainings or inferences with \
             joules",
            listed(left_out)
        );
    }
    anyhow!(
        "`{journal}` has no runs on that device and of that phase; it has {}; choose by `--device` and \
         `--phase`",
        all.join("; ")
    )
}
