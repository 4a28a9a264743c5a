//! What to tune, as a TOML file.

use std::{fs, path::Path};

use serde::Deserialize;

use crate::{
    budget::Budget,
    error::{TunerError, check, invalid},
    spec::StudySpec,
    unknown_key,
};

/// A study whose trials are runs of a command: the study, which numbers of the command's output are its
/// values, and when it ends.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CommandStudy {
    /// The study itself.
    pub study: StudySpec,
    /// Names of the metrics in the command's output, one per objective. `joules` and `seconds` are
    /// measured instead, if the command does not print them.
    pub metrics: Vec<String>,
    /// When the study ends.
    pub budget: Budget,
}

/// Keys of the file that are not keys of [`StudySpec`].
const OWN_KEYS: [&str; 2] = ["metric", "budget"];

#[derive(Deserialize)]
#[serde(untagged)]
enum Metric {
    One(String),
    Many(Vec<String>),
}

impl CommandStudy {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or the description is invalid.
    pub fn load(path: &Path) -> Result<Self, TunerError> {
        let text = fs::read_to_string(path)
            .map_err(|source| TunerError::Read { path: path.to_owned(), source })?;
        Self::parse(&text).map_err(|source| TunerError::Description {
            path: path.to_owned(),
            source: Box::new(source),
        })
    }

    fn parse(text: &str) -> Result<Self, TunerError> {
        let mut table: toml::Table =
            toml::from_str(text).map_err(|error| invalid(error.to_string()))?;
        check(!table.contains_key("journal"), || {
            "`journal` cannot be given in this file; use `--journal FILE`".to_owned()
        })?;
        check(!table.contains_key("budget_j"), || {
            "`budget_j` is a key of `wattlab tune serve`; here the budget is a table, such as \
             `budget = { joules = 5000.0 }`"
                .to_owned()
        })?;
        let metric = table.remove("metric").ok_or_else(|| {
            invalid(
                "`metric` is missing; give the name before the number in the command's output, such \
                 as \"accuracy\"",
            )
        })?;
        let metrics = match metric
            .try_into()
            .map_err(|_| invalid("`metric` must be a name or a list of names"))?
        {
            Metric::One(name) => vec![name],
            Metric::Many(names) => names,
        };
        let budget = table.remove("budget").ok_or_else(|| {
            invalid(
                "`budget` is missing; say when the study ends, such as `budget = { trials = 30 }` or \
                 joules, seconds, grams",
            )
        })?;
        let budget: Budget =
            budget.try_into().map_err(|error| with_suggestion(&error, "`budget`: "))?;
        budget.check()?;
        let study: StudySpec = table.try_into().map_err(|error| with_suggestion(&error, ""))?;
        // Find the errors of the study here, where the file is named.
        study.space()?;
        study.sampler.sampler()?;
        study.objectives()?;
        if let Some(pruner) = &study.pruner {
            pruner.pruner()?;
        }
        check(study.senses().len() == metrics.len(), || {
            format!(
                "`metric` names {} metrics and `direction` {} objectives; give one metric per \
                 objective",
                metrics.len(),
                study.senses().len()
            )
        })?;
        Ok(Self { study, metrics, budget })
    }
}

/// The error, with the valid key that is nearest to an unknown one.
fn with_suggestion(error: &toml::de::Error, place: &str) -> TunerError {
    let message = error.message();
    let own = OWN_KEYS.map(|key| format!(", `{key}`")).concat();
    let all = if place.is_empty() { format!("{message}{own}") } else { message.to_owned() };
    invalid(match unknown_key::suggestion(&all) {
        Some(near) => format!("{place}{message}; did you mean `{near}`?"),
        None => format!("{place}{error}"),
    })
}
