//! Runs a plugin in a process of its own, so that a plugin that crashes does not end this program.
//!
//! The two processes exchange lines of JSON over the child's standard input and output. The child
//! first sends its channels, then answers each `{"read": 0}` with `{"value": 42}` or
//! `{"error": "…"}`. Other lines, which a plugin may print, are ignored. A child that ends or does not
//! answer in time is started again at a later reading, after a pause that doubles from 1 s to 60 s.

use std::{
    fmt,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use units::{Domain, Method, Seconds};

use crate::{
    clock::Clock,
    plugin::Plugin,
    source::{Channel, Kind, ReadError, Source},
};

/// A child that takes longer than this to send its channels or to answer is killed.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Request {
    Read(usize),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Plugin(Vec<ChannelMessage>),
    /// The plugin could not be loaded or opened: why, and what to do about it.
    Refused(String, Option<String>),
    Value(u64),
    Error(String),
}

/// A channel in the form in which the child sends it.
#[derive(Serialize, Deserialize)]
struct ChannelMessage {
    probe: String,
    domain: Domain,
    device: String,
    inside: Option<String>,
    identity: Option<String>,
    counter: bool,
    range: Option<u64>,
    unit: f64,
    relative_error: f64,
    period_s: f64,
    averaging_s: f64,
}

impl From<&Channel> for ChannelMessage {
    fn from(channel: &Channel) -> Self {
        let (counter, range) = match channel.kind {
            Kind::Counter { range } => (true, range),
            Kind::Power => (false, None),
        };
        Self {
            probe: channel.probe.clone(),
            domain: channel.domain,
            device: channel.device.clone(),
            inside: channel.inside.clone(),
            identity: channel.identity.clone(),
            counter,
            range,
            unit: channel.unit,
            relative_error: channel.relative_error,
            period_s: channel.period.0,
            averaging_s: channel.averaging.0,
        }
    }
}

impl From<ChannelMessage> for Channel {
    fn from(message: ChannelMessage) -> Self {
        let (kind, method) = if message.counter {
            (Kind::Counter { range: message.range }, Method::Counter)
        } else {
            (Kind::Power, Method::IntegratedPower)
        };
        let ChannelMessage { domain, unit, .. } = message;
        Self {
            inside: message.inside,
            identity: message.identity,
            relative_error: message.relative_error,
            period: Seconds(message.period_s),
            averaging: Seconds(message.averaging_s),
            ..Self::new(&message.probe, domain, &message.device, kind, method, unit)
        }
    }
}

/// Why a plugin could not be run in a process of its own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IsolateError {
    /// The child process cannot be started.
    #[error("failed to start a process for the plugin")]
    Start(#[from] io::Error),
    /// The plugin cannot be loaded or opened.
    #[error("{reason}")]
    Refused {
        /// The text of the [`LoadError`](crate::LoadError).
        reason: String,
        /// What to do about it, if the plugin says so.
        remedy: Option<String>,
    },
    /// The child ended, did not answer in time, or sent something unexpected.
    #[error("the plugin's process {0}")]
    Lost(String),
}

/// What the child process does: it loads the plugin and answers requests until its input ends.
///
/// # Errors
///
/// If it cannot write. A plugin that cannot be loaded is no error here; the parent is told.
pub fn serve(
    path: &Path,
    options: &[(String, String)],
    input: impl BufRead,
    mut output: impl Write,
) -> io::Result<()> {
    let mut say = |answer: &Answer| -> io::Result<()> {
        // The first line break ends any line that the plugin itself has begun to print.
        writeln!(output, "\n{}", serde_json::to_string(answer)?)?;
        output.flush()
    };
    let mut plugin = match Plugin::load_with(path, options) {
        Ok(plugin) => plugin,
        Err(error) => {
            let remedy = match &error {
                crate::LoadError::Open { remedy, .. } => remedy.clone(),
                _ => None,
            };
            return say(&Answer::Refused(error.to_string(), remedy));
        }
    };
    say(&Answer::Plugin(plugin.channels().iter().map(ChannelMessage::from).collect()))?;
    for line in input.lines() {
        let answer = match serde_json::from_str(&line?) {
            Ok(Request::Read(channel)) if channel < plugin.channels().len() => {
                match plugin.read(channel) {
                    Ok(value) => Answer::Value(value),
                    Err(error) => Answer::Error(error.reason),
                }
            }
            Ok(Request::Read(channel)) => Answer::Error(format!("no channel {channel}")),
            Err(error) => Answer::Error(format!("not a request: {error}")),
        };
        say(&answer)?;
    }
    Ok(())
}

/// A running child.
struct Running {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<Answer>,
}

impl Running {
    fn start(mut command: Command) -> Result<(Self, Vec<Channel>), IsolateError> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(requests), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(IsolateError::Lost("has no pipes".to_owned()));
        };
        let (said, answers) = channel();
        let mut running = Self { child, requests, answers };
        // This thread ends when the child's output is closed.
        thread::Builder::new().name("wattlab-isolate".to_owned()).spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            for answer in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                if said.send(answer).is_err() {
                    return;
                }
            }
        })?;
        match running.answer() {
            Ok(Answer::Plugin(channels)) => {
                Ok((running, channels.into_iter().map(Channel::from).collect()))
            }
            Ok(Answer::Refused(reason, remedy)) => Err(IsolateError::Refused { reason, remedy }),
            Ok(_) => Err(IsolateError::Lost("did not send its channels".to_owned())),
            Err(fate) => Err(IsolateError::Lost(fate)),
        }
    }

    /// The next answer, or what happened to the child.
    fn answer(&mut self) -> Result<Answer, String> {
        match self.answers.recv_timeout(PATIENCE) {
            Ok(answer) => Ok(answer),
            Err(RecvTimeoutError::Timeout) => {
                Err(format!("did not answer within {} s", PATIENCE.as_secs()))
            }
            // Its output is closed: it has ended, or it cannot answer any more.
            Err(RecvTimeoutError::Disconnected) => {
                let _ = self.child.kill();
                self.child.wait().map_or_else(
                    |error| Err(format!("cannot be waited for: {error}")),
                    |status| Err(format!("ended: {status}")),
                )
            }
        }
    }

    fn read(&mut self, channel: usize) -> Result<Result<u64, String>, String> {
        let request = serde_json::to_string(&Request::Read(channel)).unwrap_or_default();
        // If the child has ended, waiting for its answer says so.
        let _ = writeln!(self.requests, "{request}").and_then(|()| self.requests.flush());
        match self.answer()? {
            Answer::Value(value) => Ok(Ok(value)),
            Answer::Error(reason) => Ok(Err(reason)),
            Answer::Plugin(_) | Answer::Refused(..) => Err("sent its channels twice".to_owned()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A plugin in a process of its own.
pub struct Isolated {
    command: Box<dyn Fn() -> Command + Send>,
    clock: Arc<dyn Clock>,
    channels: Vec<Channel>,
    running: Option<Running>,
    /// The child is not started again before this time, after this many losses in a row.
    pause: (Seconds, u32),
}

impl fmt::Debug for Isolated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Isolated").field("channels", &self.channels).finish_non_exhaustive()
    }
}

impl Isolated {
    /// Starts a child process that calls [`serve`], and starts it again whenever it is lost.
    ///
    /// # Errors
    ///
    /// If the process cannot be started, or the plugin cannot be loaded or opened.
    pub fn start(
        command: impl Fn() -> Command + Send + 'static,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, IsolateError> {
        let (running, channels) = Running::start(command())?;
        let pause = (Seconds(0.0), 0);
        Ok(Self { command: Box::new(command), clock, channels, running: Some(running), pause })
    }

    fn lose(&mut self) {
        self.running = None;
        let losses = self.pause.1.saturating_add(1);
        let seconds = 2_f64.powi(losses.min(30) as i32 - 1).min(60.0);
        self.pause = (self.clock.now() + Seconds(seconds), losses);
    }

    fn try_read(&mut self, channel: usize) -> Result<u64, String> {
        if self.running.is_none() {
            if self.clock.now() < self.pause.0 {
                return Err("its process ended and will be started again later".to_owned());
            }
            match Running::start((self.command)()) {
                Ok((running, channels)) if channels == self.channels => {
                    self.running = Some(running);
                }
                Ok(_) => {
                    self.lose();
                    return Err("its process was started again and lists other channels".to_owned());
                }
                Err(error) => {
                    self.lose();
                    return Err(error.to_string());
                }
            }
        }
        let Some(running) = &mut self.running else {
            return Err("its process is not running".to_owned());
        };
        match running.read(channel) {
            Ok(Ok(value)) => {
                self.pause.1 = 0;
                Ok(value)
            }
            Ok(Err(reason)) => Err(reason),
            Err(fate) => {
                self.lose();
                Err(format!("its process {fate}"))
            }
        }
    }
}

impl Source for Isolated {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
        self.try_read(channel).map_err(|reason| {
            let (probe, device) = self.channels.get(channel).map_or_else(
                || (String::new(), String::new()),
                |channel| (channel.probe.clone(), channel.device.clone()),
            );
            ReadError { probe, device, reason }
        })
    }
}
