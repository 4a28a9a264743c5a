//! `wattlab datasets`: lists, downloads and cuts data sets.

mod subset;

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use models::{Archive, Manifest, ManifestFile, embedded_names, read_content, verify};

use self::subset::{Subset, subset};
use super::evidence;
use crate::{
    Failure,
    data::default_folder,
    download::get,
    output::{print, write_whole},
    progress::line,
};

/// Subcommands of `wattlab datasets`.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// List all data sets.
    List,
    /// Download a data set, or copy its files from a folder, and verify its checksums.
    Fetch(Fetch),
    /// Write the first images of a data set as files of their own.
    Subset(Subset),
    /// Write the condensed copy of other people's measurements: the columns that their adapter names.
    Condense(evidence::Condense),
}

/// Arguments of `wattlab datasets fetch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Fetch {
    /// Name of the data set (see `wattlab datasets list`), or an adapter of measurements (`*.toml`).
    name: String,
    /// Copy the files from this folder instead of downloading them. They may be compressed or not, in
    /// torchvision's folders (`MNIST/raw`, `cifar-10-batches-py`), or in CIFAR-10's archive.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Target folder [default: `wattlab` in the user's cache folder, where `wattlab reproduce` looks].
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Runs `wattlab datasets`.
///
/// # Errors
///
/// If the data set is unknown, or a file is missing, cannot be downloaded, or differs from the published one.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List => {
            for name in embedded_names() {
                let what = if name.starts_with("shapes") {
                    "generated from a seed"
                } else {
                    "the first images of Fashion-MNIST; MIT, Zalando SE"
                };
                print(&format!("{name:<20} embedded: {what}"));
            }
            for name in Manifest::names() {
                let set = Manifest::named(name).map_err(Failure::bad_input)?;
                print(&format!("{name:<20} {}; {}; {}", set.title, set.licence, set.source));
            }
            evidence::list()
        }
        Command::Fetch(args) => fetch(args),
        Command::Subset(args) => subset(args),
        Command::Condense(args) => evidence::condense(args),
    }
}

fn fetch(args: &Fetch) -> Result<(), Failure> {
    if embedded_names().contains(&args.name.as_str()) {
        line(&format!("data set `{}` is embedded and needs no files", args.name));
        return Ok(());
    }
    if let Some(adapter) = evidence::adapter(&args.name)? {
        return evidence::fetch(&adapter, args.from.as_deref(), args.to.as_deref());
    }
    let manifest = Manifest::named(&args.name).map_err(Failure::bad_input)?;
    let folder = args.to.clone().or_else(default_folder).ok_or_else(|| {
        Failure::BadInput(anyhow!(
            "neither HOME nor XDG_CACHE_HOME is set; choose a folder by `--to DIR`"
        ))
    })?;
    let to = folder.join(&manifest.name);
    fs::create_dir_all(&to)
        .with_context(|| {
            format!("failed to create `{}`; choose another folder by `--to DIR`", to.display())
        })
        .map_err(Failure::BadInput)?;
    match &args.from {
        Some(from) => take(&manifest, from, &to).map_err(Failure::BadInput)?,
        None => download(&manifest, &to)?,
    }
    line(&format!(
        "{} is in `{}` (use `--data-dir {}`)",
        manifest.title,
        to.display(),
        folder.display()
    ));
    Ok(())
}

/// Verifies and copies the files of a folder. Training files may be missing, but not all files.
fn take(manifest: &Manifest, from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut missing = Vec::new();
    for file in &manifest.files {
        match read_content(manifest, file, from) {
            Ok(content) => {
                let path = to.join(&file.name);
                write_whole(&path, &content)
                    .with_context(|| format!("failed to write `{}`", path.display()))?;
                line(&format!("{}: verified", file.name));
            }
            Err(models::DataError::Missing { .. }) => missing.push(file),
            Err(error) => return Err(error.into()),
        }
    }
    let optional = |file: &ManifestFile| file.role == models::FileRole::Train;
    if missing.len() == manifest.files.len() || !missing.iter().all(|file| optional(file)) {
        let names: Vec<String> = missing.iter().map(|file| format!("`{}`", file.name)).collect();
        bail!(
            "files {} are not in folder `{}`; give another folder, or leave out `--from` to download \
             them",
            names.join(", "),
            from.display()
        );
    }
    for file in missing {
        line(&format!(
            "{}: not in `{}`, so fewer training images are available",
            file.name,
            from.display()
        ));
    }
    Ok(())
}

/// What to do without a network connection.
const OFFLINE: &str = "without a network connection, copy the files from a folder by `--from DIR`";

/// Downloads and verifies the files that are not in the folder yet.
fn download(manifest: &Manifest, to: &Path) -> Result<(), Failure> {
    if manifest.files.iter().all(|file| verify(manifest, file, to).is_ok()) {
        return Ok(());
    }
    if let Some(archive) = &manifest.archive {
        let path = to.join("archive.tar.gz");
        get(&archive.address, &path, &archive.sha256, OFFLINE)?;
        unpack(manifest, archive, &path, to).map_err(Failure::RunTime)?;
        return fs::remove_file(&path)
            .context("failed to remove the archive")
            .map_err(Failure::RunTime);
    }
    for file in &manifest.files {
        if verify(manifest, file, to).is_ok() {
            line(&format!("{}: already downloaded", file.name));
            continue;
        }
        let mut last =
            Failure::RunTime(anyhow!("the manifest of `{}` lists no mirrors", manifest.name));
        let download = file.download.as_ref().map(|file| (file, to.join(&file.name)));
        let mut places = manifest.mirrors.iter().zip(download.iter().cycle());
        let found = places.any(|(mirror, (file, path))| {
            get(&format!("{mirror}{}", file.name), path, &file.sha256, OFFLINE)
                .map_err(|error| last = error)
                .is_ok()
        });
        if !found {
            return Err(last);
        }
    }
    Ok(())
}

/// Extracts the manifest's files from its archive.
fn unpack(manifest: &Manifest, archive: &Archive, path: &Path, to: &Path) -> anyhow::Result<()> {
    let unzipped = flate2::read::GzDecoder::new(File::open(path)?);
    let mut tar = tar::Archive::new(unzipped);
    for entry in tar.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        // Files are written under the manifest's names, so that no archive can write elsewhere.
        let wanted =
            manifest.files.iter().find(|file| name == Path::new(&archive.folder).join(&file.name));
        if let Some(file) = wanted {
            let mut content = Vec::new();
            // The archive's checksum was verified, so that its entries are as long as they say.
            entry.read_to_end(&mut content)?;
            write_whole(&to.join(&file.name), &content)?;
        }
    }
    for file in &manifest.files {
        verify(manifest, file, to)?;
    }
    Ok(())
}
