//! `wattlab journal export`: writes the records for other programs.

use std::{
    ffi::OsStr,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use clap::ValueEnum;
use record::RunRecord;
use report::{RecordExporter, RecordSource, WholeFile};
use serde_json::json;

use super::args::{Only, file};
use crate::{Failure, output, reporting::JournalFile};

/// Arguments of `wattlab journal export`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Journal, or folder of a reproduction with a `journal.jsonl`
    path: PathBuf,
    /// File to write; replaced if it exists
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Format of the file; by default chosen by the end of its name
    #[arg(long)]
    format: Option<Format>,
    /// Only runs of this experiment
    #[arg(long)]
    experiment: Option<Only>,
    /// Print the result as one JSON document
    #[arg(long)]
    json: bool,
}

/// The format of an exported file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A table with a column per value; lists are left out
    Csv,
    /// A table as a data frame, with lists
    Parquet,
    /// One record per line, without checksums
    Jsonl,
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let format = format(args)?;
    let table = match format {
        Format::Csv => Some(RecordExporter::of("csv").map_err(Failure::bad_input)?),
        Format::Parquet => Some(RecordExporter::of("parquet").map_err(Failure::bad_input)?),
        Format::Jsonl => None,
    };
    let path = file(&args.path);
    let source = Counted {
        journal: JournalFile { path: path.clone(), only: args.experiment.map(Into::into) },
        count: 0.into(),
    };
    // Read everything once, so that no file is written from a damaged journal.
    source.each(&mut |_| Ok(())).map_err(Failure::bad_input)?;
    source.count.set(0);
    written(&source, table, &args.to)
        .with_context(|| format!("failed to write `{}`", args.to.display()))
        .map_err(Failure::RunTime)?;
    // CSV and Parquet read the records twice.
    let passes = if table.is_none() { 1 } else { 2 };
    let count = source.count.get() / passes;
    if args.json {
        return output::print_json(&json!({
            "schema": "wattlab.export/1", "file": args.to, "records": count,
        }));
    }
    output::print(&format!("{}: {count} records", args.to.display()));
    Ok(())
}

fn format(args: &Args) -> Result<Format, Failure> {
    let by_name = match args.to.extension().and_then(OsStr::to_str) {
        Some("csv") => Some(Format::Csv),
        Some("parquet") => Some(Format::Parquet),
        Some("jsonl") => Some(Format::Jsonl),
        _ => None,
    };
    args.format.or(by_name).ok_or_else(|| {
        Failure::BadInput(anyhow!(
            "flag `--to` is `{}`, expected a name that ends with .csv, .parquet or .jsonl; or choose \
             the format with `--format`",
            args.to.display()
        ))
    })
}

/// Writes a table, or JSON lines without one.
fn written(source: &Counted, table: Option<RecordExporter>, to: &Path) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, WholeFile::create(to)?);
    match table {
        Some(table) => table.write(source, &mut file)?,
        None => source.each(&mut |records| {
            records.iter().try_for_each(|record| {
                serde_json::to_writer(&mut file, record)?;
                file.write_all(b"\n")
            })
        })?,
    }
    file.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
}

/// Counts the records that it passes on.
struct Counted {
    journal: JournalFile,
    count: std::cell::Cell<usize>,
}

impl RecordSource for Counted {
    fn each(&self, sink: &mut dyn FnMut(&[RunRecord]) -> io::Result<()>) -> io::Result<()> {
        self.journal.each(&mut |records| {
            self.count.set(self.count.get() + records.len());
            sink(records)
        })
    }
}
