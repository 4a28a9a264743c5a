//! `wattlab datasets` for other people's measurements: lists, fetches and condenses them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use report::{
    Adapter, EvidenceFile, RecordingFiles, bundled_adapters, condensed, condensed_recording,
    evidence_text, recording_texts,
};

use crate::{
    Failure,
    data::default_folder,
    download::{get, sha256_of},
    output::{print, write_whole},
    progress::line,
};

/// Arguments of `wattlab datasets condense`.
#[derive(Debug, clap::Args)]
pub(crate) struct Condense {
    /// Name of the measurements (see `wattlab datasets list`), or an adapter (`*.toml`).
    name: String,
    /// Folder with the published files.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Target folder; the files are written to its subfolder of that name.
    #[arg(long, value_name = "DIR", default_value = "datasets/evidence")]
    to: PathBuf,
}

/// An adapter has at most this many bytes.
const MOST_ADAPTER_BYTES: u64 = 1 << 20;

/// The adapter of a name or of a file; `None` if it is neither.
pub(crate) fn adapter(name: &str) -> Result<Option<Adapter>, Failure> {
    if Path::new(name).extension().is_some_and(|kind| kind == "toml") {
        let text = units::read_text(Path::new(name), MOST_ADAPTER_BYTES)
            .with_context(|| format!("failed to read the adapter `{name}`"))
            .map_err(Failure::BadInput)?;
        return Adapter::parse(&text, name).map(Some).map_err(Failure::bad_input);
    }
    let mut adapters = bundled_adapters().map_err(Failure::run_time)?.into_iter();
    Ok(adapters.find(|adapter| adapter.name == name))
}

/// Prints a line for each data set of measurements.
pub(crate) fn list() -> Result<(), Failure> {
    for adapter in bundled_adapters().map_err(Failure::run_time)? {
        let copy = if adapter.licence.redistribute { "; copy in this program" } else { "" };
        print(&format!(
            "{:<16} measurements: {}; {}; {}{copy}",
            adapter.name, adapter.about, adapter.licence.name, adapter.source.address
        ));
    }
    Ok(())
}

/// Downloads the published files, or verifies and copies those of a folder.
pub(crate) fn fetch(
    adapter: &Adapter,
    from: Option<&Path>,
    to: Option<&Path>,
) -> Result<(), Failure> {
    let folder =
        to.map(|to| to.join("evidence")).or_else(|| Some(default_folder()?.join("evidence")));
    let folder = folder.ok_or_else(|| {
        Failure::BadInput(anyhow!(
            "neither HOME nor XDG_CACHE_HOME is set; choose a folder by `--to DIR`"
        ))
    })?;
    let target = folder.join(&adapter.name);
    match (from, &adapter.source.download) {
        (Some(from), _) => {
            for file in &adapter.files {
                let text = published(adapter, file, from)?;
                create(&target)?;
                let path = target.join(&file.name);
                write_whole(&path, text.as_bytes())
                    .with_context(|| format!("failed to write `{}`", path.display()))
                    .map_err(Failure::RunTime)?;
                line(&format!("{}: verified", file.name));
            }
            for recording in &adapter.recordings {
                write_recording(&target, recording, &texts(adapter, recording, from)?)?;
                line(&format!("{}: verified", recording.name));
            }
        }
        (None, Some(base)) => {
            create(&target)?;
            for file in &adapter.files {
                let path = target.join(&file.name);
                let expected = file.sha256.as_deref().unwrap_or_default();
                let is_there = path.exists() && !expected.is_empty();
                if is_there && sha256_of(&path).map_err(Failure::RunTime)? == expected {
                    line(&format!("{}: already downloaded", file.name));
                    continue;
                }
                get(&format!("{base}{}", file.name), &path, expected, OFFLINE)?;
                line(&format!("{}: verified", file.name));
            }
        }
        (None, None) => return Err(Failure::BadInput(no_download(adapter))),
    }
    line(&format!(
        "{} is in `{}` (use `wattlab reproduce --published --reference {}`)",
        adapter.title,
        target.display(),
        folder.display()
    ));
    Ok(())
}

/// What to do without a network connection.
const OFFLINE: &str = "without a network connection, copy the files from a folder by `--from DIR`";

fn no_download(adapter: &Adapter) -> anyhow::Error {
    let Adapter { name, source, licence, .. } = adapter;
    if licence.redistribute {
        anyhow!(
            "`{name}` cannot be downloaded as a table: it is published as {} at {}; a condensed copy is \
             part of this program; to use a table of your own, give its folder by `--from DIR`",
            source.form,
            source.address
        )
    } else {
        anyhow!(
            "`{name}` is not downloaded, because of its licence ({}); ask the authors at {}, then give \
             your folder by `--from DIR`",
            licence.name,
            source.address
        )
    }
}

fn create(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder)
        .with_context(|| {
            format!("failed to create `{}`; choose another folder by `--to DIR`", folder.display())
        })
        .map_err(Failure::BadInput)
}

/// The verified texts of a recording in a folder or its subfolder.
fn texts(
    adapter: &Adapter,
    recording: &RecordingFiles,
    from: &Path,
) -> Result<[String; 2], Failure> {
    let place = from.join(&adapter.name);
    let place = if place.is_dir() { &place } else { from };
    recording_texts(adapter, recording, place).map_err(Failure::bad_input)
}

/// Writes the driver's readings and the meter's samples; returns their paths.
fn write_recording(
    target: &Path,
    recording: &RecordingFiles,
    texts: &[String; 2],
) -> Result<[PathBuf; 2], Failure> {
    let folder = target.join(&recording.name);
    create(&folder)?;
    let paths = ["nvidia_smi.csv", "meter.csv"].map(|name| folder.join(name));
    for (path, text) in paths.iter().zip(texts) {
        write_whole(path, text.as_bytes())
            .with_context(|| format!("failed to write `{}`", path.display()))
            .map_err(Failure::RunTime)?;
    }
    Ok(paths)
}

/// The verified text of a published file, compressed or not, in a folder or its subfolder.
fn published(adapter: &Adapter, file: &EvidenceFile, from: &Path) -> Result<String, Failure> {
    evidence_text(adapter, file, from).map_err(Failure::bad_input)
}

/// Runs `wattlab datasets condense`.
///
/// # Errors
///
/// If the data set is unknown or must not be copied, or a file is missing or not the published one.
pub(crate) fn condense(args: &Condense) -> Result<(), Failure> {
    let known = || -> Result<String, Failure> {
        let adapters = bundled_adapters().map_err(Failure::run_time)?;
        let names: Vec<String> =
            adapters.iter().map(|adapter| format!("`{}`", adapter.name)).collect();
        Ok(names.join(", "))
    };
    let Some(adapter) = adapter(&args.name)? else {
        return Err(Failure::BadInput(anyhow!(
            "`{}` is not the name of measurements, expected one of {}, or an adapter (`*.toml`)",
            args.name,
            known()?
        )));
    };
    let target = args.to.join(&adapter.name);
    for file in &adapter.files {
        let text = published(&adapter, file, &args.from)?;
        let copy = condensed(&adapter, file, &text).map_err(Failure::bad_input)?;
        create(&target)?;
        let path = target.join(&file.name);
        write_whole(&path, copy.as_bytes())
            .with_context(|| format!("failed to write `{}`", path.display()))
            .map_err(Failure::RunTime)?;
        let sum = sha256_of(&path).map_err(Failure::RunTime)?;
        print(&format!("{}: {} bytes, condensed_sha256 = \"{sum}\"", path.display(), copy.len()));
    }
    for recording in &adapter.recordings {
        let [sensor, meter] = texts(&adapter, recording, &args.from)?;
        let copies = condensed_recording(&adapter, &sensor, &meter).map_err(Failure::bad_input)?;
        let mut sums = Vec::new();
        for path in write_recording(&target, recording, &copies)? {
            sums.push(format!("\"{}\"", sha256_of(&path).map_err(Failure::RunTime)?));
        }
        print(&format!(
            "{}: {} bytes, condensed_sha256 = [{}]",
            target.join(&recording.name).display(),
            copies[0].len() + copies[1].len(),
            sums.join(", ")
        ));
    }
    Ok(())
}
