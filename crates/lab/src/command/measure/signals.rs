//! Signals that arrive while a command is measured.

use std::{
    io,
    process::Child,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, JoinHandle},
};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2},
    iterator::{Handle, SignalsInfo, exfiltrator::WithOrigin},
    low_level::siginfo::{Cause, Origin, Sent},
};

/// Passes signals on to the command that runs, and remembers that somebody asked to stop.
///
/// A signal from the terminal (Ctrl-C) reaches every process of the foreground group, including the
/// command. Only a signal that another process sent to this one is passed on.
pub(super) struct Signals {
    target: Arc<Mutex<Target>>,
    stops: Arc<AtomicU32>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

/// Whom signals go to.
enum Target {
    /// A process.
    Command(Pid),
    /// Nobody yet: a command that is being started gets these signals as soon as its number is known.
    Next(Vec<Signal>),
}

impl Signals {
    /// Handles signals until the value is dropped. `kill`: the second request to stop also kills the
    /// command, so that one that ignores such requests cannot keep what was finished.
    ///
    /// # Errors
    ///
    /// If the handlers or their thread cannot be installed.
    pub(super) fn start(kill: bool) -> io::Result<Self> {
        let signals = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];
        let mut signals = SignalsInfo::<WithOrigin>::new(signals)?;
        let target = Arc::new(Mutex::new(Target::Next(Vec::new())));
        let stops = Arc::new(AtomicU32::new(0));
        let (handle, to, count) = (signals.handle(), Arc::clone(&target), Arc::clone(&stops));
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for origin in &mut signals {
                let stop = ![SIGUSR1, SIGUSR2].contains(&origin.signal);
                let before = if stop { count.fetch_add(1, Ordering::SeqCst) } else { 0 };
                // Held while the signal is sent, so that the command has not been waited for yet and
                // its number belongs to no other process.
                let mut target = to.lock().unwrap_or_else(PoisonError::into_inner);
                let sent = Signal::from_named_raw(origin.signal).filter(|_| by_a_process(&origin));
                // The command may have ended in the meantime.
                match (&mut *target, sent) {
                    (Target::Command(pid), _) if kill && before > 0 => {
                        let _ = kill_process(*pid, Signal::KILL);
                    }
                    (Target::Command(pid), Some(signal)) => {
                        let _ = kill_process(*pid, signal);
                    }
                    (Target::Next(waiting), Some(signal)) if !waiting.contains(&signal) => {
                        waiting.push(signal);
                    }
                    _ => {}
                }
            }
        })?;
        Ok(Self { target, stops, handle, thread: Some(thread) })
    }

    /// From now on, signals go to this process; those that arrived while it was started come first.
    pub(super) fn pass_to(&self, child: &Child) {
        let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
        if let Target::Next(waiting) = self.set(Target::Command(pid)) {
            for signal in waiting {
                let _ = kill_process(pid, signal);
            }
        }
    }

    /// From now on, signals wait for the next command.
    pub(super) fn pass_to_nobody(&self) {
        self.set(Target::Next(Vec::new()));
    }

    /// Whether somebody asked to stop.
    pub(super) fn stopped(&self) -> bool {
        self.stops.load(Ordering::SeqCst) > 0
    }

    /// Changes the target; returns the one before.
    fn set(&self, target: Target) -> Target {
        let mut current = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, target)
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.pass_to_nobody();
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn by_a_process(origin: &Origin) -> bool {
    matches!(origin.cause, Cause::Sent(Sent::User | Sent::TKill | Sent::Queue))
}

#[cfg(test)]
mod tests {
    use std::{os::unix::process::ExitStatusExt, process::Command};

    use rustix::process::getpid;

    use super::*;

    /// Other tests of this process do not handle this signal.
    #[test]
    fn a_signal_between_the_start_of_a_command_and_its_number_reaches_the_command() {
        let signals = Signals::start(false).unwrap();
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        kill_process(getpid(), Signal::USR1).unwrap();
        let waits = || match &*signals.target.lock().unwrap() {
            Target::Next(waiting) => !waiting.is_empty(),
            Target::Command(_) => false,
        };
        while !waits() {
            thread::yield_now();
        }
        signals.pass_to(&child);
        assert_eq!(child.wait().unwrap().signal(), Some(SIGUSR1));
    }
}
