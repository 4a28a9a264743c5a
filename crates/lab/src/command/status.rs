//! `wattlab status`: how far a study is, from another terminal.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, anyhow};
use record::{Energy, Experiment, RunSummary};
use units::{limits, read_text};

use crate::{
    Failure,
    config::Profile,
    executor::WorkFolder,
    experiment::{self, RecordDigest, title},
    output,
    progress::{self, ExperimentStatus, StudyState, StudyStatus},
};

/// Arguments of `wattlab status`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the study, as given to `reproduce --out`.
    #[arg(default_value = "target/reproduce")]
    folder: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// Runs `wattlab status`. It takes no lock, so the study can continue meanwhile.
///
/// # Errors
///
/// If there is no study in the folder, or its files cannot be read.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    let status = status(args)?;
    if args.json {
        return output::print_json(&status);
    }
    show(&status, &args.folder);
    Ok(())
}

/// The last status of the study's process, updated from the journal.
fn status(args: &Args) -> Result<StudyStatus, Failure> {
    let path = args.folder.join("status.json");
    let journal = args.folder.join("journal.jsonl");
    let mut status: StudyStatus = match read_text(&path, limits::CONFIG_BYTES.max()) {
        Ok(text) => serde_json::from_str(&text)
            .map(StudyStatus::from_file)
            .with_context(|| format!("`{}` does not hold a status; remove it", path.display()))
            .map_err(Failure::BadInput)?,
        Err(_) if journal.exists() => without_file(&args.folder, &journal)?,
        Err(_) => {
            return Err(Failure::BadInput(anyhow!(
                "`{}` holds no study: it has neither `journal.jsonl` nor `status.json`; name the \
                 folder that was given to `reproduce --out`",
                args.folder.display()
            )));
        }
    };
    if status.is_orphan() {
        status.state = StudyState::Killed;
        (status.left_s, status.ends_unix_s) = (None, None);
    }
    // Slurm jobs can outlive the process that submitted them.
    if !status.state.is_active() {
        let work = WorkFolder::run_counts(&args.folder.join("work")).map_err(Failure::bad_input)?;
        (status.standing.queued, status.standing.running) = work;
    }
    if journal.exists() {
        count(&mut status, &journal)?;
    }
    if status.state == StudyState::Unknown && is_complete(&status) {
        status.state = StudyState::Finished;
    }
    Ok(status)
}

/// The status of a folder that has a journal and no status file, as those under `results/`. If it has
/// the study's `profile.toml`, the number of runs is known.
fn without_file(folder: &Path, journal: &Path) -> Result<StudyStatus, Failure> {
    let mut status =
        StudyStatus { state: StudyState::Unknown, pid: 0, host: None, ..StudyStatus::of("", "") };
    let path = folder.join("profile.toml");
    if !path.exists() {
        return Ok(status);
    }
    let profile = Profile::load(&path.to_string_lossy()).map_err(Failure::bad_input)?;
    let plans = experiment::plans(&profile);
    // A journal with runs of another seed or data set does not belong to this profile.
    let mut owned = vec![0; plans.len()];
    let mut is_foreign = false;
    record::summarize_journal(journal, RecordDigest::from, |_, record| {
        match plans.iter().position(|plan| plan.owns_record(&record)) {
            Some(at) => owned[at] += 1,
            None => is_foreign = true,
        }
    })
    .map_err(Failure::bad_input)?;
    if !is_foreign {
        status.profile = profile.name;
        let rows = plans.iter().zip(&owned);
        status.experiments = rows
            .map(|(plan, owned)| ExperimentStatus {
                experiment: plan.experiment(),
                total: Some(plan.total()),
                done: *owned,
                joules: None,
            })
            .collect();
    }
    Ok(status)
}

/// Whether every run of every experiment is known to be in the journal.
fn is_complete(status: &StudyStatus) -> bool {
    let is_done = |row: &ExperimentStatus| row.total.is_some_and(|total| row.done >= total);
    !status.experiments.is_empty() && status.experiments.iter().all(is_done)
}

/// Counts the runs in the journal and their energy: the status file may be older.
fn count(status: &mut StudyStatus, journal: &Path) -> Result<(), Failure> {
    let summary = |record: RunSummary| (record.spec.experiment, record.energy.total);
    let mut found: Vec<(Experiment, Option<Energy>)> = Vec::new();
    let state = record::summarize_journal(journal, summary, |_, record| found.push(record))
        .map_err(Failure::bad_input)?;
    state.undamaged(journal).map_err(Failure::bad_input)?;
    for row in &mut status.experiments {
        (row.done, row.joules) = (0, None);
    }
    for (experiment, energy) in found {
        let at = match status.experiments.iter().position(|row| row.experiment == experiment) {
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
    status.joules = Energy::total(status.experiments.iter().filter_map(|row| row.joules));
    Ok(())
}

fn show(status: &StudyStatus, folder: &Path) {
    let joules =
        |energy: Option<Energy>| energy.map_or_else(|| "no energy".to_owned(), output::energy);
    let place = match &status.host {
        Some(host) => format!(
            ": profile {}, {}, process {} on {host}",
            status.profile, status.executor, status.pid
        ),
        None if !status.profile.is_empty() => format!(": profile {}", status.profile),
        None => String::new(),
    };
    output::print(&format!("{}{place}", status.state.word()));
    match status.state {
        StudyState::Preparing => {
            output::print("estimating how long the study will take; no run has begun");
        }
        StudyState::Unknown => output::print(&format!(
            "`{}` has no status.json, so it is unknown whether a process works on the study; \
             `wattlab reproduce --out` with the same profile continues it",
            folder.display()
        )),
        _ => {}
    }
    for row in &status.experiments {
        let total = row.total.map_or_else(|| "?".to_owned(), |total| total.to_string());
        output::print(&format!(
            "{:<16} {:>7} of {total:<7} {:>22}",
            title(row.experiment),
            row.done,
            joules(row.joules)
        ));
    }
    let standing = status.standing;
    output::print(&format!(
        "{} running, {} queued, {} restarted after their worker was lost; {} so far",
        standing.running,
        standing.queued,
        standing.lost,
        joules(status.joules)
    ));
    if let Some((left, end)) = status.left_s.zip(status.ends_unix_s) {
        let end = jiff::Timestamp::from_second(end as i64).map(|end| end.to_string());
        output::print(&format!(
            "about {} left, until {}",
            progress::human(Duration::from_secs_f64(left.max(0.0))),
            end.unwrap_or_default()
        ));
    }
}
