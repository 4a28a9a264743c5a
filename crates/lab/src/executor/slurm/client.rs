//! Calls Slurm's commands: `sbatch`, `squeue`, `sacct`, `scontrol` and `scancel`.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    process::{Command, Output, Stdio},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// A command that takes longer is killed: the controller is unreachable or overloaded.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Why a command of Slurm failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlurmError {
    /// The command cannot be run.
    #[error(
        "`{command}` cannot be run: {source}; go to a node from which jobs are submitted, or use \
         `--executor local`"
    )]
    Missing {
        /// The command.
        command: &'static str,
        /// The operating system's error.
        source: io::Error,
    },
    /// Slurm refused the request.
    #[error("`{command}` refused: {message}; change the table `[slurm]` of the profile")]
    Refused {
        /// The command.
        command: &'static str,
        /// The error message.
        message: String,
    },
    /// The controller cannot be reached or is overloaded. The command can be tried again later.
    #[error("Slurm does not answer `{command}`: {message}")]
    Silent {
        /// The command.
        command: &'static str,
        /// The error message.
        message: String,
    },
    /// The output of a command is not what it should be.
    #[error("`{command}` printed `{answer}`, expected the number of a job")]
    Answer {
        /// The command.
        command: &'static str,
        /// The output.
        answer: String,
    },
}

/// The state of a task of a job array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArrayTaskState {
    /// Slurm's name of the state: `PENDING`, `RUNNING`, `NODE_FAIL`, ….
    pub(crate) state: String,
    /// Slurm's reason for the state; empty if there is none.
    pub(crate) reason: String,
}

impl ArrayTaskState {
    /// Whether the task is running or can still run.
    #[must_use]
    pub(crate) fn is_alive(&self) -> bool {
        // sacct prints `CANCELLED by 0`.
        let name = self.state.split_whitespace().next().unwrap_or_default();
        matches!(
            name.trim_end_matches('+'),
            "PENDING"
                | "RUNNING"
                | "CONFIGURING"
                | "COMPLETING"
                | "SUSPENDED"
                | "REQUEUED"
                | "REQUEUE_FED"
                | "REQUEUE_HOLD"
                | "RESIZING"
                | "SIGNALING"
                | "STAGE_OUT"
                | "STOPPED"
                | "RESV_DEL_HOLD"
                | "SPECIAL_EXIT"
        )
    }

    /// Whether the task has not started yet.
    #[must_use]
    pub(crate) fn is_pending(&self) -> bool {
        self.state == "PENDING" || self.state == "CONFIGURING"
    }

    /// Whether the task ended without an error.
    #[must_use]
    pub(crate) fn is_completed(&self) -> bool {
        self.state == "COMPLETED"
    }

    /// The state as a text for people.
    #[must_use]
    pub(crate) fn words(&self) -> String {
        match self.reason.as_str() {
            "" | "None" => format!("Slurm reports {}", self.state),
            reason => format!("Slurm reports {} ({reason})", self.state),
        }
    }
}

/// A task of a job array: the number of the job and the number of the task in it.
pub(crate) type ArrayTask = (u64, u32);

/// Parts of error messages after which a command can be tried again: the controller is unreachable, or
/// the user has as many jobs as allowed.
const TEMPORARY: &[&str] = &[
    "contact slurm controller",
    "Socket timed out",
    "Connection refused",
    "Connection reset",
    "Connection timed out",
    "Broken pipe",
    "Transport endpoint",
    "communication connection failure",
    "Send/Recv operation",
    "Zero Bytes were transmitted",
    "temporarily unable",
    "Resource temporarily unavailable",
    "Unexpected message received",
    "Unable to connect",
    "SubmitJobLimit",
    "SubmitJobsPerUser",
    "MaxSubmitJob",
    "Slurm backup controller in standby",
];

/// Runs a command with a time limit, because without a controller Slurm's commands wait for minutes.
fn run(command: &'static str, arguments: &[&str]) -> Result<Output, SlurmError> {
    let missing = |source| SlurmError::Missing { command, source };
    let child = Command::new(command)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (sender, ended) = channel();
    let wait = move || drop(sender.send(child.wait_with_output()));
    thread::Builder::new().name("wattlab-slurm".to_owned()).spawn(wait).map_err(missing)?;
    ended.recv_timeout(TIMEOUT).map_or_else(
        |_| {
            // The process id is still valid, because the process has not been waited for.
            let _ = pid.map(|pid| kill_process(pid, Signal::KILL));
            let message = format!("no answer within {} s", TIMEOUT.as_secs());
            Err(SlurmError::Silent { command, message })
        },
        |output| output.map_err(missing),
    )
}

/// The standard output of a command that succeeds.
fn answer(command: &'static str, arguments: &[&str]) -> Result<String, SlurmError> {
    let output = run(command, arguments)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(if TEMPORARY.iter().any(|part| message.contains(part)) {
        SlurmError::Silent { command, message }
    } else {
        SlurmError::Refused { command, message }
    })
}

/// Submits a job array with that many tasks; returns the number of the job.
pub(super) fn submit(script: &Path, log: &Path, tasks: usize) -> Result<u64, SlurmError> {
    let array = format!("--array=0-{}", tasks.saturating_sub(1));
    let output = format!("--output={}", log.display());
    let script = script.to_string_lossy();
    let text = answer("sbatch", &["--parsable", &array, &output, "--open-mode=append", &script])?;
    // The output is `JOB` or `JOB;CLUSTER`.
    let first = text.trim().split(';').next().unwrap_or_default();
    first.parse().map_err(|_| SlurmError::Answer { command: "sbatch", answer: text.clone() })
}

/// The states of all tasks of some jobs. Tasks that the controller has forgotten are missing.
pub(super) fn states(jobs: &[u64]) -> Result<BTreeMap<ArrayTask, ArrayTaskState>, SlurmError> {
    let list: Vec<String> = jobs.iter().map(u64::to_string).collect();
    let jobs = format!("--jobs={}", list.join(","));
    let arguments = ["--noheader", "--array", "--states=all", "--format=%F|%K|%T|%r", &jobs];
    match answer("squeue", &arguments) {
        Ok(text) => Ok(parse_squeue(&text)),
        // The controller has forgotten all of the jobs.
        Err(SlurmError::Refused { message, .. }) if message.contains("Invalid job id") => {
            Ok(BTreeMap::new())
        }
        Err(error) => Err(error),
    }
}

fn parse_squeue(text: &str) -> BTreeMap<ArrayTask, ArrayTaskState> {
    let line = |line: &str| {
        let mut fields = line.trim().splitn(4, '|');
        let job = fields.next()?.parse().ok()?;
        let task = fields.next()?.parse().ok()?;
        let state = fields.next()?.to_owned();
        Some(((job, task), ArrayTaskState { state, reason: fields.next()?.to_owned() }))
    };
    text.lines().filter_map(line).collect()
}

/// The last state of a task that is no longer in the queue: from the accounting database or else from
/// the controller; `None` if neither knows the task.
pub(super) fn last_state((job, task): ArrayTask) -> Option<ArrayTaskState> {
    let name = format!("{job}_{task}");
    let format = "--format=JobID,State,ExitCode";
    let sacct = ["--noheader", "--parsable2", "--allocations", format, "--jobs", &name];
    let from_database = || parse_sacct(&answer("sacct", &sacct).ok()?, &name);
    let from_memory = || parse_scontrol(&answer("scontrol", &["show", "job", &name]).ok()?);
    from_database().or_else(from_memory)
}

fn parse_sacct(text: &str, name: &str) -> Option<ArrayTaskState> {
    let line = text.lines().find(|line| line.split('|').next() == Some(name))?;
    let mut fields = line.split('|').skip(1);
    let state = fields.next()?.to_owned();
    let code = fields.next().unwrap_or_default();
    let reason = if code == "0:0" { String::new() } else { format!("exit code {code}") };
    Some(ArrayTaskState { state, reason })
}

fn parse_scontrol(text: &str) -> Option<ArrayTaskState> {
    let field = |name: &str| {
        let fields = text.split_whitespace();
        fields
            .filter_map(|field| field.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
    };
    Some(ArrayTaskState { state: field("JobState")?, reason: field("Reason").unwrap_or_default() })
}

/// Cancels jobs; with `pending`, only those of their tasks that have not started.
pub(super) fn cancel(jobs: &[u64], pending: bool) -> Result<(), SlurmError> {
    let list: Vec<String> = jobs.iter().map(u64::to_string).collect();
    let mut arguments: Vec<&str> = list.iter().map(String::as_str).collect();
    if pending {
        arguments.insert(0, "--state=PENDING");
    }
    match answer("scancel", &arguments) {
        // The jobs have ended already.
        Err(SlurmError::Refused { message, .. }) if message.contains("Invalid job id") => Ok(()),
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_squeue_is_parsed() {
        let text = "7|0|RUNNING|None\n7|1|PENDING|Resources\n8|3|NODE_FAIL|NodeDown\n\
                    9|N/A|RUNNING|None\n";
        let found = parse_squeue(text);
        assert_eq!(found.len(), 3);
        assert!(found[&(7, 0)].is_alive() && found[&(7, 1)].is_pending());
        assert!(!found[&(8, 3)].is_alive());
        assert_eq!(found[&(8, 3)].words(), "Slurm reports NODE_FAIL (NodeDown)");
    }

    #[test]
    fn the_outputs_of_sacct_and_scontrol_are_parsed() {
        let text = "7_1|CANCELLED by 0|0:15\n7_10|COMPLETED|0:0\n";
        let state = |name| parse_sacct(text, name);
        assert_eq!(state("7_10").unwrap().words(), "Slurm reports COMPLETED");
        let cancelled = state("7_1").unwrap();
        assert_eq!(cancelled.words(), "Slurm reports CANCELLED by 0 (exit code 0:15)");
        assert!(!cancelled.is_alive() && !cancelled.is_completed());
        assert_eq!(state("7_2"), None);
        let text = "JobId=12 ArrayJobId=7 ArrayTaskId=1 JobName=wattlab\n   UserId=root(0)\n   \
                    JobState=NODE_FAIL Reason=NodeDown Dependency=(null)\n";
        assert_eq!(parse_scontrol(text).unwrap().words(), "Slurm reports NODE_FAIL (NodeDown)");
        assert_eq!(parse_scontrol("slurm_load_jobs error"), None);
    }
}
