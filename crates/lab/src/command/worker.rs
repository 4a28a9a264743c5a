//! `wattlab worker`: does the runs of a work folder. Started by the executors, not by people.

use std::{
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use models::Device;

use crate::{
    Failure, Interrupt,
    data::DataFolder,
    executor::{TakenRun, WorkFolder, WorkerSettings, pin},
    progress::line,
    surroundings,
    work::{RunError, Worker, meter, sensors},
};

/// Arguments of `wattlab worker`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The work folder.
    folder: PathBuf,
    /// Name of this worker; no other may have it.
    #[arg(long)]
    name: String,
    /// Processors to run on.
    #[arg(long, value_delimiter = ',')]
    cpus: Vec<usize>,
    /// Do one run for each line on standard input, and end with it; without this, do what there is
    /// to do and end.
    #[arg(long)]
    told: bool,
}

/// Runs it.
///
/// # Errors
///
/// If the work folder cannot be used.
pub fn run(args: &Args) -> Result<(), Failure> {
    // Before any thread is started: each takes this over.
    if !args.cpus.is_empty() {
        pin(&args.cpus).map_err(|error| {
            let text = format!("failed to run on processors {:?}: {error}", args.cpus);
            Failure::bad_input(anyhow!(text))
        })?;
    }
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let folder = WorkFolder::open(&args.folder).map_err(Failure::bad_input)?;
    let settings = folder.settings().map_err(Failure::bad_input)?;
    let alive = folder.register(&args.name).map_err(Failure::run_time)?;
    // What an earlier process of this name left: a scheduler starts a job again under its name.
    for taken in folder.taken().map_err(Failure::run_time)? {
        if taken.worker == args.name {
            folder.give_back(&taken, true).map_err(Failure::run_time)?;
        }
    }
    let mut here = Here { args, folder, interrupt, settings, worker: None };
    let ended = here.work();
    drop(alive);
    // Only an empty folder goes: what could not be given back is found by the writer.
    drop(here.folder.unregister(&args.name));
    ended
}

struct Here<'a> {
    args: &'a Args,
    folder: WorkFolder,
    interrupt: Interrupt,
    settings: WorkerSettings,
    /// Made with the first run.
    worker: Option<Worker>,
}

impl Here<'_> {
    fn work(&mut self) -> Result<(), Failure> {
        if self.args.told {
            for _ in io::stdin().lock().lines().map_while(Result::ok) {
                let word = match self.turn()? {
                    Some(taken) => taken.run.spec.id().to_string(),
                    None => "nothing".to_owned(),
                };
                let mut stdout = io::stdout().lock();
                // Nobody listens: the writer is gone, and finds the record when it comes back.
                if writeln!(stdout, "{word}").and_then(|()| stdout.flush()).is_err() {
                    break;
                }
            }
            return Ok(());
        }
        let mut left = self.settings.runs.unwrap_or(u32::MAX);
        while left > 0 {
            match self.turn()? {
                Some(_) => left -= 1,
                None if self.linger() => {}
                None => break,
            }
        }
        Ok(())
    }

    /// Waits for something to do; whether there is.
    fn linger(&self) -> bool {
        let end = Instant::now() + Duration::from_secs_f64(self.settings.linger_s);
        let mut pause = Duration::from_millis(20);
        while Instant::now() < end && !self.interrupt.is_set() && !self.folder.is_closed() {
            if self.folder.queued_count().is_ok_and(|it| it > 0) {
                return true;
            }
            thread::sleep(pause);
            pause = pause.mul_f64(1.5).min(Duration::from_secs(1));
        }
        false
    }

    /// Does the next run, if there is one.
    fn turn(&mut self) -> Result<Option<TakenRun>, Failure> {
        if self.interrupt.is_set() {
            return Err(Failure::Interrupted);
        }
        let taken = self.folder.take(&self.args.name).map_err(Failure::run_time)?;
        let Some(taken) = taken else { return Ok(None) };
        line(&format!("run {}", taken.run.spec.id()));
        match self.record(&taken) {
            Ok(()) => {}
            Err(Stop::Interrupted) => {
                self.folder.give_back(&taken, false).map_err(Failure::run_time)?;
                return Err(Failure::Interrupted);
            }
            Err(Stop::Failed(reason)) => {
                line(&format!("run {} failed: {reason}", taken.run.spec.id()));
                let host = surroundings::host().unwrap_or_default();
                self.folder.report_failure(&taken, &host, &reason).map_err(Failure::run_time)?;
            }
        }
        Ok(Some(taken))
    }

    fn record(&mut self, taken: &TakenRun) -> Result<(), Stop> {
        let settings = &self.settings;
        let worker = match &mut self.worker {
            Some(worker) => worker,
            none => {
                let (sysfs, plugins) = (settings.sysfs.as_deref(), &settings.plugins);
                let meter =
                    if settings.measured { sensors(sysfs, plugins) } else { meter(sysfs, plugins) };
                let meter = meter.map_err(|error| Stop::Failed(format!("{:#}", anyhow!(error))))?;
                let data = DataFolder::new(settings.data_dir.clone());
                let sysfs = settings.sysfs.as_deref().unwrap_or(Path::new("/sys"));
                let worker = Worker::new(meter, data, self.interrupt.clone())
                    .on(Device::named(&settings.device).map_err(RunError::from)?)
                    .isolated(settings.isolation, settings.together, sysfs)?
                    .named(&self.args.name, &self.args.cpus);
                none.insert(worker)
            }
        };
        let mut record = worker.run(&taken.run.spec)?;
        record.energy.spans.splice(0..0, taken.run.plan.clone());
        self.folder
            .deliver(taken, &record)
            .map_err(|error| Stop::Failed(format!("{:#}", anyhow!(error))))
    }
}

/// Why a run ended without a record.
enum Stop {
    Interrupted,
    Failed(String),
}

impl From<RunError> for Stop {
    fn from(error: RunError) -> Self {
        match error {
            RunError::Interrupted => Self::Interrupted,
            error => Self::Failed(format!("{:#}", anyhow!(error))),
        }
    }
}
