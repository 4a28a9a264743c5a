//! Does runs as jobs of a Slurm cluster.
//!
//! Every job runs one worker, which takes runs from the work folder, one after the other, until the
//! queue is empty. A lost job therefore loses only one run, a superfluous job ends at once, and the number
//! of jobs does not depend on the number of runs. Scheduling is left to Slurm: this executor only submits
//! as many jobs as are needed and notices those that disappear.

mod client;
mod script;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use record::{RunId, RunRecord, RunSpec};
use serde::{Deserialize, Serialize};

pub use self::client::SlurmError;
pub(crate) use self::client::{ArrayTask, ArrayTaskState};
use super::{
    Assignment, Event, ExecuteError, Executor, FolderError, OpenRuns, RunCounts, WorkFolder,
    check_failures,
    files::{names, read, remove, write},
    gather,
};
use crate::{config::SlurmConfig, output::line};

/// The first and the longest pause between two looks into the work folder.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// The first pause between two looks at Slurm's queue.
const FIRST_POLL: Duration = Duration::from_millis(500);
/// So many refusals in a row are final. A single one may come from a controller that is stopping.
const REFUSALS: u32 = 3;
/// How long to wait for cancelled jobs to end.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(120);

/// A submitted job array: `jobs/<number>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    job: u64,
    tasks: u32,
}

/// Does runs as jobs of a Slurm cluster; see the module's documentation.
#[derive(Debug)]
pub(crate) struct SlurmJobs {
    folder: WorkFolder,
    config: SlurmConfig,
    script: PathBuf,
    /// Tasks that have not ended, as far as is known, with their last known states.
    tasks: BTreeMap<ArrayTask, ArrayTaskState>,
    ready: VecDeque<RunRecord>,
    /// Runs whose records have not arrived.
    open: OpenRuns,
    order: u64,
    lost: usize,
    /// Runs that workers had begun at the last look into the folder.
    running: usize,
    /// How many jobs in a row failed without having begun a run.
    futile: usize,
    /// Pause before the next look into the folder.
    pause: Duration,
    /// Time between the last look at the queue and the next one.
    poll: Duration,
    last_poll: Option<Instant>,
    /// The message that the user saw last, to print each only once.
    message: String,
    /// How often in a row Slurm refused a request.
    refused: u32,
    stopping: bool,
}

impl SlurmJobs {
    /// Begins with the runs in the folder and the jobs that an earlier call submitted. `program` is copied
    /// into the folder.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used, or Slurm's commands cannot be run.
    pub(crate) fn open(
        folder: WorkFolder,
        config: SlurmConfig,
        program: &Path,
    ) -> Result<Self, ExecuteError> {
        folder.close(false)?;
        let (program, sha256) = script::copy(&folder, program, "bin", "")?;
        let script = folder.path().join("job.sh");
        let fail = |source| FolderError::Io { action: "write", path: script.clone(), source };
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).map_err(fail)?;
        let text = script::script(&folder, &config, &program, &sha256);
        crate::output::write_whole(&script, text.as_bytes()).map_err(fail)?;
        let mut open = OpenRuns::new();
        open.extend(folder.queued()?.into_iter().map(|(_, run)| (run.spec.id(), run)));
        open.extend(folder.taken()?.into_iter().map(|taken| (taken.run.spec.id(), taken.run)));
        let order = folder.next_order()?;
        let tasks = submitted(&folder)?;
        // Fails now, rather than later, where Slurm is not installed.
        client::states(&tasks.keys().map(|(job, _)| *job).chain([0]).collect::<Vec<_>>()).or_else(
            |error| match error {
                SlurmError::Silent { .. } => Ok(BTreeMap::new()),
                error => Err(error),
            },
        )?;
        Ok(Self {
            folder,
            config,
            script,
            tasks,
            ready: VecDeque::new(),
            open,
            order,
            lost: 0,
            running: 0,
            futile: 0,
            pause: PAUSES.0,
            poll: FIRST_POLL,
            last_poll: None,
            message: String::new(),
            refused: 0,
            stopping: false,
        })
    }

    /// Copies the shared library of a probe into the work folder, which every node can read. Returns the
    /// path of the copy.
    ///
    /// # Errors
    ///
    /// If the library cannot be read, or the folder cannot be written.
    pub(crate) fn bring(folder: &WorkFolder, plugin: &Path) -> Result<PathBuf, FolderError> {
        let stem = plugin.file_stem().unwrap_or_default().to_string_lossy();
        let end = plugin
            .extension()
            .map_or_else(String::new, |end| format!(".{}", end.to_string_lossy()));
        Ok(script::copy(folder, plugin, &stem, &end)?.0)
    }

    /// How many jobs of an earlier call still work in a folder.
    ///
    /// # Errors
    ///
    /// If Slurm does not answer.
    pub(crate) fn still_running(folder: &WorkFolder) -> Result<usize, ExecuteError> {
        let tasks = submitted(folder)?;
        if tasks.is_empty() {
            return Ok(0);
        }
        let states = client::states(&tasks.keys().map(|(job, _)| *job).collect::<Vec<_>>())?;
        Ok(tasks
            .keys()
            .filter(|task| states.get(task).is_some_and(ArrayTaskState::is_alive))
            .count())
    }

    /// Reads the records and failures that workers left in the folder.
    fn collect(&mut self) -> Result<(), ExecuteError> {
        if gather(&self.folder, &mut self.open, &mut self.ready)? > 0 {
            self.futile = 0;
            self.pause = PAUSES.0;
        }
        check_failures(&self.folder, &mut self.open, &mut self.order)
    }

    /// Looks at Slurm's queue: puts the runs of lost jobs back into the queue of runs and, with `submit`,
    /// submits the jobs that are missing.
    fn poll(&mut self, submit: bool) -> Result<(), ExecuteError> {
        self.last_poll = Some(Instant::now());
        self.poll = self.poll.mul_f64(1.5).min(Duration::from_secs_f64(self.config.poll_s));
        let result = self.review().and_then(|()| if submit { self.submit() } else { Ok(()) });
        match result {
            Err(ExecuteError::Slurm(error @ SlurmError::Silent { .. })) => {
                self.tell(format!("{error}; trying again"));
                Ok(())
            }
            Err(ExecuteError::Slurm(SlurmError::Refused { .. })) if self.refused + 1 < REFUSALS => {
                self.refused += 1;
                Ok(())
            }
            Ok(()) => {
                self.refused = 0;
                Ok(())
            }
            result => result,
        }
    }

    /// Prints a message, unless it was the last one.
    fn tell(&mut self, text: String) {
        if text != self.message {
            line(&format!("slurm: {text}"));
            self.message = text;
        }
    }

    /// Updates the states of the tasks and handles those that have ended.
    fn review(&mut self) -> Result<(), ExecuteError> {
        if self.tasks.is_empty() {
            self.running = 0;
            return self.orphans();
        }
        let jobs: BTreeSet<u64> = self.tasks.keys().map(|(job, _)| *job).collect();
        let states = client::states(&jobs.iter().copied().collect::<Vec<_>>())?;
        let ended: Vec<ArrayTask> = self
            .tasks
            .keys()
            .filter(|task| !states.get(task).is_some_and(ArrayTaskState::is_alive))
            .copied()
            .collect();
        for (task, state) in &mut self.tasks {
            if let Some(now) = states.get(task) {
                state.clone_from(now);
            }
        }
        for task in ended {
            let state = states.get(&task).cloned().or_else(|| client::last_state(task));
            self.ended(task, state.as_ref())?;
        }
        self.orphans()?;
        self.running = self.folder.taken()?.len();
        Ok(())
    }

    /// Handles the end of a task: an unfinished run of its worker is queued again.
    fn ended(
        &mut self,
        task: ArrayTask,
        state: Option<&ArrayTaskState>,
    ) -> Result<(), ExecuteError> {
        let worker = worker(task);
        // First, so that a run it had finished does not count as lost.
        self.collect()?;
        let reason =
            state.map_or_else(|| "Slurm has forgotten its job".to_owned(), ArrayTaskState::words);
        self.tasks.remove(&task);
        let mut empty = true;
        for taken in self.folder.taken()?.into_iter().filter(|taken| taken.worker == worker) {
            empty = false;
            self.lost(&taken, &reason)?;
        }
        self.folder.unregister(&worker)?;
        if !self.tasks.keys().any(|(job, _)| *job == task.0) {
            remove(&self.folder.path().join(format!("jobs/{}.json", task.0)))?;
        }
        self.poll = FIRST_POLL;
        if empty && !self.stopping && !state.is_some_and(ArrayTaskState::is_completed) {
            self.futile += 1;
            if self.futile >= self.config.tries as usize * self.config.jobs {
                let log = Some(self.folder.log(&worker));
                return Err(ExecuteError::NoWorker { worker, reason, log });
            }
        } else {
            self.futile = 0;
        }
        Ok(())
    }

    /// Queues the run of a lost worker again, or gives it up after too many tries.
    fn lost(&mut self, taken: &super::TakenRun, reason: &str) -> Result<(), ExecuteError> {
        let (id, tries) = (taken.run.spec.id(), taken.run.lost + 1);
        self.folder.give_back(taken, true)?;
        self.lost += 1;
        self.tell(format!("run {id} lost its worker `{}`: {reason}", taken.worker));
        if tries >= self.config.tries {
            self.folder.acknowledge(&id)?;
            self.open.remove(&id);
            let (worker, reason) = (taken.worker.clone(), reason.to_owned());
            let log = Some(self.folder.log(&worker));
            return Err(ExecuteError::Lost { id, tries, worker, reason, log });
        }
        Ok(())
    }

    /// Handles the runs of workers that belong to no known job: workers of a job that an earlier call
    /// submitted but could not note, or processes on this machine.
    fn orphans(&mut self) -> Result<(), ExecuteError> {
        let known: BTreeSet<String> = self.tasks.keys().map(|task| worker(*task)).collect();
        for taken in self.folder.taken()?.into_iter().filter(|taken| !known.contains(&taken.worker))
        {
            match task(&taken.worker) {
                // The next look at the queue updates its state.
                Some(task) => {
                    let state = ArrayTaskState { state: "RUNNING".into(), reason: String::new() };
                    self.tasks.insert(task, state);
                }
                None if !self.folder.is_alive(&taken.worker) => {
                    self.folder.give_back(&taken, false)?
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Submits jobs for the runs that no existing job will begin.
    fn submit(&mut self) -> Result<(), ExecuteError> {
        let waiting = self.folder.queued_count()?;
        let pending = self.tasks.values().filter(|state| state.is_pending()).count();
        let room = self.config.jobs.saturating_sub(self.tasks.len());
        // Jobs that have not started, or have no run.
        let free = self.tasks.len().saturating_sub(self.running);
        let wanted = waiting.saturating_sub(free).min(room);
        let usual = ["", "None", "Priority", "Resources"];
        let odd = self.tasks.values().find(|state| !usual.contains(&state.reason.as_str()));
        if let Some(odd) = odd.filter(|_| pending == self.tasks.len()) {
            let text = format!("{pending} jobs are pending ({})", odd.reason);
            self.tell(text);
        }
        if wanted == 0 {
            return Ok(());
        }
        let log = self.folder.path().join("logs/slurm-%A_%a.log");
        let job = client::submit(&self.script, &log, wanted)?;
        let path = self.folder.path().join(format!("jobs/{job}.json"));
        let tasks = u32::try_from(wanted).unwrap_or(u32::MAX);
        write(&path, &Job { job, tasks })?;
        let state = ArrayTaskState { state: "PENDING".into(), reason: String::new() };
        self.tasks.extend((0..tasks).map(|task| ((job, task), state.clone())));
        self.poll = FIRST_POLL;
        self.message.clear();
        Ok(())
    }

    /// Waits until all jobs have ended, or until the deadline.
    fn drain(&mut self, deadline: Option<Instant>) -> Result<(), ExecuteError> {
        let mut pause = PAUSES.0;
        loop {
            match self.poll(false) {
                // The run will fail again, and its failure be reported, when the study is continued.
                Ok(()) | Err(ExecuteError::Worker { .. } | ExecuteError::Lost { .. }) => {}
                Err(error) => return Err(error),
            }
            if self.tasks.is_empty() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
            {
                return Ok(());
            }
            thread::sleep(pause);
            pause = pause.mul_f64(1.5).min(Duration::from_secs(2));
        }
    }
}

/// The tasks of all jobs that are noted in a folder.
fn submitted(folder: &WorkFolder) -> Result<BTreeMap<ArrayTask, ArrayTaskState>, FolderError> {
    let jobs = folder.path().join("jobs");
    let mut tasks = BTreeMap::new();
    for name in names(&jobs)? {
        let Job { job, tasks: count } = read(&jobs.join(name))?;
        let state = ArrayTaskState { state: "PENDING".into(), reason: String::new() };
        tasks.extend((0..count).map(|task| ((job, task), state.clone())));
    }
    Ok(tasks)
}

/// The name of the worker of a task, as in the job's script.
fn worker((job, task): ArrayTask) -> String {
    format!("slurm-{job}_{task}")
}

/// The task of a worker with that name; `None` if it is not the worker of a task.
fn task(worker: &str) -> Option<ArrayTask> {
    let (job, task) = worker.strip_prefix("slurm-")?.split_once('_')?;
    Some((job.parse().ok()?, task.parse().ok()?))
}

impl Executor for SlurmJobs {
    /// Unlimited, because queued runs cost nothing.
    fn capacity(&self) -> usize {
        usize::MAX
    }

    fn unfinished(&self) -> Result<Vec<RunSpec>, ExecuteError> {
        let mut runs: Vec<RunSpec> =
            self.folder.queued()?.into_iter().map(|(_, run)| run.spec).collect();
        runs.extend(self.folder.taken()?.into_iter().map(|taken| taken.run.spec));
        Ok(runs)
    }

    fn start(&mut self, runs: Vec<Assignment>) -> Result<(), ExecuteError> {
        for run in runs {
            self.folder.enqueue(self.order, &run)?;
            self.order += 1;
            self.open.insert(run.spec.id(), run);
        }
        // `wait` submits the jobs at once.
        self.last_poll = None;
        Ok(())
    }

    fn wait(&mut self) -> Result<Event, ExecuteError> {
        if self.ready.is_empty() {
            if self.open.is_empty() {
                return Ok(Event::Idle);
            }
            self.collect()?;
        }
        if let Some(record) = self.ready.pop_front() {
            return Ok(Event::Record(Box::new(record)));
        }
        if self.last_poll.is_none_or(|last| last.elapsed() >= self.poll) {
            self.poll(true)?;
            return Ok(Event::Waiting);
        }
        thread::sleep(self.pause);
        self.pause = self.pause.mul_f64(1.5).min(PAUSES.1);
        Ok(Event::Waiting)
    }

    fn acknowledge(&mut self, id: &RunId) -> Result<(), ExecuteError> {
        Ok(self.folder.acknowledge(id)?)
    }

    fn counts(&self) -> RunCounts {
        let running = self.running.min(self.open.len());
        RunCounts { queued: self.open.len() - running, running, lost: self.lost }
    }

    fn stop(&mut self, now: bool) -> Result<Vec<RunRecord>, ExecuteError> {
        self.stopping = true;
        self.folder.close(true)?;
        // Running workers finish their runs and then find the queue empty.
        self.folder.withdraw(|_| false)?;
        let jobs: BTreeSet<u64> = self.tasks.keys().map(|(job, _)| *job).collect();
        if !jobs.is_empty() {
            client::cancel(&jobs.into_iter().collect::<Vec<_>>(), !now)?;
        }
        self.drain(now.then(|| Instant::now() + CANCEL_TIMEOUT))?;
        self.folder.withdraw(|_| false)?;
        self.collect().or_else(|error| match error {
            ExecuteError::Worker { .. } => Ok(()),
            error => Err(error),
        })?;
        Ok(self.ready.drain(..).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_worker_identifies_its_task() {
        assert_eq!(task(&worker((17, 3))), Some((17, 3)));
        assert_eq!(task("local-17-3"), None);
    }
}
