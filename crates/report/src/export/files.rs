//! The report in a folder.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use record::RunRecord;

use super::{STUDIES_BIB, csv, emissions_csv, latex, markdown, records_csv, ro_crate};
use crate::{
    document::{Document, slug},
    page::html,
    plot::svg,
};

/// Writes `index.html`, `report.md`, `figures/*.svg` `tables/*.csv` and `tables/*.tex` into a folder, which is
/// made if it is not there, and returns their paths.
///
/// Each file is written under a temporary name first and renamed, so that it is whole or not there.
/// Files of the same name are replaced; others are left alone.
///
/// # Errors
///
/// If the folder or a file cannot be written; the message names it.
pub fn write(document: &Document, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = vec![
        (PathBuf::from("index.html"), html(document)),
        (PathBuf::from("report.md"), markdown(document)),
    ];
    for section in &document.sections {
        for figure in &section.figures {
            files.push((Path::new("figures").join(slug(&figure.id) + ".svg"), svg(figure)));
        }
        for table in &section.tables {
            files.push((Path::new("tables").join(slug(&table.id) + ".csv"), csv(table)));
            files.push((Path::new("tables").join(slug(&table.id) + ".tex"), latex(table)));
        }
    }
    for name in ["figures", "tables"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(|error| naming(&path, &error))?;
    }
    save(folder, files)
}

/// Writes what belongs to a report beside its page, into the same folder: every record as
/// `records.csv`, `emissions.csv` as CodeCarbon has it, `studies.bib`, and `ro-crate-metadata.json`,
/// which lists `report` (the paths that [`write()`] returned) and these. Returns their paths.
///
/// # Errors
///
/// As [`write()`].
pub fn write_records(
    records: &[RunRecord],
    report: &[PathBuf],
    folder: &Path,
) -> io::Result<Vec<PathBuf>> {
    let mut files = vec![
        (PathBuf::from("records.csv"), records_csv(records)),
        (PathBuf::from("emissions.csv"), emissions_csv(records)),
        (PathBuf::from("studies.bib"), STUDIES_BIB.to_owned()),
    ];
    let own = files.iter().map(|it| it.0.as_path());
    let others = report.iter().filter_map(|it| it.strip_prefix(folder).ok());
    let names: Vec<String> =
        others.chain(own).map(|it| it.to_string_lossy().into_owned()).collect();
    files.push((PathBuf::from("ro-crate-metadata.json"), ro_crate(records, &names)));
    save(folder, files)
}

fn save(folder: &Path, files: Vec<(PathBuf, String)>) -> io::Result<Vec<PathBuf>> {
    files
        .into_iter()
        .map(|(name, text)| {
            let path = folder.join(name);
            write_whole(&path, &text).map_err(|error| naming(&path, &error))?;
            Ok(path)
        })
        .collect()
}

fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let temporary = PathBuf::from(temporary);
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to write `{}`: {error}", path.display()))
}
