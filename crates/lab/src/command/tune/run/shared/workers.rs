//! The worker processes of `wattlab tune run --workers N` on this machine.

use std::{
    env,
    ffi::OsString,
    io,
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow};
use rustix::process::{Pid, Signal, kill_process};

use crate::{Failure, interrupt::Interrupt, progress};

/// Time between two looks at the workers.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How many workers that were killed are replaced, for each worker that was asked for.
const REPLACED: u32 = 10;

/// The workers, which end when this is dropped.
struct Workers(Vec<Child>);

impl Workers {
    fn signal(&self, signal: Signal) {
        for child in &self.0 {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            // It may have ended.
            let _ = pid.map(|pid| kill_process(pid, signal));
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.signal(Signal::INT);
        for child in &mut self.0 {
            let _ = child.wait();
        }
    }
}

/// Runs worker processes until all have ended. One that is killed is replaced.
///
/// # Errors
///
/// If a worker cannot be started, one ends with an error, too many are killed, or somebody interrupts.
pub(in super::super) fn run(count: u32, interrupt: &Interrupt) -> Result<(), Failure> {
    let mut workers = Workers(Vec::new());
    for _ in 0..count {
        workers.0.push(start().map_err(Failure::run_time)?);
    }
    let (mut replaced, mut told) = (0, false);
    let (mut failed, mut is_bad_input) = (0, false);
    while !workers.0.is_empty() {
        if interrupt.is_set() && !told {
            workers.signal(Signal::INT);
            told = true;
        }
        let mut left = Vec::new();
        for mut child in std::mem::take(&mut workers.0) {
            match child.try_wait().map_err(Failure::run_time)? {
                None => left.push(child),
                Some(status) if status.success() || told => {}
                Some(status) if status.signal().is_some() && replaced < REPLACED * count => {
                    progress::line(&format!(
                        "worker {} ended with {status}; another one goes on",
                        child.id()
                    ));
                    replaced += 1;
                    left.push(start().map_err(Failure::run_time)?);
                }
                // Its message is on standard error.
                Some(status) => {
                    failed += 1;
                    is_bad_input |= status.code() == Some(2);
                }
            }
        }
        workers.0 = left;
        thread::sleep(LOOK_EVERY);
    }
    if interrupt.is_set() {
        return Err(Failure::Interrupted);
    }
    if failed > 0 {
        let error =
            anyhow!("{failed} of {count} workers ended with an error; see the messages above");
        return Err(if is_bad_input {
            Failure::bad_input(error)
        } else {
            Failure::run_time(error)
        });
    }
    Ok(())
}

/// Starts this program again as a worker, with the same arguments. Ctrl-C reaches it through us alone.
fn start() -> anyhow::Result<Child> {
    let program = env::current_exe().context("failed to find this program")?;
    let mut arguments: Vec<OsString> = env::args_os().skip(1).collect();
    // The command begins behind the first `--`.
    let end = arguments.iter().position(|argument| argument == "--").unwrap_or(arguments.len());
    arguments.insert(end, "--worker".into());
    let mut command = Command::new(&program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    command.spawn().with_context(|| format!("failed to start `{}`", program.display()))
}

/// Makes this worker end its trial and itself if its parent dies: the parent holds the other end of
/// standard input open as long as it lives.
pub(in super::super) fn follow_parent(interrupt: &Interrupt) {
    let interrupt = interrupt.clone();
    thread::spawn(move || {
        // Nothing is ever written, so this ends with the pipe.
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        interrupt.set();
    });
}
