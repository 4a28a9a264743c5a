//! Data sets by name; each is loaded once.

use std::{
    path::{Component, Path, PathBuf},
    rc::Rc,
};

use models::{DataError, Dataset, Manifest, embedded_names, image_shape, load_dataset};
use record::DataSpec;

use crate::images::PhotographsError;

/// Names of all data sets, embedded ones first.
#[must_use]
pub(crate) fn names() -> Vec<String> {
    let all = embedded_names().into_iter().chain(Manifest::names());
    all.map(str::to_owned).collect()
}

/// The embedded data set whose images have the shape of those of another set; `None` if there is no
/// such set.
pub(crate) fn embedded_of_same_shape(name: &str) -> Option<&'static str> {
    let shape = image_shape(name)?;
    embedded_names().into_iter().find(|embedded| image_shape(embedded) == Some(shape))
}

/// The default folder of downloaded data sets: `$XDG_CACHE_HOME/wattlab` or `~/.cache/wattlab`; `None` if
/// neither variable nor `HOME` is set.
#[must_use]
pub(crate) fn default_folder() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty());
    let cache = cache.map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    Some(cache?.join("wattlab"))
}

/// The folder as given, or the default one if it exists.
#[must_use]
pub(crate) fn data_folder(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| default_folder().filter(|path| path.is_dir()))
}

/// Whether a relative path stays below the folder it is in.
pub(crate) fn is_below(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    !name.is_empty() && parts.all(|part| matches!(part, Component::Normal(_)))
}

/// A folder of data sets, with the data sets that were loaded from it.
pub struct DataFolder {
    folder: Option<PathBuf>,
    loaded: Vec<(DataSpec, Rc<Dataset>)>,
}

/// The seed of the embedded data sets. It is a part of their definition: runs with different seeds train on the
/// same images.
pub(crate) const EMBEDDED_SEED: u64 = 1;

impl DataFolder {
    /// Uses a folder, or the default one if it exists.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder: data_folder(folder), loaded: Vec::new() }
    }

    /// The path of a file inside it; `None` without a folder, or if the path would lead out of it.
    pub(crate) fn file(&self, below: &str) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        is_below(below).then(|| folder.join(below))
    }

    /// The path of a folder of photographs inside it.
    ///
    /// # Errors
    ///
    /// If there is no folder of data sets, or it has no folder of that name.
    pub(crate) fn photographs(&self, name: &str) -> Result<PathBuf, PhotographsError> {
        let path = self.folder.as_ref().map(|folder| folder.join(name));
        let missing = || PhotographsError::Missing {
            name: name.to_owned(),
            folder: self.folder.clone().unwrap_or_default(),
        };
        path.filter(|path| path.is_dir()).ok_or_else(missing)
    }

    /// Loads the images of a spec.
    ///
    /// # Errors
    ///
    /// If a file is missing or damaged, or there are too few images.
    pub(crate) fn load(&mut self, spec: &DataSpec) -> Result<Rc<Dataset>, DataError> {
        if let Some((_, data)) = self.loaded.iter().find(|(loaded, _)| loaded == spec) {
            return Ok(Rc::clone(data));
        }
        let data = Rc::new(load_dataset(spec, self.folder.as_deref(), EMBEDDED_SEED)?);
        self.loaded.push((spec.clone(), Rc::clone(&data)));
        Ok(data)
    }
}
