//! What a client may say.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail, ensure};
use hpo::{Constraint, Grid, Objectives, Parameter, Pruner, Rungs, Sampler, Space};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::parameter::ParameterSpec;
use crate::config::unknown_key;

/// A line of standard input.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum Request {
    Study(StudySpec),
    Ask {},
    Tell {
        trial: u32,
        // Absent and null differ: only null says that the trial failed.
        #[serde(deserialize_with = "Value::deserialize")]
        value: Value,
        cost_j: Option<f64>,
    },
    /// What a trial gave after a step (an epoch, say), counted from 1.
    Report {
        trial: u32,
        step: u32,
        #[serde(deserialize_with = "Value::deserialize")]
        value: Value,
        cost_j: Option<f64>,
    },
    #[serde(alias = "should_stop")]
    ShouldStop {
        trial: u32,
    },
    Best {},
    Pareto {},
}

/// What a request may be, as its errors say it.
const OPS: [&str; 7] = ["study", "ask", "tell", "report", "should_stop", "best", "pareto"];

impl Request {
    pub(super) fn parse(line: &str) -> anyhow::Result<Self> {
        let parsed = serde_json::from_str::<Value>(line);
        // Python and others write numbers that JSON lacks; they mean a failed trial.
        let parsed = parsed.or_else(|_| serde_json::from_str(&without_nan(line)));
        let none = "this is no request; send one JSON object a line with `op` study, ask, tell, \
                    report, should_stop, best or pareto";
        let request = parsed.context(none)?;
        let op = request.get("op").and_then(Value::as_str).map(str::to_owned);
        let known = op.filter(|it| OPS.contains(&it.as_str()));
        serde_json::from_value(request).map_err(|error| {
            let message = error.to_string();
            let near = unknown_key::suggestion(&message);
            let near = near.map_or_else(String::new, |it| format!("; did you mean `{it}`?"));
            match known {
                Some(op) => anyhow!("the request `{op}` cannot be read: {message}{near}"),
                None => anyhow!("{none}: {message}{near}"),
            }
        })
    }
}

/// The line with `NaN` and infinities outside of strings as `null`.
fn without_nan(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let (mut rest, mut quoted) = (line, false);
    while let Some(next) = rest.chars().next() {
        let special = ["-Infinity", "Infinity", "NaN"].iter().find(|it| rest.starts_with(**it));
        if let (Some(special), false) = (special, quoted) {
            text.push_str("null");
            rest = &rest[special.len()..];
            continue;
        }
        let length = match next {
            '\\' if quoted => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => next.len_utf8(),
        };
        quoted ^= next == '"';
        text.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    text
}

/// A study as its client describes it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct StudySpec {
    #[serde(default)]
    pub(super) seed: u64,
    #[serde(default, skip_serializing_if = "Direction::is_unsaid")]
    pub(super) direction: Direction,
    #[serde(default)]
    pub(super) sampler: SamplerSpec,
    pub(super) space: Vec<ParameterSpec>,
    /// What must hold between parameters, as `layers * width <= 4096`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) constraints: Vec<String>,
    /// Stops trials early.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pruner: Option<PrunerSpec>,
    /// For each objective the worst value that counts; also the hypervolume's reference point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) limits: Option<Vec<Option<f64>>>,
    /// Joules that may be spent: with many left, cheap trials are preferred.
    #[serde(default, skip_serializing)]
    pub(super) budget_j: Option<f64>,
    /// Seconds, which are then the unit of all costs.
    #[serde(skip)]
    pub(super) budget_s: Option<f64>,
    #[serde(default, skip_serializing)]
    pub(super) journal: Option<PathBuf>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(
    untagged,
    expecting = "`direction` is neither `minimize` nor `maximize`, nor a list of these, one an objective"
)]
pub(super) enum Direction {
    #[default]
    #[serde(skip)]
    Unsaid,
    One(Sense),
    Many(Vec<Sense>),
}

impl Direction {
    fn is_unsaid(&self) -> bool {
        *self == Self::Unsaid
    }
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sense {
    Minimize,
    Maximize,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    deny_unknown_fields,
    expecting = "a table with the strategy's name, say { kind = \"gp\" }"
)]
pub(super) enum SamplerSpec {
    /// `values` for each real parameter; `paper`: the study's grid, without the upper bounds.
    Grid {
        #[serde(default = "five")]
        values: usize,
        #[serde(default)]
        paper: bool,
    },
    Random,
    Sobol,
    PaperPi,
    Tpe,
    #[default]
    Gp,
}

/// Trials are compared after `least` steps, after `factor` times as many, and so on up to `most`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(super) struct PrunerSpec {
    #[serde(default)]
    kind: PrunerKind,
    #[serde(default = "one")]
    least: u32,
    most: u32,
    #[serde(default = "three")]
    factor: u32,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum PrunerKind {
    None,
    Halving,
    Hyperband,
    Asha,
    Median,
    #[default]
    Posterior,
}

fn one() -> u32 {
    1
}

fn three() -> u32 {
    3
}

fn five() -> usize {
    5
}

impl StudySpec {
    pub(super) fn space(&self) -> anyhow::Result<Space> {
        let each = self.space.iter().enumerate();
        let parameters: anyhow::Result<Vec<Parameter>> =
            each.map(|(at, it)| it.parameter(&self.space[..at])).collect();
        let constraints: Result<Vec<Constraint>, _> =
            self.constraints.iter().map(|it| Constraint::parse(it)).collect();
        let space = Space::new(parameters?)?;
        Ok(if self.constraints.is_empty() { space } else { space.constrained(constraints?)? })
    }

    /// Whether what may be spent makes sense.
    pub(super) fn check_budget(&self) -> anyhow::Result<()> {
        let unfit = self.budget_j.filter(|it| !(*it > 0.0 && it.is_finite()));
        ensure!(
            unfit.is_none(),
            "`budget_j` is {}; give joules above 0, or leave it out",
            unfit.unwrap_or_default()
        );
        Ok(())
    }

    pub(super) fn sampler(&self) -> anyhow::Result<Sampler> {
        Ok(match self.sampler {
            SamplerSpec::Grid { values: 0, .. } => {
                bail!("sampler `grid` has 0 `values`; give at least 1")
            }
            SamplerSpec::Grid { paper: true, .. } => Sampler::Grid(Grid::paper()),
            SamplerSpec::Grid { values, .. } => Sampler::Grid(Grid { values, upper_bound: true }),
            SamplerSpec::Random => Sampler::Random,
            SamplerSpec::Sobol => Sampler::Sobol,
            SamplerSpec::PaperPi => Sampler::PaperPi,
            SamplerSpec::Tpe => Sampler::Tpe,
            SamplerSpec::Gp => Sampler::Gp,
        })
    }

    pub(super) fn pruner(&self) -> anyhow::Result<Option<(Pruner, Rungs)>> {
        let Some(PrunerSpec { kind, least, most, factor }) = self.pruner else { return Ok(None) };
        ensure!(
            1 <= least && least <= most,
            "`pruner` has `least` {least} and `most` {most} steps; give 1 ≤ least ≤ most"
        );
        ensure!(factor >= 2, "`pruner` has the `factor` {factor}; give at least 2");
        let pruner = match kind {
            PrunerKind::None => Pruner::Never,
            PrunerKind::Halving => Pruner::Halving,
            PrunerKind::Hyperband => Pruner::Hyperband,
            PrunerKind::Asha => Pruner::Asha,
            PrunerKind::Median => Pruner::Median,
            PrunerKind::Posterior => Pruner::Posterior,
        };
        Ok(Some((pruner, Rungs { least, most, factor })))
    }

    /// More is better.
    pub(super) fn objectives(&self) -> anyhow::Result<Objectives> {
        let senses = self.senses();
        ensure!(!senses.is_empty(), "`direction` names no objective; give minimize or maximize");
        let Some(limits) = &self.limits else { return Ok(Objectives::new(senses.len())) };
        ensure!(
            limits.len() == senses.len(),
            "`limits` has {} values, and the study {} objectives; give one each, or null",
            limits.len(),
            senses.len()
        );
        let signed = senses.iter().zip(limits).map(|(sense, limit)| match sense {
            Sense::Minimize => limit.map(|it| -it),
            Sense::Maximize => *limit,
        });
        Ok(Objectives { at_least: signed.collect() })
    }

    /// The sense of each objective.
    pub(super) fn senses(&self) -> Vec<Sense> {
        match &self.direction {
            Direction::Unsaid => vec![Sense::Minimize],
            Direction::One(sense) => vec![*sense],
            Direction::Many(senses) => senses.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::without_nan;

    #[test]
    fn only_bare_words_are_replaced() {
        let line = r#"{"a": NaN, "b": [-Infinity, Infinity], "NaN": "a \" NaN é"}"#;
        let expected = r#"{"a": null, "b": [null, null], "NaN": "a \" NaN é"}"#;
        assert_eq!(without_nan(line), expected);
    }
}
