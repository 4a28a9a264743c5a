//! The journal: a file with one record per line, each on disk before the next run begins.

mod append;
mod fault;
mod lines;
mod place;
mod repair;
mod scan;
mod seal;
mod upgrade;
mod write;

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

pub use self::{
    fault::{Damage, Fault, JournalError},
    lines::{Lines, Torn, create_folder},
    repair::{AlsoMove, Repair, repair_journal},
    write::NewJournal,
};
use self::{
    lines::{failed, undamaged},
    scan::scan,
};
use crate::{RunId, RunRecord, RunSummary};

/// A journal open for writing. It holds a lock until it is dropped or the process dies.
#[derive(Debug)]
pub struct Journal(Lines);

impl Journal {
    /// Opens or creates a journal, locks it, reads its records and removes an unfinished last line.
    ///
    /// # Errors
    ///
    /// If the file cannot be opened or created, is locked by another process, is damaged, or holds a
    /// line of a newer version.
    pub fn open(path: &Path) -> Result<(Self, Vec<RunRecord>, Option<Torn>), JournalError> {
        Self::open_by(path, |json, _| {
            upgrade::record(json).map(|record| (record.id.clone(), record))
        })
    }

    /// [`Journal::open`] for large journals: keeps only what `of` makes of each record's summary, and
    /// reads on all processors.
    ///
    /// # Errors
    ///
    /// Those of [`Journal::open`].
    pub fn open_with<T: Send>(
        path: &Path,
        of: impl Fn(RunSummary) -> T + Sync,
    ) -> Result<(Self, Vec<T>, Option<Torn>), JournalError> {
        Self::open_by(path, summaries(of))
    }

    fn open_by<T: Send>(
        path: &Path,
        parse: impl Fn(&[u8], bool) -> Result<(RunId, T), Fault> + Sync,
    ) -> Result<(Self, Vec<T>, Option<Torn>), JournalError> {
        let mut seen = Seen::default();
        let mut found = Vec::new();
        let (lines, torn) = Lines::open_with(path, parse, |line, (id, value)| {
            seen.first(line, &id)?;
            found.push(value);
            Ok(())
        })?;
        Ok((Self(lines), found, torn))
    }

    /// Appends a record. When this returns `Ok`, the record is on disk.
    ///
    /// # Errors
    ///
    /// If the write fails. It is then rolled back; if that fails, too, this and every later call returns
    /// [`JournalError::Poisoned`].
    pub fn append(&mut self, record: &RunRecord) -> Result<(), JournalError> {
        self.0.append(record)
    }
}

impl RunRecord {
    /// Why this record could not be read back from a journal; `None` if it can.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        let json = serde_json::to_vec(self).map_err(|error| Fault::json(&error));
        json.and_then(|json| upgrade::record(&json)).err()
    }
}

/// Reads a journal without locking it. An unfinished last line is ignored.
///
/// # Errors
///
/// If the file cannot be read, is damaged, or holds a line of a newer version.
pub fn read_journal(path: &Path) -> Result<Vec<RunRecord>, JournalError> {
    let mut records = Vec::new();
    let state = scan_journal(path, |record| record, |_, record| records.push(record))?;
    state.undamaged(path)?;
    Ok(records)
}

/// The state of a journal: how many records it holds, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalState {
    /// Undamaged records.
    pub records: u64,
    /// Records without a checksum, as earlier versions of wattlab wrote them.
    pub unsealed: u64,
    /// Damaged lines, in the order of the file.
    pub damage: Vec<Damage>,
    /// The unfinished last line, if there is one: left by a crash, or being written now.
    pub torn: Option<Torn>,
    /// Length of all whole lines.
    pub bytes: u64,
}

impl JournalState {
    /// Turns damage into an error.
    ///
    /// # Errors
    ///
    /// [`JournalError::Damaged`] if a line is damaged.
    pub fn undamaged(&self, path: &Path) -> Result<(), JournalError> {
        if self.damage.is_empty() {
            return Ok(());
        }
        Err(JournalError::Damaged { path: path.to_owned(), damage: self.damage.clone() })
    }
}

/// Reads a journal of any size without locking it, on all processors.
///
/// `of` extracts what is needed from each record; `sink` receives it in the order of the file, with the
/// number of its line. Damaged lines are skipped and listed in the returned state.
///
/// # Errors
///
/// If the file cannot be read, or holds a line of a newer version.
pub fn scan_journal<T: Send>(
    path: &Path,
    of: impl Fn(RunRecord) -> T + Sync,
    sink: impl FnMut(u64, T),
) -> Result<JournalState, JournalError> {
    scan_by(
        path,
        |json, _| upgrade::record(json).map(|record| (record.id.clone(), of(record))),
        sink,
    )
}

/// [`scan_journal`] for summaries, which takes a third of the time.
///
/// # Errors
///
/// Those of [`scan_journal`].
pub fn summarize_journal<T: Send>(
    path: &Path,
    of: impl Fn(RunSummary) -> T + Sync,
    sink: impl FnMut(u64, T),
) -> Result<JournalState, JournalError> {
    scan_by(path, summaries(of), sink)
}

fn scan_by<T: Send>(
    path: &Path,
    parse: impl Fn(&[u8], bool) -> Result<(RunId, T), Fault> + Sync,
    mut sink: impl FnMut(u64, T),
) -> Result<JournalState, JournalError> {
    let file = File::open(path).map_err(failed("read", path))?;
    let mut seen = Seen::default();
    let survey = scan(file, parse, |line, (id, value)| {
        seen.first(line, &id)?;
        sink(line, value);
        Ok(())
    });
    let mut survey = survey.map_err(failed("read", path))?;
    if survey.damage.iter().any(|damaged| matches!(damaged.fault, Fault::Newer(_))) {
        survey = undamaged(path, survey)?;
    }
    Ok(JournalState {
        records: survey.lines - survey.damage.len() as u64,
        unsealed: survey.unsealed,
        torn: Torn::of(&survey),
        bytes: survey.whole,
        damage: survey.damage,
    })
}

fn summaries<T>(
    of: impl Fn(RunSummary) -> T + Sync,
) -> impl Fn(&[u8], bool) -> Result<(RunId, T), Fault> + Sync {
    move |json, is_sealed| {
        upgrade::summary(json, is_sealed).map(|summary| (summary.id.clone(), of(summary)))
    }
}

/// The last record of a journal, read without the ones before it; `None` if the journal is empty.
///
/// # Errors
///
/// If the file cannot be read, or its last whole line is damaged or of a newer version.
pub fn last_record(path: &Path) -> Result<Option<RunRecord>, JournalError> {
    let mut file = File::open(path).map_err(failed("read", path))?;
    let line = last_line(&mut file).map_err(failed("read", path))?;
    let mut record = None;
    let survey = scan(
        &line[..],
        |json, _| upgrade::record(json),
        |_, found| {
            record = Some(found);
            Ok(())
        },
    );
    undamaged(path, survey.map_err(failed("read", path))?)?;
    Ok(record)
}

/// The last whole line that is not empty, with its line feed.
fn last_line(file: &mut File) -> io::Result<Vec<u8>> {
    let mut length = 1 << 16;
    loop {
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(length)))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = text[..whole].trim_ascii_end();
        let start = line.iter().rposition(|byte| *byte == b'\n');
        if start.is_some() || length >= end {
            let mut line = line[start.map_or(0, |at| at + 1)..].to_vec();
            line.push(b'\n');
            return Ok(line);
        }
        length *= 8;
    }
}

/// The runs read so far, with the numbers of their lines.
#[derive(Debug, Default)]
struct Seen(HashMap<RunId, u64>);

impl Seen {
    /// Notes the line of a run; an error if an earlier line has the same run.
    fn first(&mut self, line: u64, id: &RunId) -> Result<(), Fault> {
        match self.0.get(id) {
            Some(&first) => Err(Fault::Doubled { first }),
            None => {
                self.0.insert(id.clone(), line);
                Ok(())
            }
        }
    }
}
