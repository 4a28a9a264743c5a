//! What to tune, as a TOML file.

use std::{fs, path::Path};

use anyhow::{Context, anyhow, ensure};
use serde::Deserialize;

use super::budget::Budget;
use crate::{command::tune::request::StudySpec, config::unknown_key};

/// A study, what to read from the command's output, and when to end.
#[derive(Clone, Debug)]
pub(super) struct Description {
    pub(super) study: StudySpec,
    /// One an objective; `joules` and `seconds` are the meter's, and its joules may be estimates.
    pub(super) metrics: Vec<String>,
    pub(super) budget: Budget,
}

/// Keys beside the study's own.
const OWN: [&str; 2] = ["metric", "budget"];

#[derive(Deserialize)]
#[serde(untagged)]
enum Metric {
    One(String),
    Many(Vec<String>),
}

impl Description {
    pub(super) fn load(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("failed to read `{shown}`"))?;
        Self::parse(&text).with_context(|| format!("`{shown}`"))
    }

    fn parse(text: &str) -> anyhow::Result<Self> {
        let mut table: toml::Table = toml::from_str(text).map_err(|it| anyhow!("{it}"))?;
        ensure!(!table.contains_key("journal"), "`journal` is given by --journal FILE");
        ensure!(
            !table.contains_key("budget_j"),
            "`budget_j` is of `wattlab tune serve`; here the budget is a table, say \
             `budget = {{ joules = 5000.0 }}`"
        );
        let metric = table.remove("metric").context(
            "`metric` is missing: the name before the number in the command's output, say \
             \"accuracy\"",
        )?;
        let metrics = match metric
            .try_into()
            .map_err(|_| anyhow!("`metric` is no name and no list of names"))?
        {
            Metric::One(it) => vec![it],
            Metric::Many(them) => them,
        };
        let budget = table.remove("budget").context(
            "`budget` is missing: when the study ends, say `budget = { trials = 30 }` or joules, \
             seconds, grams",
        )?;
        let budget: Budget = budget.try_into().map_err(|it| better(&it, "`budget`: "))?;
        budget.check()?;
        let study: StudySpec = table.try_into().map_err(|it| better(&it, ""))?;
        // What is wrong with the study is wrong with this file.
        study.space()?;
        study.sampler()?;
        study.pruner()?;
        study.objectives()?;
        ensure!(
            study.senses().len() == metrics.len(),
            "`metric` names {} and `direction` {} objectives; give one each",
            metrics.len(),
            study.senses().len()
        );
        Ok(Self { study, metrics, budget })
    }
}

/// With the nearest key of a mistyped one.
fn better(error: &toml::de::Error, place: &str) -> anyhow::Error {
    let message = error.message();
    let known = OWN.iter().map(|it| format!(", `{it}`")).collect::<String>();
    let all = if place.is_empty() { format!("{message}{known}") } else { message.to_owned() };
    match unknown_key::suggestion(&all) {
        Some(near) => anyhow!("{place}{message}; did you mean `{near}`?"),
        None => anyhow!("{place}{error}"),
    }
}
