//! `wattlab measure -- CMD`: measures the energy of a command.

mod args;
mod child;
mod compare;
mod destination;
mod disclose;
mod emissions;
mod gathered;
mod grid;
mod job;
mod program;
mod repeat;
mod result;
mod runs;
mod series;
mod signals;
mod summary;
mod table;
mod task;

use anyhow::anyhow;
use meter::{Estimator, Meter};
use record::Origin;

pub(crate) use self::args::Args;
use self::{args::Required, job::Closing, program::Program, task::Task};
use crate::{Failure, progress};

/// Runs it. Returns the command's exit code, or 128 plus the number of the signal that ended it.
///
/// # Errors
///
/// If the command cannot be started, a file cannot be written, or a sensor is required and no sensor can
/// be read. All of this is checked before the command runs. Files are written after the result was
/// printed; if that fails, an error message says so, and a failed command keeps its own exit code.
pub(crate) fn run(args: &Args) -> Result<u8, Failure> {
    let programs = args.programs();
    programs.iter().try_for_each(Program::check)?;
    args.one_run_only()?;
    let job = args.job.find(args.sensing.sysfs.as_deref())?;
    let mut task = Task::check(args)?;
    let mut builder = args.sensing.builder()?.interval(args.interval).attribute();
    // The CPU time of a command includes that of all processes that it starts.
    let workload = Closing(args.job.workload(job.as_ref())?);
    builder = builder.estimator(Estimator::for_this_processor()).workload(workload.0.clone());
    if let Some(path) = &args.csv {
        builder = builder.observer(task.open_series(path)?);
    }
    let meter = builder.start().map_err(Failure::bad_input)?;
    require(args.require, &meter)?;
    job.as_ref().map_or(Ok(()), |job| job.check(&meter))?;
    task.tell_notes();
    let idle = match args.idle {
        Some(duration) => {
            progress::line(&format!("measuring idle power for {} s", duration.as_secs_f64()));
            meter.idle(duration)
        }
        None => None,
    };
    match (programs.as_slice(), &job) {
        ([a, b], _) => task.compare(&meter, &[a.clone(), b.clone()], idle),
        ([program], _) if args.repeat.is_repeated() => task.repeat(&meter, program, idle),
        ([program], job) => task.once(&meter, program, idle, job.as_ref()),
        ([], Some(job)) => task.without_command(&meter, idle, job),
        _ => Err(Failure::bad_input(anyhow!("give a command after `--`"))),
    }
}

fn require(required: Option<Required>, meter: &Meter) -> Result<(), Failure> {
    let Some(Required::Measured) = required else { return Ok(()) };
    let uses = meter.probe_uses();
    if uses.iter().any(|channel| channel.method.origin() == Origin::Measured) {
        return Ok(());
    }
    let mut text =
        "--require measured: no sensor can be read, so the command was not run".to_owned();
    for probe in meter.probes().iter().filter(|probe| !probe.available) {
        for part in probe.reason.iter().chain(&probe.remedy) {
            text.push_str(&format!("\n  {}: {part}", probe.probe));
        }
    }
    Err(Failure::bad_input(anyhow!(text)))
}
