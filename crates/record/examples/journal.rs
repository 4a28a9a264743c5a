//! Writes a record into a journal, changes a digit of it on disk, and repairs the journal.
#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use std::{error::Error, fs};

use wattlab_record::{AlsoMove, Journal, RunRecord, repair_journal, scan_journal};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("journal.jsonl");
    let record: RunRecord = serde_json::from_str(include_str!("../tests/it/record-1.jsonl"))?;

    let (mut journal, _, _) = Journal::open(&path)?;
    journal.append(&record)?;
    drop(journal);
    println!("run {} is in the journal", record.id);

    let text = fs::read_to_string(&path)?;
    fs::write(&path, text.replacen("\"seed\":7", "\"seed\":8", 1))?;
    let state = scan_journal(&path, |record| record.id, |_line, _id| {})?;
    let [damaged] = &state.damage[..] else { return Err("expected one damaged line".into()) };
    println!("line {}: {}", damaged.line, damaged.fault);

    let repair = repair_journal(&path, &AlsoMove::default())?;
    let aside = repair.aside.ok_or("expected a file with the damaged line")?;
    println!("{} line moved to {}", repair.moved.len(), aside.display());
    let (_, records, _) = Journal::open(&path)?;
    if records.is_empty() { Ok(()) } else { Err("the damaged record is still there".into()) }
}
