//! `wattlab tune run SPACE.toml -- CMD`: runs a command once per trial, measures its energy and reads
//! its metrics.

mod bounds;
mod desk;
mod lines;
mod live;
mod metric;
mod number;
mod process;
mod series;
mod shared;
mod summary;
mod trial;
mod work;

use std::{ffi::OsString, path::PathBuf};

use anyhow::{Context, anyhow};
use meter::{Estimator, Meter};
use tuner::{CommandStudy, OpenStudy};
use units::limits;

use self::{desk::Desk, trial::Runner};
use crate::{
    Failure, interrupt::Interrupt, output, progress, sensing::Sensing, work::shared_domains,
};

/// Arguments of `wattlab tune run`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Description of the study: metric, direction, budget, sampler and space (see
    /// `examples/tune.toml`).
    #[arg(value_name = "SPACE.toml")]
    space: PathBuf,
    /// Keep the study in this file; if the file exists, the study goes on where it ended.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Run this many trials at once, each in a process of its own. Processes with this flag may work
    /// on one journal at the same time, also on several machines with a shared folder.
    #[arg(long, value_name = "N", requires = "journal", value_parser = limits::WORKERS.parser::<u32>())]
    workers: Option<u32>,
    /// Be one of the workers, until standard input is closed.
    #[arg(long, hide = true, requires = "workers")]
    worker: bool,
    #[command(flatten)]
    sensing: Sensing,
    /// Print one JSON document on standard output at the end.
    #[arg(long)]
    json: bool,
    /// The command and its arguments. `{NAME}` is replaced by the value of a parameter, which is also in
    /// the environment variable `WATTLAB_NAME`. With `stays_running = true` in the description, a pruner
    /// needs no checkpoints: the command prints its values after each step and reads a line of standard
    /// input, `continue` or `stop`.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Runs the subcommand.
///
/// # Errors
///
/// If the description, the journal or the command cannot be used, or Ctrl-C was pressed. Trials that
/// were finished are in the journal.
pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let mut description = CommandStudy::load(&args.space).map_err(Failure::bad_input)?;
    description.study.journal.clone_from(&args.journal);
    description.study.budget_j = description.budget.joules();
    description.study.budget_s = description.budget.seconds();
    trial::check(&args.command, &description).map_err(Failure::bad_input)?;
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    if args.worker {
        shared::follow_parent(&interrupt);
        let mut desk = Desk::shared(description.study.clone(), &interrupt)?;
        return work(args, &description, &mut desk, &interrupt).map(drop);
    }
    let study = match args.workers {
        Some(_) => desk::patiently(description.study.clone(), &interrupt)?,
        None => {
            OpenStudy::new(description.study.clone()).map_err(Failure::bad_input)?.without_repeats()
        }
    };
    let study = begin(study, &description)?;
    let (study, ended) = match args.workers {
        Some(workers) => {
            // The workers open the journal in turn.
            drop(study);
            let seen = shared_domains(&meter(args)?);
            if !seen.is_empty() {
                progress::line(&format!(
                    "note: sensors see the work of all workers ({}), so the joules of a trial are estimated: its part \
                     of the processor's energy by CPU time; there are none where other parts are measured, too",
                    seen.join(", ")
                ));
            }
            shared::run(workers, &interrupt)?;
            let study = desk::patiently(description.study.clone(), &interrupt)?;
            let budget = &description.budget;
            let ended = budget.used_up(&study).or_else(|| budget.good_enough(&study));
            let ended = ended.or_else(|| budget.no_more_trials(&study));
            (study, ended.unwrap_or_else(|| "the workers have no more trials".to_owned()))
        }
        None => {
            let mut desk = Desk::alone(study, &interrupt);
            let ended = work(args, &description, &mut desk, &interrupt)?;
            (desk.into_study(), ended)
        }
    };
    progress::line(&ended);
    if args.json {
        output::print_json(&summary::json(&study, &ended))?;
    } else {
        summary::table(&study, &description.metrics).iter().for_each(|line| output::print(line));
    }
    if study.told() > 0 && !study.has_values() {
        return Err(Failure::run_time(anyhow!(
            "none of {} trials gave `{}`: run the command by hand with the parameters of one trial \
             (standard output and standard error are read)",
            study.trials().count(),
            description.metrics.join("`, `"),
        )));
    }
    Ok(())
}

/// Says what was found in the journal, and queues the trials of a new study.
fn begin(mut study: OpenStudy, description: &CommandStudy) -> Result<OpenStudy, Failure> {
    if let Some(bytes) = study.removed_line() {
        progress::line(&format!("journal: removed an unfinished last line of {bytes} bytes"));
    }
    if study.left_out() > 0 {
        progress::line(&format!(
            "journal: {} trials are not in the space as it is now and are left out",
            study.left_out()
        ));
    }
    if study.started() == 0 && study.queued() == 0 {
        for params in &description.enqueue {
            let params = params.clone();
            study.enqueue(params).context("`enqueue`").map_err(Failure::bad_input)?;
        }
    }
    Ok(study)
}

/// Runs trials in this process until the study ends, and says why it does.
fn work(
    args: &Args,
    description: &CommandStudy,
    desk: &mut Desk<'_>,
    interrupt: &Interrupt,
) -> Result<String, Failure> {
    let meter = meter(args)?;
    let sees_others = args.worker && !shared_domains(&meter).is_empty();
    let command = &args.command;
    let runner = Runner { command, description, meter: &meter, interrupt, sees_others };
    work::work(desk, &runner)
}

/// A meter with the sensors that are asked for.
fn meter(args: &Args) -> Result<Meter, Failure> {
    let builder = args.sensing.builder()?.attribute();
    // The CPU time of a command includes that of the processes it starts.
    let builder = builder.estimator(Estimator::for_this_processor().with_children());
    builder.start().map_err(Failure::bad_input)
}
