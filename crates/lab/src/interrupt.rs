//! Ctrl-C: the first one ends the run at its next safe point, the second one ends the process.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Set once somebody asked for an end.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Watches for SIGINT, SIGTERM and SIGHUP.
    ///
    /// # Errors
    ///
    /// If the process already has a handler.
    pub fn watch() -> Result<Self, ctrlc::Error> {
        let this = Self::default();
        let flag = this.clone();
        ctrlc::set_handler(move || {
            if flag.0.swap(true, Ordering::SeqCst) {
                std::process::exit(130);
            }
        })?;
        Ok(this)
    }

    /// Whether an end was asked for.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Asks for an end.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
