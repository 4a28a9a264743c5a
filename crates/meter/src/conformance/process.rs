//! Checks a plugin in a process of its own.

use std::{
    io::{self, Read},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::report::{CheckStatus, Report};
use crate::plugin::OPENS_WITHIN;

/// How long the process may take to report, beside three times opening the plugin; every call of the
/// plugin has a limit of its own there.
const REPORTS_WITHIN: Duration = Duration::from_secs(60);
/// How long it may take to end after its report.
const ENDS_WITHIN: Duration = Duration::from_secs(3);
/// Time between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(5);
/// Number of bytes that are read of its output.
const LONGEST: u64 = 1 << 20;

/// Checks a plugin in a process of its own, so that a plugin that crashes fails the check and not
/// the caller. `command` starts a process that calls [`check`](super::check) for the same `path` and
/// writes [`Report::to_json`] to its standard output, which it should
/// [take](crate::standard_streams::take_output) before that, as the plugin may print.
///
/// # Errors
///
/// If the process cannot be started.
pub fn check_in_process(command: Command, path: &Path) -> io::Result<Report> {
    check_in_process_within(command, path, OPENS_WITHIN)
}

/// As [`check_in_process`] for a process that calls [`check_within`](super::check_within) with this time
/// limit.
///
/// # Errors
///
/// If the process cannot be started.
pub fn check_in_process_within(
    mut command: Command,
    path: &Path,
    opens_within: Duration,
) -> io::Result<Report> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let (said, reports) = channel();
    if let Some(output) = child.stdout.take() {
        // This thread ends when the child's output is closed.
        thread::Builder::new().name("wattlab-report".to_owned()).spawn(move || {
            let mut documents = serde_json::Deserializer::from_reader(output.take(LONGEST))
                .into_iter::<Value>()
                .map_while(Result::ok);
            // Nobody waits any more after the time limit.
            let _ = said.send(documents.find_map(Report::from_json));
        })?;
    }
    let reported = reports.recv_timeout(REPORTS_WITHIN.saturating_add(opens_within * 3));
    let status = end(&mut child, if reported.is_ok() { ENDS_WITHIN } else { Duration::ZERO })?;
    let told = matches!(reported, Ok(Some(_)));
    let mut report = reported.ok().flatten().unwrap_or_else(|| Report::new(path));
    match status {
        Some(status) if !status.success() || !told => {
            let words = format!("the plugin crashed its process: {status}");
            report.add("crash", CheckStatus::Failed, words);
        }
        Some(_) => {}
        // What hung before the end was reported already.
        None if told && !report.passed() => {}
        None => {
            let words = "the plugin hangs: its process had to be killed";
            report.add("time", CheckStatus::Failed, words);
        }
    }
    Ok(report)
}

/// Waits for a process, and kills it after the time limit. Returns `None` if it had to be killed.
fn end(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let limit = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}
