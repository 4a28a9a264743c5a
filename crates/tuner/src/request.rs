//! Requests of a client.

use serde::Deserialize;
use serde_json::{Map, Value};
use units::limits;

use crate::{
    error::{TunerError, invalid},
    spec::StudySpec,
    unknown_key,
};

/// A request: one JSON object per line.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Opens a study.
    Study(Box<StudySpec>),
    /// Asks for the next segment.
    Ask {},
    /// Queues a trial with these parameters.
    Enqueue { params: Map<String, Value> },
    /// Adds a trial that was evaluated elsewhere.
    Add {
        params: Map<String, Value>,
        #[serde(deserialize_with = "Value::deserialize")]
        value: Value,
        cost_j: Option<f64>,
    },
    /// Tells the values at the end of a segment.
    Tell {
        trial: u32,
        // Null says that the trial failed; a missing value is an error.
        #[serde(deserialize_with = "Value::deserialize")]
        value: Value,
        cost_j: Option<f64>,
    },
    /// Tells the values after a step (an epoch, for example), counted from 1.
    Report {
        trial: u32,
        step: u32,
        #[serde(deserialize_with = "Value::deserialize")]
        value: Value,
        cost_j: Option<f64>,
    },
    /// Asks whether a trial ends here, for now.
    #[serde(alias = "should_stop")]
    ShouldStop { trial: u32 },
    /// Asks for the best trial.
    Best {},
    /// Asks for the Pareto front.
    Pareto {},
}

/// The values of `op`, as error messages list them.
const OPS: [&str; 9] =
    ["study", "ask", "enqueue", "add", "tell", "report", "should_stop", "best", "pareto"];

impl Request {
    /// Parses a line.
    pub(crate) fn parse(line: &str) -> Result<Self, TunerError> {
        limits::LINE_BYTES.check(line.len() as u64)?;
        let parsed = serde_json::from_str::<Value>(line);
        // Python and others write `NaN` and `Infinity`, which JSON lacks; they mean a failed trial.
        let parsed = parsed.or_else(|_| serde_json::from_str(&without_nan(line)));
        let not_a_request = "this is not a request; send one JSON object a line with `op` study, \
                             ask, enqueue, add, tell, report, should_stop, best or pareto";
        let request = parsed.map_err(|error| invalid(format!("{not_a_request}: {error}")))?;
        let op = request.get("op").and_then(Value::as_str).map(str::to_owned);
        let known = op.filter(|op| OPS.contains(&op.as_str()));
        serde_json::from_value(request).map_err(|error| {
            let message = error.to_string();
            let near = unknown_key::suggestion(&message);
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            invalid(match known {
                Some(op) => format!("the request `{op}` cannot be read: {message}{near}"),
                None => format!("{not_a_request}: {message}{near}"),
            })
        })
    }
}

/// The line with `NaN` and infinities outside of strings replaced by `null`.
fn without_nan(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let (mut rest, mut quoted) = (line, false);
    while let Some(next) = rest.chars().next() {
        let special =
            ["-Infinity", "Infinity", "NaN"].iter().find(|special| rest.starts_with(**special));
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

#[cfg(test)]
mod tests {
    use super::without_nan;

    #[test]
    fn nan_and_infinities_become_null_outside_of_strings() {
        let line = r#"{"a": NaN, "b": [-Infinity, Infinity], "NaN": "a \" NaN é"}"#;
        let expected = r#"{"a": null, "b": [null, null], "NaN": "a \" NaN é"}"#;
        assert_eq!(without_nan(line), expected);
    }
}
