//! `--cgroup` and `--slurm-job`: the part of a shared machine's energy that belongs to a job.

mod book;

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use meter::{Cgroup, CgroupMounts, Meter, SlurmJob, SpanReport, Workload};
use serde_json::Value;

pub(super) use self::book::Booked;
use crate::{Failure, Interrupt, progress, sensing::seconds};

/// Time between two looks at whether the job has ended.
const LOOK: Duration = Duration::from_millis(100);

/// How the CPU time of a command is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum CpuTime {
    /// By a control group if one can be made, else by process.
    Auto,
    /// By a control group (version 2) of the command's own. Fails if none can be made.
    Cgroup,
    /// By process, daemons included.
    Process,
}

/// The flags of a job.
#[derive(Debug, clap::Args)]
pub(super) struct JobArgs {
    /// Measure a control group, such as a container: the part of the machine's energy that its
    /// processes use. A folder below `/sys/fs/cgroup`, or a path as in `/proc/PID/cgroup`. Without a
    /// command, measures until no process is left in the group, for `--seconds`, or until Ctrl-C.
    #[arg(long, value_name = "PATH", conflicts_with = "slurm_job")]
    cgroup: Option<PathBuf>,
    /// As `--cgroup`, for what runs on this node of a Slurm job (1234) or step (1234.0).
    #[arg(long, value_name = "ID")]
    slurm_job: Option<String>,
    /// Measure a job for this many seconds at most.
    #[arg(long, value_name = "SECONDS", value_parser = seconds, conflicts_with = "command")]
    seconds: Option<Duration>,
    /// GPUs that the job has for itself, by the names of `wattlab probes`: all their energy is the
    /// job's. Other GPUs are not part of its total.
    #[arg(long, value_name = "DEVICE", value_delimiter = ',')]
    job_gpu: Vec<String>,
    /// How the CPU time of the command is counted, by which the processor's energy is divided.
    #[arg(long, value_name = "WAY", default_value = "auto")]
    cpu_time: CpuTime,
}

/// A job that is measured.
#[derive(Debug)]
pub(super) struct Job {
    workload: Workload,
    cgroups: Vec<PathBuf>,
    gpus: Vec<String>,
    seconds: Option<Duration>,
}

/// How a measurement without a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The time was over, or the job had ended.
    Over,
    /// Somebody asked to stop.
    Interrupted,
}

/// Adds a job's energy to the document and the text of a result.
pub(super) fn add(booked: Option<&Booked>, document: &mut Value, text: &mut String) {
    let Some(booked) = booked else { return };
    document["job"] = booked.json();
    if document["command"].as_array().is_some_and(Vec::is_empty) {
        document["exit_code"] = Value::Null;
    }
    text.push('\n');
    text.push_str(booked.text().trim_end());
}

/// Closes a workload at the end of the measurement, also of one that fails.
pub(super) struct Closing(pub(super) Workload);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl JobArgs {
    /// The processes whose CPU time counts: the job's, or those of the command.
    ///
    /// # Errors
    ///
    /// If a control group is required and cannot be made.
    pub(super) fn workload(&self, job: Option<&Job>) -> Result<Workload, Failure> {
        match (job, self.cpu_time) {
            (Some(job), _) => Ok(job.workload.clone()),
            (None, CpuTime::Auto) => Ok(Workload::commands()),
            (None, CpuTime::Process) => Ok(Workload::commands_by_process()),
            (None, CpuTime::Cgroup) => Workload::commands_in_cgroup()
                .map_err(|reason| Failure::bad_input(anyhow!("--cpu-time cgroup: {reason}"))),
        }
    }

    /// The flag that names a job, if there is one.
    pub(super) fn given(&self) -> Option<&'static str> {
        let flags =
            [("--cgroup", self.cgroup.is_some()), ("--slurm-job", self.slurm_job.is_some())];
        flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
    }

    /// Finds the job. `sysfs`: a folder that stands for `/sys`.
    ///
    /// # Errors
    ///
    /// If no such job runs on this machine, or a flag that needs a job was given without one.
    pub(super) fn find(&self, sysfs: Option<&Path>) -> Result<Option<Job>, Failure> {
        let mounts = sysfs.map_or_else(CgroupMounts::of_this_machine, CgroupMounts::below);
        let (cgroups, label) = match (&self.cgroup, &self.slurm_job) {
            (Some(path), _) => {
                let cgroup = Cgroup::find(path, &mounts).context("--cgroup");
                let cgroup = cgroup.map_err(Failure::bad_input)?;
                let label = cgroup.path().display().to_string();
                (vec![cgroup], label)
            }
            (None, Some(id)) => {
                let job = SlurmJob::parse(id).context("--slurm-job").map_err(Failure::bad_input)?;
                let cgroups = job.cgroups(&mounts).context("--slurm-job");
                (cgroups.map_err(Failure::bad_input)?, format!("Slurm job {job}"))
            }
            (None, None) => {
                let needless = [
                    ("--seconds", self.seconds.is_some()),
                    ("--job-gpu", !self.job_gpu.is_empty()),
                ];
                return match needless.iter().find(|(_, given)| *given) {
                    Some((flag, _)) => Err(Failure::bad_input(anyhow!(
                        "{flag} needs a job; add `--cgroup PATH` or `--slurm-job ID`"
                    ))),
                    None => Ok(None),
                };
            }
        };
        Ok(Some(Job {
            cgroups: cgroups.iter().map(|cgroup| cgroup.path().to_owned()).collect(),
            workload: Workload::cgroups(cgroups, &label),
            gpus: self.job_gpu.clone(),
            seconds: self.seconds,
        }))
    }
}

impl Job {
    /// Checks that the GPUs of `--job-gpu` can be measured.
    ///
    /// # Errors
    ///
    /// If there is no such GPU.
    pub(super) fn check(&self, meter: &Meter) -> Result<(), Failure> {
        let uses = meter.probe_uses();
        let gpus: Vec<&str> = uses
            .iter()
            .filter(|channel| channel.domain == record::Domain::Gpu)
            .map(|channel| channel.device.as_str())
            .collect();
        match self.gpus.iter().find(|gpu| !gpus.contains(&gpu.as_str())) {
            Some(gpu) => Err(Failure::bad_input(anyhow!(
                "--job-gpu: no sensor measures a GPU `{gpu}`; found {}",
                if gpus.is_empty() { "none".to_owned() } else { gpus.join(", ") }
            ))),
            None => Ok(()),
        }
    }

    /// Measures without a command.
    ///
    /// # Errors
    ///
    /// If the job has no processes, or signals cannot be watched.
    pub(super) fn measure(&self, meter: &Meter) -> Result<(SpanReport, End), Failure> {
        if self.workload.is_empty() == Some(true) {
            let text = format!("`{}` has no processes; it has ended", self.workload.label());
            return Err(Failure::bad_input(anyhow!(text)));
        }
        let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
        let until =
            self.seconds.map_or(String::new(), |time| format!("for {} s, ", time.as_secs_f64()));
        progress::line(&format!(
            "measuring `{}` {until}until it ends or until Ctrl-C",
            self.workload.label()
        ));
        let span = meter.span("job");
        let start = Instant::now();
        let end = loop {
            if interrupt.is_set() {
                break End::Interrupted;
            }
            let left = self.seconds.map(|time| time.saturating_sub(start.elapsed()));
            if left == Some(Duration::ZERO) || self.workload.is_empty() == Some(true) {
                break End::Over;
            }
            thread::sleep(left.map_or(LOOK, |left| left.min(LOOK)));
        };
        Ok((span.end(), end))
    }

    /// Turns the report of the machine into that of the job.
    pub(super) fn book(&self, report: &mut SpanReport) -> Booked {
        Booked::of(report, self.workload.label(), &self.cgroups, &self.gpus)
    }
}
