//! A command that answers batches: it reads the number of requests of a batch from each line of its standard input,
//! and prints the number when the batch is answered.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, ChildStdout, Command as Process, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, anyhow};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::ioctl_fionbio,
    process::{Pid, Signal, kill_process_group},
};

use super::Answerer;
use crate::{Failure, Interrupt, plain_text::without_control};

/// The longest line that is read. Of longer ones, the rest is passed over.
const LONGEST: usize = 4096;
/// Time between two looks whether somebody pressed Ctrl-C.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
/// How long the command may take to end after its standard input has ended.
const GRACE: Duration = Duration::from_secs(5);

/// A running command.
pub(in super::super) struct Command {
    child: Child,
    input: Option<ChildStdin>,
    output: ChildStdout,
    /// What it has printed since its last whole line.
    line: Vec<u8>,
    /// The last line that was no answer.
    other: Option<String>,
    text: String,
    /// Whether a batch is not answered yet.
    owes: bool,
    patience: Duration,
    interrupt: Interrupt,
}

impl Command {
    /// Starts a command. It may take `patience` to answer a batch.
    pub(in super::super) fn start(
        words: &[OsString],
        patience: Duration,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let shown: Vec<_> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let text = shown.join(" ");
        let (program, arguments) =
            words.split_first().context("give a command after `--`").map_err(Failure::BadInput)?;
        let mut process = Process::new(program);
        process.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = process
            .spawn()
            .with_context(|| format!("failed to run `{text}`"))
            .map_err(Failure::BadInput)?;
        let input = child.stdin.take();
        let output = child.stdout.take().context("no output").map_err(Failure::RunTime)?;
        ioctl_fionbio(&output, true).map_err(Failure::run_time)?;
        let (line, other, owes) = (Vec::new(), None, false);
        let interrupt = interrupt.clone();
        Ok(Self { child, input, output, line, other, text, owes, patience, interrupt })
    }

    /// The command line.
    pub(in super::super) fn text(&self) -> &str {
        &self.text
    }

    fn fails(&self, what: &str) -> Failure {
        let other = self.other.as_ref().map_or_else(String::new, |line| {
            format!("; its last line was `{}`", without_control(line))
        });
        Failure::BadInput(anyhow!(
            "`{}` {what}{other}; it must read the number of requests of a batch from each line of its standard \
             input, and print that number when the batch is answered",
            self.text
        ))
    }

    /// Reads on until the command prints this number.
    fn wait_for(&mut self, number: usize) -> Result<(), Failure> {
        let since = Instant::now();
        loop {
            let mut buffer = [0; LONGEST];
            match self.output.read(&mut buffer) {
                Ok(0) => return Err(self.has_ended()),
                Ok(length) => {
                    if self.push(&buffer[..length], number) {
                        return Ok(());
                    }
                    // A command that prints other lines for ever must not hide that its time is over.
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    let mut pipe = [PollFd::new(&self.output, PollFlags::IN)];
                    // An error here ends the wait early, and the next look finds out what is wrong.
                    let _ = poll(&mut pipe, Some(&LOOK_EVERY));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::run_time(error)),
            }
            if self.interrupt.is_set() {
                return Err(Failure::Interrupted);
            }
            if since.elapsed() > self.patience {
                let patience = self.patience.as_secs_f64();
                return Err(self.fails(&format!(
                    "did not answer a batch of {number} within {patience} s (flag `--timeout`)"
                )));
            }
        }
    }

    /// Takes what was printed; returns whether a line of it is this number.
    fn push(&mut self, bytes: &[u8], number: usize) -> bool {
        let mut found = false;
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() < LONGEST {
                    self.line.push(*byte);
                }
                continue;
            }
            let text = String::from_utf8_lossy(&self.line).trim().to_owned();
            self.line.clear();
            match text.parse() == Ok(number) {
                true => found = true,
                false => self.other = Some(text),
            }
        }
        found
    }

    fn has_ended(&mut self) -> Failure {
        let how = match self.wait(GRACE) {
            Some(status) => format!("ended ({status}) before it answered"),
            None => "closed its standard output before it answered".to_owned(),
        };
        self.fails(&how)
    }

    /// Waits until it has ended, not for ever.
    fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let since = Instant::now();
        while since.elapsed() < patience {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(5)),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
        None
    }
}

impl Answerer for Command {
    fn answer(&mut self, requests: &[usize]) -> Result<(), Failure> {
        self.owes = true;
        let line = format!("{}\n", requests.len());
        let written = match &mut self.input {
            Some(input) => input.write_all(line.as_bytes()).and_then(|()| input.flush()),
            None => Ok(()),
        };
        if written.is_err() {
            return Err(self.has_ended());
        }
        self.wait_for(requests.len())?;
        self.owes = false;
        Ok(())
    }

    fn is_in_this_process(&self) -> bool {
        false
    }

    fn has_joules(&self) -> bool {
        true
    }
}

impl Drop for Command {
    fn drop(&mut self) {
        // The end of its input tells it to end; whatever is left of it after a while is killed. One that does
        // not answer would not end either.
        self.input = None;
        if !self.owes {
            self.wait(GRACE);
        }
        let group = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        // The group may be gone already.
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
        let _ = self.child.wait();
    }
}
