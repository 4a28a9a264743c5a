//! The adapters and condensed tables in this program, and tables in folders of the user.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    Adapter, EvidenceError, EvidenceFile, EvidenceRecording, EvidenceSet, RecordingFiles,
    read::{Table, check, sets, verify},
    recording::{METER, SENSOR},
};

/// The files of `evidence/` by their path in it.
static FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/evidence.rs"));

/// A table has at most this many bytes, uncompressed.
const MOST_BYTES: u64 = 256 << 20;
/// An adapter has at most this many bytes.
const MOST_ADAPTER_BYTES: u64 = 1 << 20;

/// Data sets of other people's measurements.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct EvidenceBundle {
    /// Sets by data set and device.
    pub sets: Vec<EvidenceSet>,
    /// Readings over time beside those of a power meter.
    pub recordings: Vec<EvidenceRecording>,
    /// Adapters whose tables are not there.
    pub absent: Vec<Arc<Adapter>>,
}

/// The adapters in this program, by name.
///
/// # Errors
///
/// Never in a program that passed its tests.
pub fn bundled_adapters() -> Result<Vec<Adapter>, EvidenceError> {
    let adapters = FILES.iter().filter(|(path, _)| path.ends_with(".toml"));
    adapters.map(|(path, text)| Adapter::parse(text, path)).collect()
}

impl EvidenceBundle {
    /// The data sets with a condensed copy in this program.
    ///
    /// # Errors
    ///
    /// Never in a program that passed its tests.
    pub fn embedded() -> Result<Self, EvidenceError> {
        Self::with(&[])
    }

    /// The data sets whose tables are in one of the folders, as `NAME/FILE`, `evidence/NAME/FILE`, or `FILE`
    /// if the folder has the name of the data set; of the others, the copies in this program. Files may be
    /// compressed (`.gz`). Adapters (`*.toml`) in the folders add data sets, or replace those of their name.
    ///
    /// # Errors
    ///
    /// If an adapter or a table that is there cannot be used.
    pub fn with(folders: &[&Path]) -> Result<Self, EvidenceError> {
        let mut adapters = bundled_adapters()?;
        for adapter in folders.iter().map(|folder| own_adapters(folder)) {
            for own in adapter? {
                adapters.retain(|adapter| adapter.name != own.name);
                adapters.push(own);
            }
        }
        let mut bundle = Self::default();
        for adapter in adapters.into_iter().map(Arc::new) {
            if !adapter.recordings.is_empty() {
                match recordings(&adapter, folders)? {
                    Some(found) => bundle.recordings.extend(found),
                    None => bundle.absent.push(adapter),
                }
            } else if let Some(found) = from_folders(&adapter, folders)? {
                bundle.sets.extend(found);
            } else if let Some(found) = from_copy(&adapter)? {
                bundle.sets.extend(found);
            } else {
                bundle.absent.push(adapter);
            }
        }
        Ok(bundle)
    }

    /// Whether a table of a folder is used.
    #[must_use]
    pub fn has_folder_tables(&self) -> bool {
        self.sets.iter().any(|set| !set.is_copy)
            || self.recordings.iter().any(|recording| !recording.is_copy)
    }
}

fn own_adapters(folder: &Path) -> Result<Vec<Adapter>, EvidenceError> {
    let unreadable = |path: &Path| {
        let path = path.to_owned();
        move |source| EvidenceError::Unreadable { path, source }
    };
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable(folder))? {
        paths.push(entry.map_err(unreadable(folder))?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|kind| kind == "toml"));
    paths.sort();
    let read = |path: &PathBuf| {
        let text = units::read_text(path, MOST_ADAPTER_BYTES).map_err(unreadable(path))?;
        Adapter::parse(&text, &path.display().to_string())
    };
    paths.iter().map(read).collect()
}

fn from_copy(adapter: &Arc<Adapter>) -> Result<Option<Vec<EvidenceSet>>, EvidenceError> {
    let mut tables = Vec::new();
    for file in &adapter.files {
        let wanted = format!("{}/{}", adapter.name, file.name);
        let Some((path, text)) = FILES.iter().find(|(path, _)| *path == wanted) else {
            return Ok(None);
        };
        tables.push(Table { file, path: (*path).to_owned(), text });
    }
    sets(adapter, &tables, true).map(Some)
}

/// The recordings of a data set, from a folder or from the copies in this program; `None` if there are neither.
fn recordings(
    adapter: &Arc<Adapter>,
    folders: &[&Path],
) -> Result<Option<Vec<EvidenceRecording>>, EvidenceError> {
    let recording = |files: &RecordingFiles, [sensor, meter]: [String; 2], is_copy| {
        let (adapter, files) = (Arc::clone(adapter), files.clone());
        EvidenceRecording { adapter, files, sensor, meter, is_copy }
    };
    for place in folders.iter().flat_map(|folder| places(adapter, folder)) {
        let is_there = |files: &RecordingFiles| {
            let folder = place.join(&files.name);
            existing(&folder, SENSOR).is_some() && existing(&folder, METER).is_some()
        };
        if adapter.recordings.iter().all(is_there) {
            let read = |files: &RecordingFiles| {
                Ok(recording(files, recording_texts(adapter, files, &place)?, false))
            };
            return adapter.recordings.iter().map(read).collect::<Result<_, _>>().map(Some);
        }
    }
    let copy = |files: &RecordingFiles| {
        let text = |name: &str| {
            let wanted = format!("{}/{}/{name}", adapter.name, files.name);
            FILES.iter().find(|(path, _)| *path == wanted).map(|(_, text)| (*text).to_owned())
        };
        Some(recording(files, [text(SENSOR)?, text(METER)?], true))
    };
    Ok(adapter.recordings.iter().map(copy).collect())
}

/// The texts of a recording's files in its subfolder of a folder, compressed or not: the driver's readings and the
/// meter's samples.
///
/// # Errors
///
/// If a file is not there, or is neither the published one nor its condensed copy.
pub fn recording_texts(
    adapter: &Adapter,
    files: &RecordingFiles,
    folder: &Path,
) -> Result<[String; 2], EvidenceError> {
    let place = folder.join(&files.name);
    let text = |at: usize, name: &str| {
        let path = existing(&place, name).unwrap_or_else(|| place.join(name));
        let text = text_of(&path)
            .map_err(|source| EvidenceError::Unreadable { path: path.clone(), source })?;
        let [published, copy] = [&files.sha256, &files.condensed_sha256]
            .map(|sums| sums.as_ref().map(|sums| &sums[at]));
        check(adapter, copy, published, &path.display().to_string(), &text)?;
        Ok(text)
    };
    Ok([text(0, SENSOR)?, text(1, METER)?])
}

/// Where a folder may have the files of a data set.
fn places(adapter: &Adapter, folder: &Path) -> Vec<PathBuf> {
    let mut places = vec![folder.join(&adapter.name), folder.join("evidence").join(&adapter.name)];
    if folder.file_name().is_some_and(|name| name == adapter.name.as_str()) {
        places.push(folder.to_owned());
    }
    places
}

fn from_folders(
    adapter: &Arc<Adapter>,
    folders: &[&Path],
) -> Result<Option<Vec<EvidenceSet>>, EvidenceError> {
    for folder in folders {
        for place in places(adapter, folder) {
            let paths: Option<Vec<PathBuf>> =
                adapter.files.iter().map(|file| existing(&place, &file.name)).collect();
            let Some(paths) = paths else { continue };
            let texts: Vec<String> = paths
                .iter()
                .map(|path| {
                    let path = path.clone();
                    text_of(&path).map_err(|source| EvidenceError::Unreadable { path, source })
                })
                .collect::<Result<_, _>>()?;
            let tables: Vec<Table<'_>> = adapter
                .files
                .iter()
                .zip(paths.iter().zip(&texts))
                .map(|(file, (path, text))| Table { file, path: path.display().to_string(), text })
                .collect();
            return sets(adapter, &tables, false).map(Some);
        }
    }
    Ok(None)
}

/// The text of a published file in a folder, or in its subfolder of the data set's name, compressed or not.
///
/// # Errors
///
/// If the file is not there or is not the published one.
pub fn evidence_text(
    adapter: &Adapter,
    file: &EvidenceFile,
    folder: &Path,
) -> Result<String, EvidenceError> {
    let places = [folder.to_owned(), folder.join(&adapter.name)];
    let found = places.iter().find_map(|place| existing(place, &file.name));
    let path = found.unwrap_or_else(|| folder.join(&file.name));
    let text = text_of(&path)
        .map_err(|source| EvidenceError::Unreadable { path: path.clone(), source })?;
    verify(adapter, file, &path.display().to_string(), &text)?;
    Ok(text)
}

/// The file, or its compressed form.
fn existing(folder: &Path, name: &str) -> Option<PathBuf> {
    [name.to_owned(), format!("{name}.gz")]
        .iter()
        .map(|name| folder.join(name))
        .find(|path| path.exists())
}

fn text_of(path: &Path) -> io::Result<String> {
    let file: File = units::open_regular(path)?;
    let bytes = if path.extension().is_some_and(|kind| kind == "gz") {
        units::read_at_most(flate2::read::MultiGzDecoder::new(file), MOST_BYTES)?
    } else {
        units::read_at_most(file, MOST_BYTES)?
    };
    String::from_utf8(bytes).map_err(|_| io::Error::other("it is not a text in UTF-8"))
}
