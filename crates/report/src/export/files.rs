//! The report in a folder.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{csv, markdown};
use crate::{
    document::{Document, slug},
    page::html,
    plot::svg,
};

/// Writes `index.html`, `report.md`, `figures/*.svg` and `tables/*.csv` into a folder, which is
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
        }
    }
    for name in ["figures", "tables"] {
        let path = folder.join(name);
        fs::create_dir_all(&path).map_err(|error| naming(&path, &error))?;
    }
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
