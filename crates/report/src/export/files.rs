//! The report in a folder.

use std::{
    fs,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use super::{
    STUDIES_BIB, WholeFile,
    columns::{Columns, RecordSource},
    exporter::{EXPORTERS, Output},
    formats::Formats,
    record_writer::Begin,
    ro_crate,
};
use crate::{
    claim::{MAX_RECORDS, Runs},
    document::Document,
    slug::slug,
};

/// Writes a document into a folder in some formats, and returns the paths of the files: the page, the
/// report as Markdown, and a file for each figure and table ([`EXPORTERS`](super::EXPORTERS) lists
/// them). The folder is created if it does not exist.
///
/// Each file is written under a temporary name and then renamed, so that it is complete or missing.
/// Files of the same name are replaced; other files stay.
///
/// # Errors
///
/// If the folder or a file cannot be written; the message names it.
pub fn write(document: &Document, folder: &Path, formats: &Formats) -> io::Result<Vec<PathBuf>> {
    let outputs = || {
        let chosen = EXPORTERS.iter().filter(|exporter| formats.includes(exporter.format));
        chosen.filter_map(|exporter| Some((exporter, exporter.output.as_ref()?)))
    };
    let mut files = Vec::new();
    for (exporter, output) in outputs() {
        if let Output::Document(text) = output {
            files.push((PathBuf::from(exporter.path), text(document).into_bytes()));
        }
    }
    for section in &document.sections {
        for figure in &section.figures {
            for (exporter, output) in outputs() {
                if let Output::Figure(bytes) = output {
                    files.push((path_of(exporter.path, &figure.id), bytes(figure)?));
                }
            }
        }
        for table in &section.tables {
            for (exporter, output) in outputs() {
                if let Output::Table(text) = output {
                    files.push((path_of(exporter.path, &table.id), text(table).into_bytes()));
                }
            }
        }
    }
    for name in ["figures", "tables"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(|error| naming(&path, &error))?;
    }
    save(folder, files)
}

/// The path of a figure's or table's file.
fn path_of(pattern: &str, id: &str) -> PathBuf {
    PathBuf::from(pattern.replace("ID", &slug(id)))
}

/// Writes the files that belong to a report beside its page, into the same folder, and returns their
/// paths: every record as a table, `emissions.csv` with CodeCarbon's columns (both up to
/// [`MAX_RECORDS`] records), `studies.bib`, and `ro-crate-metadata.json`, which lists these files and
/// `report`, the paths that [`write()`] returned.
///
/// # Errors
///
/// As [`write()`], or if the records cannot be read.
pub fn write_records(
    source: &dyn RecordSource,
    runs: &Runs,
    report: &[PathBuf],
    folder: &Path,
) -> io::Result<Vec<PathBuf>> {
    let tables: Vec<(PathBuf, Begin)> = EXPORTERS
        .iter()
        .filter_map(|exporter| match exporter.output {
            Some(Output::Records(begin)) => Some((folder.join(exporter.path), begin)),
            _ => None,
        })
        .collect();
    let mut paths = Vec::new();
    if runs.count <= MAX_RECORDS {
        write_tables(source, &tables)?;
        paths.extend(tables.into_iter().map(|(path, _)| path));
    } else {
        // The tables of an earlier report with fewer runs would not belong to this one.
        for (path, _) in tables.iter().filter(|(path, _)| path.exists()) {
            fs::remove_file(path).map_err(|error| naming(path, &error))?;
        }
    }
    let bib = (PathBuf::from("studies.bib"), STUDIES_BIB.as_bytes().to_vec());
    paths.extend(save(folder, vec![bib])?);
    let listed = report.iter().chain(&paths).filter_map(|path| path.strip_prefix(folder).ok());
    let names: Vec<String> = listed.map(|path| path.to_string_lossy().into_owned()).collect();
    let metadata = ro_crate(runs, &names).into_bytes();
    paths.extend(save(folder, vec![(PathBuf::from("ro-crate-metadata.json"), metadata)])?);
    Ok(paths)
}

/// Writes all tables in one pass over the records, after one pass that finds their columns.
fn write_tables(source: &dyn RecordSource, tables: &[(PathBuf, Begin)]) -> io::Result<()> {
    let columns = Columns::of(source)?;
    let mut files = Vec::new();
    for (path, _) in tables {
        let file = WholeFile::create(path).map_err(|error| naming(path, &error))?;
        files.push(BufWriter::new(file));
    }
    let mut writers = Vec::new();
    for (file, (_, begin)) in files.iter_mut().zip(tables) {
        writers.push(begin(&columns, file)?);
    }
    source.each(&mut |records| {
        let rows = columns.rows(records);
        writers.iter_mut().try_for_each(|writer| writer.push(records, &rows))
    })?;
    for writer in writers {
        writer.finish()?;
    }
    for file in files {
        file.into_inner().map_err(io::IntoInnerError::into_error)?.finish()?;
    }
    Ok(())
}

fn save(folder: &Path, files: Vec<(PathBuf, Vec<u8>)>) -> io::Result<Vec<PathBuf>> {
    files
        .into_iter()
        .map(|(name, content)| {
            let path = folder.join(name);
            write_whole(&path, &content).map_err(|error| naming(&path, &error))?;
            Ok(path)
        })
        .collect()
}

fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = WholeFile::create(path)?;
    file.write_all(content)?;
    file.finish()
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to write `{}`: {error}", path.display()))
}
