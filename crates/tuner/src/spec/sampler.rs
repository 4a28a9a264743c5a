//! The description of a sampler.

use std::{fmt, sync::Arc};

use hpo::{Sampler, SamplerEntry, SettingValue, SettingValues};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, MapAccess, Visitor},
    ser::SerializeMap,
};

use crate::error::TunerError;

/// A built-in sampler by name, with all its settings: `{"kind": "grid", "values": 5, "paper": false}`.
/// [`hpo::SAMPLERS`] lists the names and settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SamplerSpec {
    kind: String,
    settings: SettingValues,
}

impl Default for SamplerSpec {
    fn default() -> Self {
        Self { kind: "gp".to_owned(), settings: SettingValues::new() }
    }
}

impl SamplerSpec {
    /// The sampler of a name, with the given settings and the defaults of the others.
    ///
    /// # Errors
    ///
    /// If there is no such sampler, or it does not have one of the settings.
    pub fn new(kind: &str, settings: &SettingValues) -> Result<Self, TunerError> {
        let entry = SamplerEntry::find(kind)?;
        let settings = entry.complete(settings)?;
        entry.build(&settings)?;
        Ok(Self { kind: kind.to_owned(), settings })
    }

    /// The sampler itself.
    ///
    /// # Errors
    ///
    /// If there is no such sampler.
    pub fn sampler(&self) -> Result<Arc<dyn Sampler>, TunerError> {
        Ok(SamplerEntry::find(&self.kind)?.build(&self.settings)?)
    }
}

impl Serialize for SamplerSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.settings.len()))?;
        map.serialize_entry("kind", &self.kind)?;
        for (name, value) in &self.settings {
            match value {
                SettingValue::Count(count) => map.serialize_entry(name, count)?,
                SettingValue::Switch(switch) => map.serialize_entry(name, switch)?,
                _ => return Err(serde::ser::Error::custom("this setting has no JSON form")),
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for SamplerSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table)
    }
}

struct Table;

/// A value of a setting in JSON or TOML.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the settings of a sampler are whole numbers, true or false")]
enum Given {
    Switch(bool),
    Count(u64),
}

impl<'de> Visitor<'de> for Table {
    type Value = SamplerSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table with the sampler's name, such as { kind = \"gp\" }")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<SamplerSpec, A::Error> {
        let (mut kind, mut settings) = (None::<String>, SettingValues::new());
        while let Some(key) = map.next_key::<String>()? {
            if key == "kind" {
                kind = Some(map.next_value()?);
                continue;
            }
            let value = match map.next_value()? {
                Given::Switch(switch) => SettingValue::Switch(switch),
                Given::Count(count) => SettingValue::Count(count),
            };
            settings.insert(key, value);
        }
        let kind = kind.ok_or_else(|| A::Error::missing_field("kind"))?;
        SamplerSpec::new(&kind, &settings).map_err(A::Error::custom)
    }
}
