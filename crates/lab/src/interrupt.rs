//! Ctrl-C: the first press asks the command to stop at its next safe point, the second one ends the
//! process at once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::output::line;

/// A flag that is set once somebody has asked the program to stop.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches for SIGINT, SIGTERM and SIGHUP.
    ///
    /// # Errors
    ///
    /// If the process already has a handler for these signals.
    pub(crate) fn watch() -> Result<Self, ctrlc::Error> {
        Self::watch_with(None)
    }

    /// As [`Interrupt::watch`]; the first signal also prints `message` on standard error, so that
    /// people see that it has arrived.
    ///
    /// # Errors
    ///
    /// If the process already has a handler for these signals.
    pub(crate) fn watch_saying(message: &'static str) -> Result<Self, ctrlc::Error> {
        Self::watch_with(Some(message))
    }

    fn watch_with(message: Option<&'static str>) -> Result<Self, ctrlc::Error> {
        let this = Self::default();
        let flag = this.clone();
        ctrlc::set_handler(move || {
            if flag.0.load(Ordering::SeqCst) {
                std::process::exit(130);
            }
            // Before the flag is set, so that the message precedes all that follows from it.
            message.into_iter().for_each(line);
            flag.0.store(true, Ordering::SeqCst);
        })?;
        Ok(this)
    }

    /// Whether somebody has asked the program to stop.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Asks the program to stop.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
