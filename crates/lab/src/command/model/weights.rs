//! The weights of a vision network: those of a file, or torchvision's published ones.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow};
use candle_core::Tensor;
use models::vision::{
    Architecture, PUBLISHED, Pretrained, VisionError, fit_state_dict, has_own_weights, is_file,
    read_weights,
};

use crate::{
    Failure,
    data::default_folder,
    download::{get, sha256_of},
};

/// Flags that select weights.
#[derive(Debug, clap::Args)]
pub(in crate::command) struct Weights {
    /// A state dict with torchvision's names (`.safetensors`, or PyTorch's `.pth`). `download` uses
    /// torchvision's default weights, `download:IMAGENET1K_V1` those of that name. An ONNX file has its own
    /// weights.
    #[arg(long, value_name = "FILE|download[:NAME]")]
    weights: Option<PathBuf>,
    /// Ignore tensors of the state dict that the network does not have. Without this flag they are an error,
    /// because they are the sign of another network's weights.
    #[arg(long)]
    allow_unused: bool,
    /// Folder of downloaded weights [default: `wattlab/weights` in the user's cache folder].
    #[arg(long, value_name = "DIR", env = "WATTLAB_WEIGHTS")]
    weights_dir: Option<PathBuf>,
    /// Address to download weights from.
    #[arg(long, value_name = "ADDRESS", default_value = PUBLISHED)]
    mirror: String,
}

/// The tensors, and published weights.
type ForNetwork = (Option<HashMap<String, Tensor>>, Option<&'static Pretrained>);

impl Weights {
    /// Those of a file; `None` for a network that has its own.
    pub(in crate::command) fn of_file(file: Option<PathBuf>) -> Self {
        Self { weights: file, allow_unused: false, weights_dir: None, mirror: PUBLISHED.to_owned() }
    }

    /// Reads the tensors. Also returns which published weights they are: those that were downloaded, or those
    /// with the file's name, or else, as an assumption, torchvision's default ones. There are no tensors for an
    /// ONNX file, which has its own.
    pub(super) fn read(
        &self,
        arch: &str,
    ) -> Result<(HashMap<String, Tensor>, Option<&'static Pretrained>), Failure> {
        let arch = match is_file(arch) {
            true => arch,
            false => {
                Architecture::named(arch)
                    .map_err(|error| Failure::BadInput(anyhow!(error).context("--arch")))?
                    .name
            }
        };
        let given = match (&self.weights, has_own_weights(arch)) {
            (None, true) => return Ok((HashMap::new(), None)),
            (Some(given), false) => given,
            (Some(given), true) => {
                let given = given.display();
                let text =
                    format!("--weights is `{given}`, but `{arch}` has its own weights; omit it");
                return Err(Failure::bad_input(anyhow!(text)));
            }
            (None, false) => {
                let text =
                    "--weights is missing; give a file, or `download` for torchvision's weights";
                return Err(Failure::bad_input(anyhow!(text)));
            }
        };
        let text = given.to_str().unwrap_or_default();
        let (path, published) = match text.split_once(':') {
            Some(("download", name)) => self.download(Pretrained::named(arch, name), arch, name)?,
            _ if text == "download" => self.download(Pretrained::default_of(arch), arch, "any")?,
            _ => {
                let file = given.file_name().and_then(|name| name.to_str());
                let file = file.unwrap_or_default();
                let found = Pretrained::of_file(arch, file);
                (given.clone(), found.or_else(|| Pretrained::default_of(arch)))
            }
        };
        let tensors = read_weights(&path)
            .map_err(|error| Failure::BadInput(anyhow!(error).context("--weights")))?;
        let fitted = fit_state_dict(arch, tensors, self.allow_unused).map_err(|error| {
            let unused = matches!(error, VisionError::Unused { .. });
            let error = anyhow!(error).context(format!("--weights `{}`", path.display()));
            let remedy = if unused { " (flag `--allow-unused`)" } else { "" };
            Failure::BadInput(anyhow!("{error:#}{remedy}"))
        })?;
        Ok((fitted.tensors, published))
    }

    /// The tensors for a network of the catalog or of a file, and, for one of the catalog, the published weights
    /// whose preprocessing it needs.
    pub(super) fn for_network(&self, arch: &str) -> Result<ForNetwork, Failure> {
        let (tensors, published) = self.read(arch)?;
        let tensors = (!has_own_weights(arch)).then_some(tensors);
        Ok((tensors, published.filter(|_| !is_file(arch))))
    }

    /// Downloads published weights, unless the folder has them already.
    fn download(
        &self,
        found: Option<&'static Pretrained>,
        arch: &str,
        name: &str,
    ) -> Result<(PathBuf, Option<&'static Pretrained>), Failure> {
        let published = found.ok_or_else(|| {
            let all = Pretrained::all().iter().filter(|weights| weights.architecture == arch);
            let names: Vec<String> = all.map(|weights| format!("`{}`", weights.name)).collect();
            Failure::BadInput(anyhow!(
                "--weights: torchvision publishes no weights `{name}` for `{arch}`; available: {}",
                names.join(", ")
            ))
        })?;
        let folder = self.weights_dir.clone().or_else(|| Some(default_folder()?.join("weights")));
        let folder = folder.ok_or_else(|| {
            Failure::BadInput(anyhow!(
                "neither HOME nor XDG_CACHE_HOME is set; choose a folder by `--weights-dir DIR`"
            ))
        })?;
        let path = folder.join(published.file);
        if path.exists() {
            check(&path, published.sha256_start()).map_err(Failure::BadInput)?;
        } else {
            fs::create_dir_all(&folder)
                .with_context(|| {
                    format!(
                        "failed to create `{}`; choose another folder by `--weights-dir DIR`",
                        folder.display()
                    )
                })
                .map_err(Failure::BadInput)?;
            let address = format!("{}/{}", self.mirror.trim_end_matches('/'), published.file);
            let otherwise = format!(
                "without a network connection, put that file into `{}`, or use a file by \
                 `--weights FILE`",
                folder.display()
            );
            get(&address, &path, published.sha256_start(), &otherwise)?;
        }
        Ok((path, Some(published)))
    }
}

/// Checks a file that was downloaded earlier: it may have been changed or truncated since.
fn check(path: &Path, sha256: &str) -> anyhow::Result<()> {
    let found = sha256_of(path)?;
    if !found.starts_with(sha256) {
        return Err(anyhow!(
            "`{}` has SHA-256 {found}, expected {sha256}…; delete it to download it again",
            path.display()
        ));
    }
    Ok(())
}
