//! `wattlab reproduce`: run the experiments, test the claims, write the report.

mod estimates;
mod spread;

use std::path::{Path, PathBuf};

use ::meter::Meter;
use ::report::Target;
use anyhow::{Context, anyhow};
use clap::ValueEnum;
use record::{Journal, Results, create_folder, summarize_journal};

use crate::{
    Failure, Interrupt,
    config::Profile,
    data::DataFolder,
    device::{check_seen, device},
    drive::{DriveError, Study},
    executor::{ExecuteError, slurm::SlurmError},
    experiment::{Brief, Plan, Records, plans, questions},
    output,
    progress::{self, Progress, Sinks, StudyState, StudyStatus},
    work::{RunError, Worker, meter, sensors},
};

/// Arguments of `wattlab reproduce`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `quick`, `standard`, `paper`, or a file.
    #[arg(long, default_value = "quick", value_name = "NAME|FILE")]
    profile: String,
    /// Only these questions, such as `1,4`.
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u8).range(1..=5))]
    rq: Vec<u8>,
    /// Train on this data set in place of the profile's.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
    /// Folder with the data sets' files.
    #[arg(long, value_name = "DIR", env = "WATTLAB_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// Folder for journal, results and report; go on there if it holds a journal.
    #[arg(long, default_value = "target/reproduce", value_name = "DIR")]
    out: PathBuf,
    /// Where runs are executed.
    #[arg(long, default_value = "local")]
    executor: ExecutorKind,
    /// Runs at once: processes on this machine, each on processors of its own, or jobs.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    workers: Option<u16>,
    /// Move damaged lines of the journal aside first; their runs are done again.
    #[arg(long)]
    repair: bool,
    /// In place of the profile's seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Print what would run and what it would cost, and stop.
    #[arg(long)]
    plan: bool,
    /// Where networks are trained: `cpu`, `cuda` or `cuda:N`.
    #[arg(long, default_value = "cpu", value_name = "NAME")]
    device: String,
    /// Read this folder in place of `/sys`.
    #[arg(long, value_name = "DIR")]
    sysfs: Option<PathBuf>,
    /// Load a probe from a shared library.
    #[arg(long, value_name = "FILE")]
    plugin: Vec<PathBuf>,
    /// Count what sensors see and nothing else: no model of a processor that has none.
    #[arg(long)]
    measured: bool,
    /// Write the study's figures into this file again and again, in OpenMetrics' format (for a textfile
    /// collector).
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
    /// Send the study's figures to an OpenTelemetry collector: `http://HOST:4318/v1/metrics`.
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    /// Analyze the studies' own raw files instead, and set them beside the runs in `--out`.
    #[arg(long, requires = "reference")]
    published: bool,
    /// Folder with the studies' raw files (`rq1_trials.csv`, `rq2_*.csv`, `rq2_published.json`).
    #[arg(long, value_name = "DIR", requires = "published")]
    reference: Option<PathBuf>,
    /// Test accuracy whose price in joules RQ1 shows; without it 0.95 of the best that was found.
    #[arg(long, value_name = "SHARE", value_parser = output::target)]
    target: Option<Target>,
    /// Print the content of `results.json`.
    #[arg(long)]
    json: bool,
}

/// Where runs are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExecutorKind {
    /// In this process, one after the other.
    Local,
    /// On a Slurm cluster.
    Slurm,
}

/// Runs it.
///
/// # Errors
///
/// On bad input (a profile, data or a folder that cannot be used), if a run fails, on interruption.
pub fn run(args: &Args) -> Result<(), Failure> {
    if let (true, Some(reference)) = (args.published, &args.reference) {
        return super::published::run(
            reference,
            &args.out,
            args.target.unwrap_or_default(),
            args.json,
        );
    }
    let profile = profile(args)?;
    let plans = plans(&profile);
    let selected: Vec<&dyn Plan> = selected(&plans, &args.rq)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    // Before the meter: what a driver that is open needs is no run's.
    let device = device(&args.device)?;
    let meter = metered(args)?;
    check_seen(&args.device, &meter.probe_uses())?;
    let data = DataFolder::new(args.data_dir.clone());
    let sysfs = args.sysfs.clone().unwrap_or_else(|| PathBuf::from("/sys"));
    let mut worker = Worker::new(meter.clone(), data, interrupt.clone())
        .on(device)
        .isolated(profile.isolation, false, &sysfs)
        .map_err(Failure::bad_input)?;
    // Bad data is found before the first joule is spent.
    for spec in selected.iter().flat_map(|plan| plan.kinds()) {
        worker.prepare(&spec.0).map_err(Failure::bad_input)?;
    }
    let spread = spread::Spread::of(args, &profile, &meter, &sysfs)?;

    if args.plan {
        let records = existing_records(&args.out)?;
        let estimates = estimates::of(&selected, &records, &mut worker)?;
        return estimates::show(&profile, &estimates, &spread, args.json);
    }

    let (mut journal, mut records) = open_journal(args, &plans)?;
    let folder = spread.folder(args, &plans, &mut journal, &mut records, &interrupt)?;
    let estimates = estimates::of(&selected, &records, &mut worker)?;
    estimates::say(&profile, &estimates, &spread);
    let mut executor = spread.executor(folder, &mut worker)?;
    let sinks = Sinks {
        folder: Some(args.out.clone()),
        metrics: args.metrics.clone(),
        otlp: args.otlp.clone(),
    };
    let status = StudyStatus::of(&profile.name, &spread.words());
    let starts = estimates::starts(&selected, &records, &estimates);
    let mut progress = Progress::new(status, &starts, spread.speedup(), sinks);
    let mut study = Study {
        plans: &selected,
        records: &mut records,
        journal: &mut journal,
        meter: &meter,
        interrupt: &interrupt,
        progress: &mut progress,
    };
    let ended = study.run(&mut *executor);
    progress.end(match &ended {
        Ok(()) => StudyState::Finished,
        Err(DriveError::Interrupted) => StudyState::Interrupted,
        Err(_) => StudyState::Failed,
    });
    ended.map_err(failure)?;
    drop(executor);
    let results = output::write_report(&args.out, args.target.unwrap_or_default())?;
    if args.json {
        return output::print_json(&results);
    }
    show_verdicts(&results, &args.out);
    Ok(())
}

fn metered(args: &Args) -> Result<Meter, Failure> {
    if !args.measured {
        return meter(args.sysfs.as_deref(), &args.plugin).map_err(Failure::bad_input);
    }
    let meter = sensors(args.sysfs.as_deref(), &args.plugin).map_err(Failure::bad_input)?;
    if meter.probe_uses().is_empty() {
        return Err(Failure::bad_input(anyhow!(
            "--measured: no sensor works here; `wattlab probes` says what to do about it, and \
             without this flag energy is estimated"
        )));
    }
    Ok(meter)
}

fn profile(args: &Args) -> Result<Profile, Failure> {
    let mut profile = Profile::load(&args.profile).map_err(Failure::bad_input)?;
    profile.seed = args.seed.unwrap_or(profile.seed);
    if let Some(name) = &args.dataset {
        profile.use_data(name).map_err(Failure::bad_input)?;
    }
    Ok(profile)
}

fn selected<'a>(plans: &'a [Box<dyn Plan>], rq: &[u8]) -> Result<Vec<&'a dyn Plan>, Failure> {
    let wanted = |plan: &dyn Plan| {
        rq.is_empty() || questions(plan.experiment()).iter().any(|it| rq.contains(it))
    };
    let selected: Vec<&dyn Plan> = plans.iter().map(Box::as_ref).filter(|it| wanted(*it)).collect();
    if selected.is_empty() {
        return Err(Failure::BadInput(anyhow!(
            "the profile has no experiment for the questions asked for; add its table \
             (`[tuning]`, `[layers]`, `[batching]`, `[timeline]`) or ask for others by `--rq`"
        )));
    }
    Ok(selected)
}

fn existing_records(out: &Path) -> Result<Records, Failure> {
    let path = out.join("journal.jsonl");
    if !path.exists() {
        return Ok(Records::default());
    }
    let mut records = Records::default();
    let state = summarize_journal(&path, Brief::from, |_, it| records.push(it));
    state.and_then(|it| it.undamaged(&path)).map_err(Failure::bad_input)?;
    Ok(records)
}

fn open_journal(args: &Args, plans: &[Box<dyn Plan>]) -> Result<(Journal, Records), Failure> {
    create_folder(&args.out)
        .with_context(|| {
            format!("failed to create folder `{}`; choose another by `--out`", args.out.display())
        })
        .map_err(Failure::BadInput)?;
    let path = args.out.join("journal.jsonl");
    if args.repair {
        super::journal::repaired(&path)?;
    }
    let (journal, records, torn) =
        Journal::open_with(&path, Brief::from).map_err(Failure::bad_input)?;
    if let Some(torn) = torn {
        progress::line(&format!(
            "journal: cut off an unfinished last line of {} bytes; its run will be done again",
            torn.bytes
        ));
    }
    let foreign =
        records.iter().filter(|it| !plans.iter().any(|plan| plan.owns_record(it))).count();
    if foreign > 0 {
        return Err(Failure::BadInput(anyhow!(
            "journal `{}` holds {foreign} runs that this profile and seed do not ask for, and the \
             report would mix them; choose another folder by `--out`, or the profile and seed \
             that made them",
            path.display()
        )));
    }
    Ok((journal, Records::new(records)))
}

fn run_failure(error: RunError) -> Failure {
    match error {
        RunError::Interrupted => Failure::Interrupted,
        error => Failure::run_time(error),
    }
}

fn failure(error: DriveError) -> Failure {
    match error {
        DriveError::Interrupted => Failure::Interrupted,
        DriveError::Execute(error) => executing(error),
        error => Failure::run_time(error),
    }
}

/// What the profile can mend is bad input.
fn executing(error: ExecuteError) -> Failure {
    match error {
        ExecuteError::Interrupted => Failure::Interrupted,
        ExecuteError::Slurm(SlurmError::Missing { .. } | SlurmError::Refused { .. }) => {
            Failure::bad_input(error)
        }
        error => Failure::run_time(error),
    }
}

fn show_verdicts(results: &Results, out: &Path) {
    for claim in &results.claims {
        output::print(&format!(
            "{:<32} {:<13} {}",
            claim.id.as_str(),
            claim.verdict.word(),
            claim.reason
        ));
    }
    output::print(&format!("report: {}", out.join("report/index.html").display()));
}
