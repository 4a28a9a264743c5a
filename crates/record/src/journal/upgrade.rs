//! Turns the JSON of a line into a record, whichever version of wattlab wrote it.

use serde_json::Value;

use super::fault::Fault;
use crate::{RECORD_SCHEMA, RunRecord, RunSummary};

/// Turns the record of one schema version into that of the next. A step that changes the spec must also
/// change the id.
type Step = fn(Value) -> Value;

/// The steps from version 1 to 2, from 2 to 3, ….
const STEPS: [Step; 0] = [];

const FAMILY: &str = "wattlab.record/";

/// The record in a line's JSON.
pub(super) fn record(json: &[u8]) -> Result<RunRecord, Fault> {
    let record = match serde_json::from_slice::<RunRecord>(json) {
        Ok(record) if record.schema == RECORD_SCHEMA => record,
        // Another version, or not a record.
        found => {
            let value: Value = serde_json::from_slice(json).map_err(|error| Fault::json(&error))?;
            let is_ours = value.get("schema").is_some_and(|schema| schema == RECORD_SCHEMA);
            match (found, is_ours) {
                (Err(error), true) => return Err(Fault::json(&error)),
                _ => serde_json::from_value(upgraded(value, &STEPS)?)
                    .map_err(|error| Fault::json(&error))?,
            }
        }
    };
    let is = record.spec.id();
    if is == record.id { Ok(record) } else { Err(Fault::Id { says: record.id, is }) }
}

/// The summary in a line's JSON. A sealed line is known to be as it was written, so the parts that a
/// summary omits need not be parsed.
pub(super) fn summary(json: &[u8], is_sealed: bool) -> Result<RunSummary, Fault> {
    if is_sealed
        && let Ok(summary) = serde_json::from_slice::<RunSummary>(json)
        && summary.schema == RECORD_SCHEMA
        && summary.spec.id() == summary.id
    {
        return Ok(summary);
    }
    record(json).map(RunSummary::from)
}

/// Applies the steps from the record's version to the current one.
pub(super) fn upgraded(value: Value, steps: &[Step]) -> Result<Value, Fault> {
    let said = value.get("schema").and_then(Value::as_str).unwrap_or("none").to_owned();
    let version = said.strip_prefix(FAMILY).and_then(|number| number.parse::<usize>().ok());
    match version {
        Some(version @ 1..) if version <= steps.len() + 1 => {
            Ok(steps[version - 1..].iter().fold(value, |value, step| step(value)))
        }
        Some(1..) => Err(Fault::Newer(said)),
        _ => Err(Fault::Schema(said)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_upgraded_by_the_steps_it_lacks() {
        let steps: [Step; 2] = [
            |mut record| {
                record["schema"] = json!("wattlab.record/2");
                record["unit"] = json!("J");
                record
            },
            |mut record| {
                record["schema"] = json!("wattlab.record/3");
                record["joules"] = record["energy"].take();
                record
            },
        ];
        let of = |version: u32| json!({"schema": format!("wattlab.record/{version}"), "energy": 1});
        let third = upgraded(of(1), &steps).unwrap();
        assert_eq!(third["unit"], "J");
        assert_eq!(third["joules"], 1);
        let third = upgraded(of(2), &steps).unwrap();
        assert_eq!((&third["unit"], &third["joules"]), (&Value::Null, &json!(1)));
        assert_eq!(upgraded(of(3), &steps).unwrap(), of(3));
        assert_eq!(upgraded(of(4), &steps), Err(Fault::Newer("wattlab.record/4".into())));
        for (value, said) in [
            (of(0), "wattlab.record/0"),
            (json!({"schema": "wattlab.results/1"}), "wattlab.results/1"),
            (json!([1]), "none"),
        ] {
            assert_eq!(upgraded(value, &steps), Err(Fault::Schema(said.into())));
        }
    }

    #[test]
    fn every_version_after_the_first_has_a_step() {
        assert_eq!(RECORD_SCHEMA, format!("{FAMILY}{}", STEPS.len() + 1));
    }
}
