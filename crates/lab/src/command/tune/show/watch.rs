//! Keeps the page of a study up to date while the study runs.

use std::{fs, path::Path, thread, time::Duration};

use anyhow::Context;
use tuner::OpenStudy;

use super::page::page;
use crate::{Failure, insight::Learned, interrupt::Interrupt, output::write_whole, progress};

/// Time between two looks at the journal.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The name of a study: that of its journal.
pub(super) fn name(journal: &Path) -> String {
    journal.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Writes a page.
pub(super) fn write(file: &Path, page: &str) -> anyhow::Result<()> {
    write_whole(file, page.as_bytes())
        .with_context(|| format!("failed to write `{}`", file.display()))
}

/// Writes the page again whenever the journal has grown, until somebody interrupts.
///
/// # Errors
///
/// If the file is not the journal of a study, or the page cannot be written.
pub(super) fn watch(journal: &Path, file: &Path) -> Result<(), Failure> {
    let interrupt = Interrupt::watch().map_err(Failure::run_time)?;
    let mut seen = None;
    while !interrupt.is_set() {
        // The length first: what is written after it is seen the next time.
        let length = fs::metadata(journal).ok().map(|found| found.len());
        if seen.is_none() || length != seen {
            let study = OpenStudy::read(journal).map_err(Failure::bad_input)?;
            let text = page(&study, &Learned::of(&study), &name(journal), true);
            write(file, &text).map_err(Failure::run_time)?;
            if seen.is_none() {
                progress::line(&format!(
                    "`{}` is written whenever the study has changed; press Ctrl-C to end",
                    file.display()
                ));
            }
            seen = length;
        }
        thread::sleep(LOOK_EVERY);
    }
    Ok(())
}
