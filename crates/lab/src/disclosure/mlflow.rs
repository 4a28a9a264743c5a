//! Runs in MLflow's file store: `ROOT/EXPERIMENT/RUN/{meta.yaml,metrics,params,tags,artifacts}`, as
//! `mlflow.store.tracking.file_store` reads them (MLflow 1.0 to 3).
//!
//! `mlflow ui --backend-store-uri ROOT` shows them. A run appears in one step: it is written under
//! another name and renamed.

mod run;
mod yaml;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use record::{Energy, Origin};
use sha2::{Digest, Sha256};

pub(crate) use self::run::{MlflowRun, Status};
use self::{
    run::milliseconds,
    yaml::{name_of, text},
};

/// The name of an energy's metric. MLflow draws metrics of one name on one axis and shows no tags there,
/// so the name says whether the joules were measured or estimated.
pub(crate) fn energy_metric(origin: Origin) -> String {
    format!("energy_{}_j", origin.word())
}

/// A total in joules and half of its 95 % interval, as metrics.
pub(crate) fn energy_metrics(total: &Energy) -> [(String, f64); 2] {
    let name = energy_metric(total.origin);
    let uncertainty = format!("{name}.uncertainty");
    [(name, total.joules.0), (uncertainty, total.uncertainty.0)]
}

/// A file store, with the experiment that runs are added to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileStore {
    root: PathBuf,
    experiment: String,
}

/// Why a folder cannot be used as a file store.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileStoreError {
    #[error(
        "`{0}` is the address of a server; expected the folder of a file store, such as `mlruns`"
    )]
    Server(String),
    #[error("`{0}` is not a folder")]
    NoFolder(PathBuf),
    #[error("the name of an experiment is empty or has a line break")]
    Name,
    #[error("failed to write `{path}`")]
    Write { path: PathBuf, source: io::Error },
}

/// The experiment that MLflow makes in every new store.
const DEFAULT: (&str, &str) = ("0", "Default");

impl FileStore {
    /// Opens a store, and makes it and the experiment if they do not exist.
    ///
    /// # Errors
    ///
    /// If it is not a folder, or cannot be written.
    pub(crate) fn open(root: &Path, experiment: &str) -> Result<Self, FileStoreError> {
        let root = folder(root)?;
        if experiment.trim().is_empty() || experiment.contains(['\n', '\r']) {
            return Err(FileStoreError::Name);
        }
        let fail = |path: &Path| {
            let path = path.to_owned();
            move |source| FileStoreError::Write { path, source }
        };
        let root = std::path::absolute(&root).map_err(fail(&root))?;
        if root.exists() && !root.is_dir() {
            return Err(FileStoreError::NoFolder(root));
        }
        let this = |id: &str| Self { root: root.clone(), experiment: id.to_owned() };
        if !root.exists() {
            fs::create_dir_all(&root).map_err(fail(&root))?;
            this(DEFAULT.0).make_experiment(DEFAULT.1).map_err(fail(&root))?;
        }
        let store = match experiment_id(&root, experiment) {
            Some(id) => this(&id),
            None => {
                // Eighteen digits, as MLflow makes them.
                let digest = hash(&[experiment.as_bytes(), &now_ns().to_le_bytes()]);
                let number = digest
                    .iter()
                    .take(7)
                    .fold(0_u64, |number, byte| number * 256 + u64::from(*byte));
                let store = this(&format!("{}", 100_000_000_000_000_000 + number));
                store.make_experiment(experiment).map_err(fail(&root))?;
                store
            }
        };
        // A file that is made and removed shows that runs can be added.
        let probe = store.folder().join(format!(".wattlab-{}", std::process::id()));
        fs::write(&probe, "").and_then(|()| fs::remove_file(&probe)).map_err(fail(&probe))?;
        Ok(store)
    }

    /// Adds a run. Returns its folder.
    ///
    /// # Errors
    ///
    /// If it cannot be written, as on a full disk; then there is no such run.
    pub(crate) fn add(&self, run: &MlflowRun) -> io::Result<PathBuf> {
        let seed = hash(&[
            run.name.as_bytes(),
            &now_ns().to_le_bytes(),
            &std::process::id().to_le_bytes(),
        ]);
        let id: String = seed.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let (folder, part) = (self.folder().join(&id), self.folder().join(format!(".{id}.part")));
        let written = run
            .write(&part, &id, &self.experiment, &uri(&folder.join("artifacts")))
            .and_then(|()| fs::rename(&part, &folder));
        if let Err(error) = written {
            let _ = fs::remove_dir_all(&part);
            return Err(error);
        }
        Ok(folder)
    }

    fn folder(&self) -> PathBuf {
        self.root.join(&self.experiment)
    }

    fn make_experiment(&self, name: &str) -> io::Result<()> {
        let folder = self.folder();
        fs::create_dir_all(&folder)?;
        let now = milliseconds(SystemTime::now());
        let meta = format!(
            "artifact_location: {}\ncreation_time: {now}\nexperiment_id: {}\nlast_update_time: {now}\n\
             lifecycle_stage: active\nname: {}\n",
            text(&uri(&folder)),
            text(&self.experiment),
            text(name)
        );
        fs::write(folder.join("meta.yaml"), meta)
    }
}

fn now_ns() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().to_vec()
}

/// The folder that a text names, which may be a `file:` address as MLflow takes it.
fn folder(root: &Path) -> Result<PathBuf, FileStoreError> {
    let Some(text) = root.to_str() else { return Ok(root.to_owned()) };
    if let Some(path) = text.strip_prefix("file://").or_else(|| text.strip_prefix("file:")) {
        return Ok(PathBuf::from(path));
    }
    if text.contains("://") {
        return Err(FileStoreError::Server(text.to_owned()));
    }
    Ok(root.to_owned())
}

/// The id of the active experiment with this name, if there is one.
fn experiment_id(root: &Path, name: &str) -> Option<String> {
    let mut ids: Vec<String> = fs::read_dir(root)
        .ok()?
        .flatten()
        .filter(|entry| {
            let meta = units::read_text(
                &entry.path().join("meta.yaml"),
                units::limits::CONFIG_BYTES.max(),
            )
            .unwrap_or_default();
            name_of(&meta).as_deref() == Some(name)
        })
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    ids.sort();
    ids.into_iter().next()
}

/// A path as an address.
fn uri(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let escaped: String = bytes
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                char::from(*byte).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("file://{escaped}")
}

#[cfg(test)]
mod tests;
