//! Takes the standard streams of a process away from the libraries in it. A plugin that prints would
//! otherwise write into a JSON document or a protocol, and one that reads would take its requests.

use std::{
    fs::File,
    io,
    os::fd::{AsFd, BorrowedFd},
};

use rustix::stdio::{dup2_stdin, dup2_stdout};

/// Takes standard output: returns it, and sends to standard error what anything else in this process
/// writes to standard output from now on. Child processes do not inherit the returned file; pass it on
/// as their standard output if they are to write there.
///
/// # Errors
///
/// If the process has no descriptor left.
pub fn take_output() -> io::Result<File> {
    let ours = private(io::stdout().as_fd())?;
    dup2_stdout(io::stderr())?;
    Ok(ours)
}

/// Takes standard input: returns it, and lets anything else in this process find standard input empty.
///
/// # Errors
///
/// If the process has no descriptor left, or `/dev/null` cannot be opened.
pub fn take_input() -> io::Result<File> {
    let ours = private(io::stdin().as_fd())?;
    dup2_stdin(File::open("/dev/null")?)?;
    Ok(ours)
}

/// A second descriptor of the same file, which child processes do not inherit.
fn private(descriptor: BorrowedFd<'_>) -> io::Result<File> {
    Ok(File::from(descriptor.try_clone_to_owned()?))
}
