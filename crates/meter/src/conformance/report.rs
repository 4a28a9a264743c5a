//! What a check of a plugin found, also as JSON.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The schema of [`Report::to_json`].
const SCHEMA: &str = "wattlab.plugin-check/1";

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum CheckStatus {
    /// The plugin keeps this part of the contract.
    Passed,
    /// It does not.
    Failed,
    /// It could not be tried; the words say why.
    Skipped,
}

impl CheckStatus {
    /// The word in tables and JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Check {
    /// `load`, `open`, `remedy`, `name`, `channels`, `read`, `counters`, `time`, `two-opens`,
    /// `reopen` or `crash`.
    pub id: String,
    /// How it ended.
    #[serde(rename = "verdict")]
    pub status: CheckStatus,
    /// What was found.
    pub words: String,
}

/// All checks of a plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// The plugin's file.
    pub path: PathBuf,
    /// The name that the plugin gives itself; `None` if it could not be loaded.
    pub plugin: Option<String>,
    /// The checks, in the order in which they were made.
    pub checks: Vec<Check>,
}

impl Report {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), plugin: None, checks: Vec::new() }
    }

    /// Whether no check failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.status != CheckStatus::Failed)
    }

    /// The report as one JSON document: `schema`, `path`, `plugin`, `passed`, and `checks` with
    /// `id`, `verdict` and `words`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "schema": SCHEMA,
            "path": self.path,
            "plugin": self.plugin,
            "passed": self.passed(),
            "checks": self.checks,
        })
    }

    /// The report of such a document; `None` if it is another document.
    pub(super) fn from_json(document: Value) -> Option<Self> {
        (document["schema"] == SCHEMA).then(|| serde_json::from_value(document).ok())?
    }

    /// The report as a table: a line for each check.
    #[must_use]
    pub fn table(&self) -> String {
        let line = |check: &Check| {
            format!("{:<8} {:<10} {}\n", check.status.word(), check.id, check.words)
        };
        self.checks.iter().map(line).collect()
    }

    pub(super) fn add(&mut self, id: &str, status: CheckStatus, words: impl Into<String>) {
        self.checks.push(Check { id: id.to_owned(), status, words: words.into() });
    }

    /// Adds a check that fails with the problem, or else passes with what is good.
    pub(super) fn judge(&mut self, id: &str, problem: Option<String>, good: impl Into<String>) {
        match problem {
            Some(problem) => self.add(id, CheckStatus::Failed, problem),
            None => self.add(id, CheckStatus::Passed, good),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_survives_the_way_through_json() {
        let mut report = Report::new(Path::new("plugin.so"));
        report.plugin = Some("example".to_owned());
        report.judge("load", None, "valid");
        report.judge("read", Some("it failed".to_owned()), "unused");
        let text = report.to_json().to_string();
        assert_eq!(Report::from_json(text.parse().unwrap()), Some(report.clone()));
        assert_eq!(Report::from_json(json!({})), None);
        assert_eq!(Report::from_json(json!({ "schema": SCHEMA, "path": 7 })), None);
        assert!(!report.passed() && report.table().contains("failed   read       it failed\n"));
    }
}
