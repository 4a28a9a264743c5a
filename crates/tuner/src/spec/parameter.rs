//! The description of a parameter.

use std::collections::{BTreeMap, HashSet};

use hpo::{Parameter, Scale};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use units::limits;

use crate::error::{TunerError, check, invalid};

/// A parameter as a client describes it.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ParameterSpec {
    /// Its name, unique in the space.
    pub name: String,
    kind: KindSpec,
    /// The lowest value of a number.
    #[serde(default)]
    low: Option<f64>,
    /// The highest value of a number.
    #[serde(default)]
    high: Option<f64>,
    /// Whether the search is uniform in the logarithm.
    #[serde(default)]
    log: bool,
    /// The values of a categorical parameter.
    #[serde(default)]
    choices: Option<Vec<Value>>,
    /// The distance between the values of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<f64>,
    /// Earlier parameters, each with its value or list of values; this one is active where all of
    /// them have these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    only_if: Option<BTreeMap<String, Value>>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum KindSpec {
    Float,
    Int,
    Categorical,
}

impl ParameterSpec {
    /// The parameter of the search space. It may depend on the parameters before it.
    pub(super) fn parameter(&self, before: &[Self]) -> Result<Parameter, TunerError> {
        let mut parameter = self.unconditional()?;
        for (parent, values) in self.only_if.iter().flatten() {
            let values = self.condition(parent, values, before)?;
            parameter = parameter.only_if(parent, &values);
        }
        Ok(parameter)
    }

    /// The values of an earlier parameter for which this one is active, as numbers.
    fn condition(
        &self,
        parent: &str,
        values: &Value,
        before: &[Self],
    ) -> Result<Vec<f64>, TunerError> {
        let name = &self.name;
        let values = match values {
            Value::Array(list) => list.as_slice(),
            other => std::slice::from_ref(other),
        };
        let Some(spec) = before.iter().find(|other| other.name == *parent) else {
            // The space says what is wrong.
            return Ok(Vec::new());
        };
        let number = |value: &Value| {
            spec.number(value).ok_or_else(|| {
                invalid(format!(
                    "parameter `{name}` depends on `{parent}`, which never has the value {value}"
                ))
            })
        };
        values.iter().map(number).collect()
    }

    /// The number that the search uses for a value of this parameter: a choice's index, or the number
    /// itself. `None` if it is not a choice, or no number.
    #[must_use]
    pub fn number(&self, value: &Value) -> Option<f64> {
        match &self.choices {
            Some(choices) => {
                let index = choices.iter().position(|choice| same(choice, value));
                index.map(|index| index as f64)
            }
            None => value.as_f64(),
        }
    }

    /// What values the parameter takes, in words.
    #[must_use]
    pub fn expected(&self) -> String {
        match (&self.choices, self.low, self.high) {
            (Some(choices), ..) => {
                let shown: Vec<String> = choices.iter().take(20).map(Value::to_string).collect();
                format!("one of {}", shown.join(", "))
            }
            (None, Some(low), Some(high)) => {
                let step =
                    self.step.map_or_else(String::new, |step| format!(" in steps of {step}"));
                let kind = if self.kind == KindSpec::Int { "a whole number" } else { "a number" };
                format!("{kind} from {low} to {high}{step}")
            }
            _ => "a number".to_owned(),
        }
    }

    fn unconditional(&self) -> Result<Parameter, TunerError> {
        if self.kind == KindSpec::Categorical {
            return self.categorical();
        }
        let name = &self.name;
        check(self.choices.is_none(), || {
            format!("parameter `{name}` has `choices`, so its `kind` must be \"categorical\"")
        })?;
        let (Some(low), Some(high)) = (self.low, self.high) else {
            return Err(invalid(format!("parameter `{name}` needs `low` and `high`")));
        };
        let scale = if self.log { Scale::Log } else { Scale::Linear };
        let parameter = if self.kind == KindSpec::Float {
            Parameter::new(name, low, high, scale)
        } else {
            check(low.fract() == 0.0 && high.fract() == 0.0, || {
                format!(
                    "parameter `{name}` has kind \"int\" and range {low} to {high}; its bounds must \
                     be whole numbers"
                )
            })?;
            Parameter::integer(name, low as i64, high as i64, scale)
        };
        Ok(match self.step {
            Some(step) => parameter.stepped(step),
            None => parameter,
        })
    }

    fn categorical(&self) -> Result<Parameter, TunerError> {
        let name = &self.name;
        let has_range = self.low.is_some() || self.high.is_some() || self.log;
        check(!has_range && self.step.is_none(), || {
            format!(
                "parameter `{name}` is categorical and cannot have `low`, `high`, `log` or `step`"
            )
        })?;
        let choices = self.choices.as_ref().ok_or_else(|| {
            invalid(format!("parameter `{name}` is categorical and needs `choices`, a list"))
        })?;
        check(!choices.is_empty(), || {
            format!("parameter `{name}` needs at least one choice in `choices`")
        })?;
        limits::CHOICES.check(choices.len() as u64)?;
        let mut seen = HashSet::new();
        match choices.iter().find(|choice| !seen.insert(choice.to_string())) {
            Some(twice) => Err(invalid(format!(
                "parameter `{name}` has the choice {twice} twice; list each choice once"
            ))),
            None => Ok(Parameter::categorical(name, choices.len())),
        }
    }

    /// A value as the client knows it: a choice instead of its index, a whole number without a point.
    #[must_use]
    pub fn value(&self, value: f64) -> Value {
        match (self.kind, &self.choices) {
            (KindSpec::Categorical, Some(choices)) => {
                choices.get(value as usize).cloned().unwrap_or(Value::Null)
            }
            (KindSpec::Int, _) => json!(value as i64),
            _ => json!(value),
        }
    }
}

/// Whether a value is a choice; numbers are compared as such, so that 1 is 1.0.
fn same(choice: &Value, value: &Value) -> bool {
    choice == value || (choice.is_number() && choice.as_f64() == value.as_f64())
}
