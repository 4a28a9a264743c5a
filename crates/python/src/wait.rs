//! Long calls: without the interpreter's lock, and interrupted by Ctrl-C.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use pyo3::prelude::*;

use crate::fault::Fault;

/// Time between two looks for a signal.
const LOOK: Duration = Duration::from_millis(50);

/// Runs `work` on a thread of its own while other Python threads go on. A signal whose handler raises, as
/// Ctrl-C does, ends the wait with its exception; the work then ends in the background, and its result is
/// dropped.
pub(crate) fn wait_for<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> PyResult<T> {
    let (answer, answered) = channel();
    let started = thread::Builder::new().name("wattlab-call".to_owned()).spawn(move || {
        // Without a listener, the caller was interrupted.
        let _ = answer.send(guarded(work));
    });
    started.map_err(|error| Fault::internal(format!("failed to start a thread: {error}")))?;
    let mut answered = answered;
    loop {
        let received;
        (received, answered) = py.detach(move || (answered.recv_timeout(LOOK), answered));
        match received {
            Ok(result) => return Ok(result?),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(Fault::internal("a computation ended without an answer").into());
            }
        }
    }
}

/// Runs `work`; a panic becomes an `InternalError`.
pub(crate) fn guarded<T>(work: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Fault::internal(format!(
            "a fault of wattlab, please report it: {}",
            message_of(&*panic)
        )))
    })
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}
