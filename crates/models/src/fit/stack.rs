//! Work that recurses deeply.

use std::{io, thread};

/// Size of the stack in bytes. The system provides the memory page by page as it is used.
const STACK: usize = 256 << 20;

/// Does the work on a thread with a stack of 256 MB.
///
/// candle computes gradients and frees tensors by recursion over all operations since the variables, which needs
/// more than the usual 2 MB or 8 MB for networks with hundreds of layers.
///
/// # Errors
///
/// If the thread cannot be started.
pub fn with_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work)?;
        match thread.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
