//! Slurm's own commands.

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

/// A command that takes longer is left: the controller is away or very busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why Slurm could not be asked or did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SlurmError {
    /// There is no such command.
    #[error(
        "`{command}` cannot be run: {source}; go to a node from which jobs are submitted, or use \
         `--executor local`"
    )]
    Missing {
        /// The command.
        command: &'static str,
        /// The reason.
        source: io::Error,
    },
    /// It refused.
    #[error("`{command}` refused: {message}; change the profile's `[slurm]`")]
    Refused {
        /// The command.
        command: &'static str,
        /// What it said.
        message: String,
    },
    /// The controller does not answer, or is too busy: to be tried again.
    #[error("Slurm does not answer `{command}`: {message}")]
    Silent {
        /// The command.
        command: &'static str,
        /// What it said.
        message: String,
    },
    /// An answer that makes no sense.
    #[error("`{command}` answered `{answer}`, which is not understood")]
    Answer {
        /// The command.
        command: &'static str,
        /// The answer.
        answer: String,
    },
}

/// The state of an array's task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskState {
    /// Slurm's word: `PENDING`, `RUNNING`, `NODE_FAIL`, ….
    pub state: String,
    /// Why it is in that state.
    pub reason: String,
}

impl TaskState {
    /// Whether it will run, or does.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        // `CANCELLED by 0` in sacct.
        let word = self.state.split_whitespace().next().unwrap_or_default();
        matches!(
            word.trim_end_matches('+'),
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

    /// Whether it waits for its start.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.state == "PENDING" || self.state == "CONFIGURING"
    }

    /// Whether it ended as it should.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.state == "COMPLETED"
    }

    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        match self.reason.as_str() {
            "" | "None" => format!("Slurm says {}", self.state),
            reason => format!("Slurm says {} ({reason})", self.state),
        }
    }
}

/// Task of an array: the job's number and the task's.
pub type Task = (u64, u32);

/// What is said when the controller is away, or when the user has as many jobs as allowed for now.
const SILENT: &[&str] = &[
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

/// Runs a command, for so long at most: while the controller is away they wait for minutes.
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
    let (tell, ended) = channel();
    let wait = move || drop(tell.send(child.wait_with_output()));
    thread::Builder::new().name("wattlab-slurm".to_owned()).spawn(wait).map_err(missing)?;
    ended.recv_timeout(PATIENCE).map_or_else(
        |_| {
            // It is still ours: nobody has waited for it.
            let _ = pid.map(|it| kill_process(it, Signal::KILL));
            let message = format!("no answer within {} s", PATIENCE.as_secs());
            Err(SlurmError::Silent { command, message })
        },
        |output| output.map_err(missing),
    )
}

fn answer(command: &'static str, arguments: &[&str]) -> Result<String, SlurmError> {
    let output = run(command, arguments)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let message = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
    Err(if SILENT.iter().any(|it| message.contains(it)) {
        SlurmError::Silent { command, message }
    } else {
        SlurmError::Refused { command, message }
    })
}

/// Submits an array of `tasks` jobs; its number.
pub(super) fn submit(script: &Path, log: &Path, tasks: usize) -> Result<u64, SlurmError> {
    let array = format!("--array=0-{}", tasks.saturating_sub(1));
    let output = format!("--output={}", log.display());
    let script = script.to_string_lossy();
    let text = answer("sbatch", &["--parsable", &array, &output, "--open-mode=append", &script])?;
    // `JOB` or `JOB;CLUSTER`.
    let first = text.trim().split(';').next().unwrap_or_default();
    first.parse().map_err(|_| SlurmError::Answer { command: "sbatch", answer: text.clone() })
}

/// States of all tasks of those jobs that the controller remembers.
pub(super) fn states(jobs: &[u64]) -> Result<BTreeMap<Task, TaskState>, SlurmError> {
    let list: Vec<String> = jobs.iter().map(u64::to_string).collect();
    let jobs = format!("--jobs={}", list.join(","));
    let arguments = ["--noheader", "--array", "--states=all", "--format=%F|%K|%T|%r", &jobs];
    match answer("squeue", &arguments) {
        Ok(text) => Ok(parse_squeue(&text)),
        // All of them are forgotten.
        Err(SlurmError::Refused { message, .. }) if message.contains("Invalid job id") => {
            Ok(BTreeMap::new())
        }
        Err(error) => Err(error),
    }
}

fn parse_squeue(text: &str) -> BTreeMap<Task, TaskState> {
    let line = |line: &str| {
        let mut fields = line.trim().splitn(4, '|');
        let job = fields.next()?.parse().ok()?;
        let task = fields.next()?.parse().ok()?;
        let state = fields.next()?.to_owned();
        Some(((job, task), TaskState { state, reason: fields.next()?.to_owned() }))
    };
    text.lines().filter_map(line).collect()
}

/// What became of a task that the queue does not show any more: from the accounting database where
/// there is one, otherwise from the controller's memory; `None` where both have forgotten it.
pub(super) fn fate((job, task): Task) -> Option<TaskState> {
    let name = format!("{job}_{task}");
    let format = "--format=JobID,State,ExitCode";
    let sacct = ["--noheader", "--parsable2", "--allocations", format, "--jobs", &name];
    let from_database = || parse_sacct(&answer("sacct", &sacct).ok()?, &name);
    let from_memory = || parse_scontrol(&answer("scontrol", &["show", "job", &name]).ok()?);
    from_database().or_else(from_memory)
}

fn parse_sacct(text: &str, name: &str) -> Option<TaskState> {
    let line = text.lines().find(|it| it.split('|').next() == Some(name))?;
    let mut fields = line.split('|').skip(1);
    let state = fields.next()?.to_owned();
    let code = fields.next().unwrap_or_default();
    let reason = if code == "0:0" { String::new() } else { format!("exit code {code}") };
    Some(TaskState { state, reason })
}

fn parse_scontrol(text: &str) -> Option<TaskState> {
    let field = |name: &str| {
        let fields = text.split_whitespace();
        fields.filter_map(|it| it.split_once('=')).find(|it| it.0 == name).map(|it| it.1.to_owned())
    };
    Some(TaskState { state: field("JobState")?, reason: field("Reason").unwrap_or_default() })
}

/// Cancels those jobs; with `pending`, only what has not begun.
pub(super) fn cancel(jobs: &[u64], pending: bool) -> Result<(), SlurmError> {
    let list: Vec<String> = jobs.iter().map(u64::to_string).collect();
    let mut arguments: Vec<&str> = list.iter().map(String::as_str).collect();
    if pending {
        arguments.insert(0, "--state=PENDING");
    }
    match answer("scancel", &arguments) {
        // It is over already.
        Err(SlurmError::Refused { message, .. }) if message.contains("Invalid job id") => Ok(()),
        result => result.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_read_as_slurm_prints_them() {
        let text = "7|0|RUNNING|None\n7|1|PENDING|Resources\n8|3|NODE_FAIL|NodeDown\n\
                    9|N/A|RUNNING|None\n";
        let found = parse_squeue(text);
        assert_eq!(found.len(), 3);
        assert!(found[&(7, 0)].is_alive() && found[&(7, 1)].is_pending());
        assert!(!found[&(8, 3)].is_alive());
        assert_eq!(found[&(8, 3)].words(), "Slurm says NODE_FAIL (NodeDown)");
    }

    #[test]
    fn the_database_and_the_controller_tell_what_became_of_a_task() {
        let text = "7_1|CANCELLED by 0|0:15\n7_10|COMPLETED|0:0\n";
        let state = |name| parse_sacct(text, name);
        assert_eq!(state("7_10").unwrap().words(), "Slurm says COMPLETED");
        let cancelled = state("7_1").unwrap();
        assert_eq!(cancelled.words(), "Slurm says CANCELLED by 0 (exit code 0:15)");
        assert!(!cancelled.is_alive() && !cancelled.is_completed());
        assert_eq!(state("7_2"), None);
        let text = "JobId=12 ArrayJobId=7 ArrayTaskId=1 JobName=wattlab\n   UserId=root(0)\n   \
                    JobState=NODE_FAIL Reason=NodeDown Dependency=(null)\n";
        assert_eq!(parse_scontrol(text).unwrap().words(), "Slurm says NODE_FAIL (NodeDown)");
        assert_eq!(parse_scontrol("slurm_load_jobs error"), None);
    }
}
