//! `wattlab worker`: does the runs of a work folder. Executors start it; people need not.

use std::{
    io::{self, BufRead},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use models::Device;
use units::limits;

use crate::{
    Failure, Interrupt,
    data::DataFolder,
    executor::{TakenRun, WorkFolder, WorkerSettings, pin},
    output,
    progress::line,
    surroundings,
    work::{RunError, Worker},
};

/// Arguments of `wattlab worker`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The study's work folder.
    folder: PathBuf,
    /// Name of this worker, different from those of all other workers.
    #[arg(long)]
    name: String,
    /// Processors to run on, such as `0,1`.
    #[arg(long, value_delimiter = ',', value_parser = limits::PROCESSOR.parser::<usize>())]
    cpus: Vec<usize>,
    /// Do one run for each line on standard input and end when it is closed; without this flag, do
    /// runs until there are none left.
    #[arg(long)]
    told: bool,
}

/// Runs `wattlab worker`.
///
/// # Errors
///
/// If the work folder cannot be used.
pub(crate) fn run(args: &Args) -> Result<(), Failure> {
    // Before any thread starts, because threads inherit this.
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
    // Runs that an earlier process of this name left: a scheduler restarts a job under its old name.
    for taken in folder.taken().map_err(Failure::run_time)? {
        if taken.worker == args.name {
            folder.give_back(&taken, true).map_err(Failure::run_time)?;
        }
    }
    let mut runs = WorkLoop { args, folder, interrupt, settings, worker: None };
    let ended = runs.work();
    drop(alive);
    // This removes only an empty folder: the driver finds runs that could not be given back.
    drop(runs.folder.unregister(&args.name));
    ended
}

/// The runs of one worker process.
struct WorkLoop<'a> {
    args: &'a Args,
    folder: WorkFolder,
    interrupt: Interrupt,
    settings: WorkerSettings,
    /// Created with the first run.
    worker: Option<Worker>,
}

impl WorkLoop<'_> {
    fn work(&mut self) -> Result<(), Failure> {
        if self.args.told {
            for _ in io::stdin().lock().lines().map_while(Result::ok) {
                let word = match self.turn()? {
                    Some(taken) => taken.run.spec.id().to_string(),
                    None => "nothing".to_owned(),
                };
                // If nobody reads this, the driver has ended; its next call finds the record.
                if output::write_line(&word).is_err() {
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

    /// Waits for a run to do, at most as long as the settings say; whether there is one.
    fn linger(&self) -> bool {
        let end = Instant::now() + Duration::from_secs_f64(self.settings.linger_s);
        let mut pause = Duration::from_millis(20);
        while Instant::now() < end && !self.interrupt.is_set() && !self.folder.is_closed() {
            if self.folder.queued_count().is_ok_and(|runs| runs > 0) {
                return true;
            }
            thread::sleep(pause);
            pause = pause.mul_f64(1.5).min(Duration::from_secs(1));
        }
        false
    }

    /// Does the next run and returns it; `None` if there is none.
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
                let meter = settings
                    .sensing
                    .start(settings.measured)
                    .map_err(|error| Stop::Failed(error.to_string()))?;
                let data = DataFolder::new(settings.data_dir.clone());
                let sysfs = settings.sensing.sysfs.as_deref().unwrap_or(Path::new("/sys"));
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
