//! Data sets by name, loaded once.

use std::{path::PathBuf, rc::Rc};

use models::{DataError, Dataset, Manifest, embedded_names, load_dataset};
use record::DataSpec;

use crate::images::PhotographsError;

/// Names of every data set, embedded ones first.
#[must_use]
pub(crate) fn names() -> Vec<String> {
    let all = embedded_names().into_iter().chain(Manifest::names());
    all.map(str::to_owned).collect()
}

/// The embedded data set whose images have the shape of those of another set; `None` if there is no
/// such set.
pub(crate) fn embedded_of_same_shape(name: &str) -> Option<&'static str> {
    let manifest = Manifest::named(name).ok()?;
    match (manifest.channels, manifest.side) {
        (1, 28) => Some("shapes-28"),
        (3, 32) => Some("shapes-32"),
        _ => None,
    }
}

/// Where data sets are fetched to and looked for: `$XDG_CACHE_HOME/wattlab`, or
/// `~/.cache/wattlab`.
#[must_use]
pub(crate) fn default_folder() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|it| !it.is_empty()).map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    Some(cache?.join("wattlab"))
}

/// A folder of data sets, with those that were loaded from it.
pub struct DataFolder {
    folder: Option<PathBuf>,
    loaded: Vec<(DataSpec, Rc<Dataset>)>,
}

/// Makes the embedded sets. It belongs to their definition, not to a run's seed: every run of every
/// seed trains on the same images.
const EMBEDDED_SEED: u64 = 1;

impl DataFolder {
    /// Reads from that folder, or from the default one if it exists.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        let folder = folder.or_else(|| default_folder().filter(|it| it.is_dir()));
        Self { folder, loaded: Vec::new() }
    }

    /// A folder of photographs in it.
    ///
    /// # Errors
    ///
    /// If there is no folder of data sets, or none of that name in it.
    pub(crate) fn photographs(&self, name: &str) -> Result<PathBuf, PhotographsError> {
        let path = self.folder.as_ref().map(|it| it.join(name));
        let missing = || PhotographsError::Missing {
            name: name.to_owned(),
            folder: self.folder.clone().unwrap_or_default(),
        };
        path.filter(|it| it.is_dir()).ok_or_else(missing)
    }

    /// The images that a spec asks for.
    ///
    /// # Errors
    ///
    /// If they are not there, damaged, or too few.
    pub(crate) fn load(&mut self, spec: &DataSpec) -> Result<Rc<Dataset>, DataError> {
        if let Some((_, data)) = self.loaded.iter().find(|(it, _)| it == spec) {
            return Ok(Rc::clone(data));
        }
        let data = Rc::new(load_dataset(spec, self.folder.as_deref(), EMBEDDED_SEED)?);
        self.loaded.push((spec.clone(), Rc::clone(&data)));
        Ok(data)
    }
}
