//! The process of a plugin, seen from the meter.

use std::{
    io::{BufReader, Write},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::{
    error::IsolateError,
    message::{Answer, Request, line},
};
use crate::source::Channel;

/// A child that takes longer than this to answer a request is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// A child that sends more lines than this that are no answers is killed.
const MOST_STRANGE_LINES: u32 = 100;

/// A running child. It is killed when this is dropped.
pub(super) struct Running {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<Answer>,
    /// Whether it has been waited for.
    ended: bool,
}

impl Running {
    /// Starts the child, and waits for its channels for at most `patience`.
    pub(super) fn start(
        mut command: Command,
        patience: Duration,
    ) -> Result<(Self, Vec<Channel>), IsolateError> {
        // In a group of its own, Ctrl-C does not end it before the last reading, and programs that the
        // plugin has started end with it.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let (Some(requests), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(IsolateError::Lost("has no pipes".to_owned()));
        };
        let (said, answers) = channel();
        let mut running = Self { child, requests, answers, ended: false };
        // This thread ends when the child's output is closed.
        thread::Builder::new()
            .name("wattlab-isolate".to_owned())
            .spawn(move || listen(output, &said))?;
        let opened = running.answer(patience).map_err(|fate| match fate {
            Fate::Silent => format!("did not open the plugin within {} s", patience.as_secs_f64()),
            Fate::Ended(how) => how,
        });
        match opened.map_err(IsolateError::Lost)? {
            Answer::Plugin(channels) => {
                Ok((running, channels.into_iter().map(Channel::from).collect()))
            }
            Answer::Refused(reason) => Err(IsolateError::Refused(reason)),
            Answer::Closed { name, code, reason, remedy } => {
                Err(IsolateError::Open { name, code, reason, remedy })
            }
            Answer::Value(_) | Answer::Error(_) => {
                Err(IsolateError::Lost("did not send its channels".to_owned()))
            }
        }
    }

    /// The value of a channel, or why the plugin could not read it. The error: what happened to the
    /// child.
    pub(super) fn read(&mut self, channel: usize) -> Result<Result<u64, String>, String> {
        let mut request = serde_json::to_vec(&Request::Read(channel)).unwrap_or_default();
        request.push(b'\n');
        // If the child has ended, waiting for its answer says so.
        let _ = self.requests.write_all(&request);
        match self.answer(PATIENCE) {
            Ok(Answer::Value(value)) => Ok(Ok(value)),
            Ok(Answer::Error(reason)) => Ok(Err(reason)),
            Ok(_) => Err("sent its channels twice".to_owned()),
            Err(Fate::Silent) => Err(format!("did not answer within {} s", PATIENCE.as_secs())),
            Err(Fate::Ended(how)) => Err(how),
        }
    }

    fn answer(&mut self, patience: Duration) -> Result<Answer, Fate> {
        match self.answers.recv_timeout(patience) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Timeout) => Err(Fate::Silent),
            // Its output is closed: it has ended, or it cannot answer any more.
            Err(RecvTimeoutError::Disconnected) => {
                // One that has ended keeps its exit status.
                self.kill();
                let ended = self.child.wait();
                self.ended = true;
                Err(Fate::Ended(match ended {
                    Ok(status) => format!("ended: {status}"),
                    Err(error) => format!("cannot be waited for: {error}"),
                }))
            }
        }
    }

    /// Kills it and the programs that it has started.
    fn kill(&mut self) {
        // They may have ended already.
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

/// Why there is no answer.
enum Fate {
    Silent,
    Ended(String),
}

/// Passes answers on until the output ends. Lines that are no answers are ignored: a program that starts
/// the child may have printed them.
fn listen(output: ChildStdout, said: &Sender<Answer>) {
    let mut output = BufReader::new(output);
    let mut strange = 0;
    while let Ok(Some(line)) = line(&mut output) {
        match serde_json::from_slice(&line) {
            Ok(answer) => {
                if said.send(answer).is_err() {
                    return;
                }
            }
            Err(_) if strange == MOST_STRANGE_LINES => return,
            Err(_) => strange += 1,
        }
    }
}
