//! Files of a training: weights, and the state from which it continues.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::PoisonError,
};

use candle_core::{Device, Tensor};
use candle_nn::VarMap;

use super::error::FitError;

/// Writes variables as a safetensors file under their names. The file appears whole or not at all.
///
/// # Errors
///
/// If the file cannot be written.
pub fn save_variables(variables: &VarMap, path: &Path) -> Result<(), FitError> {
    let data = variables.data().lock().unwrap_or_else(PoisonError::into_inner);
    let tensors =
        data.iter().map(|(name, variable)| (name.clone(), variable.as_tensor().clone())).collect();
    write(&tensors, path)
}

/// Writes tensors to a file of another name, which then gets its name.
pub(super) fn write(tensors: &HashMap<String, Tensor>, path: &Path) -> Result<(), FitError> {
    let mut name: OsString = path.as_os_str().to_owned();
    name.push(".partial");
    let partial = PathBuf::from(name);
    let fail = |source| FitError::File { action: "write", path: path.to_owned(), source };
    let other = |error: candle_core::Error| fail(std::io::Error::other(error.to_string()));
    candle_core::safetensors::save(tensors, &partial).map_err(other)?;
    fs::File::open(&partial).and_then(|file| file.sync_all()).map_err(fail)?;
    fs::rename(&partial, path).map_err(fail)
}

/// Reads the tensors of a file.
pub(super) fn read(path: &Path) -> Result<HashMap<String, Tensor>, FitError> {
    fs::File::open(path).map_err(|source| FitError::File {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    candle_core::safetensors::load(path, &Device::Cpu).map_err(|error| FitError::State {
        path: path.to_owned(),
        reason: format!("it is no complete safetensors file ({error})"),
    })
}
