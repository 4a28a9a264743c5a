//! Summaries: the parts of a record that plans and reports need.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use units::{Energy, WarningKind};

use crate::{Outcome, RunId, RunRecord, RunSpec, Timing};

/// A record without its environment, its energy domains, the texts of its warnings and most of its
/// spans. Reading it takes a third of the time of reading the whole record.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RunSummary {
    /// The schema, see [`RunRecord::schema`].
    pub schema: String,
    /// The id of the run, computed from its spec.
    pub id: RunId,
    /// What was done.
    pub spec: RunSpec,
    /// The results that the spec determines.
    pub outcome: Outcome,
    /// The energy it used.
    pub energy: EnergySummary,
    /// The time it took.
    pub timing: Timing,
    /// The kinds of its warnings.
    #[serde(deserialize_with = "kinds_of_warnings")]
    pub warnings: Vec<WarningKind>,
    /// When the study looks at its verdicts, see [`RunRecord::looks`].
    #[serde(default)]
    pub looks: Vec<u32>,
}

/// The energies of a run that plans and reports need.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct EnergySummary {
    /// Energy of the main span; `None` if nothing was measured or estimated.
    pub total: Option<Energy>,
    /// Energy of choosing this run, from the span `plan`; `None` if that is not known.
    #[serde(rename = "spans", deserialize_with = "plan_among_spans")]
    pub plan: Option<Energy>,
}

impl From<RunRecord> for RunSummary {
    fn from(record: RunRecord) -> Self {
        let plan = record.energy.span_named("plan").and_then(|span| span.energy);
        Self {
            schema: record.schema,
            id: record.id,
            spec: record.spec,
            outcome: record.outcome,
            energy: EnergySummary { total: record.energy.total, plan },
            timing: record.timing,
            warnings: record.warnings.into_iter().map(|warning| warning.kind).collect(),
            looks: record.looks,
        }
    }
}

/// Reads the kinds of a list of warnings.
fn kinds_of_warnings<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<WarningKind>, D::Error> {
    #[derive(Deserialize)]
    struct Only {
        kind: WarningKind,
    }

    let list = Vec::<Only>::deserialize(list)?;
    Ok(list.into_iter().map(|warning| warning.kind).collect())
}

/// Reads the energy of the first span named `plan` and skips the other spans.
fn plan_among_spans<'de, D: Deserializer<'de>>(spans: D) -> Result<Option<Energy>, D::Error> {
    struct Spans;

    impl<'de> Visitor<'de> for Spans {
        type Value = Option<Energy>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of spans")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut spans: A) -> Result<Self::Value, A::Error> {
            let mut plan = None;
            while let Some(Span { is_plan, energy }) = spans.next_element()? {
                if is_plan && plan.is_none() {
                    plan = Some(energy);
                }
            }
            Ok(plan.flatten())
        }
    }

    spans.deserialize_seq(Spans)
}

/// A span. Its energy is read only if its name is `plan`.
struct Span {
    is_plan: bool,
    energy: Option<Energy>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Key {
    Name,
    Energy,
    #[serde(other)]
    Other,
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(span: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Span, A::Error> {
                let (mut is_plan, mut energy) = (None, None);
                while let Some(key) = members.next_key()? {
                    match key {
                        Key::Name => is_plan = Some(members.next_value::<String>()? == "plan"),
                        Key::Energy if is_plan != Some(false) => energy = members.next_value()?,
                        _ => drop(members.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(Span { is_plan: is_plan == Some(true), energy })
            }
        }

        span.deserialize_map(Members)
    }
}
