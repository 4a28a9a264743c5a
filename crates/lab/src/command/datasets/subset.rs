//! `wattlab datasets subset`: the first images of a data set, as smaller files of the same format.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use flate2::{Compression, GzBuilder};
use models::{FileRole, Format, Manifest, ManifestFile, read_content};
use units::limits;

use crate::{Failure, output::write_whole, progress::line};

/// Arguments of `wattlab datasets subset`.
#[derive(Debug, clap::Args)]
pub(crate) struct Subset {
    /// Name of a data set in the IDX format: `fashion-mnist` or `mnist`.
    name: String,
    /// Number of training images, the first ones of the published file.
    #[arg(long, value_name = "N", value_parser = limits::IMAGES.parser::<usize>())]
    train: usize,
    /// Number of test images, the first ones of the published file.
    #[arg(long, value_name = "N", value_parser = limits::IMAGES.parser::<usize>())]
    test: usize,
    /// Folder with the published files.
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// Target folder, which is made if it is missing.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
}

/// Runs `wattlab datasets subset`.
pub(super) fn subset(args: &Subset) -> Result<(), Failure> {
    let manifest = Manifest::named(&args.name).map_err(Failure::bad_input)?;
    if manifest.format != Format::Idx {
        return Err(Failure::BadInput(anyhow!(
            "data set `{}` is not in the IDX format; subsets are made of `fashion-mnist` and `mnist`",
            args.name
        )));
    }
    fs::create_dir_all(&args.to)
        .with_context(|| {
            format!("failed to create `{}`; choose another folder by `--to DIR`", args.to.display())
        })
        .map_err(Failure::BadInput)?;
    for file in &manifest.files {
        let content = read_content(&manifest, file, &args.from).map_err(Failure::bad_input)?;
        let images = match file.role {
            FileRole::TestImages | FileRole::TestLabels => args.test,
            _ => args.train,
        };
        if images > file.images {
            return Err(Failure::BadInput(anyhow!(
                "`{}` has {} images, and {images} are requested; request fewer",
                file.name,
                file.images
            )));
        }
        write(&args.to, file, &first(&content, images)).map_err(Failure::RunTime)?;
        line(&format!("{}: the first {images} of {}", file.name, file.images));
    }
    Ok(())
}

/// The first items of a file whose header has a magic number and a 4-byte size for each axis.
fn first(content: &[u8], items: usize) -> Vec<u8> {
    let axes = content.get(3).map_or(0, |axes| usize::from(*axes));
    let header = (4 + 4 * axes).min(content.len());
    let size = |bytes: &[u8]| bytes.iter().fold(0, |all, byte| all << 8 | usize::from(*byte));
    // The first axis counts the items.
    let item: usize = content[..header].chunks_exact(4).skip(2).map(size).product();
    let mut cut = content[..header].to_vec();
    cut.splice(4..8, (items as u32).to_be_bytes());
    cut.extend(content[header..].iter().take(items * item));
    cut
}

/// Writes a compressed file that depends on its content alone.
fn write(folder: &Path, file: &ManifestFile, content: &[u8]) -> anyhow::Result<()> {
    let path = folder.join(format!("{}.gz", file.name));
    let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    gzip.write_all(content)?;
    write_whole(&path, &gzip.finish()?)
        .with_context(|| format!("failed to write `{}`", path.display()))
}
