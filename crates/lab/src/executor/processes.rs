//! Worker processes on this machine, each on processors of its own.

use std::{
    collections::{BTreeSet, VecDeque},
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
    Assignment, Event, ExecuteError, Executor, Standing, WorkFolder, check_failures, gather,
};

/// Between two looks for an interruption.
const LOOK: Duration = Duration::from_millis(100);
/// Workers that were told to stop at once get so long.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a run is begun at most if its worker dies.
const TRIES: u32 = 3;

/// What a worker is given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Its processors.
    pub cpus: Vec<usize>,
    /// UUID of its GPU.
    pub gpu: Option<String>,
}

/// Worker processes of a program on this machine. They are told to begin one run at a time, so that
/// runs begin in the order in which they were handed out; when this process dies, each finishes its
/// run, leaves the record and ends.
#[derive(Debug)]
pub struct Processes {
    folder: WorkFolder,
    program: PathBuf,
    hands: Vec<Hand>,
    events: Receiver<(String, Word)>,
    tell: Sender<(String, Word)>,
    ready: VecDeque<RunRecord>,
    /// Handed out, and no record came.
    open: BTreeSet<RunId>,
    order: u64,
    lost: usize,
    /// Workers that ended in a row without having begun a run.
    futile: u32,
    started: u32,
    stopping: bool,
}

#[derive(Debug)]
struct Hand {
    name: String,
    place: Place,
    child: Child,
    /// Closed: it ends when it has nothing to do.
    words: Option<ChildStdin>,
    /// It was told to begin a run.
    busy: bool,
}

#[derive(Debug)]
enum Word {
    /// A run ended.
    Said,
    /// The worker ended.
    Gone,
}

impl Processes {
    /// Starts a worker of that program for each place. What an earlier call handed out and nobody has
    /// begun is under way again.
    ///
    /// # Errors
    ///
    /// If a worker cannot be started or the folder cannot be used.
    pub fn start(
        folder: WorkFolder,
        program: PathBuf,
        places: Vec<Place>,
    ) -> Result<Self, ExecuteError> {
        for taken in folder.taken()? {
            // It died with the call that started it, and not over its run.
            folder.give_back(&taken, false)?;
            folder.leave(&taken.worker)?;
        }
        let open = folder.todo()?.iter().map(|it| it.1.spec.id()).collect();
        let order = folder.next_order()?;
        let (tell, events) = channel();
        let mut this = Self {
            folder,
            program,
            hands: Vec::new(),
            events,
            tell,
            ready: VecDeque::new(),
            open,
            order,
            lost: 0,
            futile: 0,
            started: 0,
            stopping: false,
        };
        for place in places {
            this.hire(place)?;
        }
        this.dispatch()?;
        Ok(this)
    }

    fn hire(&mut self, place: Place) -> Result<(), ExecuteError> {
        let name = format!("local-{}-{}", std::process::id(), self.started);
        self.started += 1;
        let hand = self.process(&name, place);
        self.hands.push(hand.map_err(|source| ExecuteError::Start { worker: name, source })?);
        Ok(())
    }

    fn process(&self, name: &str, place: Place) -> io::Result<Hand> {
        let log = OpenOptions::new().create(true).append(true).open(self.folder.log(name))?;
        let mut command = Command::new(&self.program);
        command.arg("worker").arg(self.folder.path()).args(["--told", "--name", name]);
        if !place.cpus.is_empty() {
            let cpus: Vec<String> = place.cpus.iter().map(usize::to_string).collect();
            command.arg("--cpus").arg(OsString::from(cpus.join(",")));
        }
        if let Some(gpu) = &place.gpu {
            command.env("CUDA_VISIBLE_DEVICES", gpu);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn()?;
        let words = child.stdin.take();
        let said = child.stdout.take();
        let (tell, from) = (self.tell.clone(), name.to_owned());
        thread::Builder::new().name("wattlab-worker".to_owned()).spawn(move || {
            for line in said.into_iter().flat_map(|it| BufReader::new(it).lines()) {
                if line.is_err() {
                    break;
                }
                // Nobody listens any more.
                if tell.send((from.clone(), Word::Said)).is_err() {
                    return;
                }
            }
            drop(tell.send((from, Word::Gone)));
        })?;
        Ok(Hand { name: name.to_owned(), place, child, words, busy: false })
    }

    /// Tells idle workers to begin what waits.
    fn dispatch(&mut self) -> Result<(), ExecuteError> {
        let told = self.hands.iter().filter(|it| it.busy).count();
        let mut left = self.open.len().saturating_sub(told);
        for hand in self.hands.iter_mut().filter(|it| !it.busy) {
            let Some(words) = hand.words.as_mut().filter(|_| left > 0) else { continue };
            // If it is gone, its thread says so.
            hand.busy = words.write_all(b"go\n").and_then(|()| words.flush()).is_ok();
            left -= usize::from(hand.busy);
        }
        Ok(())
    }

    fn hear(&mut self, worker: &str, word: &Word) -> Result<(), ExecuteError> {
        match word {
            Word::Said => {
                self.futile = 0;
                if let Some(hand) = self.hands.iter_mut().find(|it| it.name == worker) {
                    hand.busy = false;
                }
                self.look()?;
                self.dispatch()
            }
            Word::Gone => self.gone(worker),
        }
    }

    /// Looks for what workers left.
    fn look(&mut self) -> Result<(), ExecuteError> {
        gather(&self.folder, &mut self.open, &mut self.ready)?;
        check_failures(&self.folder, &mut self.open)
    }

    /// A worker ended: its run goes to another one.
    fn gone(&mut self, worker: &str) -> Result<(), ExecuteError> {
        let Some(at) = self.hands.iter().position(|it| it.name == worker) else { return Ok(()) };
        let mut hand = self.hands.remove(at);
        let reason = match hand.child.wait() {
            Ok(status) => format!("it ended with {status}"),
            Err(error) => format!("it cannot be waited for: {error}"),
        };
        let log = Some(self.folder.log(worker));
        // What it finished before it died counts.
        self.look()?;
        self.futile += 1;
        for taken in self.folder.taken()?.into_iter().filter(|it| it.worker == worker) {
            self.futile = 0;
            self.folder.give_back(&taken, !self.stopping)?;
            if self.stopping {
                continue;
            }
            self.lost += 1;
            let (id, tries) = (taken.run.spec.id(), taken.run.lost + 1);
            if tries >= TRIES {
                self.folder.kept(&id)?;
                self.open.remove(&id);
                let worker = worker.to_owned();
                return Err(ExecuteError::Lost { id, tries, worker, reason, log });
            }
        }
        self.folder.leave(worker)?;
        if self.stopping {
            return Ok(());
        }
        if self.futile >= TRIES {
            return Err(ExecuteError::NoWorker { worker: worker.to_owned(), reason, log });
        }
        self.hire(hand.place)?;
        self.dispatch()
    }
}

impl Executor for Processes {
    fn capacity(&self) -> usize {
        self.hands.len()
    }

    fn under_way(&self) -> Result<Vec<RunSpec>, ExecuteError> {
        Ok(self.folder.todo()?.into_iter().map(|it| it.1.spec).collect())
    }

    fn start(&mut self, runs: Vec<Assignment>) -> Result<(), ExecuteError> {
        for run in runs {
            self.folder.put(self.order, &run)?;
            self.order += 1;
            self.open.insert(run.spec.id());
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
        match self.events.recv_timeout(LOOK) {
            Ok((worker, word)) => self.hear(&worker, &word)?,
            // This process holds a sender: it cannot be closed.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        Ok(self.ready.pop_front().map_or(Event::Waiting, |it| Event::Record(Box::new(it))))
    }

    fn kept(&mut self, id: &RunId) -> Result<(), ExecuteError> {
        Ok(self.folder.kept(id)?)
    }

    fn standing(&self) -> Standing {
        let running = self.hands.iter().filter(|it| it.busy).count();
        let queued = self.open.len().saturating_sub(running);
        Standing { queued, running, lost: self.lost }
    }

    fn stop(&mut self, now: bool) -> Result<Vec<RunRecord>, ExecuteError> {
        self.stopping = true;
        self.folder.clear(|_| false)?;
        for hand in &mut self.hands {
            hand.words = None;
            if now {
                let pid = i32::try_from(hand.child.id()).ok().and_then(Pid::from_raw);
                // One that is gone already needs no signal.
                let _ = pid.map(|it| kill_process(it, Signal::TERM));
            }
        }
        let deadline = Instant::now() + PATIENCE;
        while !self.hands.is_empty() {
            if now && Instant::now() >= deadline {
                self.hands.iter_mut().for_each(|it| drop(it.child.kill()));
            }
            if let Ok((worker, Word::Gone)) = self.events.recv_timeout(LOOK) {
                match self.gone(&worker) {
                    // A run that fails now fails again at the next call, and is told then.
                    Ok(()) | Err(ExecuteError::Worker { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        self.folder.clear(|_| false)?;
        self.look().or_else(|error| match error {
            ExecuteError::Worker { .. } => Ok(()),
            error => Err(error),
        })?;
        Ok(self.ready.drain(..).collect())
    }
}
