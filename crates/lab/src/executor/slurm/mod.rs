//! Runs on a Slurm cluster.
//!
//! A job is a worker: it takes runs from the work folder, one after the other, until none is left.
//! So a lost job loses one run, a job too many finds nothing to do and ends, and the number of jobs
//! does not depend on the number of runs. Slurm schedules; here is only counted how many jobs there
//! should be, and looked after those that vanish.

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

pub use self::client::{SlurmError, Task, TaskState};
use super::{
    Assignment, Event, ExecuteError, Executor, FolderError, Standing, WorkFolder, check_failures,
    folder::{names, read, remove, write},
    gather,
};
use crate::{config::SlurmConfig, progress::line};

/// First pause between two looks into the folder, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// First time between two looks at the queue.
const LOOK: Duration = Duration::from_millis(500);
/// What Slurm refuses so often in a row it does not want; once may be a controller that dies.
const REFUSALS: u32 = 3;
/// Cancelled jobs get so long to end.
const PATIENCE: Duration = Duration::from_secs(120);

/// An array of jobs that was submitted: `jobs/<number>.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Job {
    job: u64,
    tasks: u32,
}

/// A Slurm cluster.
#[derive(Debug)]
pub struct Slurm {
    folder: WorkFolder,
    config: SlurmConfig,
    script: PathBuf,
    /// Tasks that have not ended, as far as we know, and their last known state.
    tasks: BTreeMap<Task, TaskState>,
    ready: VecDeque<RunRecord>,
    /// Handed out, and no record came.
    open: BTreeSet<RunId>,
    order: u64,
    lost: usize,
    /// Of the last look into the folder.
    running: usize,
    /// Jobs that ended badly in a row without having begun a run.
    futile: usize,
    pause: Duration,
    look: Duration,
    looked: Option<Instant>,
    /// Said to the user last: that Slurm is silent, or why jobs wait.
    said: String,
    /// How often in a row Slurm refused something.
    refused: u32,
    stopping: bool,
}

impl Slurm {
    /// Works with the folder's runs, and with the jobs that an earlier call submitted. `plugins` and
    /// `program` are copied into the folder.
    ///
    /// # Errors
    ///
    /// If the folder cannot be used, or there is no Slurm.
    pub fn open(
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
        let mut open: BTreeSet<RunId> = BTreeSet::new();
        open.extend(folder.todo()?.iter().map(|it| it.1.spec.id()));
        open.extend(folder.taken()?.iter().map(|it| it.run.spec.id()));
        let order = folder.next_order()?;
        let tasks = submitted(&folder)?;
        // Says at once if there is no Slurm here.
        client::states(&tasks.keys().map(|it| it.0).chain([0]).collect::<Vec<_>>()).or_else(
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
            look: LOOK,
            looked: None,
            said: String::new(),
            refused: 0,
            stopping: false,
        })
    }

    /// Copies a probe into the folder, where every node sees it.
    ///
    /// # Errors
    ///
    /// If it cannot be read or the folder not be written.
    pub fn bring(folder: &WorkFolder, plugin: &Path) -> Result<PathBuf, FolderError> {
        let stem = plugin.file_stem().unwrap_or_default().to_string_lossy();
        let end =
            plugin.extension().map_or_else(String::new, |it| format!(".{}", it.to_string_lossy()));
        Ok(script::copy(folder, plugin, &stem, &end)?.0)
    }

    /// Jobs of an earlier call that have not ended, in a folder that is now to be worked on here.
    ///
    /// # Errors
    ///
    /// If Slurm does not tell.
    pub fn still_running(folder: &WorkFolder) -> Result<usize, ExecuteError> {
        let tasks = submitted(folder)?;
        if tasks.is_empty() {
            return Ok(0);
        }
        let states = client::states(&tasks.keys().map(|it| it.0).collect::<Vec<_>>())?;
        Ok(tasks.keys().filter(|it| states.get(it).is_some_and(TaskState::is_alive)).count())
    }

    /// Looks for what workers left.
    fn collect(&mut self) -> Result<(), ExecuteError> {
        if gather(&self.folder, &mut self.open, &mut self.ready)? > 0 {
            self.futile = 0;
            self.pause = PAUSES.0;
        }
        check_failures(&self.folder, &mut self.open)
    }

    /// Looks at the queue: what vanished is handed to others, what waits gets jobs.
    fn look(&mut self, submit: bool) -> Result<(), ExecuteError> {
        self.looked = Some(Instant::now());
        self.look = self.look.mul_f64(1.5).min(Duration::from_secs_f64(self.config.poll_s));
        let outcome = self.review().and_then(|()| if submit { self.submit() } else { Ok(()) });
        match outcome {
            Err(ExecuteError::Slurm(error @ SlurmError::Silent { .. })) => {
                self.tell(format!("{error}; waiting for it"));
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
            outcome => outcome,
        }
    }

    fn tell(&mut self, text: String) {
        if text != self.said {
            line(&format!("slurm: {text}"));
            self.said = text;
        }
    }

    fn review(&mut self) -> Result<(), ExecuteError> {
        if self.tasks.is_empty() {
            self.running = 0;
            return self.orphans();
        }
        let jobs: BTreeSet<u64> = self.tasks.keys().map(|it| it.0).collect();
        let states = client::states(&jobs.iter().copied().collect::<Vec<_>>())?;
        let ended: Vec<Task> = self
            .tasks
            .keys()
            .filter(|it| !states.get(it).is_some_and(TaskState::is_alive))
            .copied()
            .collect();
        for (task, state) in &mut self.tasks {
            if let Some(now) = states.get(task) {
                state.clone_from(now);
            }
        }
        for task in ended {
            let state = states.get(&task).cloned().or_else(|| client::fate(task));
            self.ended(task, state.as_ref())?;
        }
        self.orphans()?;
        self.running = self.folder.taken()?.len();
        Ok(())
    }

    /// A job ended: the run it was at is somebody else's now.
    fn ended(&mut self, task: Task, state: Option<&TaskState>) -> Result<(), ExecuteError> {
        let worker = worker(task);
        // Before anything else: what it finished counts.
        self.collect()?;
        let reason =
            state.map_or_else(|| "Slurm does not know it any more".to_owned(), TaskState::words);
        self.tasks.remove(&task);
        let mut empty = true;
        for taken in self.folder.taken()?.into_iter().filter(|it| it.worker == worker) {
            empty = false;
            self.lost(&taken, &reason)?;
        }
        self.folder.leave(&worker)?;
        if !self.tasks.keys().any(|it| it.0 == task.0) {
            remove(&self.folder.path().join(format!("jobs/{}.json", task.0)))?;
        }
        self.look = LOOK;
        if empty && !self.stopping && !state.is_some_and(TaskState::is_completed) {
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

    fn lost(&mut self, taken: &super::Taken, reason: &str) -> Result<(), ExecuteError> {
        let (id, tries) = (taken.run.spec.id(), taken.run.lost + 1);
        self.folder.give_back(taken, true)?;
        self.lost += 1;
        self.tell(format!("run {id} lost its worker `{}`: {reason}", taken.worker));
        if tries >= self.config.tries {
            self.folder.kept(&id)?;
            self.open.remove(&id);
            let (worker, reason) = (taken.worker.clone(), reason.to_owned());
            let log = Some(self.folder.log(&worker));
            return Err(ExecuteError::Lost { id, tries, worker, reason, log });
        }
        Ok(())
    }

    /// Runs of workers that belong to no job we know: of a call that died before it wrote the job
    /// down, or of processes on this machine.
    fn orphans(&mut self) -> Result<(), ExecuteError> {
        let known: BTreeSet<String> = self.tasks.keys().map(|it| worker(*it)).collect();
        for taken in self.folder.taken()?.into_iter().filter(|it| !known.contains(&it.worker)) {
            match task(&taken.worker) {
                // The next look asks after it.
                Some(task) => {
                    let state = TaskState { state: "RUNNING".into(), reason: String::new() };
                    self.tasks.insert(task, state);
                }
                None if !self.folder.lives(&taken.worker) => {
                    self.folder.give_back(&taken, false)?
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Submits as many jobs as there are runs that nobody will begin.
    fn submit(&mut self) -> Result<(), ExecuteError> {
        let waiting = self.folder.waiting()?;
        let pending = self.tasks.values().filter(|it| it.is_pending()).count();
        let room = self.config.jobs.saturating_sub(self.tasks.len());
        // Jobs that wait for their start, or for something to do.
        let free = self.tasks.len().saturating_sub(self.running);
        let wanted = waiting.saturating_sub(free).min(room);
        let usual = ["", "None", "Priority", "Resources"];
        let odd = self.tasks.values().find(|it| !usual.contains(&it.reason.as_str()));
        if let Some(odd) = odd.filter(|_| pending == self.tasks.len()) {
            let text = format!("{pending} jobs wait: {}", odd.reason);
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
        let state = TaskState { state: "PENDING".into(), reason: String::new() };
        self.tasks.extend((0..tasks).map(|it| ((job, it), state.clone())));
        self.look = LOOK;
        self.said.clear();
        Ok(())
    }

    /// Waits until no job is left.
    fn drain(&mut self, deadline: Option<Instant>) -> Result<(), ExecuteError> {
        let mut pause = PAUSES.0;
        loop {
            match self.look(false) {
                // A run that fails now fails again at the next call, and is told then.
                Ok(()) | Err(ExecuteError::Worker { .. } | ExecuteError::Lost { .. }) => {}
                Err(error) => return Err(error),
            }
            if self.tasks.is_empty() || deadline.is_some_and(|it| Instant::now() >= it) {
                return Ok(());
            }
            thread::sleep(pause);
            pause = pause.mul_f64(1.5).min(Duration::from_secs(2));
        }
    }
}

/// The jobs that were submitted into a folder.
fn submitted(folder: &WorkFolder) -> Result<BTreeMap<Task, TaskState>, FolderError> {
    let jobs = folder.path().join("jobs");
    let mut tasks = BTreeMap::new();
    for name in names(&jobs)? {
        let it: Job = read(&jobs.join(name))?;
        let state = TaskState { state: "PENDING".into(), reason: String::new() };
        tasks.extend((0..it.tasks).map(|task| ((it.job, task), state.clone())));
    }
    Ok(tasks)
}

/// A worker's name, as the job's script makes it.
fn worker((job, task): Task) -> String {
    format!("slurm-{job}_{task}")
}

fn task(worker: &str) -> Option<Task> {
    let (job, task) = worker.strip_prefix("slurm-")?.split_once('_')?;
    Some((job.parse().ok()?, task.parse().ok()?))
}

impl Executor for Slurm {
    /// As many runs as there are: those that wait cost nothing.
    fn capacity(&self) -> usize {
        usize::MAX
    }

    fn under_way(&self) -> Result<Vec<RunSpec>, ExecuteError> {
        let mut runs: Vec<RunSpec> = self.folder.todo()?.into_iter().map(|it| it.1.spec).collect();
        runs.extend(self.folder.taken()?.into_iter().map(|it| it.run.spec));
        Ok(runs)
    }

    fn start(&mut self, runs: Vec<Assignment>) -> Result<(), ExecuteError> {
        for run in runs {
            self.folder.put(self.order, &run)?;
            self.order += 1;
            self.open.insert(run.spec.id());
        }
        // Jobs are asked for at the next look, which is now.
        self.looked = None;
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
        if self.looked.is_none_or(|it| it.elapsed() >= self.look) {
            self.look(true)?;
            return Ok(Event::Waiting);
        }
        thread::sleep(self.pause);
        self.pause = self.pause.mul_f64(1.5).min(PAUSES.1);
        Ok(Event::Waiting)
    }

    fn kept(&mut self, id: &RunId) -> Result<(), ExecuteError> {
        Ok(self.folder.kept(id)?)
    }

    fn standing(&self) -> Standing {
        let running = self.running.min(self.open.len());
        Standing { queued: self.open.len() - running, running, lost: self.lost }
    }

    fn stop(&mut self, now: bool) -> Result<Vec<RunRecord>, ExecuteError> {
        self.stopping = true;
        self.folder.close(true)?;
        // Those that have begun end with the run they are at.
        self.folder.clear(|_| false)?;
        let jobs: BTreeSet<u64> = self.tasks.keys().map(|it| it.0).collect();
        if !jobs.is_empty() {
            client::cancel(&jobs.into_iter().collect::<Vec<_>>(), !now)?;
        }
        self.drain(now.then(|| Instant::now() + PATIENCE))?;
        self.folder.clear(|_| false)?;
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
    fn a_workers_name_tells_its_job() {
        assert_eq!(task(&worker((17, 3))), Some((17, 3)));
        assert_eq!(task("local-17-3"), None);
    }
}
