//! Reads the description of a queue. Every error names the file.

use std::path::{Path, PathBuf};

use inference_sim::{ArrivalConfig, GenerationConfig, SimulationConfig, SimulationError};
use models::vision::is_file;
use serde::de::DeserializeOwned;
use units::{limits, read_text};

use crate::{config::unknown_key, output};

/// Why a description cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum DescriptionError {
    /// The file cannot be read.
    #[error("failed to read simulation `{}`; check the path and its permissions", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The file is not TOML, or not a description.
    #[error("simulation `{}` is not valid: {message}{}", path.display(), remedy(nearest.as_deref()))]
    Parse {
        path: PathBuf,
        /// The parser's message, with line and column.
        message: String,
        nearest: Option<String>,
    },
    /// It is of another kind than the command serves.
    #[error(
        "simulation `{}` describes a generative model, as it has `tokens`; only `wattlab simulate FILE` and \
         `wattlab simulate tune` simulate one",
        path.display()
    )]
    Generative { path: PathBuf },
    /// A value that cannot be simulated.
    #[error("simulation `{}`", path.display())]
    Value { path: PathBuf, source: SimulationError },
}

fn remedy(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// A description of either kind.
pub(super) enum Description {
    /// Batches of requests.
    Queue(Box<SimulationConfig>),
    /// A generative model: a description with `tokens`.
    Generation(Box<GenerationConfig>),
}

/// Reads a description of either kind; see [`read`].
pub(super) fn read_any(path: &Path) -> Result<Description, DescriptionError> {
    let text = text(path)?;
    if !is_generative(&text) {
        return Ok(Description::Queue(Box::new(queue(path, &text)?)));
    }
    let mut config: GenerationConfig = parse(path, &text)?;
    relative_to(path, &mut config.arrivals);
    Ok(Description::Generation(Box::new(config)))
}

/// Reads a description of a queue. The paths of its files are relative to the folder of the description. What a
/// Triton configuration says that is not simulated is named on standard error. If the description has no
/// `servers.count`, the number of servers is that of the configuration's instances.
pub(super) fn read(path: &Path) -> Result<SimulationConfig, DescriptionError> {
    let text = text(path)?;
    if is_generative(&text) {
        return Err(DescriptionError::Generative { path: path.to_owned() });
    }
    queue(path, &text)
}

fn text(path: &Path) -> Result<String, DescriptionError> {
    read_text(path, limits::CONFIG_BYTES.max())
        .map_err(|source| DescriptionError::Read { path: path.to_owned(), source })
}

fn is_generative(text: &str) -> bool {
    text.parse::<toml::Table>().is_ok_and(|table| table.contains_key("tokens"))
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, DescriptionError> {
    toml::from_str(text).map_err(|error| DescriptionError::Parse {
        path: path.to_owned(),
        message: error.to_string().trim_end().to_owned(),
        nearest: unknown_key::suggestion(error.message()),
    })
}

fn relative_to(path: &Path, arrivals: &mut ArrivalConfig) {
    if let Some((folder, file)) = path.parent().zip(arrivals.file.as_mut()) {
        *file = folder.join(&*file);
    }
}

fn queue(path: &Path, text: &str) -> Result<SimulationConfig, DescriptionError> {
    let mut config: SimulationConfig = parse(path, text)?;
    if let Some(folder) = path.parent() {
        let of_models =
            config.models.iter_mut().map(|model| (&mut model.arrivals, &mut model.batching));
        for (arrivals, batching) in
            std::iter::once((&mut config.arrivals, &mut config.batching)).chain(of_models)
        {
            relative_to(path, arrivals);
            *batching = batching.clone().relative_to(folder);
        }
    }
    let large = config.cascade.as_mut().and_then(|cascade| cascade.network.as_mut());
    if let (Some(network), Some(folder)) = (large.filter(|name| is_file(name)), path.parent()) {
        *network = folder.join(&*network).to_string_lossy().into_owned();
    }
    let counted = has_servers(text);
    let mut instances = 1;
    for batching in config.models.iter().map(|model| &model.batching).chain([&config.batching]) {
        let Some(file) = batching.triton_file().map_err(|error| in_file(path, error))? else {
            continue;
        };
        let mut left_out = file.not_simulated;
        if counted && file.instances != config.servers.count {
            left_out.push(format!(
                "{} of `instance_group` (`servers.count` is {})",
                file.instances, config.servers.count
            ));
        }
        instances = instances.max(file.instances);
        if !left_out.is_empty() {
            output::line(&format!("note: not simulated: {}", left_out.join(", ")));
        }
    }
    if !counted {
        config.servers.count = instances;
    }
    Ok(config)
}

/// Whether a description has `servers.count`.
fn has_servers(text: &str) -> bool {
    let table = text.parse::<toml::Table>().unwrap_or_default();
    table.get("servers").and_then(|servers| servers.get("count")).is_some()
}

/// A mistake that only the simulation finds.
pub(super) fn in_file(path: &Path, error: impl Into<SimulationError>) -> DescriptionError {
    DescriptionError::Value { path: path.to_owned(), source: error.into() }
}
