//! The journal: one record a line, appended and synced; the only state there is.

mod append;
mod fault;
mod lines;
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
    repair::{Repair, repair_journal},
    write::NewJournal,
};
use self::{
    lines::{failed, undamaged},
    scan::scan,
};
use crate::{RunId, RunRecord, RunSummary};

/// A journal open for writing; holds a lock until dropped or until the process dies.
#[derive(Debug)]
pub struct Journal(Lines);

impl Journal {
    /// Opens or creates a journal, takes its lock, reads its records and cuts off a torn last line.
    ///
    /// # Errors
    ///
    /// If the file cannot be created, is locked by another process, or has a whole line that is
    /// damaged or of a later version.
    pub fn open(path: &Path) -> Result<(Self, Vec<RunRecord>, Option<Torn>), JournalError> {
        Self::open_by(path, |json, _| upgrade::record(json).map(|it| (it.id.clone(), it)))
    }

    /// The same with what a function makes of each record's summary, on all processors: a million
    /// records need more memory than what is needed of them.
    ///
    /// # Errors
    ///
    /// As [`Journal::open`].
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
        let (lines, torn) = Lines::open_with(path, parse, |line, (id, it)| {
            seen.first(line, &id)?;
            found.push(it);
            Ok(())
        })?;
        Ok((Self(lines), found, torn))
    }

    /// Appends a record. When this returns, the record is on disk.
    ///
    /// # Errors
    ///
    /// If it could not be written whole; the journal is then as it was before, or, if not even that
    /// can be done, takes no more ([`JournalError::Poisoned`]).
    pub fn append(&mut self, record: &RunRecord) -> Result<(), JournalError> {
        self.0.append(record)
    }
}

/// Reads a journal without a lock; an unfinished last line is passed over.
///
/// # Errors
///
/// If the file cannot be read, or has a whole line that is damaged or of a later version.
pub fn read_journal(path: &Path) -> Result<Vec<RunRecord>, JournalError> {
    let mut records = Vec::new();
    let state = scan_journal(path, |it| it, |_, it| records.push(it))?;
    state.undamaged(path)?;
    Ok(records)
}

/// What there is to say of a journal beside its records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalState {
    /// Records that can be read and count.
    pub records: u64,
    /// Lines from before lines were sealed.
    pub unsealed: u64,
    /// Damaged lines, in order.
    pub damage: Vec<Damage>,
    /// An unfinished last line: cut off by a crash, or being written now.
    pub torn: Option<Torn>,
    /// Bytes of the file's whole lines.
    pub bytes: u64,
}

impl JournalState {
    /// Nothing, or the damage as an error.
    ///
    /// # Errors
    ///
    /// If a line is damaged.
    pub fn undamaged(&self, path: &Path) -> Result<(), JournalError> {
        if self.damage.is_empty() {
            return Ok(());
        }
        Err(JournalError::Damaged { path: path.to_owned(), damage: self.damage.clone() })
    }
}

/// Reads a journal without a lock, some lines at a time, on all processors: `of` makes of each
/// record what is needed of it, `sink` gets that in the journal's order with the number of its
/// line. Damaged lines are passed over and named in the answer.
///
/// # Errors
///
/// If the file cannot be read, or has a line of a later version.
pub fn scan_journal<T: Send>(
    path: &Path,
    of: impl Fn(RunRecord) -> T + Sync,
    sink: impl FnMut(u64, T),
) -> Result<JournalState, JournalError> {
    scan_by(path, |json, _| upgrade::record(json).map(|it| (it.id.clone(), of(it))), sink)
}

/// The same of summaries, which takes a third of the time.
///
/// # Errors
///
/// As [`scan_journal`].
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
    let survey = scan(file, parse, |line, (id, it)| {
        seen.first(line, &id)?;
        sink(line, it);
        Ok(())
    });
    let mut survey = survey.map_err(failed("read", path))?;
    if survey.damage.iter().any(|it| matches!(it.fault, Fault::Newer(_))) {
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
    move |json, is_sealed| upgrade::summary(json, is_sealed).map(|it| (it.id.clone(), of(it)))
}

/// The newest record of a journal that is not damaged; `None` of an empty one.
///
/// # Errors
///
/// If the file cannot be read, or its last whole line is no record.
pub fn last_record(path: &Path) -> Result<Option<RunRecord>, JournalError> {
    let mut file = File::open(path).map_err(failed("read", path))?;
    let line = last_line(&mut file).map_err(failed("read", path))?;
    let mut record = None;
    let survey = scan(
        &line[..],
        |json, _| upgrade::record(json),
        |_, it| {
            record = Some(it);
            Ok(())
        },
    );
    undamaged(path, survey.map_err(failed("read", path))?)?;
    Ok(record)
}

/// The last whole line that is not empty, with its end.
fn last_line(file: &mut File) -> io::Result<Vec<u8>> {
    let mut length = 1 << 16;
    loop {
        let end = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(end.saturating_sub(length)))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        let whole = text.iter().rposition(|it| *it == b'\n').map_or(0, |it| it + 1);
        let line = text[..whole].trim_ascii_end();
        let start = line.iter().rposition(|it| *it == b'\n');
        if start.is_some() || length >= end {
            let mut line = line[start.map_or(0, |it| it + 1)..].to_vec();
            line.push(b'\n');
            return Ok(line);
        }
        length *= 8;
    }
}

/// The runs seen so far, with their lines.
#[derive(Debug, Default)]
struct Seen(HashMap<RunId, u64>);

impl Seen {
    /// Whether this is the first line of its run.
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
