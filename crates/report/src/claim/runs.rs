//! What a report needs of all runs: rows, and what they have in common.

use std::collections::BTreeSet;

use record::{Energy, Environment, Experiment, Outcome, RunRecord, RunSummary, WarningKind};

use super::rows::{Row, Rows, is_sound, sound_energy, start_of};

/// Largest number of runs for which a report also writes every record as a table. Beyond it these
/// tables take longer than everything else, and `wattlab journal export` writes them.
pub const MAX_RECORDS: usize = 100_000;

/// The runs of a journal as a report needs them, small enough for a million runs in memory.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// The observations for each question.
    pub rows: Rows,
    /// Number of runs.
    pub count: usize,
    /// Environment of the newest run; not part of a [`RunDigest`].
    pub environment: Option<Environment>,
    /// Time of all runs, in seconds.
    pub seconds: f64,
    /// Energy of all main spans; `None` if no run has an energy.
    pub energy: Option<Energy>,
    /// Data sets of trainings and evaluations: name and the beginning of the checksum.
    pub data: Vec<String>,
    /// Names of the machines that did the runs, where the records have them.
    pub hosts: BTreeSet<String>,
    /// Number of runs that were measured while their sensors also saw other runs.
    pub shared: usize,
    /// Number of runs during which other processes used the machine.
    pub disturbed: usize,
}

/// What a report needs to know about one run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunDigest {
    row: Row,
    experiment: Experiment,
    looks: Vec<u32>,
    seconds: f64,
    energy: Option<Energy>,
    /// Name and the beginning of the checksum of its data.
    data: Option<(String, String)>,
    host: Option<String>,
    shared: bool,
    disturbed: bool,
}

impl From<RunSummary> for RunDigest {
    fn from(record: RunSummary) -> Self {
        let data = match &record.outcome {
            Outcome::Trained(trained) => Some(&trained.data),
            Outcome::Evaluated(evaluated) => Some(&evaluated.data),
            _ => None,
        };
        let data = data.map(|data| (data.name.clone(), start_of(&data.sha256)));
        let warned = |kind| record.warnings.contains(&kind);
        Self {
            row: Row::of(&record),
            experiment: record.spec.experiment,
            looks: record.looks.clone(),
            shared: warned(WarningKind::SharedDomain),
            disturbed: warned(WarningKind::OutsideLoad),
            host: record
                .timing
                .surroundings
                .as_ref()
                .and_then(|surroundings| surroundings.host.clone()),
            seconds: record.timing.duration.0,
            energy: sound_energy(&record),
            data,
        }
    }
}

impl Runs {
    /// The runs of these records, in the order in which they were made.
    #[must_use]
    pub fn of(records: &[RunRecord]) -> Self {
        let mut runs = Self::default();
        for record in records {
            runs.push(RunSummary::from(record.clone()).into());
        }
        runs.environment = records.last().map(|record| record.environment.clone());
        runs
    }

    /// Adds the next run.
    pub fn push(&mut self, run: RunDigest) {
        self.count += 1;
        self.rows.push(run.row);
        self.rows.look(run.experiment, &run.looks);
        if is_sound(run.seconds) {
            self.seconds += run.seconds;
        }
        self.energy = Energy::total(self.energy.into_iter().chain(run.energy));
        if let Some((name, sha256)) = run.data {
            let text = format!("{name} (SHA-256 {sha256}…)");
            if !self.data.contains(&text) {
                self.data.push(text);
            }
        }
        self.hosts.extend(run.host);
        self.shared += usize::from(run.shared);
        self.disturbed += usize::from(run.disturbed);
    }
}
