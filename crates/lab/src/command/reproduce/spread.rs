//! How a study's runs are spread: in this process, over processes, over a cluster.

use std::{path::Path, thread, time::Duration};

use anyhow::anyhow;
use meter::Meter;
use record::{Domain, Journal, RunSpec};

use super::{Args, ExecutorKind, executing};
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

/// Where the runs go.
pub(super) enum Spread {
    /// One after the other, in this process.
    Here,
    /// Worker processes.
    Processes(Vec<WorkerResources>, WorkerSettings),
    /// Slurm's jobs.
    Slurm(Box<SlurmConfig>, WorkerSettings),
}

impl Spread {
    /// As asked for, if it can be done.
    pub(super) fn of(
        args: &Args,
        profile: &Profile,
        meter: &Meter,
        sysfs: &Path,
    ) -> Result<Self, Failure> {
        match (args.executor, args.workers) {
            (ExecutorKind::Local, None | Some(1)) => Ok(Self::Here),
            (ExecutorKind::Local, Some(workers)) => {
                let workers = usize::from(workers);
                check_domains(workers, profile.isolation, meter)?;
                let cpus = allowed().map_err(Failure::run_time)?;
                let shares = shares(&cpus, workers, sysfs).ok_or_else(|| {
                    Failure::bad_input(anyhow!(
                        "flag `--workers` is {workers}, expected 1 to {}: each worker has processors \
                         of its own, and this process may run on {}",
                        cpus.len(),
                        cpus.len()
                    ))
                })?;
                let gpus = gpus(meter);
                // One a device; workers beyond the devices have none.
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

    /// By how much it is faster than this machine, at best. Workers on this machine share what one
    /// would have.
    pub(super) fn speedup(&self) -> usize {
        match self {
            Self::Here | Self::Processes(..) => 1,
            Self::Slurm(config, _) => config.jobs,
        }
    }

    /// Where time is told for, in words.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Here | Self::Processes(..) => "on this machine".to_owned(),
            Self::Slurm(config, _) => {
                format!("on {} nodes like this one, without waiting in the queue", config.jobs)
            }
        }
    }

    /// In words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Here => "local".to_owned(),
            Self::Processes(places, _) => format!("local, {} workers", places.len()),
            Self::Slurm(config, _) => format!("slurm, up to {} jobs", config.jobs),
        }
    }

    /// The work folder, with all that earlier calls left in it put into the journal; `None` if there
    /// is none and none is needed.
    pub(super) fn folder(
        &self,
        args: &Args,
        plans: &[Box<dyn Plan>],
        journal: &mut Journal,
        records: &mut Records,
        interrupt: &Interrupt,
    ) -> Result<Option<WorkFolder>, Failure> {
        let path = args.out.join("work");
        if matches!(self, Self::Here) && !path.exists() {
            return Ok(None);
        }
        let folder = WorkFolder::open(&path).map_err(Failure::bad_input)?;
        if !matches!(self, Self::Slurm(..)) {
            let jobs = SlurmJobs::still_running(&folder).map_err(executing)?;
            if jobs > 0 {
                return Err(Failure::BadInput(anyhow!(
                    "{jobs} Slurm jobs of an earlier call work in `{}`; go on with `--executor slurm`, \
                     or cancel them with `scancel --name=wattlab`",
                    folder.path().display()
                )));
            }
        }
        wait_for_processes(&folder, interrupt)?;
        // A run that failed is tried again.
        folder.take_failures().map_err(Failure::bad_input)?;
        let ours = |spec: &RunSpec| plans.iter().any(|plan| plan.owns(spec));
        collect(&folder, ours, journal, records)?;
        let keep = |spec: &RunSpec| ours(spec) && !matches!(self, Self::Here);
        folder.withdraw(|it| keep(&it.spec)).map_err(Failure::run_time)?;
        Ok(Some(folder))
    }

    /// Starts it.
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
                Ok(Box::new(processes.map_err(executing)?))
            }
            (Self::Slurm(config, settings), Some(folder)) => {
                let mut settings = settings.clone();
                for plugin in &mut settings.plugins {
                    *plugin = SlurmJobs::bring(&folder, plugin).map_err(Failure::bad_input)?;
                }
                folder.write_settings(&settings).map_err(Failure::run_time)?;
                let slurm = SlurmJobs::open(folder, (**config).clone(), &program);
                Ok(Box::new(slurm.map_err(executing)?))
            }
            // `folder` gives one to all others.
            (Self::Here, _) | (_, None) => Ok(Box::new(InProcess::new(worker))),
        }
    }
}

/// Runs at once need sensors that can tell them apart.
fn check_domains(workers: usize, isolation: IsolationConfig, meter: &Meter) -> Result<(), Failure> {
    let shared = shared_domains(meter);
    if shared.is_empty() || isolation.shared_domains {
        return Ok(());
    }
    let error = RunError::SharedDomain { domains: shared.join(", ") };
    let text = format!("flag `--workers` is {workers}, expected 1");
    Err(Failure::bad_input(anyhow!(error).context(text)))
}

/// UUIDs of the GPUs that are measured.
fn gpus(meter: &Meter) -> Vec<String> {
    let uses = meter.probe_uses().into_iter().filter(|it| it.domain == Domain::Gpu);
    uses.map(|it| it.device).filter(|it| it.starts_with("GPU-")).collect()
}

fn settings(args: &Args, profile: &Profile, together: bool) -> WorkerSettings {
    // Workers may stand in another folder.
    let whole =
        |path: &std::path::PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    WorkerSettings {
        data_dir: args.data_dir.as_ref().map(whole),
        sysfs: args.sysfs.as_ref().map(whole),
        device: args.device.clone(),
        plugins: args.plugin.iter().map(whole).collect(),
        measured: args.measured,
        isolation: profile.isolation,
        together,
        runs: profile.slurm.runs_per_job,
        linger_s: profile.slurm.linger_s,
    }
}

/// Waits for worker processes whose call was killed: each finishes its run and ends.
fn wait_for_processes(folder: &WorkFolder, interrupt: &Interrupt) -> Result<(), Failure> {
    let mut said = false;
    loop {
        let workers = folder.workers().map_err(Failure::bad_input)?;
        let lives = |it: &&String| it.starts_with("local-") && folder.is_alive(it);
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

/// Puts the records that workers left into the journal.
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
                "`{}` holds record {} of a run that this profile and seed do not ask for; choose \
                 another folder by `--out`, or the profile and seed that made it",
                folder.path().join("done").display(),
                record.id
            )));
        }
        let id = record.id.clone();
        if !records.contains(&record.spec) {
            record.timing.order = records.all().len() as u64;
            journal.append(&record).map_err(Failure::run_time)?;
            records.push(record);
            kept += 1;
        }
        folder.acknowledge(&id).map_err(Failure::run_time)?;
    }
    if kept > 0 {
        line(&format!("{kept} runs that ended after the last call are in the journal now"));
    }
    Ok(())
}
