//! What a report needs of all runs: rows, and what they have in common.

use std::collections::BTreeSet;

use record::{Energy, Environment, Outcome, RunRecord, RunSummary, WarningKind};

use super::rows::{Row, Rows, is_sound, sound_energy};

/// The runs of a journal as a report needs them: a million fit into memory.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// What each question looks at.
    pub rows: Rows,
    /// How many runs there are.
    pub count: usize,
    /// Of the newest run; not part of a [`Run`].
    pub environment: Option<Environment>,
    /// Time of all runs, in seconds.
    pub seconds: f64,
    /// Energy of all main spans; `None` where nothing was read.
    pub energy: Option<Energy>,
    /// The images of the trainings, in words.
    pub data: Vec<String>,
    /// Names of the machines that did the runs, as far as records tell.
    pub hosts: BTreeSet<String>,
    /// Runs that were measured while sensors saw others too.
    pub shared: usize,
    /// Runs during which others used the machine.
    pub disturbed: usize,
}

/// What a report needs of one run.
#[derive(Debug)]
pub struct Run {
    row: Row,
    seconds: f64,
    energy: Option<Energy>,
    /// Name and the beginning of the checksum.
    data: Option<(String, String)>,
    host: Option<String>,
    shared: bool,
    disturbed: bool,
}

impl From<RunSummary> for Run {
    fn from(record: RunSummary) -> Self {
        let data = match &record.outcome {
            Outcome::Trained(it) => {
                let sha256 = it.data.sha256.get(..12).unwrap_or("").to_owned();
                Some((it.data.name.clone(), sha256))
            }
            _ => None,
        };
        let warned = |kind| record.warnings.contains(&kind);
        Self {
            row: Row::of(&record),
            shared: warned(WarningKind::SharedDomain),
            disturbed: warned(WarningKind::OutsideLoad),
            host: record.timing.surroundings.as_ref().and_then(|it| it.host.clone()),
            seconds: record.timing.duration.0,
            energy: sound_energy(&record),
            data,
        }
    }
}

impl Runs {
    /// Of records, in the order they were made.
    #[must_use]
    pub fn of(records: &[RunRecord]) -> Self {
        let mut runs = Self::default();
        records.iter().for_each(|it| runs.push(RunSummary::from(it.clone()).into()));
        runs.environment = records.last().map(|it| it.environment.clone());
        runs
    }

    /// Adds the next run.
    pub fn push(&mut self, run: Run) {
        self.count += 1;
        self.rows.push(run.row);
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
