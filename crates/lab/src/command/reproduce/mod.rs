//! `wattlab reproduce`: runs the experiments, tests the claims and writes the report.

mod args;
mod course;
mod estimates;
mod failure;
mod placement;
mod predicted;

use std::path::{Path, PathBuf};

pub(crate) use self::args::Args;
use self::{course::Course, placement::Placement};
use ::meter::Meter;
use anyhow::{Context, anyhow};
use record::{Engine, Journal, Results, create_folder, summarize_journal};

use crate::{
    Failure, Interrupt,
    config::Profile,
    data::DataFolder,
    device::{check_seen, device},
    driver::{DriveError, Driver},
    experiment::{Plan, Records, plans, questions},
    output,
    progress::{self, Progress, Sinks, Start, StudyState, StudyStatus},
    reporting,
    work::Worker,
};

/// What is printed on the first Ctrl-C.
const STOPPING: &str = "stopping at the next safe point; finished runs are kept (press Ctrl-C again \
                        to stop at once)";

/// Runs `wattlab reproduce`.
///
/// # Errors
///
/// On bad input (a profile, data or a folder that cannot be used), if a run fails, or on
/// interruption.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    if args.published {
        return super::published::run(
            &args.reference,
            &args.out,
            args.target.unwrap_or_default(),
            args.json,
        );
    }
    args.everyday.check()?;
    let profile = profile(args)?;
    let plans = plans(&profile);
    let selected: Vec<&dyn Plan> = selected(&plans, &args.rq)?;
    let course = Course::of(&profile, &selected);
    let selected = course.plans(selected);
    let interrupt = Interrupt::watch_saying(STOPPING).map_err(Failure::run_time)?;
    // Before the meter: an open driver of a GPU draws power that belongs to no run.
    let device = device(&args.device)?;
    let meter = metered(args)?;
    check_seen(&args.device, &meter.probe_uses())?;
    let data = DataFolder::new(args.data_dir.clone());
    let sysfs = args.sensing.sysfs.clone().unwrap_or_else(|| PathBuf::from("/sys"));
    let mut worker = Worker::new(meter.clone(), data, interrupt.clone())
        .on(device)
        .isolated(profile.isolation, false, &sysfs)
        .map_err(Failure::bad_input)?;

    if args.plan {
        let placement = Placement::of(args, &profile, &meter, &sysfs)?;
        let records = existing_records(&args.out, &course)?;
        let estimates = estimates::without_data(&selected, &records, &mut worker)?;
        let predicted =
            args.on.as_deref().map(|device| predicted::of(&selected, device)).transpose()?;
        let outlook = course.outlook(&records);
        return estimates::show(
            &profile,
            &estimates,
            &placement,
            predicted.as_ref(),
            outlook.as_ref(),
            args.json,
        );
    }

    // Bad data is found before a folder is made and before the first joule is spent.
    let is_new = !args.out.join(JOURNAL).exists();
    if is_new {
        prepare(&selected, &mut worker)?;
    }
    let placement = Placement::of(args, &profile, &meter, &sysfs)?;
    let (mut journal, mut records) = open_journal(args, &plans, &course)?;
    let folder = placement.folder(args, &plans, &mut journal, &mut records, &interrupt)?;
    let starts = estimates::starts(&selected, &records);
    let sinks = Sinks {
        folder: Some(args.out.clone()),
        metrics: args.metrics.clone(),
        otlp: args.otlp.clone(),
    };
    let status = StudyStatus::of(&profile.name, &placement.words());
    let is_done = selected.iter().all(|plan| plan.is_done(&records));
    let estimates = if is_done {
        say_done(&starts, &args.out);
        Vec::new()
    } else {
        progress::announce(status.clone(), StudyState::Preparing, &starts, &sinks);
        let unfinished = selected.iter().filter(|plan| !plan.is_done(&records));
        let unfinished: Vec<&dyn Plan> = unfinished.copied().collect();
        let checked = if is_new { Ok(()) } else { prepare(&unfinished, &mut worker) };
        let estimates = checked.and_then(|()| estimates::of(&unfinished, &records, &mut worker));
        let estimates = estimates.inspect_err(|failure| {
            let interrupted = matches!(failure, Failure::Interrupted);
            let state = if interrupted { StudyState::Interrupted } else { StudyState::Failed };
            progress::announce(status.clone(), state, &starts, &sinks);
        })?;
        estimates::say(&profile, &estimates, &placement, course.budget().as_deref());
        estimates
    };
    let mut executor = placement.executor(folder, &mut worker)?;
    let starts = estimates::with_times(starts, &estimates);
    let mut progress = Progress::new(status, &starts, placement.speedup(), sinks);
    progress.end_after(course.time_left(&records));
    let mut driver = Driver {
        plans: &selected,
        records: &mut records,
        journal: &mut journal,
        meter: &meter,
        interrupt: &interrupt,
        observer: &mut progress,
    };
    let ended = driver.run(&mut *executor);
    progress.end(match &ended {
        Ok(()) => StudyState::Finished,
        Err(DriveError::Interrupted) => StudyState::Interrupted,
        Err(_) => StudyState::Failed,
    });
    ended.map_err(failure::of_study)?;
    drop(executor);
    course.say_end(&records);
    let results = reporting::write_report(
        &args.out,
        args.target.unwrap_or_default(),
        &report::Formats::all(),
        &args.everyday,
    )?;
    if args.json {
        return output::print_json(&results);
    }
    show_verdicts(&results, &args.out);
    Ok(())
}

/// The journal's name in a study's folder.
const JOURNAL: &str = "journal.jsonl";

/// Loads what the runs need, so that missing or damaged data is found before any work is done.
fn prepare(plans: &[&dyn Plan], worker: &mut Worker) -> Result<(), Failure> {
    for (spec, _) in plans.iter().flat_map(|plan| plan.kinds()) {
        worker.prepare(&spec).map_err(Failure::bad_input)?;
    }
    Ok(())
}

/// Says that a finished study measures nothing.
fn say_done(starts: &[Start], out: &Path) {
    let runs: usize = starts.iter().map(|start| start.total).sum();
    progress::line(&format!(
        "all {runs} runs are already in `{}`: nothing was measured and no probe was read; only the \
         report is written again (to measure again, choose another folder with `--out`)",
        out.join(JOURNAL).display()
    ));
}

fn metered(args: &Args) -> Result<Meter, Failure> {
    let meter = args.sensing.start(args.measured)?;
    if args.measured && meter.probe_uses().is_empty() {
        return Err(Failure::bad_input(anyhow!(
            "--measured: no sensor works here; `wattlab probes` says why and what to do about it; \
             without this flag, energy is estimated"
        )));
    }
    Ok(meter)
}

fn profile(args: &Args) -> Result<Profile, Failure> {
    let mut profile = Profile::load(&args.profile).map_err(Failure::bad_input)?;
    profile.seed = args.seed.unwrap_or(profile.seed);
    profile.engine = args.engine.map_or(profile.engine, Engine::from);
    profile.budget = args.budget.or(profile.budget);
    if let Some(name) = &args.dataset {
        profile.use_data(name).map_err(Failure::bad_input)?;
    }
    Ok(profile)
}

fn selected<'a>(plans: &'a [Box<dyn Plan>], rq: &[u8]) -> Result<Vec<&'a dyn Plan>, Failure> {
    let wanted = |plan: &dyn Plan| {
        rq.is_empty() || questions(plan.experiment()).iter().any(|question| rq.contains(question))
    };
    let selected: Vec<&dyn Plan> =
        plans.iter().map(Box::as_ref).filter(|plan| wanted(*plan)).collect();
    if selected.is_empty() {
        return Err(Failure::BadInput(anyhow!(
            "the profile has no experiment for these research questions; add its table \
             (`[tuning]`, `[layers]`, `[own]`, `[batching]`, `[timeline]`) or choose others with `--rq`"
        )));
    }
    Ok(selected)
}

fn existing_records(out: &Path, course: &Course) -> Result<Records, Failure> {
    let path = out.join(JOURNAL);
    if !path.exists() {
        return Ok(course.records(Vec::new()));
    }
    let mut records = course.records(Vec::new());
    let state = summarize_journal(&path, course.digest(), |_, record| records.push(record));
    state.and_then(|state| state.undamaged(&path)).map_err(Failure::bad_input)?;
    Ok(records)
}

fn open_journal(
    args: &Args,
    plans: &[Box<dyn Plan>],
    course: &Course,
) -> Result<(Journal, Records), Failure> {
    create_folder(&args.out)
        .with_context(|| {
            format!("failed to create folder `{}`; choose another with `--out`", args.out.display())
        })
        .map_err(Failure::BadInput)?;
    let path = args.out.join(JOURNAL);
    if args.repair {
        super::journal::repaired(&path)?;
    }
    let (journal, records, torn) =
        Journal::open_with(&path, course.digest()).map_err(Failure::bad_input)?;
    if let Some(torn) = torn {
        progress::line(&format!(
            "journal: removed an unfinished last line of {} bytes; its run will be repeated",
            torn.bytes
        ));
    }
    let foreign =
        records.iter().filter(|record| !plans.iter().any(|plan| plan.owns_record(record))).count();
    if foreign > 0 {
        return Err(Failure::BadInput(anyhow!(
            "journal `{}` holds {foreign} runs that do not belong to this profile and seed, and \
             the report would mix them; choose another folder with `--out`, or the profile and \
             seed that made them",
            path.display()
        )));
    }
    Ok((journal, course.records(records)))
}

fn show_verdicts(results: &Results, out: &Path) {
    for claim in &results.claims {
        output::print(&format!(
            "{:<32} {:<13} {}",
            claim.id.as_str(),
            claim.verdict_in_words(),
            claim.reason
        ));
    }
    output::print(&format!("report: {}", out.join("report/index.html").display()));
}
