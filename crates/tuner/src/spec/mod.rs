//! The description of a study.

mod parameter;
mod pruner;
mod sampler;

use std::path::PathBuf;

use hpo::{Constraint, Objectives, Parameter, Space};
use serde::{Deserialize, Serialize};
use units::limits;

pub use self::{
    parameter::ParameterSpec,
    pruner::{PrunerKind, PrunerSpec},
    sampler::SamplerSpec,
};
use crate::error::{TunerError, check};

/// A study as a client describes it, in a request or a TOML file.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct StudySpec {
    /// Seed of the search: the same seed and the same results give the same trials.
    #[serde(default)]
    pub seed: u64,
    /// Which way each objective is better; `minimize` if not given.
    #[serde(default, skip_serializing_if = "Direction::is_default")]
    pub direction: Direction,
    /// The search strategy; `gp` if not given.
    #[serde(default)]
    pub sampler: SamplerSpec,
    /// The parameters, in order.
    pub space: Vec<ParameterSpec>,
    /// Comparisons that every point satisfies, such as `layers * width <= 4096`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    /// Stops trials early; `None` if every trial is a single evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pruner: Option<PrunerSpec>,
    /// For each objective the worst acceptable value, or null. These limits are also the reference
    /// point of the hypervolume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Vec<Option<f64>>>,
    /// Joules that may be spent; while many are left, cheap trials are preferred.
    #[serde(default, skip_serializing)]
    pub budget_j: Option<f64>,
    /// Seconds that may be spent. If given, costs are seconds instead of joules.
    #[serde(skip)]
    pub budget_s: Option<f64>,
    /// The file that keeps the study; `None` if it is not kept.
    #[serde(default, skip_serializing)]
    pub journal: Option<PathBuf>,
}

/// Which way the objectives are better.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq)]
#[serde(
    untagged,
    expecting = "`direction` must be \"minimize\", \"maximize\", or a list with one entry per objective"
)]
#[non_exhaustive]
pub enum Direction {
    /// Not given: one objective, which is minimized.
    #[default]
    #[serde(skip)]
    Default,
    /// One objective.
    One(Sense),
    /// Several objectives.
    Many(Vec<Sense>),
}

impl Direction {
    fn is_default(&self) -> bool {
        *self == Self::Default
    }
}

/// Which way one objective is better.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Sense {
    /// Smaller values are better.
    Minimize,
    /// Larger values are better.
    Maximize,
}

impl StudySpec {
    /// The search space.
    ///
    /// # Errors
    ///
    /// If a parameter, a condition or a constraint is invalid, or a number is outside its limits.
    pub fn space(&self) -> Result<Space, TunerError> {
        let count = limits::PARAMETERS.check(self.space.len() as u64);
        // A space without parameters has an error of its own.
        if !self.space.is_empty() {
            count?;
        }
        limits::CONSTRAINTS.check(self.constraints.len() as u64)?;
        let each = self.space.iter().enumerate();
        let parameters: Result<Vec<Parameter>, TunerError> =
            each.map(|(index, parameter)| parameter.parameter(&self.space[..index])).collect();
        let constraints: Result<Vec<Constraint>, _> =
            self.constraints.iter().map(|text| Constraint::parse(text)).collect();
        let space = Space::new(parameters?)?;
        Ok(if self.constraints.is_empty() { space } else { space.constrained(constraints?)? })
    }

    /// The objectives, all of which are maximized: those to minimize have their sign changed.
    ///
    /// # Errors
    ///
    /// If there is no objective, or there is not one limit per objective.
    pub fn objectives(&self) -> Result<Objectives, TunerError> {
        let senses = self.senses();
        check(!senses.is_empty(), || {
            "`direction` is empty; give \"minimize\" or \"maximize\" for each objective".to_owned()
        })?;
        limits::OBJECTIVES.check(senses.len() as u64)?;
        let Some(bounds) = &self.limits else { return Ok(Objectives::new(senses.len())) };
        check(bounds.len() == senses.len(), || {
            format!(
                "`limits` has {} entries, expected {}: a number or null for each objective",
                bounds.len(),
                senses.len()
            )
        })?;
        let signed = senses.iter().zip(bounds).map(|(sense, bound)| match sense {
            Sense::Minimize => bound.map(|bound| -bound),
            Sense::Maximize => *bound,
        });
        Ok(Objectives { at_least: signed.collect() })
    }

    /// Which way each objective is better.
    #[must_use]
    pub fn senses(&self) -> Vec<Sense> {
        match &self.direction {
            Direction::Default => vec![Sense::Minimize],
            Direction::One(sense) => vec![*sense],
            Direction::Many(senses) => senses.clone(),
        }
    }

    /// Checks the budget.
    ///
    /// # Errors
    ///
    /// If it is not a positive, finite number of joules.
    pub fn check_budget(&self) -> Result<(), TunerError> {
        if let Some(budget_j) = self.budget_j {
            limits::BUDGET_J.check(budget_j).map_err(|error| error.of_key("budget_j"))?;
        }
        Ok(())
    }
}
