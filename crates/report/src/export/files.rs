//! The report in a folder.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use record::RunRecord;

use super::{
    STUDIES_BIB, csv, emissions_csv, latex, markdown, pdf, records_csv, records_parquet, ro_crate,
};
use crate::{
    document::{Document, slug},
    page::html,
    plot::svg,
};

/// Writes `index.html`, `report.md`, `figures/*.svg`, `figures/*.pdf`, `tables/*.csv` and
/// `tables/*.tex` into a folder, which is made if it is not there, and returns their paths.
///
/// Each file is written under a temporary name first and renamed, so that it is whole or not there.
/// Files of the same name are replaced; others are left alone.
///
/// # Errors
///
/// If the folder or a file cannot be written; the message names it.
pub fn write(document: &Document, folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = vec![
        (PathBuf::from("index.html"), html(document).into_bytes()),
        (PathBuf::from("report.md"), markdown(document).into_bytes()),
    ];
    for section in &document.sections {
        for figure in &section.figures {
            let path = Path::new("figures").join(slug(&figure.id));
            files.push((path.with_extension("svg"), svg(figure).into_bytes()));
            files.push((path.with_extension("pdf"), pdf(figure)?));
        }
        for table in &section.tables {
            let path = Path::new("tables").join(slug(&table.id));
            files.push((path.with_extension("csv"), csv(table).into_bytes()));
            files.push((path.with_extension("tex"), latex(table).into_bytes()));
        }
    }
    for name in ["figures", "tables"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(|error| naming(&path, &error))?;
    }
    save(folder, files)
}

/// Writes what belongs to a report beside its page, into the same folder: every record as
/// `records.csv` and `records.parquet`, `emissions.csv` as CodeCarbon has it, `studies.bib`, and `ro-crate-metadata.json`,
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
        (PathBuf::from("records.csv"), records_csv(records).into_bytes()),
        (PathBuf::from("records.parquet"), records_parquet(records)?),
        (PathBuf::from("emissions.csv"), emissions_csv(records).into_bytes()),
        (PathBuf::from("studies.bib"), STUDIES_BIB.as_bytes().to_vec()),
    ];
    let own = files.iter().map(|it| it.0.as_path());
    let others = report.iter().filter_map(|it| it.strip_prefix(folder).ok());
    let names: Vec<String> =
        others.chain(own).map(|it| it.to_string_lossy().into_owned()).collect();
    let crate_of = ro_crate(records, &names).into_bytes();
    files.push((PathBuf::from("ro-crate-metadata.json"), crate_of));
    save(folder, files)
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
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".part");
    let temporary = PathBuf::from(temporary);
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to write `{}`: {error}", path.display()))
}
