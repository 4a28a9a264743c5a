//! `wattlab tune serve`: a study for any language, a request a line.

use std::io::{BufRead, Write};

use super::session::Session;
use crate::Failure;

/// Answers until standard input ends, or nobody reads the answers.
pub(super) fn run() -> Result<(), Failure> {
    match answer(std::io::stdin().lock(), std::io::stdout().lock()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        answered => answered.map_err(Failure::run_time),
    }
}

fn answer(requests: impl BufRead, mut answers: impl Write) -> std::io::Result<()> {
    let mut session = Session::default();
    for line in requests.split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        if line.trim().is_empty() {
            continue;
        }
        let answer = session
            .answer(&line)
            .unwrap_or_else(|error| serde_json::json!({ "error": format!("{error:#}") }));
        writeln!(answers, "{answer}")?;
        answers.flush()?;
    }
    Ok(())
}
