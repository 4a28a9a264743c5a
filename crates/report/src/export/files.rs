//! The report in a folder.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use super::{
    STUDIES_BIB, csv,
    emissions::Emissions,
    latex, markdown,
    parquet::Parquet,
    pdf,
    records::{Columns, Csv, RecordSource},
    ro_crate,
};
use crate::{
    claim::Runs,
    document::{Document, slug},
    page::html,
    plot::{svg, values},
};

/// Writes `index.html`, `report.md`, `figures/*.svg`, `figures/*.pdf`, `figures/*.csv` (what they
/// draw), `tables/*.csv` and `tables/*.tex` into a folder, which is made if it is not there, and returns their paths.
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
            files.push((path.with_extension("csv"), csv(&values(figure)).into_bytes()));
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

/// Records up to which a report has them as tables, too: beyond, the tables take longer than all the
/// rest, and `wattlab journal export` writes them.
pub const MOST_RECORDS: usize = 100_000;

/// Writes what belongs to a report beside its page, into the same folder: every record as
/// `records.csv` and `records.parquet`, `emissions.csv` as CodeCarbon has it (up to [`MOST_RECORDS`]),
/// `studies.bib`, and `ro-crate-metadata.json`, which lists `report` (the paths that [`write()`]
/// returned) and these. Returns their paths.
///
/// # Errors
///
/// As [`write()`], or if the records cannot be read.
pub fn write_records(
    source: &(impl RecordSource + ?Sized),
    runs: &Runs,
    report: &[PathBuf],
    folder: &Path,
) -> io::Result<Vec<PathBuf>> {
    let tables = ["records.csv", "records.parquet", "emissions.csv"].map(|it| folder.join(it));
    let mut paths = Vec::new();
    if runs.count <= MOST_RECORDS {
        write_tables(source, &tables)?;
        paths.extend(tables);
    } else {
        // Those of an earlier report with fewer runs would not belong to this one.
        for path in tables.iter().filter(|it| it.exists()) {
            fs::remove_file(path).map_err(|error| naming(path, &error))?;
        }
    }
    let bib = (PathBuf::from("studies.bib"), STUDIES_BIB.as_bytes().to_vec());
    paths.extend(save(folder, vec![bib])?);
    let listed = report.iter().chain(&paths).filter_map(|it| it.strip_prefix(folder).ok());
    let names: Vec<String> = listed.map(|it| it.to_string_lossy().into_owned()).collect();
    let crate_of = ro_crate(runs, &names).into_bytes();
    paths.extend(save(folder, vec![(PathBuf::from("ro-crate-metadata.json"), crate_of)])?);
    Ok(paths)
}

/// All tables in one go through the records, after one for their columns.
fn write_tables(
    source: &(impl RecordSource + ?Sized),
    [csv, parquet, emissions]: &[PathBuf; 3],
) -> io::Result<()> {
    let columns = Columns::of(source)?;
    let begun = |path: &PathBuf| {
        let file = WholeFile::create(path).map_err(|error| naming(path, &error))?;
        Ok::<_, io::Error>(io::BufWriter::new(file))
    };
    let (mut of_csv, mut of_parquet, mut of_emissions) =
        (begun(csv)?, begun(parquet)?, begun(emissions)?);
    let mut csv = Csv::new(&columns, &mut of_csv)?;
    let mut parquet = Parquet::new(&columns, &mut of_parquet)?;
    let mut emissions = Emissions::new(&mut of_emissions)?;
    source.each(&mut |records| {
        let rows = columns.rows(records);
        csv.push(&rows)?;
        parquet.push(&rows)?;
        emissions.push(records)
    })?;
    csv.finish()?;
    parquet.finish()?;
    emissions.finish()?;
    for file in [of_csv, of_parquet, of_emissions] {
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

/// A file under a temporary name until it is whole.
#[derive(Debug)]
pub struct WholeFile {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl WholeFile {
    /// Begins it.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn create(path: &Path) -> io::Result<Self> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".part");
        let temporary = PathBuf::from(temporary);
        Ok(Self { file: File::create(&temporary)?, temporary, path: path.to_owned() })
    }

    /// Puts it in its place. A file of that name is replaced.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn finish(self) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.temporary, &self.path)
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn naming(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to write `{}`: {error}", path.display()))
}
