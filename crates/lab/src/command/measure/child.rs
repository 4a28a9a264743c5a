//! Runs the command that is measured: starts it, passes signals on and waits for it, as a shell does.

use std::{
    fs::File,
    io,
    os::unix::process::ExitStatusExt,
    process::{ChildStdout, ExitStatus, Stdio},
    thread,
    time::SystemTime,
};

use anyhow::Context;
use meter::{Meter, SpanReport};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use super::{
    program::{Program, cannot_run},
    signals::Signals,
};
use crate::{Failure, output};

/// A command that has ended.
pub(super) struct MeasuredCommand {
    pub(super) report: SpanReport,
    /// When it ended.
    pub(super) ended: SystemTime,
    status: ExitStatus,
}

impl MeasuredCommand {
    /// The command's exit code, or 128 plus the number of the signal that ended it, as in shells.
    pub(super) fn code(&self) -> i32 {
        code(self.status)
    }

    /// No command: what was measured, and the code that this program ends with.
    pub(super) fn none(report: SpanReport, code: u8) -> Self {
        let status = ExitStatus::from_raw(i32::from(code) << 8);
        Self { report, ended: SystemTime::now(), status }
    }

    /// Whether Ctrl-C ended it, which the terminal sends to it and to this program.
    pub(super) fn is_interrupted(&self) -> bool {
        self.status.signal() == Some(signal_hook::consts::SIGINT)
    }

    /// The code that this program ends with.
    pub(super) fn exit_code(&self) -> u8 {
        u8::try_from(self.code()).unwrap_or(1)
    }
}

/// The exit code of a process, or 128 plus the number of the signal that ended it.
pub(super) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Where the command's standard output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// To ours.
    Ours,
    /// To our standard error, because standard output is for a document.
    StandardError,
    /// Nowhere. It is read from a pipe: some programs do less work if they write to `/dev/null`.
    Discarded,
}

/// What the command reads from.
#[derive(Debug)]
pub(super) enum Input {
    /// Our standard input.
    Ours,
    /// Nothing.
    Nothing,
    /// A file.
    File(File),
}

/// Runs the command within a span.
///
/// # Errors
///
/// If it cannot be started.
pub(super) fn run(
    meter: &Meter,
    program: &Program,
    (input, output): (Input, Output),
    signals: &Signals,
) -> Result<MeasuredCommand, Failure> {
    let mut command = program.command();
    match input {
        Input::Ours => {}
        Input::Nothing => drop(command.stdin(Stdio::null())),
        Input::File(file) => drop(command.stdin(file)),
    }
    match output {
        Output::Ours => drop(command.stdout(output::for_command().map_err(Failure::run_time)?)),
        Output::StandardError => drop(command.stdout(Stdio::from(io::stderr()))),
        Output::Discarded => drop(command.stdout(Stdio::piped())),
    }
    let span = meter.span("command");
    let mut child = command
        .spawn()
        .with_context(|| cannot_run(command.get_program()))
        .map_err(Failure::bad_input)?;
    signals.pass_to(&child);
    child.stdout.take().map(discard).transpose().map_err(Failure::run_time)?;
    // A process that was waited for has no number any more, so signals stop before.
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(pid), ended), Err(rustix::io::Errno::INTR)) {}
    }
    signals.pass_to_nobody();
    let status = child.wait().map_err(Failure::run_time)?;
    let report = span.end();
    Ok(MeasuredCommand { report, ended: SystemTime::now(), status })
}

/// Reads the output until all processes that have it are gone, which may be after the command's end.
fn discard(mut output: ChildStdout) -> io::Result<()> {
    let thread = thread::Builder::new().name("output".to_owned());
    thread.spawn(move || io::copy(&mut output, &mut io::sink())).map(drop)
}
