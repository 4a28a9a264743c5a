//! `wattlab tune enqueue`, `import` and `export`: trials into a study and out of it.

mod database;
mod enqueue;
mod export;
mod foreign;
mod import;
mod log;
mod sqlite;
mod table;

use std::path::Path;

use anyhow::{Context, bail};
use tuner::{CommandStudy, OpenStudy};

pub(super) use self::{
    enqueue::{EnqueueArgs, enqueue},
    export::{ExportArgs, export},
    import::{ImportArgs, import},
};

/// The study of a journal or, if there is no journal yet, a new one of a description.
fn open(journal: &Path, space: Option<&Path>) -> anyhow::Result<OpenStudy> {
    let shown = journal.display();
    match (journal.exists(), space) {
        (true, None) => Ok(OpenStudy::open(journal)?),
        (_, Some(space)) => {
            let mut spec = CommandStudy::load(space)?.study;
            spec.journal = Some(journal.to_owned());
            OpenStudy::new(spec).with_context(|| format!("`{}`", space.display()))
        }
        (false, None) => bail!(
            "journal `{shown}` does not exist; name another, or begin one by `--space SPACE.toml`"
        ),
    }
}
