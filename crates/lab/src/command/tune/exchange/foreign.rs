//! A trial that another program or study has evaluated.

use serde_json::{Map, Value};
use tuner::{OpenStudy, TunerError};

/// A trial as another program has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Foreign {
    /// Where it comes from, for messages: `line 3`, `trial 7`.
    pub(super) place: String,
    /// Parameters by name.
    pub(super) params: Map<String, Value>,
    /// A value per objective; `None` if it failed.
    pub(super) values: Option<Vec<f64>>,
}

/// How often trials were taken, and not.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Taken {
    pub(super) added: usize,
    /// The study has them already.
    pub(super) known: usize,
    /// They are not in the study's space.
    pub(super) refused: usize,
    /// Why the first of these was refused.
    pub(super) why: Option<String>,
}

/// Adds trials to a study, except those that it has already.
///
/// # Errors
///
/// If the journal cannot be written.
pub(super) fn add(study: &mut OpenStudy, trials: &[Foreign]) -> Result<Taken, TunerError> {
    let mut taken = Taken::default();
    for trial in trials {
        if is_known(study, trial) {
            taken.known += 1;
            continue;
        }
        let finite = |values: &&Vec<f64>| values.iter().all(|value| value.is_finite());
        let value = trial
            .values
            .as_ref()
            .filter(finite)
            .map_or(Value::Null, |values| Value::from(values.clone()));
        match study.add_trial(&trial.params, &value, None) {
            Ok(_) => taken.added += 1,
            Err(error @ TunerError::Journal(_)) => return Err(error),
            Err(error) => {
                taken.refused += 1;
                taken.why.get_or_insert_with(|| format!("{}: {error}", trial.place));
            }
        }
    }
    Ok(taken)
}

fn is_known(study: &OpenStudy, trial: &Foreign) -> bool {
    let number = |params: &Map<String, Value>| -> Option<Vec<(String, f64)>> {
        let specs = study.spec().space.iter().filter(|spec| params.contains_key(&spec.name));
        specs.map(|spec| Some((spec.name.clone(), spec.number(&params[&spec.name])?))).collect()
    };
    let own = number(&trial.params);
    own.is_some()
        && study.trials().any(|other| {
            study.values_of(other) == trial.values && number(&study.named(&other.parameters)) == own
        })
}

/// A parameter's value out of Optuna's number for it: a choice by its index, or the number itself.
pub(super) fn external(distribution: &str, internal: f64) -> Option<Value> {
    let distribution: Value = serde_json::from_str(distribution).ok()?;
    match &distribution["attributes"]["choices"] {
        Value::Array(choices) => choices.get(internal as usize).cloned(),
        _ => Some(Value::from(internal)),
    }
}

#[cfg(test)]
mod tests {
    use super::external;
    use serde_json::json;

    #[test]
    fn values_are_choices_or_numbers() {
        let choices =
            r#"{"name": "CategoricalDistribution", "attributes": {"choices": ["a", null]}}"#;
        assert_eq!(external(choices, 1.0), Some(json!(null)));
        assert_eq!(external(choices, 2.0), None);
        let float = r#"{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}}"#;
        assert_eq!(external(float, 0.25), Some(json!(0.25)));
        assert_eq!(external("{", 0.25), None);
    }
}
