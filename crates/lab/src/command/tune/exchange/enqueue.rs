//! `wattlab tune enqueue`: trials that run before the search goes on.

use std::path::PathBuf;

use anyhow::anyhow;
use serde_json::{Map, Value};

use super::open;
use crate::{Failure, output};

/// Arguments of `wattlab tune enqueue`.
#[derive(Debug, clap::Args)]
pub(crate) struct EnqueueArgs {
    /// Journal of `wattlab tune run` or `wattlab tune serve`, which must not be running.
    #[arg(value_name = "JOURNAL")]
    journal: PathBuf,
    /// Begin the journal with this description, if it does not exist.
    #[arg(long, value_name = "SPACE.toml")]
    space: Option<PathBuf>,
    /// Parameters of the trial, such as `rate=0.01 optimizer=adam`. The search chooses those that are
    /// left out.
    #[arg(required = true, value_name = "NAME=VALUE")]
    parameters: Vec<String>,
}

/// Runs the subcommand.
///
/// # Errors
///
/// If the journal cannot be opened, or the parameters are not in its space.
pub(crate) fn enqueue(args: &EnqueueArgs) -> Result<(), Failure> {
    let mut params = Map::new();
    for text in &args.parameters {
        let (name, value) = text.split_once('=').ok_or_else(|| {
            Failure::bad_input(anyhow!("`{text}` is no parameter; give NAME=VALUE"))
        })?;
        // What is no JSON is a text.
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        if params.insert(name.to_owned(), value).is_some() {
            return Err(Failure::bad_input(anyhow!("parameter `{name}` is given twice")));
        }
    }
    let mut study = open(&args.journal, args.space.as_deref()).map_err(Failure::bad_input)?;
    // A choice that looks like a number may be a text.
    for (name, value) in &mut params {
        let spec = study.spec().space.iter().find(|spec| spec.name == *name);
        let text = args.parameters.iter().find_map(|text| text.strip_prefix(&format!("{name}=")));
        if let (Some(spec), Some(text)) = (spec, text)
            && spec.number(value).is_none()
            && spec.number(&Value::from(text)).is_some()
        {
            *value = Value::from(text);
        }
    }
    let queued = study.enqueue(params).map_err(Failure::bad_input)?;
    output::print(&format!("{queued} trials are queued"));
    Ok(())
}
