//! Where a study's runs are placed: in this process, in worker processes, or on a cluster.

use std::{path::Path, thread, time::Duration};

use anyhow::anyhow;
use meter::Meter;
use record::{Domain, Journal, RunSpec};

use super::{
    args::{Args, ExecutorKind},
    failure,
};
use crate::{
    Failure, Interrupt,
    config::{IsolationConfig, Profile, SlurmConfig},
    executor::{
        Executor, InProcess, WorkFolder, WorkerProcesses, WorkerResources, WorkerSettings, allowed,
        shares, slurm::SlurmJobs,
    },
    experiment::{Plan, Records},
    progress::line,
    work::{RunError, Worker, shared_domains},
};

/// Where the runs of a study are executed.
pub(super) enum Placement {
    /// In this process, one after the other.
    InProcess,
    /// In worker processes on this machine.
    Processes(Vec<WorkerResources>, WorkerSettings),
    /// In jobs of a Slurm cluster.
    Slurm(Box<SlurmConfig>, WorkerSettings),
}

impl Placement {
    /// The placement that the arguments ask for.
    ///
    /// # Errors
    ///
    /// If there are too few processors, or sensors would measure several runs at once.
    pub(super) fn of(
        args: &Args,
        profile: &Profile,
        meter: &Meter,
        sysfs: &Path,
    ) -> Result<Self, Failure> {
        match (args.executor, args.workers) {
            (ExecutorKind::Local, None | Some(1)) => Ok(Self::InProcess),
            (ExecutorKind::Local, Some(workers)) => {
                let workers = usize::from(workers);
                check_domains(workers, profile.isolation, meter)?;
                let cpus = allowed().map_err(Failure::run_time)?;
                let shares = shares(&cpus, workers, sysfs).ok_or_else(|| {
                    Failure::bad_input(anyhow!(
                        "flag `--workers` is {workers}, expected 1 to {}: each worker needs processors of \
                         its own, and this process may use {}",
                        cpus.len(),
                        cpus.len()
                    ))
                })?;
                let gpus = gpus(meter);
                // One GPU for each worker; workers beyond the number of GPUs have none.
                let places = shares.into_iter().enumerate().map(|(at, cpus)| WorkerResources {
                    cpus,
                    gpu: (!gpus.is_empty()).then(|| gpus.get(at).cloned().unwrap_or_default()),
                });
                Ok(Self::Processes(places.collect(), settings(args, profile, true)))
            }
            (ExecutorKind::Slurm, workers) => {
                let mut config = profile.slurm.clone();
                config.jobs = workers.map_or(config.jobs, usize::from);
                let settings = settings(args, profile, !config.exclusive);
                Ok(Self::Slurm(Box::new(config), settings))
            }
        }
    }

    /// How many times faster than one process on this machine it is at best. Workers on this machine
    /// share its processors, so they count as one.
    pub(super) fn speedup(&self) -> usize {
        match self {
            Self::InProcess | Self::Processes(..) => 1,
            Self::Slurm(config, _) => config.jobs,
        }
    }

    /// For which machines times are estimated, in words.
    pub(super) fn place(&self) -> String {
        match self {
            Self::InProcess | Self::Processes(..) => "on this machine".to_owned(),
            Self::Slurm(config, _) => {
                format!("on {} nodes like this one, without waiting in the queue", config.jobs)
            }
        }
    }

    /// The placement in words, for the status.
    pub(super) fn words(&self) -> String {
        match self {
            Self::InProcess => "local".to_owned(),
            Self::Processes(places, _) => format!("local, {} workers", places.len()),
            Self::Slurm(config, _) => format!("slurm, up to {} jobs", config.jobs),
        }
    }

    /// Opens the work folder and moves the records that earlier calls left there into the journal.
    /// `None` if there is no work folder and none is needed.
    pub(super) fn folder(
        &self,
        args: &Args,
        plans: &[Box<dyn Plan>],
        journal: &mut Journal,
        records: &mut Records,
        interrupt: &Interrupt,
    ) -> Result<Option<WorkFolder>, Failure> {
        let path = args.out.join("work");
        if matches!(self, Self::InProcess) && !path.exists() {
            return Ok(None);
        }
        let folder = WorkFolder::open(&path).map_err(Failure::bad_input)?;
        if !matches!(self, Self::Slurm(..)) {
            let jobs = SlurmJobs::still_running(&folder).map_err(failure::of_executor)?;
            if jobs > 0 {
                return Err(Failure::BadInput(anyhow!(
                    "{jobs} Slurm jobs of an earlier call still work in `{}`; continue with `--executor \
                     slurm`, or cancel them with `scancel --name=wattlab`",
                    folder.path().display()
                )));
            }
        }
        wait_for_processes(&folder, interrupt)?;
        // Runs that failed are tried again.
        folder.take_failures().map_err(Failure::bad_input)?;
        let ours = |spec: &RunSpec| plans.iter().any(|plan| plan.owns(spec));
        collect(&folder, ours, journal, records)?;
        let keep = |spec: &RunSpec| ours(spec) && !matches!(self, Self::InProcess);
        folder.withdraw(|run| keep(&run.spec)).map_err(Failure::run_time)?;
        Ok(Some(folder))
    }

    /// Starts the executor.
    pub(super) fn executor<'a>(
        &self,
        folder: Option<WorkFolder>,
        worker: &'a mut Worker,
    ) -> Result<Box<dyn Executor + 'a>, Failure> {
        let program = std::env::current_exe().map_err(Failure::run_time)?;
        match (self, folder) {
            (Self::Processes(places, settings), Some(folder)) => {
                folder.write_settings(settings).map_err(Failure::run_time)?;
                let processes = WorkerProcesses::start(folder, program, places.clone());
                Ok(Box::new(processes.map_err(failure::of_executor)?))
            }
            (Self::Slurm(config, settings), Some(folder)) => {
                let mut settings = settings.clone();
                settings.sensing.bring_libraries(|library| SlurmJobs::bring(&folder, library))?;
                folder.write_settings(&settings).map_err(Failure::run_time)?;
                let slurm = SlurmJobs::open(folder, (**config).clone(), &program);
                Ok(Box::new(slurm.map_err(failure::of_executor)?))
            }
            // `folder` returns one for every other placement.
            (Self::InProcess, _) | (_, None) => Ok(Box::new(InProcess::new(worker))),
        }
    }
}

/// Several runs at once need sensors that measure each of them apart.
fn check_domains(workers: usize, isolation: IsolationConfig, meter: &Meter) -> Result<(), Failure> {
    let shared = shared_domains(meter);
    if shared.is_empty() || isolation.shared_domains {
        return Ok(());
    }
    let error = RunError::SharedDomain { domains: shared.join(", ") };
    let text = format!("flag `--workers` is {workers}, expected 1");
    Err(Failure::bad_input(anyhow!(error).context(text)))
}

/// The UUIDs of the GPUs that are measured.
fn gpus(meter: &Meter) -> Vec<String> {
    let uses = meter.probe_uses().into_iter().filter(|probe| probe.domain == Domain::Gpu);
    uses.map(|probe| probe.device).filter(|device| device.starts_with("GPU-")).collect()
}

fn settings(args: &Args, profile: &Profile, together: bool) -> WorkerSettings {
    // A worker may have another working directory.
    let whole =
        |path: &std::path::PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    WorkerSettings {
        data_dir: args.data_dir.as_ref().map(whole),
        device: args.device.clone(),
        sensing: args.sensing.for_workers(),
        measured: args.measured,
        isolation: profile.isolation,
        together,
        runs: profile.slurm.runs_per_job,
        linger_s: profile.slurm.linger_s,
    }
}

/// Waits for worker processes of a call that was killed: each finishes its run and ends.
fn wait_for_processes(folder: &WorkFolder, interrupt: &Interrupt) -> Result<(), Failure> {
    let mut said = false;
    loop {
        let workers = folder.workers().map_err(Failure::bad_input)?;
        let lives = |worker: &&String| worker.starts_with("local-") && folder.is_alive(worker);
        let living = workers.iter().filter(lives).count();
        if living == 0 {
            return Ok(());
        }
        if !said {
            line(&format!("waiting for {living} workers of an earlier call to finish their runs"));
            said = true;
        }
        if interrupt.is_set() {
            return Err(Failure::Interrupted);
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// Moves the records that workers left in the work folder into the journal.
fn collect(
    folder: &WorkFolder,
    ours: impl Fn(&RunSpec) -> bool,
    journal: &mut Journal,
    records: &mut Records,
) -> Result<(), Failure> {
    let mut kept = 0;
    for mut record in folder.finished().map_err(Failure::bad_input)? {
        if !ours(&record.spec) {
            return Err(Failure::BadInput(anyhow!(
                "`{}` holds record {} of a run that does not belong to this profile and seed; choose \
                 another folder with `--out`, or the profile and seed that made it",
                folder.path().join("done").display(),
                record.id
            )));
        }
        let id = record.id.clone();
        if !records.contains(&record.spec) {
            records.place(&mut record);
            journal.append(&record).map_err(Failure::run_time)?;
            records.push_newest(record);
            kept += 1;
        }
        folder.acknowledge(&id).map_err(Failure::run_time)?;
    }
    if kept > 0 {
        line(&format!("{kept} runs that ended after the last call were added to the journal"));
    }
    Ok(())
}
