//! `wattlab datasets`: what there is, and how to get it.

use std::{
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use models::{
    Archive, Manifest, ManifestFile, content_sha256, embedded_names, read_content, verify,
};

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
    /// List every data set.
    List,
    /// Download a data set, or take its files from a folder, and verify it.
    Fetch(Fetch),
}

/// Arguments of `wattlab datasets fetch`.
#[derive(Debug, clap::Args)]
pub(crate) struct Fetch {
    /// Its name.
    name: String,
    /// Take the files from this folder; no network.
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    /// Where to; by default where `wattlab reproduce` looks.
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
}

/// Runs it.
///
/// # Errors
///
/// If the set is unknown, a file cannot be had or is not the published one.
pub(crate) fn run(command: &Command) -> Result<(), Failure> {
    match command {
        Command::List => {
            for name in embedded_names() {
                print(&format!("{name:<14} embedded, made from a seed"));
            }
            for name in Manifest::names() {
                let set = Manifest::named(name).map_err(Failure::bad_input)?;
                print(&format!("{name:<14} {}; {}; {}", set.title, set.licence, set.source));
            }
            Ok(())
        }
        Command::Fetch(args) => fetch(args),
    }
}

fn fetch(args: &Fetch) -> Result<(), Failure> {
    if embedded_names().contains(&args.name.as_str()) {
        line(&format!("{} is embedded: there is nothing to fetch", args.name));
        return Ok(());
    }
    let manifest = Manifest::named(&args.name).map_err(Failure::bad_input)?;
    let folder = args.to.clone().or_else(default_folder).ok_or_else(|| {
        Failure::BadInput(anyhow!(
            "neither HOME nor XDG_CACHE_HOME is set; say where to by `--to DIR`"
        ))
    })?;
    let to = folder.join(&manifest.name);
    fs::create_dir_all(&to)
        .with_context(|| format!("failed to create `{}`; choose another by `--to`", to.display()))
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

/// Copies the files that a folder has, verified. Some training files may be missing, as long as the
/// others are there.
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
    let optional = |it: &ManifestFile| it.role == models::FileRole::Train;
    if missing.len() == manifest.files.len() || !missing.iter().all(|it| optional(it)) {
        let names: Vec<&str> = missing.iter().map(|it| it.name.as_str()).collect();
        bail!(
            "folder `{}` lacks {}; look for them elsewhere, or leave out `--from`",
            from.display(),
            names.join(", ")
        );
    }
    for file in missing {
        line(&format!("{}: not in `{}`; fewer images can be asked for", file.name, from.display()));
    }
    Ok(())
}

/// What can be done without network.
const OTHERWISE: &str = "without network, take the files from a folder by `--from DIR`";

fn download(manifest: &Manifest, to: &Path) -> Result<(), Failure> {
    if manifest.files.iter().all(|it| verify(manifest, it, to).is_ok()) {
        return Ok(());
    }
    if let Some(archive) = &manifest.archive {
        let path = to.join("archive.tar.gz");
        get(&archive.address, &path, &archive.sha256, OTHERWISE)?;
        unpack(manifest, archive, &path, to).map_err(Failure::RunTime)?;
        return fs::remove_file(&path)
            .context("failed to remove the archive")
            .map_err(Failure::RunTime);
    }
    for file in &manifest.files {
        let path = to.join(&file.name);
        let sum = file.sha256.as_deref().unwrap_or_default();
        if content_sha256(file, &path).is_ok_and(|it| it == sum) {
            line(&format!("{}: there already", file.name));
            continue;
        }
        let mut last = Failure::RunTime(anyhow!("data set `{}` has no address", manifest.name));
        let found = manifest.mirrors.iter().any(|mirror| {
            get(&format!("{mirror}{}", file.name), &path, sum, OTHERWISE)
                .map_err(|error| last = error)
                .is_ok()
        });
        if !found {
            return Err(last);
        }
    }
    Ok(())
}

/// Takes the manifest's files out of its archive.
fn unpack(manifest: &Manifest, archive: &Archive, path: &Path, to: &Path) -> anyhow::Result<()> {
    let unzipped = flate2::read::GzDecoder::new(File::open(path)?);
    let mut tar = tar::Archive::new(unzipped);
    for entry in tar.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.into_owned();
        // Names are the manifest's, never the archive's: nothing can be written elsewhere.
        let wanted =
            manifest.files.iter().find(|it| name == Path::new(&archive.folder).join(&it.name));
        if let Some(file) = wanted {
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            write_whole(&to.join(&file.name), &content)?;
        }
    }
    for file in &manifest.files {
        verify(manifest, file, to)?;
    }
    Ok(())
}
