//! The description of a built-in sampler: its name, its settings and how to build it.

use std::{collections::BTreeMap, sync::Arc};

use super::interface::Sampler;
use crate::error::HpoError;

/// A sampler that is chosen by name, as in `wattlab tune`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SamplerEntry {
    /// Its name, in kebab-case.
    pub name: &'static str,
    /// What it does, in one sentence without a full stop.
    pub summary: &'static str,
    /// Its settings with their defaults.
    pub settings: &'static [Setting],
    /// Makes the sampler from a value for each of its settings.
    build: fn(&SettingValues) -> Result<Arc<dyn Sampler>, HpoError>,
}

/// A setting of a sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// Its name, in snake_case.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Its value if none is given; a given one must be of the same kind.
    pub default: SettingValue,
}

/// The value of a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingValue {
    /// A whole number.
    Count(u64),
    /// Yes or no.
    Switch(bool),
}

/// A value for each setting of a sampler.
pub type SettingValues = BTreeMap<String, SettingValue>;

impl Setting {
    pub(super) const fn new(
        name: &'static str,
        about: &'static str,
        default: SettingValue,
    ) -> Self {
        Self { name, about, default }
    }
}

impl SamplerEntry {
    pub(super) const fn new(
        name: &'static str,
        summary: &'static str,
        settings: &'static [Setting],
        build: fn(&SettingValues) -> Result<Arc<dyn Sampler>, HpoError>,
    ) -> Self {
        Self { name, summary, settings, build }
    }

    /// The given settings with the defaults of those that are missing.
    ///
    /// # Errors
    ///
    /// If the sampler does not have one of them, or it is of another kind.
    pub fn complete(&self, given: &SettingValues) -> Result<SettingValues, HpoError> {
        let error = |problem| HpoError::SamplerSetting { sampler: self.name.to_owned(), problem };
        if let Some(unknown) =
            given.keys().find(|name| self.settings.iter().all(|setting| setting.name != **name))
        {
            let known: Vec<String> =
                self.settings.iter().map(|setting| format!("`{}`", setting.name)).collect();
            return Err(error(match known.is_empty() {
                true => format!("unknown setting `{unknown}`; this sampler has no settings"),
                false => {
                    format!("unknown setting `{unknown}`; available settings: {}", known.join(", "))
                }
            }));
        }
        let mut settings = SettingValues::new();
        for Setting { name, default, .. } in self.settings {
            let value = given.get(*name).unwrap_or(default);
            let expected = match (default, value) {
                (SettingValue::Count(_), SettingValue::Count(_))
                | (SettingValue::Switch(_), SettingValue::Switch(_)) => None,
                (SettingValue::Count(_), _) => Some("a whole number"),
                (SettingValue::Switch(_), _) => Some("true or false"),
            };
            if let Some(expected) = expected {
                return Err(error(format!("setting `{name}` must be {expected}")));
            }
            settings.insert((*name).to_owned(), *value);
        }
        Ok(settings)
    }

    /// The sampler with these settings; those that are missing have their defaults.
    ///
    /// # Errors
    ///
    /// If the sampler does not have one of them, or cannot use its value.
    pub fn build(&self, given: &SettingValues) -> Result<Arc<dyn Sampler>, HpoError> {
        (self.build)(&self.complete(given)?)
    }
}
