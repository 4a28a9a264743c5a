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
    target: Arc<Mutex<Option<Pid>>>,
    stops: Arc<AtomicU32>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
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
        let target = Arc::new(Mutex::new(None));
        let stops = Arc::new(AtomicU32::new(0));
        let (handle, to, count) = (signals.handle(), Arc::clone(&target), Arc::clone(&stops));
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            for origin in &mut signals {
                let stop = ![SIGUSR1, SIGUSR2].contains(&origin.signal);
                let before = if stop { count.fetch_add(1, Ordering::SeqCst) } else { 0 };
                // Held while the signal is sent, so that the command has not been waited for yet and
                // its number belongs to no other process.
                let target = to.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(pid) = *target else { continue };
                // It may have ended in the meantime.
                if kill && before > 0 {
                    let _ = kill_process(pid, Signal::KILL);
                } else if let (true, Some(signal)) =
                    (by_a_process(&origin), Signal::from_named_raw(origin.signal))
                {
                    let _ = kill_process(pid, signal);
                }
            }
        })?;
        Ok(Self { target, stops, handle, thread: Some(thread) })
    }

    /// From now on, signals go to this process.
    pub(super) fn pass_to(&self, child: &Child) {
        self.set(i32::try_from(child.id()).ok().and_then(Pid::from_raw));
    }

    /// From now on, signals go to nobody.
    pub(super) fn pass_to_nobody(&self) {
        self.set(None);
    }

    /// Whether somebody asked to stop.
    pub(super) fn stopped(&self) -> bool {
        self.stops.load(Ordering::SeqCst) > 0
    }

    fn set(&self, pid: Option<Pid>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = pid;
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
