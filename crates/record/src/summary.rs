//! A record without what only the reader of that one record asks for.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use units::{Energy, WarningKind};

use crate::{Outcome, RunId, RunRecord, RunSpec, Timing};

/// A record without its environment, its domains, the words of its warnings and most of its spans: what plans and
/// reports need, read in a third of the time that a whole record takes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RunSummary {
    /// As [`RunRecord::schema`].
    pub schema: String,
    /// From the spec alone.
    pub id: RunId,
    /// What was to be done.
    pub spec: RunSpec,
    /// All that the seed determines.
    pub outcome: Outcome,
    /// What it cost.
    pub energy: EnergySummary,
    /// How long it took.
    pub timing: Timing,
    /// What its doubts are about.
    #[serde(deserialize_with = "kinds_of_warnings")]
    pub warnings: Vec<WarningKind>,
}

/// The energies that a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct EnergySummary {
    /// Of the main span; `None` where nothing was read.
    pub total: Option<Energy>,
    /// Of choosing what to run: the span `plan`.
    #[serde(rename = "spans", deserialize_with = "plan_among_spans")]
    pub plan: Option<Energy>,
}

impl From<RunRecord> for RunSummary {
    fn from(record: RunRecord) -> Self {
        let plan = record.energy.span_named("plan").and_then(|it| it.energy);
        Self {
            schema: record.schema,
            id: record.id,
            spec: record.spec,
            outcome: record.outcome,
            energy: EnergySummary { total: record.energy.total, plan },
            timing: record.timing,
            warnings: record.warnings.into_iter().map(|it| it.kind).collect(),
        }
    }
}

/// Warnings without their words.
fn kinds_of_warnings<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<WarningKind>, D::Error> {
    #[derive(Deserialize)]
    struct Only {
        kind: WarningKind,
    }

    let list = Vec::<Only>::deserialize(list)?;
    Ok(list.into_iter().map(|it| it.kind).collect())
}

/// The energy of the first span named `plan`; the numbers of the others are not even parsed.
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

/// A span, of which only the one named `plan` keeps its energy.
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
