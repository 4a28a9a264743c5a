//! A command that runs under a time limit, with its output read as it comes.

use std::{
    cell::Cell,
    io::{self, Read, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::ioctl_fionbio,
    process::{Pid, Signal, kill_process_group},
};

use super::lines::{Line, Lines};
use crate::interrupt::Interrupt;

/// Time between two looks at a command that prints nothing: at first, and at most.
const LOOK_EVERY_MS: (i64, i64) = (1, 20);
/// How long a command that was asked to end may take for it.
const GRACE: Duration = Duration::from_secs(5);
/// How long a command that was told to stop may take for it, for example to write a checkpoint.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// How long the output of a command that has ended is read on, if a process that it left behind keeps
/// it open.
const DRAIN: Duration = Duration::from_millis(200);

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Output,
    Error,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself.
    Itself(ExitStatus),
    /// By us, because its time was over.
    TimedOut,
    /// By us, because it did not end when it was told to stop.
    Stopped,
    /// By us, because somebody pressed Ctrl-C.
    Interrupted,
}

/// What a command reads on its standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// Nothing.
    Empty,
    /// An answer after some of the lines that it prints.
    Answers,
}

/// An answer to a command that keeps running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It goes on.
    Continue,
    /// It ends soon, or it is ended.
    Stop,
    /// It ends, because this was its last step; it may take its time for it.
    Finish,
}

/// The standard input of a command that gets answers.
///
/// The writer is `None` after the last answer, and if the command does not read.
struct Answers(Option<ChildStdin>);

impl Answers {
    fn new(writer: Option<ChildStdin>) -> io::Result<Self> {
        writer.as_ref().map_or(Ok(()), |writer| ioctl_fionbio(writer, true))?;
        Ok(Self(writer))
    }

    /// Writes an answer. A command that has closed its input, or has not read for thousands of
    /// answers, does without.
    fn give(&mut self, answer: Answer) {
        let line: &[u8] = match answer {
            Answer::Continue => b"continue\n",
            Answer::Stop | Answer::Finish => b"stop\n",
        };
        let written = self.0.as_mut().map(|writer| writer.write_all(line));
        if answer != Answer::Continue || written.is_some_and(|written| written.is_err()) {
            self.0 = None;
        }
    }
}

/// A pipe with its lines.
struct Pipe<R> {
    reader: Option<R>,
    stream: Stream,
    lines: Lines,
}

impl<R: Read + AsFd> Pipe<R> {
    fn new(reader: Option<R>, stream: Stream) -> io::Result<Self> {
        reader.as_ref().map_or(Ok(()), |reader| ioctl_fionbio(reader, true))?;
        Ok(Self { reader, stream, lines: Lines::default() })
    }

    /// Reads what is there, but not for ever. Returns whether something was.
    fn read(&mut self, take: &mut impl FnMut(Stream, Line)) -> io::Result<bool> {
        let Some(reader) = &mut self.reader else { return Ok(false) };
        let mut buffer = [0; 16 << 10];
        let mut some = false;
        for _ in 0..16 {
            match reader.read(&mut buffer) {
                Ok(0) => {
                    self.reader = None;
                    return Ok(some);
                }
                Ok(length) => {
                    some = true;
                    self.lines.push(&buffer[..length], &mut |line| take(self.stream, line));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(some),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(some)
    }
}

/// A command and all processes that it starts, which end when this is dropped before the command has
/// ended.
struct Group {
    child: Child,
    ended: bool,
}

impl Group {
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // The group may be gone already.
        let _ = pid.map(|pid| kill_process_group(pid, signal));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.ended {
            self.signal(Signal::KILL);
            let _ = self.child.wait();
        }
    }
}

/// Starts a command in a process group of its own.
fn start(command: &mut Command, input: Input) -> io::Result<Group> {
    let stdin = match input {
        Input::Empty => Stdio::null(),
        Input::Answers => Stdio::piped(),
    };
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    Ok(Group { child: command.spawn()?, ended: false })
}

/// Runs a command until it ends, its time is over, or somebody interrupts. Processes that it leaves
/// behind may run on; what they print later is lost. Gives every line to `take` as it comes, whose
/// answers the command can read. A command that does not end after [`Answer::Stop`] is ended.
///
/// # Errors
///
/// If the command cannot be started or its output cannot be read.
pub(super) fn run(
    command: &mut Command,
    input: Input,
    deadline: Option<Instant>,
    interrupt: &Interrupt,
    mut take: impl FnMut(Stream, Line) -> Option<Answer>,
) -> io::Result<Ended> {
    let mut group = start(command, input)?;
    let mut answers = Answers::new(group.child.stdin.take())?;
    let told = Cell::new(None);
    let mut take = |stream: Stream, line: Line| {
        if let Some(answer) = take(stream, line) {
            answers.give(answer);
            if answer == Answer::Stop && told.get().is_none() {
                told.set(Some(Instant::now()));
            }
        }
    };
    let mut output = Pipe::new(group.child.stdout.take(), Stream::Output)?;
    let mut error = Pipe::new(group.child.stderr.take(), Stream::Error)?;
    let mut stopped: Option<(Instant, Ended)> = None;
    let mut pause = LOOK_EVERY_MS.0;
    let status = loop {
        wait(&output, &error, pause);
        pause = (2 * pause).min(LOOK_EVERY_MS.1);
        output.read(&mut take)?;
        error.read(&mut take)?;
        if let Some(status) = group.child.try_wait()? {
            group.ended = true;
            break status;
        }
        let now = Instant::now();
        match stopped {
            None if interrupt.is_set() => {
                group.signal(Signal::INT);
                stopped = Some((now, Ended::Interrupted));
            }
            None if deadline.is_some_and(|deadline| now >= deadline) => {
                group.signal(Signal::TERM);
                stopped = Some((now, Ended::TimedOut));
            }
            None if told.get().is_some_and(|told| now - told >= STOP_GRACE) => {
                group.signal(Signal::TERM);
                stopped = Some((now, Ended::Stopped));
            }
            Some((since, _)) if now - since >= GRACE => group.signal(Signal::KILL),
            _ => {}
        }
    };
    if stopped.is_some() {
        group.signal(Signal::KILL);
    }
    let since = Instant::now();
    while (output.reader.is_some() || error.reader.is_some()) && since.elapsed() < DRAIN {
        wait(&output, &error, LOOK_EVERY_MS.1);
        // A process that is left behind may print for ever.
        if !(output.read(&mut take)? | error.read(&mut take)?) && stopped.is_some() {
            break;
        }
    }
    output.lines.finish(&mut |line| take(Stream::Output, line));
    error.lines.finish(&mut |line| take(Stream::Error, line));
    Ok(stopped.map_or(Ended::Itself(status), |(_, ended)| ended))
}

/// Waits until a pipe has something, or for some milliseconds.
fn wait<A: AsFd, B: AsFd>(output: &Pipe<A>, error: &Pipe<B>, pause_ms: i64) {
    let pause = Timespec { tv_sec: 0, tv_nsec: pause_ms * 1_000_000 };
    let mut pipes = Vec::with_capacity(2);
    pipes.extend(output.reader.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    pipes.extend(error.reader.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    // An error here ends the wait early, and the next look finds out what is wrong.
    let _ = poll(&mut pipes, Some(&pause));
}
