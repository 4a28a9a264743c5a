//! `wattlab reproduce`: run the experiments, test the claims, write the report.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use ::report::Target;
use anyhow::{Context, anyhow};
use clap::ValueEnum;
use record::{Journal, Results, create_folder, summarize_journal};

use crate::{
    Failure, Interrupt,
    config::Profile,
    data::DataFolder,
    drive::{DriveError, drive, title},
    estimate::{Estimate, estimate},
    executor::Local,
    experiment::{Brief, Plan, Records, plans, questions},
    output, progress,
    work::{RunError, Worker, meter},
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
    /// Runs at once.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Move damaged lines of the journal aside first; their runs are done again.
    #[arg(long)]
    repair: bool,
    /// In place of the profile's seed.
    #[arg(long)]
    seed: Option<u64>,
    /// Print what would run and what it would cost, and stop.
    #[arg(long)]
    plan: bool,
    /// Read this folder in place of `/sys`.
    #[arg(long, value_name = "DIR")]
    sysfs: Option<PathBuf>,
    /// Load a probe from a shared library.
    #[arg(long, value_name = "FILE")]
    plugin: Vec<PathBuf>,
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
    check_executor(args)?;
    let profile = profile(args)?;
    let plans = plans(&profile);
    let selected: Vec<&dyn Plan> = selected(&plans, &args.rq)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let meter = meter(args.sysfs.as_deref(), &args.plugin, None).map_err(Failure::bad_input)?;
    let data = DataFolder::new(args.data_dir.clone());
    let mut worker = Worker::new(meter.clone(), data, interrupt.clone());
    // Bad data is found before the first joule is spent.
    for spec in selected.iter().flat_map(|plan| plan.kinds()) {
        worker.prepare(&spec.0).map_err(Failure::bad_input)?;
    }

    if args.plan {
        let records = existing_records(&args.out)?;
        let estimates = estimates(&selected, &records, &mut worker)?;
        return show_plan(&profile, &estimates, args.json);
    }

    let (mut journal, mut records) = open_journal(args, &plans)?;
    say_beforehand(&profile, &estimates(&selected, &records, &mut worker)?);
    for plan in selected {
        let mut executor = Local::new(&mut worker);
        drive(plan, &mut records, &mut journal, &mut executor, &meter, &interrupt)
            .map_err(failure)?;
    }
    let results = output::write_report(&args.out, args.target.unwrap_or_default())?;
    if args.json {
        return output::print_json(&results);
    }
    show_verdicts(&results, &args.out);
    Ok(())
}

fn check_executor(args: &Args) -> Result<(), Failure> {
    match (args.executor, args.workers) {
        (ExecutorKind::Local, 1) => Ok(()),
        (ExecutorKind::Local, workers) => Err(Failure::BadInput(anyhow!(
            "flag `--workers` is {workers}, expected 1: this version runs one measurement at a \
             time, so that runs do not disturb each other; leave the flag out"
        ))),
        (ExecutorKind::Slurm, _) => Err(Failure::BadInput(anyhow!(
            "flag `--executor` is `slurm`, which this version cannot do yet; use `local` (inside \
             one Slurm job, if you like: the journal goes on where it stopped)"
        ))),
    }
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

fn estimates(
    plans: &[&dyn Plan],
    records: &Records,
    worker: &mut Worker,
) -> Result<Vec<Estimate>, Failure> {
    plans
        .iter()
        .map(|plan| estimate(*plan, records, worker))
        .collect::<Result<_, RunError>>()
        .map_err(run_failure)
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
        error => Failure::run_time(error),
    }
}

fn say_beforehand(profile: &Profile, estimates: &[Estimate]) {
    let left: usize = estimates.iter().map(|it| it.left).sum();
    if left == 0 {
        progress::line(&format!("profile {}: every run is done", profile.name));
        return;
    }
    let duration: Duration = estimates.iter().map(|it| it.duration).sum();
    progress::line(&format!(
        "profile {}: {left} runs to do, about {} on this machine (Ctrl-C is safe: the next call \
         goes on)",
        profile.name,
        progress::human(duration),
    ));
}

fn show_plan(profile: &Profile, estimates: &[Estimate], json: bool) -> Result<(), Failure> {
    if json {
        return output::print_json(&serde_json::json!({
            "schema": "wattlab.plan/1",
            "profile": profile.name,
            "experiments": estimates,
        }));
    }
    output::print(&format!(
        "{:<16} {:>7} {:>7} {:>14} {:>12}",
        "experiment", "runs", "to do", "time", "energy"
    ));
    for it in estimates {
        let energy = it.energy.map_or_else(
            || "unknown".to_owned(),
            |it| format!("{:.1} kJ {}", it.joules.0 / 1e3, it.origin.word()),
        );
        output::print(&format!(
            "{:<16} {:>7} {:>7} {:>14} {energy:>12}",
            title(it.experiment),
            it.runs,
            it.left,
            progress::human(it.duration),
        ));
    }
    let total: Duration = estimates.iter().map(|it| it.duration).sum();
    output::print(&format!("in all, about {}", progress::human(total)));
    Ok(())
}

fn show_verdicts(results: &Results, out: &Path) {
    for claim in &results.claims {
        output::print(&format!(
            "{:<32} {:<13} {}",
            claim.id.slug(),
            claim.verdict.word(),
            claim.reason
        ));
    }
    output::print(&format!("report: {}", out.join("report/index.html").display()));
}
