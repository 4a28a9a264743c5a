//! Moves damaged lines aside.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use super::{
    Seen,
    fault::{Damage, Fault, JournalError},
    lines::{Torn, failed, locked, sync_folder_of, undamaged},
    scan::{Chunks, scan},
    upgrade,
    write::synced,
};

/// What a repair did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repair {
    /// Records that are left.
    pub records: u64,
    /// The lines that were moved, by their former numbers.
    pub moved: Vec<Damage>,
    /// Where they are now; `None` if there were none.
    pub aside: Option<PathBuf>,
    /// The unfinished last line that was cut off.
    pub torn: Option<Torn>,
}

/// Moves the damaged lines of a journal into `NAME.damaged-N.jsonl` beside it; their runs are done
/// again by the next call that asks for them. Of two lines of one run the later one is moved. An
/// unfinished last line is cut off.
///
/// The lines moved are on disk before the journal is replaced, and it is replaced at once: a crash
/// in between leaves it as it was.
///
/// # Errors
///
/// If the journal is not there, is in use, has a line of a later version, or the folder cannot be
/// written.
pub fn repair_journal(path: &Path) -> Result<Repair, JournalError> {
    // Opening to write would create it.
    File::open(path).map_err(failed("read", path))?;
    let mut file = locked(path)?;
    let mut seen = Seen::default();
    let survey = scan(&file, |json, _| upgrade::record(json), |line, it| seen.first(line, &it.id));
    let mut survey = survey.map_err(failed("read", path))?;
    if survey.damage.iter().any(|it| matches!(it.fault, Fault::Newer(_))) {
        undamaged(path, std::mem::take(&mut survey))?;
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

/// Copies damaged lines into a new file and the others into the journal's place.
fn split(file: &File, path: &Path, moved: &[Damage]) -> io::Result<PathBuf> {
    let (aside, damaged) = new_beside(path)?;
    let mut damaged = BufWriter::new(damaged);
    let temporary = path.with_extension("jsonl.part");
    let mut whole = BufWriter::new(File::create(&temporary)?);
    let mut chunks = Chunks::new(file);
    let mut number = 0;
    let mut left = moved.iter().peekable();
    while let Some(text) = chunks.next(Vec::new())? {
        for line in text.split_inclusive(|it| *it == b'\n') {
            number += 1;
            if left.next_if(|it| it.line == number).is_some() {
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

/// A file that was not there: `journal.damaged-1.jsonl`, or the next number.
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
