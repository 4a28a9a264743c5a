//! What can be wrong with a profile, and the checks of its values.

use std::path::PathBuf;

use models::vision::int8_networks;
use record::{DataSpec, InferencePrecision};
use units::limits::{self, Limit, OutOfRange, Whole};

use super::unknown_key;

/// Why a profile cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The profile is neither a built-in one nor a file.
    #[error(
        "no profile `{given}`: it is neither a file nor one of the built-in profiles {known}{}",
        did_you_mean(nearest.as_deref())
    )]
    NoProfile {
        /// The name or path that was given.
        given: String,
        /// The names of the built-in profiles.
        known: String,
        /// The most similar built-in name.
        nearest: Option<String>,
    },
    /// The file cannot be read.
    #[error("failed to read profile `{}`; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
    /// The file is not TOML, or not a profile.
    #[error("profile `{file}` is not valid: {message}{}", did_you_mean(nearest.as_deref()))]
    Parse {
        /// The file.
        file: String,
        /// The parser's message, with line and column.
        message: String,
        /// The most similar valid key, if the message is about an unknown one.
        nearest: Option<String>,
    },
    /// The flag `--dataset` names no known data set.
    #[error(
        "flag `--dataset` is `{given}`, expected one of {known}{}",
        did_you_mean(nearest.as_deref())
    )]
    DataSet {
        /// The name that was given.
        given: String,
        /// The names of the data sets.
        known: String,
        /// The most similar name.
        nearest: Option<String>,
    },
    /// A value is out of range.
    #[error("profile `{file}`: key `{key}` is {found}, expected {expected}")]
    Value {
        /// The file.
        file: String,
        /// The key, with its table.
        key: String,
        /// The value in the file.
        found: String,
        /// The values that are allowed.
        expected: String,
    },
}

/// The end of a message that suggests a name.
fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

/// Checks the values of a profile and remembers the first error.
pub(super) struct Check<'a> {
    file: &'a str,
    error: Option<ConfigError>,
}

impl<'a> Check<'a> {
    /// Checks of a profile whose errors name `file`.
    pub(super) fn of(file: &'a str) -> Self {
        Self { file, error: None }
    }

    /// The result of all checks.
    pub(super) fn end(self) -> Result<(), ConfigError> {
        self.error.map_or(Ok(()), Err)
    }

    pub(super) fn fail(&mut self, key: &str, found: &str, expected: &str) {
        self.error.get_or_insert(ConfigError::Value {
            file: self.file.to_owned(),
            key: key.to_owned(),
            found: found.to_owned(),
            expected: expected.to_owned(),
        });
    }

    /// The whole number must be within a limit.
    pub(super) fn whole<N: Whole>(&mut self, key: &str, value: N, limit: Limit<u64>) {
        self.result(key, limit.check(value));
    }

    /// The real number must be within a limit.
    pub(super) fn real(&mut self, key: &str, value: f64, limit: Limit<f64>) {
        self.result(key, limit.check(value));
    }

    /// Precisions must be named once each, and networks of the catalog must support them. Networks in files are
    /// checked before their first run.
    pub(super) fn precision(
        &mut self,
        table: &str,
        precisions: &[InferencePrecision],
        networks: &[String],
    ) {
        let key = format!("{table}.precision");
        self.not_empty(&key, precisions.len());
        for (index, precision) in precisions.iter().enumerate() {
            if precisions[..index].contains(precision) {
                self.fail(&key, &format!("`{}` twice", precision.name()), "each precision once");
            }
        }
        let known = int8_networks();
        let unfit = networks.iter().find(|network| !known.contains(&network.as_str()));
        if let (true, Some(network)) = (precisions.contains(&InferencePrecision::Int8), unfit) {
            let found = format!("`int8` with network `{network}`");
            let expected = format!(
                "`float32`, or networks that int8 supports: {}, or files of such layers",
                known.join(", ")
            );
            self.fail(&key, &found, &expected);
        }
    }

    /// The experiment of a table must have no more runs than a study may have: the product of these
    /// numbers.
    pub(super) fn runs(&mut self, table: &str, factors: &[u64]) {
        self.result(&format!("{table} (number of runs)"), limits::RUNS.product(factors));
    }

    fn result<T>(&mut self, key: &str, checked: Result<T, OutOfRange>) {
        if let Err(error) = checked {
            self.fail(key, &error.found, &error.expected);
        }
    }

    /// A list of `len` entries must have one.
    pub(super) fn not_empty(&mut self, key: &str, len: usize) {
        if len == 0 {
            self.fail(key, "empty", "at least one entry");
        }
    }

    /// The levels of a factor must be at least two, and all different.
    pub(super) fn factor<T: PartialEq + std::fmt::Debug>(&mut self, key: &str, levels: &[T]) {
        let distinct = levels.iter().enumerate().all(|(at, level)| !levels[..at].contains(level));
        if levels.len() < 2 || !distinct {
            self.fail(key, &format!("{levels:?}"), "at least two different levels");
        }
    }

    /// The key `data` of a table: known data sets, with images to train on and to test by.
    pub(super) fn data(&mut self, table: &str, sets: &[DataSpec]) {
        self.not_empty(&format!("{table}.data"), sets.len());
        for (index, data) in sets.iter().enumerate() {
            self.whole(&format!("{table}.data[{index}].train"), data.train, limits::IMAGES);
            let validation = format!("{table}.data[{index}].validation");
            self.whole(&validation, data.validation, limits::IMAGES_OR_NONE);
            self.whole(&format!("{table}.data[{index}].test"), data.test, limits::IMAGES);
            let known = crate::data::names();
            self.known(&format!("{table}.data[{index}].name"), &data.name, &known);
        }
    }

    /// The key `networks` of a table: known vision networks.
    pub(super) fn networks(&mut self, key: &str, names: &[String]) {
        self.not_empty(key, names.len());
        let known: Vec<String> = models::vision::architectures()
            .iter()
            .map(|architecture| architecture.name)
            .chain(models::NetworkFile::built_in_names())
            .map(str::to_owned)
            .collect();
        for name in names {
            self.known(key, name, &known);
        }
    }

    /// The value must be one of some names.
    pub(super) fn known(&mut self, key: &str, name: &str, known: &[String]) {
        if !known.iter().any(|known| known == name) {
            let nearest = unknown_key::nearest(name, known.iter().map(String::as_str));
            let expected =
                format!("one of {}{}", known.join(", "), did_you_mean(nearest.as_deref()));
            self.fail(key, &format!("`{name}`"), &expected);
        }
    }
}
