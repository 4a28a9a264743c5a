//! Does runs in worker processes on this machine, each on its own processors.

use std::{
    collections::VecDeque,
    ffi::OsString,
    fs::OpenOptions,
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use record::{RunId, RunRecord, RunSpec};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    Assignment, Event, ExecuteError, Executor, OpenRuns, RunCounts, WorkFolder, check_failures,
    gather,
};

/// How long `wait` blocks before the caller can check for an interruption.
const WAIT: Duration = Duration::from_millis(100);
/// How long workers that were told to stop at once have before they are killed.
const PATIENCE: Duration = Duration::from_secs(20);
/// A run is given up when this many workers died while they did it.
const TRIES: u32 = 3;

/// The processors and the GPU of one worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct WorkerResources {
    /// Numbers of the processors it runs on; empty for all.
    pub(crate) cpus: Vec<usize>,
    /// UUID of its GPU; an empty text hides all GPUs from it, `None` hides none.
    pub(crate) gpu: Option<String>,
}

/// Does runs in worker processes on this machine.
///
/// Each worker gets one run at a time, so that runs begin in the order in which they were submitted. If
/// this process dies, the workers finish their runs, leave the records in the work folder and end.
#[derive(Debug)]
pub(crate) struct WorkerProcesses {
    folder: WorkFolder,
    program: PathBuf,
    workers: Vec<WorkerProcess>,
    events: Receiver<(String, Message)>,
    sender: Sender<(String, Message)>,
    ready: VecDeque<RunRecord>,
    /// Runs whose records have not arrived.
    open: OpenRuns,
    order: u64,
    lost: usize,
    /// How many workers in a row ended without having begun a run.
    futile: u32,
    started: u32,
    stopping: bool,
}

#[derive(Debug)]
struct WorkerProcess {
    name: String,
    resources: WorkerResources,
    child: Child,
    /// Where it gets the command to begin a run. When this is closed, it ends.
    commands: Option<ChildStdin>,
    /// Whether it was told to begin a run and has not answered yet.
    busy: bool,
}

#[derive(Debug)]
enum Message {
    /// The run of a worker has ended.
    RunEnded,
    /// The worker process has ended.
    WorkerEnded,
}

impl WorkerProcesses {
    /// Starts one worker for each of the resources, as a process of `program`. Runs that an earlier call
    /// left in the folder are done, too.
    ///
    /// # Errors
    ///
    /// If a worker cannot be started or the folder cannot be used.
    pub(crate) fn start(
        folder: WorkFolder,
        program: PathBuf,
        resources: Vec<WorkerResources>,
    ) -> Result<Self, ExecuteError> {
        for taken in folder.taken()? {
            // Its worker ended with the earlier call, so the run is not to blame.
            folder.give_back(&taken, false)?;
            folder.unregister(&taken.worker)?;
        }
        let open = folder.queued()?.into_iter().map(|(_, run)| (run.spec.id(), run)).collect();
        let order = folder.next_order()?;
        let (sender, events) = channel();
        let mut this = Self {
            folder,
            program,
            workers: Vec::new(),
            events,
            sender,
            ready: VecDeque::new(),
            open,
            order,
            lost: 0,
            futile: 0,
            started: 0,
            stopping: false,
        };
        for resources in resources {
            this.start_worker(resources)?;
        }
        this.dispatch()?;
        Ok(this)
    }

    fn start_worker(&mut self, resources: WorkerResources) -> Result<(), ExecuteError> {
        let name = format!("local-{}-{}", std::process::id(), self.started);
        self.started += 1;
        let worker = self.process(&name, resources);
        self.workers.push(worker.map_err(|source| ExecuteError::Start { worker: name, source })?);
        Ok(())
    }

    fn process(&self, name: &str, resources: WorkerResources) -> io::Result<WorkerProcess> {
        let log = OpenOptions::new().create(true).append(true).open(self.folder.log(name))?;
        let mut command = Command::new(&self.program);
        command.arg("worker").arg(self.folder.path()).args(["--told", "--name", name]);
        if !resources.cpus.is_empty() {
            let cpus: Vec<String> = resources.cpus.iter().map(usize::to_string).collect();
            command.arg("--cpus").arg(OsString::from(cpus.join(",")));
        }
        if let Some(gpu) = &resources.gpu {
            command.env("CUDA_VISIBLE_DEVICES", gpu);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn()?;
        let commands = child.stdin.take();
        let answers = child.stdout.take();
        let (sender, from) = (self.sender.clone(), name.to_owned());
        thread::Builder::new().name("wattlab-worker".to_owned()).spawn(move || {
            for line in answers.into_iter().flat_map(|pipe| BufReader::new(pipe).lines()) {
                if line.is_err() {
                    break;
                }
                // The executor no longer exists.
                if sender.send((from.clone(), Message::RunEnded)).is_err() {
                    return;
                }
            }
            drop(sender.send((from, Message::WorkerEnded)));
        })?;
        Ok(WorkerProcess { name: name.to_owned(), resources, child, commands, busy: false })
    }

    /// Tells idle workers to begin the queued runs.
    fn dispatch(&mut self) -> Result<(), ExecuteError> {
        let busy = self.workers.iter().filter(|worker| worker.busy).count();
        let mut queued = self.open.len().saturating_sub(busy);
        for worker in self.workers.iter_mut().filter(|worker| !worker.busy) {
            let Some(commands) = worker.commands.as_mut().filter(|_| queued > 0) else { continue };
            // If the worker has ended, its thread reports that.
            worker.busy = commands.write_all(b"go\n").and_then(|()| commands.flush()).is_ok();
            queued -= usize::from(worker.busy);
        }
        Ok(())
    }

    fn handle(&mut self, worker: &str, message: &Message) -> Result<(), ExecuteError> {
        match message {
            Message::RunEnded => {
                self.futile = 0;
                if let Some(process) =
                    self.workers.iter_mut().find(|process| process.name == worker)
                {
                    process.busy = false;
                }
                self.collect()?;
                self.dispatch()
            }
            Message::WorkerEnded => self.worker_ended(worker),
        }
    }

    /// Reads the records and failures that workers left in the folder.
    fn collect(&mut self) -> Result<(), ExecuteError> {
        gather(&self.folder, &mut self.open, &mut self.ready)?;
        check_failures(&self.folder, &mut self.open, &mut self.order)
    }

    /// Handles the end of a worker: its run goes to another one, and a new worker is started.
    fn worker_ended(&mut self, worker: &str) -> Result<(), ExecuteError> {
        let Some(i) = self.workers.iter().position(|process| process.name == worker) else {
            return Ok(());
        };
        let mut process = self.workers.remove(i);
        let reason = match process.child.wait() {
            Ok(status) => format!("it ended with {status}"),
            Err(error) => format!("its exit status cannot be read: {error}"),
        };
        let log = Some(self.folder.log(worker));
        // First, so that a run it had finished does not count as lost.
        self.collect()?;
        self.futile += 1;
        for taken in self.folder.taken()?.into_iter().filter(|taken| taken.worker == worker) {
            self.futile = 0;
            self.folder.give_back(&taken, !self.stopping)?;
            if self.stopping {
                continue;
            }
            self.lost += 1;
            let (id, tries) = (taken.run.spec.id(), taken.run.lost + 1);
            if tries >= TRIES {
                self.folder.acknowledge(&id)?;
                self.open.remove(&id);
                let worker = worker.to_owned();
                return Err(ExecuteError::Lost { id, tries, worker, reason, log });
            }
        }
        self.folder.unregister(worker)?;
        if self.stopping {
            return Ok(());
        }
        if self.futile >= TRIES {
            return Err(ExecuteError::NoWorker { worker: worker.to_owned(), reason, log });
        }
        self.start_worker(process.resources)?;
        self.dispatch()
    }
}

impl Executor for WorkerProcesses {
    fn capacity(&self) -> usize {
        self.workers.len()
    }

    fn unfinished(&self) -> Result<Vec<RunSpec>, ExecuteError> {
        Ok(self.folder.queued()?.into_iter().map(|(_, run)| run.spec).collect())
    }

    fn start(&mut self, runs: Vec<Assignment>) -> Result<(), ExecuteError> {
        for run in runs {
            self.folder.enqueue(self.order, &run)?;
            self.order += 1;
            self.open.insert(run.spec.id(), run);
        }
        self.dispatch()
    }

    fn wait(&mut self) -> Result<Event, ExecuteError> {
        if let Some(record) = self.ready.pop_front() {
            return Ok(Event::Record(Box::new(record)));
        }
        if self.open.is_empty() {
            return Ok(Event::Idle);
        }
        match self.events.recv_timeout(WAIT) {
            Ok((worker, message)) => self.handle(&worker, &message)?,
            // It never disconnects, because this executor keeps a sender.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        Ok(self.ready.pop_front().map_or(Event::Waiting, |record| Event::Record(Box::new(record))))
    }

    fn acknowledge(&mut self, id: &RunId) -> Result<(), ExecuteError> {
        Ok(self.folder.acknowledge(id)?)
    }

    fn counts(&self) -> RunCounts {
        let running = self.workers.iter().filter(|worker| worker.busy).count();
        let queued = self.open.len().saturating_sub(running);
        RunCounts { queued, running, lost: self.lost }
    }

    fn stop(&mut self, now: bool) -> Result<Vec<RunRecord>, ExecuteError> {
        self.stopping = true;
        self.folder.withdraw(|_| false)?;
        for worker in &mut self.workers {
            worker.commands = None;
            if now {
                let pid = i32::try_from(worker.child.id()).ok().and_then(Pid::from_raw);
                // The signal fails if the worker has ended already.
                let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
            }
        }
        let deadline = Instant::now() + PATIENCE;
        while !self.workers.is_empty() {
            if now && Instant::now() >= deadline {
                self.workers.iter_mut().for_each(|worker| drop(worker.child.kill()));
            }
            if let Ok((worker, Message::WorkerEnded)) = self.events.recv_timeout(WAIT) {
                match self.worker_ended(&worker) {
                    // The run will fail again, and its failure be reported, when the study is continued.
                    Ok(()) | Err(ExecuteError::Worker { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.folder.withdraw(|_| false)?;
        self.collect().or_else(|error| match error {
            ExecuteError::Worker { .. } => Ok(()),
            error => Err(error),
        })?;
        Ok(self.ready.drain(..).collect())
    }
}
