//! Where a vision network's weights come from: a file, or torchvision's published ones.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use candle_core::Tensor;
use models::vision::{Architecture, PUBLISHED, Pretrained, read_weights};

use crate::{
    Failure,
    data::default_folder,
    download::{get, sha256_of},
};

/// The flags that name weights.
#[derive(Debug, clap::Args)]
pub(super) struct Weights {
    /// A state dict under torchvision's names, `.safetensors` or PyTorch's `.pth`; `download` takes
    /// torchvision's published ones, `download:IMAGENET1K_V1` those of that name.
    #[arg(long, value_name = "FILE|download[:NAME]")]
    weights: PathBuf,
    /// Where downloaded weights are kept; by default `wattlab/weights` in the user's cache folder.
    #[arg(long, value_name = "DIR", env = "WATTLAB_WEIGHTS")]
    weights_dir: Option<PathBuf>,
    /// Where to download weights from.
    #[arg(long, value_name = "ADDRESS", default_value = PUBLISHED)]
    mirror: String,
}

impl Weights {
    /// The tensors, and which published weights they are: by where they came from, by the file's name,
    /// or else presumably torchvision's default ones.
    pub(super) fn read(
        &self,
        arch: &str,
    ) -> Result<(HashMap<String, Tensor>, Option<&'static Pretrained>), Failure> {
        let arch = Architecture::named(arch)
            .map_err(|error| Failure::BadInput(anyhow!(error).context("--arch")))?
            .name;
        let text = self.weights.to_str().unwrap_or_default();
        let (path, published) = match text.split_once(':') {
            Some(("download", name)) => self.download(Pretrained::named(arch, name), arch, name)?,
            _ if text == "download" => self.download(Pretrained::default_of(arch), arch, "any")?,
            _ => {
                let file = self.weights.file_name().and_then(|it| it.to_str()).unwrap_or_default();
                let found = Pretrained::of_file(arch, file);
                (self.weights.clone(), found.or_else(|| Pretrained::default_of(arch)))
            }
        };
        let tensors = read_weights(&path)
            .map_err(|error| Failure::BadInput(anyhow!(error).context("--weights")))?;
        Ok((tensors, published))
    }

    /// Takes a file from the folder, or from the network first.
    fn download(
        &self,
        found: Option<&'static Pretrained>,
        arch: &str,
        name: &str,
    ) -> Result<(PathBuf, Option<&'static Pretrained>), Failure> {
        let published = found.ok_or_else(|| {
            let names = Pretrained::all().iter().filter(|it| it.architecture == arch);
            let names: Vec<&str> = names.map(|it| it.name).collect();
            Failure::BadInput(anyhow!(
                "--weights: torchvision publishes no weights `{name}` of {arch}, but {}",
                names.join(", ")
            ))
        })?;
        let folder = self.weights_dir.clone().or_else(|| Some(default_folder()?.join("weights")));
        let folder = folder.ok_or_else(|| {
            Failure::BadInput(anyhow!(
                "neither HOME nor XDG_CACHE_HOME is set; say where to by `--weights-dir DIR`"
            ))
        })?;
        let path = folder.join(published.file);
        if path.exists() {
            check(&path, published.sha256_start()).map_err(Failure::BadInput)?;
        } else {
            fs::create_dir_all(&folder)
                .with_context(|| {
                    format!(
                        "failed to create `{}`; choose another by `--weights-dir DIR`",
                        folder.display()
                    )
                })
                .map_err(Failure::BadInput)?;
            let address = format!("{}/{}", self.mirror.trim_end_matches('/'), published.file);
            let otherwise = format!(
                "without network, put that file into `{}`, or name another by `--weights FILE`",
                folder.display()
            );
            get(&address, &path, published.sha256_start(), &otherwise)?;
        }
        Ok((path, Some(published)))
    }
}

/// A file that lay there may have been changed or cut off.
fn check(path: &Path, sha256: &str) -> anyhow::Result<()> {
    let found = sha256_of(path)?;
    if !found.starts_with(sha256) {
        return Err(anyhow!(
            "`{}` has SHA-256 {found}, expected {sha256}…; remove it to download it again",
            path.display()
        ));
    }
    Ok(())
}
