//! Runs the command that is measured: starts it, passes signals on and waits for it, as a shell does.

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use anyhow::Context;
use meter::{Meter, SpanReport};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::{Handle, SignalsInfo, exfiltrator::WithOrigin},
    low_level::siginfo::{Cause, Origin, Sent},
};

use crate::{Failure, output};

/// A command that has ended.
pub(super) struct MeasuredCommand {
    pub(super) report: SpanReport,
    status: ExitStatus,
}

impl MeasuredCommand {
    /// The command's exit code, or 128 plus the number of the signal that ended it, as in shells.
    pub(super) fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    pub(super) fn exit_code(&self) -> ExitCode {
        ExitCode::from(u8::try_from(self.code()).unwrap_or(1))
    }
}

/// Runs the command within a span. `quiet`: its standard output goes to our standard error.
pub(super) fn run(
    meter: &Meter,
    command: &[String],
    quiet: bool,
) -> Result<MeasuredCommand, Failure> {
    let (program, arguments) = command.split_first().expect("clap requires a command");
    let mut command = Command::new(program);
    command.args(arguments);
    command.stdout(if quiet {
        Stdio::from(io::stderr())
    } else {
        output::for_command().map_err(Failure::run_time)?
    });
    let forward = Forward::start().map_err(Failure::run_time)?;
    let span = meter.span("command");
    let mut child = command
        .spawn()
        .with_context(|| format!("failed to run `{program}`"))
        .map_err(Failure::bad_input)?;
    forward.to(&child);
    let status = child.wait().map_err(Failure::run_time)?;
    let report = span.end();
    forward.stop();
    Ok(MeasuredCommand { report, status })
}

/// Passes signals on to the child.
///
/// A signal from the terminal (Ctrl-C) reaches every process of the foreground group, including the
/// child. Only a signal that another process sent to this one is passed on.
struct Forward {
    target: Arc<Mutex<Option<Pid>>>,
    handle: Handle,
    thread: JoinHandle<()>,
}

impl Forward {
    fn start() -> io::Result<Self> {
        let signals = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];
        let mut signals = SignalsInfo::<WithOrigin>::new(signals)?;
        let target = Arc::new(Mutex::new(None));
        let (handle, to) = (signals.handle(), Arc::clone(&target));
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for origin in &mut signals {
                if by_a_process(&origin)
                    && let Some(pid) = *to.lock().unwrap_or_else(PoisonError::into_inner)
                    && let Some(signal) = Signal::from_named_raw(origin.signal)
                {
                    // It may have ended in the meantime.
                    let _ = kill_process(pid, signal);
                }
            }
        })?;
        Ok(Self { target, handle, thread })
    }

    fn to(&self, child: &Child) {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = pid;
    }

    fn stop(self) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.handle.close();
        let _ = self.thread.join();
    }
}

fn by_a_process(origin: &Origin) -> bool {
    matches!(origin.cause, Cause::Sent(Sent::User | Sent::TKill | Sent::Queue))
}
