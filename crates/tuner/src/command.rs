//! What to tune, as a TOML file.

use std::{io, path::Path};

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use units::limits;

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
    /// The longest time of a run of the command, in seconds; without it, a run may take any time.
    pub trial_timeout_s: Option<f64>,
    /// How often a run that failed is repeated before the trial counts as failed.
    pub retries: u32,
    /// Whether the command keeps running: it prints its values after each step and reads `continue` or
    /// `stop`, instead of running once per segment.
    pub stays_running: bool,
    /// Trials that a new study begins with; the search chooses parameters that are left out.
    pub enqueue: Vec<Map<String, Value>>,
}

/// Keys of the file that are not keys of [`StudySpec`].
const OWN_KEYS: [&str; 6] =
    ["metric", "budget", "trial_timeout_s", "retries", "stays_running", "enqueue"];

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
        let text =
            read(path).map_err(|source| TunerError::Read { path: path.to_owned(), source })?;
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
        let trial_timeout_s: Option<f64> = own(&mut table, "trial_timeout_s")?;
        if let Some(seconds) = trial_timeout_s {
            limits::POSITIVE_DURATION_S
                .check(seconds)
                .map_err(|error| error.of_key("trial_timeout_s"))?;
        }
        let retries: u32 = own(&mut table, "retries")?.unwrap_or(0);
        limits::RETRIES.check(retries).map_err(|error| error.of_key("retries"))?;
        let enqueue: Vec<Map<String, Value>> = own(&mut table, "enqueue")?.unwrap_or_default();
        let stays_running = own(&mut table, "stays_running")?.unwrap_or(false);
        let mut study: StudySpec = table.try_into().map_err(|error| with_suggestion(&error, ""))?;
        // Find the errors of the study here, where the file is named.
        study.space()?;
        study.sampler.sampler()?;
        study.objectives()?;
        if stays_running {
            check_live(&mut study, &metrics, trial_timeout_s)?;
        }
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
        Ok(Self { study, metrics, budget, trial_timeout_s, retries, stays_running, enqueue })
    }
}

/// Checks what a command that keeps running needs. Its trials are never resumed.
fn check_live(
    study: &mut StudySpec,
    metrics: &[String],
    timeout_s: Option<f64>,
) -> Result<(), TunerError> {
    let pruner = study.pruner.as_mut().ok_or_else(|| {
        invalid(
            "`stays_running` needs a pruner, which decides after each step; add \
             `pruner = { kind = \"posterior\", most = 27 }` or leave it out",
        )
    })?;
    pruner.resumes = false;
    check(timeout_s.is_some(), || {
        "`stays_running` needs `trial_timeout_s`, since a command and its study could wait for each other \
         for ever; give the seconds after which a trial has failed"
            .to_owned()
    })?;
    let measured = metrics.iter().find(|name| matches!(name.as_str(), "joules" | "seconds"));
    measured.map_or(Ok(()), |name| {
        Err(invalid(format!(
            "`metric` has `{name}`, which is measured when a command ends, and `stays_running` compares trials \
             after each step; leave out one of the two"
        )))
    })
}

/// A text file of at most the size of a configuration.
fn read(path: &Path) -> io::Result<String> {
    units::read_text(path, limits::CONFIG_BYTES.max())
}

/// A key of the file that is not a key of the study.
fn own<T: DeserializeOwned>(table: &mut toml::Table, key: &str) -> Result<Option<T>, TunerError> {
    let value = table.remove(key).map(toml::Value::try_into).transpose();
    value.map_err(|error: toml::de::Error| invalid(format!("`{key}`: {}", error.message())))
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
