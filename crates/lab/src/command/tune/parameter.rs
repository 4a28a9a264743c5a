//! A parameter of a space as a client describes it.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context, bail, ensure};
use hpo::{Parameter, Scale};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(super) struct ParameterSpec {
    pub(super) name: String,
    kind: KindSpec,
    #[serde(default)]
    low: Option<f64>,
    #[serde(default)]
    high: Option<f64>,
    #[serde(default)]
    log: bool,
    #[serde(default)]
    choices: Option<Vec<Value>>,
    /// How far its values are apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<f64>,
    /// An earlier parameter and its value, or values, for which this one matters.
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
    /// With those before it, which it may depend on.
    pub(super) fn parameter(&self, before: &[Self]) -> anyhow::Result<Parameter> {
        let plain = self.alone()?;
        let Some(only_if) = &self.only_if else { return Ok(plain) };
        let name = &self.name;
        let mut pairs = only_if.iter();
        let (Some((parent, values)), None) = (pairs.next(), pairs.next()) else {
            bail!("parameter `{name}` needs one parameter in `only_if`, with its value or a list");
        };
        let values = match values {
            Value::Array(list) => list.as_slice(),
            other => std::slice::from_ref(other),
        };
        let Some(spec) = before.iter().find(|it| it.name == *parent) else {
            // The space says what is wrong.
            return Ok(plain.only_if(parent, &[]));
        };
        let index = |value: &Value| {
            let choice = |choices: &Vec<Value>| choices.iter().position(|it| same(it, value));
            let found = match &spec.choices {
                Some(choices) => choice(choices).map(|it| it as f64),
                None => value.as_f64(),
            };
            found.with_context(|| {
                format!(
                    "parameter `{name}` matters only if `{parent}` is {value}, which it never is"
                )
            })
        };
        let values: anyhow::Result<Vec<f64>> = values.iter().map(index).collect();
        Ok(plain.only_if(parent, &values?))
    }

    fn alone(&self) -> anyhow::Result<Parameter> {
        let name = &self.name;
        if self.kind == KindSpec::Categorical {
            let bounds = self.low.is_some() || self.high.is_some() || self.log;
            ensure!(!bounds, "parameter `{name}` is categorical and has no `low`, `high` or `log`");
            let choices = self.choices.as_ref().with_context(|| {
                format!("parameter `{name}` is categorical and needs `choices`, a list")
            })?;
            ensure!(self.step.is_none(), "parameter `{name}` is categorical and has no `step`");
            ensure!(
                !choices.is_empty(),
                "parameter `{name}` needs at least one choice in `choices`"
            );
            let mut seen = HashSet::new();
            if let Some(twice) = choices.iter().find(|it| !seen.insert(it.to_string())) {
                bail!("parameter `{name}` has the choice {twice} twice; name it once");
            }
            return Ok(Parameter::categorical(name, choices.len()));
        }
        ensure!(
            self.choices.is_none(),
            "parameter `{name}` has `choices`: its kind is categorical"
        );
        let (Some(low), Some(high)) = (self.low, self.high) else {
            bail!("parameter `{name}` needs `low` and `high`");
        };
        let scale = if self.log { Scale::Log } else { Scale::Linear };
        if self.kind == KindSpec::Float {
            let real = Parameter::new(name, low, high, scale);
            return Ok(self.step.map_or(real.clone(), |step| real.stepped(step)));
        }
        let whole = low.fract() == 0.0 && high.fract() == 0.0;
        ensure!(
            whole,
            "parameter `{name}` is an int of range {low} to {high}; its bounds must be whole"
        );
        let whole = Parameter::integer(name, low as i64, high as i64, scale);
        Ok(self.step.map_or(whole.clone(), |step| whole.stepped(step)))
    }

    /// A value as the client knows it.
    pub(super) fn value(&self, value: f64) -> Value {
        match (self.kind, &self.choices) {
            (KindSpec::Categorical, Some(choices)) => {
                choices.get(value as usize).cloned().unwrap_or(Value::Null)
            }
            (KindSpec::Int, _) => json!(value as i64),
            _ => json!(value),
        }
    }
}

/// Whether a value is a choice: 1 is 1.0.
fn same(choice: &Value, value: &Value) -> bool {
    choice == value || (choice.is_number() && choice.as_f64() == value.as_f64())
}
