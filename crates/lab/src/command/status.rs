//! `wattlab status`: how a study stands, from another terminal.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, anyhow};
use record::{Energy, Experiment, RunSummary};

use crate::{
    Failure,
    drive::title,
    executor::WorkFolder,
    output,
    progress::{self, ExperimentStatus, StudyState, StudyStatus},
};

/// Arguments of `wattlab status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the study.
    #[arg(default_value = "target/reproduce")]
    folder: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs it. Nothing is locked: the study goes on meanwhile.
///
/// # Errors
///
/// If there is no study in the folder, or its files cannot be read.
pub fn run(args: &Args) -> Result<(), Failure> {
    let status = status(args)?;
    if args.json {
        return output::print_json(&status);
    }
    show(&status);
    Ok(())
}

/// What the study's process told, with what the journal says.
fn status(args: &Args) -> Result<StudyStatus, Failure> {
    let path = args.folder.join("status.json");
    let journal = args.folder.join("journal.jsonl");
    let mut status: StudyStatus = match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text)
            .with_context(|| format!("`{}` does not hold a status; remove it", path.display()))
            .map_err(Failure::BadInput)?,
        Err(_) if journal.exists() => StudyStatus {
            state: StudyState::Unknown,
            pid: 0,
            host: None,
            ..StudyStatus::of("", "")
        },
        Err(_) => {
            return Err(Failure::BadInput(anyhow!(
                "`{}` holds no study: there is neither a journal nor a status; name the folder that \
                 `reproduce` was given by `--out`",
                args.folder.display()
            )));
        }
    };
    if status.is_orphan() {
        status.state = StudyState::Killed;
        (status.left_s, status.ends_unix_s) = (None, None);
    }
    // Jobs go on without the process that submitted them.
    if status.state != StudyState::Running {
        let work = WorkFolder::run_counts(&args.folder.join("work")).map_err(Failure::bad_input)?;
        (status.standing.queued, status.standing.running) = work;
    }
    if journal.exists() {
        count(&mut status, &journal)?;
    }
    Ok(status)
}

/// Counts what is in the journal: the status may be older.
fn count(status: &mut StudyStatus, journal: &std::path::Path) -> Result<(), Failure> {
    let brief = |it: RunSummary| (it.spec.experiment, it.energy.total);
    let mut found: Vec<(Experiment, Option<Energy>)> = Vec::new();
    record::summarize_journal(journal, brief, |_, it| found.push(it))
        .map_err(Failure::bad_input)?;
    for row in &mut status.experiments {
        (row.done, row.joules) = (0, None);
    }
    for (experiment, energy) in found {
        let at = match status.experiments.iter().position(|it| it.experiment == experiment) {
            Some(at) => at,
            None => {
                let joules = None;
                let row = ExperimentStatus { experiment, total: None, done: 0, joules };
                status.experiments.push(row);
                status.experiments.len() - 1
            }
        };
        let row = &mut status.experiments[at];
        row.done += 1;
        row.joules = Energy::total(row.joules.into_iter().chain(energy));
    }
    status.joules = Energy::total(status.experiments.iter().filter_map(|it| it.joules));
    Ok(())
}

fn show(status: &StudyStatus) {
    let joules = |it: Option<Energy>| {
        it.map_or_else(
            || "no joules".to_owned(),
            |it| format!("{:.1} kJ {}", it.joules.0 / 1e3, it.origin.word()),
        )
    };
    let place = match &status.host {
        Some(host) => {
            format!(
                ": profile {}, {}, process {} on {host}",
                status.profile, status.executor, status.pid
            )
        }
        None => String::new(),
    };
    output::print(&format!("{}{place}", status.state.word()));
    for it in &status.experiments {
        let total = it.total.map_or_else(|| "?".to_owned(), |it| it.to_string());
        output::print(&format!(
            "{:<16} {:>7} of {total:<7} {:>22}",
            title(it.experiment),
            it.done,
            joules(it.joules)
        ));
    }
    let standing = status.standing;
    output::print(&format!(
        "{} running, {} queued, {} lost and handed on; {} so far",
        standing.running,
        standing.queued,
        standing.lost,
        joules(status.joules)
    ));
    if let Some((left, end)) = status.left_s.zip(status.ends_unix_s) {
        let end = jiff::Timestamp::from_second(end as i64).map(|it| it.to_string());
        output::print(&format!(
            "about {} left, until {}",
            progress::human(Duration::from_secs_f64(left.max(0.0))),
            end.unwrap_or_default()
        ));
    }
}
