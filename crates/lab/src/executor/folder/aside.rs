//! Sets files aside that cannot be what their place says.

use std::{fs, path::Path};

use record::RunId;

use super::{RunFailure, WorkFolder};
use crate::{
    executor::files::{FolderError, fail, rename, write},
    output::line,
};

impl WorkFolder {
    /// What was read; `None` if the file is damaged. It is then set aside, and its run reported as one to be done
    /// again if the file's name has its id.
    pub(super) fn sound<T>(
        &self,
        path: &Path,
        found: Result<T, FolderError>,
    ) -> Result<Option<T>, FolderError> {
        match found {
            Err(FolderError::Damaged { reason, .. }) => {
                self.set_aside(path, &reason)?;
                Ok(None)
            }
            found => found.map(Some),
        }
    }

    /// Moves a file into `failed` under a name that nobody reads, with the reason beside it.
    pub(super) fn set_aside(&self, path: &Path, reason: &str) -> Result<(), FolderError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = self.path().join("failed");
        let free = |number: u32| {
            let number = if number == 0 { String::new() } else { format!("-{number}") };
            folder.join(format!("{name}{number}.bad"))
        };
        let aside = (0..).map(free).find(|aside| fs::symlink_metadata(aside).is_err());
        let Some(aside) = aside else { return Ok(()) };
        match rename(path, &aside) {
            // Another process has set it aside.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed.map_err(fail("set aside", path))?,
        }
        let text = format!("{}: {reason}\n", path.display());
        let beside = aside.with_extension("bad.txt");
        fs::write(&beside, text).map_err(fail("write", &beside))?;
        line(&format!(
            "work folder: `{}` was set aside as `{}`: {reason}",
            path.display(),
            aside.display()
        ));
        let stem = name.trim_end_matches(".json");
        let id = stem.rsplit('-').next().unwrap_or(stem).to_owned();
        if let Ok(id) = RunId::try_from(id) {
            let reason = format!("the file `{name}` was damaged: {reason}");
            let (worker, host) = (String::new(), String::new());
            let report = folder.join(format!("{id}.json"));
            if !report.exists() {
                write(&report, &RunFailure { id, worker, host, reason, again: true })?;
            }
        }
        Ok(())
    }
}
