//! Reads the description of a queue. Every error names the file.

use std::path::{Path, PathBuf};

use inference_sim::{SimulationConfig, SimulationError};
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
    /// A value that cannot be simulated.
    #[error("simulation `{}`", path.display())]
    Value { path: PathBuf, source: SimulationError },
}

fn remedy(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// Reads a description. The paths of its files are relative to the folder of the description. What a Triton
/// configuration says that is not simulated is named on standard error. If the description has no
/// `servers.count`, the number of servers is that of the configuration's instances.
pub(super) fn read(path: &Path) -> Result<SimulationConfig, DescriptionError> {
    let text = read_text(path, limits::CONFIG_BYTES.max())
        .map_err(|source| DescriptionError::Read { path: path.to_owned(), source })?;
    let mut config: SimulationConfig =
        toml::from_str(&text).map_err(|error| DescriptionError::Parse {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
            nearest: unknown_key::suggestion(error.message()),
        })?;
    if let Some(folder) = path.parent() {
        let of_models =
            config.models.iter_mut().map(|model| (&mut model.arrivals, &mut model.batching));
        for (arrivals, batching) in
            std::iter::once((&mut config.arrivals, &mut config.batching)).chain(of_models)
        {
            if let Some(file) = &mut arrivals.file {
                *file = folder.join(&*file);
            }
            *batching = batching.clone().relative_to(folder);
        }
    }
    let counted = has_servers(&text);
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
