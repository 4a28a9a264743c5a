//! Moves damaged lines out of a journal.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{
    Seen,
    fault::{Damage, Fault, JournalError},
    lines::{Torn, failed, locked, undamaged},
    place::sync_folder_of,
    scan::{Chunks, scan},
    upgrade,
    write::synced,
};

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repair {
    /// Records left in the journal.
    pub records: u64,
    /// The lines that were moved, with the numbers they had.
    pub moved: Vec<Damage>,
    /// The file they were moved to; `None` if no line was damaged.
    pub aside: Option<PathBuf>,
    /// The unfinished last line that was removed, if there was one.
    pub torn: Option<Torn>,
}

/// Which undamaged lines a repair moves, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlsoMove {
    /// Lines of a newer version of wattlab.
    pub newer: bool,
    /// Lines with these numbers, counted from 1.
    pub lines: Vec<u64>,
}

impl AlsoMove {
    /// Lines of newer versions, and the lines with these numbers.
    #[must_use]
    pub fn new(newer: bool, lines: Vec<u64>) -> Self {
        Self { newer, lines }
    }
}

/// Moves the damaged lines of a journal into a new file `NAME.damaged-N.jsonl` beside it, and removes an
/// unfinished last line. Of two lines with the same run, the later one is moved. The runs that are then
/// missing are done again when the study is continued.
///
/// The moved lines are on disk before the journal is replaced, and it is replaced in one step: a crash
/// leaves either the old journal or the new one.
///
/// # Errors
///
/// If the journal does not exist or is in use, holds a line of a newer version that is not to be moved, has no
/// line of a given number, or its folder cannot be written.
pub fn repair_journal(path: &Path, also: &AlsoMove) -> Result<Repair, JournalError> {
    // Opening it for writing would create a missing journal.
    File::open(path).map_err(failed("read", path))?;
    let mut file = locked(path)?;
    let mut seen = Seen::default();
    let survey = scan(
        &file,
        |json, _| upgrade::record(json),
        |line, record| {
            if also.lines.contains(&line) {
                Err(Fault::Chosen)
            } else {
                seen.first(line, &record.id)
            }
        },
    );
    let mut survey = survey.map_err(failed("read", path))?;
    let stays = |damaged: &Damage| {
        matches!(damaged.fault, Fault::Newer(_))
            && !also.newer
            && !also.lines.contains(&damaged.line)
    };
    if survey.damage.iter().any(stays) {
        undamaged(path, std::mem::take(&mut survey))?;
    }
    if let Some(line) = also.lines.iter().find(|line| **line == 0 || **line > survey.lines) {
        let source =
            io::Error::other(format!("it has no line {line}, its last is {}", survey.lines));
        return Err(failed("repair", path)(source));
    }
    let records = survey.lines - survey.damage.len() as u64;
    let torn = Torn::of(&survey);
    let moved = survey.damage;
    let mut aside = None;
    if !moved.is_empty() {
        file.seek(SeekFrom::Start(0)).map_err(failed("read", path))?;
        aside = Some(split(&file, path, &moved).map_err(failed("repair", path))?);
    } else if torn.is_some() {
        let cut = file.set_len(survey.whole).and_then(|()| file.sync_all());
        cut.map_err(failed("repair", path))?;
    }
    Ok(Repair { records, moved, aside, torn })
}

/// Writes the damaged lines into a new file and replaces the journal by the other lines.
fn split(file: &File, path: &Path, moved: &[Damage]) -> io::Result<PathBuf> {
    let (aside, damaged) = new_beside(path)?;
    let mut damaged = BufWriter::new(damaged);
    let temporary = path.with_extension("jsonl.part");
    let mut whole = BufWriter::new(File::create(&temporary)?);
    let mut chunks = Chunks::new(file);
    let mut number = 0;
    let mut left = moved.iter().peekable();
    while let Some(text) = chunks.next(Vec::new())? {
        for line in text.split_inclusive(|byte| *byte == b'\n') {
            number += 1;
            if left.next_if(|next| next.line == number).is_some() {
                damaged.write_all(line)?;
            } else {
                whole.write_all(line)?;
            }
        }
    }
    synced(damaged)?;
    sync_folder_of(&aside)?;
    synced(whole)?;
    fs::rename(&temporary, path)?;
    sync_folder_of(path)?;
    Ok(aside)
}

/// A new file: `journal.damaged-1.jsonl`, or the first higher number that is free.
fn new_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let mut number = 1;
    loop {
        let aside = path.with_extension(format!("damaged-{number}.jsonl"));
        match OpenOptions::new().write(true).create_new(true).open(&aside) {
            Ok(file) => return Ok((aside, file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(error),
        }
    }
}
