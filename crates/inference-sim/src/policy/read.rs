//! Reads `[batching]` of a description.

use std::{fmt, sync::LazyLock};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, Visitor},
};

use super::{
    config::BatchingConfig,
    key::{PolicyKey, Value, ValueKind},
    kind::PolicyKind,
};

/// The names of all policies.
static NAMES: LazyLock<Vec<&str>> =
    LazyLock::new(|| PolicyKind::all().map(PolicyKind::name).collect());

/// The names of all keys.
static KEYS: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let mut names = vec!["policy"];
    for key in PolicyKind::all().flat_map(PolicyKind::keys) {
        if !names.contains(&key.name()) {
            names.push(key.name());
        }
    }
    names
});

impl<'de> Deserialize<'de> for BatchingConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Table)
    }
}

struct Table;

impl<'de> Visitor<'de> for Table {
    type Value = BatchingConfig;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a table with `policy` and its keys")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<BatchingConfig, M::Error> {
        // A key has the same type for all kinds, so `policy` need not come first.
        let mut kind = None;
        let mut values: Vec<(PolicyKey, Value)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "policy" {
                let found = map.next_value_seed(KindByName)?;
                if kind.replace(found).is_some() {
                    return Err(M::Error::duplicate_field("policy"));
                }
                continue;
            }
            let mut keys = PolicyKind::all().flat_map(PolicyKind::keys);
            let Some(&key) = keys.find(|key| key.name() == name) else {
                return Err(M::Error::unknown_field(&name, &KEYS));
            };
            if values.iter().any(|(other, _)| other.path == key.path) {
                return Err(M::Error::duplicate_field(key.name()));
            }
            if let Some(value) = map.next_value_seed(key.value)? {
                values.push((key, value));
            }
        }
        let kind = kind.ok_or_else(|| M::Error::missing_field("policy"))?;
        Ok(BatchingConfig { kind, values })
    }
}

struct KindByName;

impl<'de> DeserializeSeed<'de> for KindByName {
    type Value = PolicyKind;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<PolicyKind, D::Error> {
        let name = String::deserialize(deserializer)?;
        PolicyKind::named(&name).ok_or_else(|| D::Error::unknown_variant(&name, &NAMES))
    }
}

impl<'de> DeserializeSeed<'de> for ValueKind {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<Value>, D::Error> {
        Ok(match self {
            Self::Count => Option::deserialize(deserializer)?.map(Value::Count),
            Self::Number => Option::deserialize(deserializer)?.map(Value::Number),
            Self::Counts => Option::deserialize(deserializer)?.map(Value::Counts),
            Self::File => Option::deserialize(deserializer)?.map(Value::File),
        })
    }
}
