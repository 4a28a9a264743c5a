//! The simulator of queues.

use std::path::{Path, PathBuf};

use inference_sim::{GenerationConfig, SimulationConfig, limits};
use pyo3::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use toml::Table;
use units::read_text;

use crate::{fault::Fault, wait::wait_for};

/// Simulates a description: the path of a TOML file, or the description as a JSON text. Returns the report
/// as a JSON text and, where they are asked for, the requests as a CSV text.
#[pyfunction]
#[pyo3(signature = (*, path=None, json=None, requests=true, replications=1))]
pub(crate) fn simulate(
    py: Python<'_>,
    path: Option<PathBuf>,
    json: Option<String>,
    requests: bool,
    replications: usize,
) -> PyResult<(String, Option<String>)> {
    wait_for(py, move || run(path, json, requests, replications))
}

fn run(
    path: Option<PathBuf>,
    json: Option<String>,
    requests: bool,
    replications: usize,
) -> Result<(String, Option<String>), Fault> {
    let description = match (path, json) {
        (Some(path), _) => from_file(&path)?,
        (None, json) => from_json(&json.unwrap_or_default())?,
    };
    let replications = limits::REPLICATIONS.check(replications).map_err(Fault::input)?;
    let replications = std::num::NonZeroUsize::new(replications)
        .ok_or_else(|| Fault::input("`replications` is 0; expected at least 1"))?;
    if description.contains_key("tokens") {
        let config: GenerationConfig = parsed(&description)?;
        let report = inference_sim::simulate_generation(&config).map_err(Fault::input)?;
        return Ok((text(&report)?, None));
    }
    let config: SimulationConfig = parsed(&description)?;
    let report = if replications.get() > 1 {
        let threads = std::thread::available_parallelism().unwrap_or(std::num::NonZeroUsize::MIN);
        inference_sim::simulate_replicated(&config, replications, threads)
    } else {
        inference_sim::simulate(&config)
    };
    let report = report.map_err(Fault::input)?;
    let mut log = Vec::new();
    if requests {
        inference_sim::request_log(&config, &mut log).map_err(Fault::input)?;
    }
    let log = requests.then(|| String::from_utf8_lossy(&log).into_owned());
    Ok((text(&report)?, log))
}

fn from_file(path: &Path) -> Result<Table, Fault> {
    let text = read_text(path, limits::CONFIG_BYTES.max())
        .map_err(|error| Fault::input(format!("failed to read `{}`: {error}", path.display())))?;
    let mut table: Table = text
        .parse()
        .map_err(|error: toml::de::Error| Fault::input(format!("`{}`: {error}", path.display())))?;
    // The files that a description names are relative to its folder.
    let arrivals = table.get_mut("arrivals").and_then(|arrivals| arrivals.get_mut("file"));
    if let (Some(folder), Some(toml::Value::String(file))) = (path.parent(), arrivals) {
        *file = folder.join(&*file).to_string_lossy().into_owned();
    }
    Ok(table)
}

fn from_json(text: &str) -> Result<Table, Fault> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(Fault::input)?;
    if let Some(key) = missing_at(&value) {
        return Err(Fault::input(format!("`{key}` is None or not finite; expected a value")));
    }
    Table::try_from(value).map_err(Fault::input)
}

/// The key of the first null, such as `arrivals.rate`.
fn missing_at(value: &serde_json::Value) -> Option<String> {
    let inside = |key: &str, value| {
        let inner = missing_at(value)?;
        Some(if inner.is_empty() { key.to_owned() } else { format!("{key}.{inner}") })
    };
    match value {
        serde_json::Value::Null => Some(String::new()),
        serde_json::Value::Object(table) => {
            table.iter().find_map(|(key, value)| inside(key, value))
        }
        serde_json::Value::Array(list) => {
            list.iter().enumerate().find_map(|(at, value)| inside(&at.to_string(), value))
        }
        _ => None,
    }
}

/// Parsed as a file would be, so that an error shows the key and its value.
fn parsed<T: DeserializeOwned>(description: &Table) -> Result<T, Fault> {
    let text = description.to_string();
    toml::from_str(&text).map_err(|error| {
        let near = tuner::unknown_key::suggestion(error.message());
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let error = error.to_string();
        Fault::input(format!("the description is not valid: {}{near}", error.trim_end()))
    })
}

fn text(report: &impl Serialize) -> Result<String, Fault> {
    serde_json::to_string(report).map_err(|error| Fault::internal(error.to_string()))
}
