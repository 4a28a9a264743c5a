//! What a data set is, and which of its columns hold what: one TOML file for each.

use std::collections::BTreeMap;

use record::Origin;
use serde::{Deserialize, Serialize};

use super::{
    EvidenceError,
    columns::{Columns, Constants, Exclusion, Missing, ReplayColumns, Second},
    own::OwnEstimate,
    recording_files::RecordingFiles,
};

/// The description of a data set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Adapter {
    /// Name, also of the folder with its files.
    pub name: String,
    /// Name for readers.
    pub title: String,
    /// What was measured, in a phrase.
    pub about: String,
    /// What measured it.
    pub measured_by: String,
    /// Whether a sensor measured the joules.
    pub origin: Origin,
    /// What the joules are of.
    pub scope: Scope,
    /// What the networks did.
    pub phase: Phase,
    /// What the joules of a row are for, after division by the column `work`: `training`, `epoch`, `image`.
    pub unit: String,
    /// Whether all devices are one set.
    #[serde(default)]
    pub together: bool,
    /// Whether its rows are runs of something other than networks, so that no claim is about them and only
    /// estimators are compared with their joules.
    #[serde(default)]
    pub estimators_only: bool,
    /// What a reader should know before quoting a result.
    #[serde(default)]
    pub beware: Vec<String>,
    /// Where it comes from.
    pub source: EvidenceSource,
    /// Its licence.
    pub licence: EvidenceLicence,
    /// Its tables.
    #[serde(default)]
    pub files: Vec<EvidenceFile>,
    /// Readings over time with those of a power meter beside them, instead of tables.
    #[serde(default)]
    pub recordings: Vec<RecordingFiles>,
    /// Which columns hold what.
    #[serde(default)]
    pub(crate) columns: Columns,
    /// Values that are the same in all rows.
    #[serde(default)]
    pub(crate) constants: Constants,
    /// A second measurement of the same runs.
    #[serde(default)]
    pub(crate) second: Option<Second>,
    /// What our own estimators would have read of the same runs.
    #[serde(default)]
    pub(crate) estimate: Option<OwnEstimate>,
    /// Rows that are left out, and why.
    #[serde(default)]
    pub(crate) exclude: Vec<Exclusion>,
    /// The year of each network.
    #[serde(default)]
    pub(crate) years: BTreeMap<String, u16>,
    /// How a search can be replayed on the rows.
    #[serde(default)]
    pub(crate) replay: Option<ReplayColumns>,
    /// Why the data set lacks what a claim needs.
    #[serde(default)]
    pub(crate) missing: Missing,
}

/// What joules are of. Joules of different scopes are never pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Scope {
    /// A GPU alone.
    Gpu,
    /// A GPU and the processor.
    GpuAndCpu,
    /// The processors alone.
    Processor,
    /// The whole computer, at the plug.
    Computer,
    /// A microcontroller's board.
    Board,
}

impl Scope {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Gpu => "GPU",
            Self::GpuAndCpu => "GPU and CPU",
            Self::Processor => "processors",
            Self::Computer => "whole computer",
            Self::Board => "board",
        }
    }
}

/// What networks did while their joules were measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Phase {
    /// They were trained.
    Training,
    /// They answered.
    Inference,
    /// No networks: artificial loads.
    Load,
}

impl Phase {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Training => "training",
            Self::Inference => "inference",
            Self::Load => "artificial load",
        }
    }
}

/// Where a data set comes from.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EvidenceSource {
    /// Authors, title and place.
    pub citation: String,
    /// Page of the data.
    pub address: String,
    /// Version of the data.
    pub revision: String,
    /// The form in which it is published.
    pub form: String,
    /// Address of the folder with the files; `None` if they are published in another form.
    #[serde(default)]
    pub download: Option<String>,
}

/// What the authors permit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EvidenceLicence {
    /// In words.
    pub name: String,
    /// Whether a copy may be passed on.
    pub redistribute: bool,
    /// Files with its text, in the folder of the data set.
    #[serde(default)]
    pub texts: Vec<String>,
}

/// A table of a data set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EvidenceFile {
    /// Name; the file may also be compressed and end in `.gz`.
    pub name: String,
    /// SHA-256 of its content, uncompressed, in hex; not checked if it is missing.
    #[serde(default)]
    pub sha256: Option<String>,
    /// SHA-256 of the condensed copy.
    #[serde(default)]
    pub condensed_sha256: Option<String>,
    /// The device of all its rows.
    #[serde(default)]
    pub device: Option<String>,
    /// The line with the columns' names, if the table begins below other lines and has others in between; lines
    /// with another number of fields are not rows of it.
    #[serde(default)]
    pub header: Option<String>,
}

impl Adapter {
    /// Reads an adapter; `file` is named in errors.
    ///
    /// # Errors
    ///
    /// If the text is not an adapter, or a value cannot be used.
    pub fn parse(text: &str, file: &str) -> Result<Self, EvidenceError> {
        let adapter: Self = toml::from_str(text).map_err(|source| EvidenceError::Toml {
            file: file.to_owned(),
            source: Box::new(source),
        })?;
        adapter.check(file)?;
        Ok(adapter)
    }

    fn check(&self, file: &str) -> Result<(), EvidenceError> {
        let refused = |key: &'static str, problem: String| {
            Err(EvidenceError::Key { file: file.to_owned(), key, problem })
        };
        let is_plain = |name: &str| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                && !name.starts_with('.')
        };
        if !is_plain(&self.name) {
            let problem = format!("is `{}`, expected letters, digits, `-`, `_` and `.`", self.name);
            return refused("name", problem);
        }
        if !self.recordings.is_empty() {
            if !self.files.is_empty() {
                let problem = "stands beside `recordings`, expected one of them".to_owned();
                return refused("files", problem);
            }
            let unfit = self.recordings.iter().find(|recording| !is_plain(&recording.name));
            if let Some(unfit) = unfit {
                let problem =
                    format!("is `{}`, expected letters, digits, `-`, `_` and `.`", unfit.name);
                return refused("recordings.name", problem);
            }
            let unfit = self.recordings.iter().find(|it| !OwnEstimate::is_limit(it.power_cap_w));
            return match unfit {
                Some(unfit) => {
                    refused("recordings.power_cap_w", OwnEstimate::not_a_limit(unfit.power_cap_w))
                }
                None => Ok(()),
            };
        }
        if self.files.is_empty() {
            return refused(
                "files",
                "is empty, expected at least one table `[[files]]`, or `[[recordings]]`".to_owned(),
            );
        }
        if let Some(file) = self.files.iter().find(|file| !is_plain(&file.name)) {
            let problem = format!("is `{}`, expected a file name without a folder", file.name);
            return refused("files.name", problem);
        }
        if self.columns.network.is_empty() {
            return refused("columns.network", "is missing, expected a column".to_owned());
        }
        if let Some((key, problem)) = self.estimate.as_ref().and_then(OwnEstimate::problem) {
            return refused(key, problem);
        }
        if self.columns.joules.is_empty() {
            return refused("columns.joules", "is empty, expected at least one column".to_owned());
        }
        let factor = self.columns.joules_factor;
        if !(factor.is_finite() && factor > 0.0) {
            let problem = format!("is {factor}, expected a number above 0");
            return refused("columns.joules_factor", problem);
        }
        let knows_device = self.columns.device.is_some()
            || self.constants.device.is_some()
            || self.files.iter().all(|file| file.device.is_some());
        if !knows_device {
            let problem = "is missing; give `columns.device`, `constants.device`, or `device` in each \
                           `[[files]]`";
            return refused("device", problem.to_owned());
        }
        let conditions = self.exclude.iter().flat_map(|exclusion| &exclusion.when);
        for condition in conditions.chain(self.replay.iter().map(|replay| &replay.only)) {
            let kinds = u8::from(condition.is.is_some())
                + u8::from(condition.below.is_some())
                + u8::from(condition.below_highest);
            if kinds != 1 {
                let problem = format!(
                    "on column `{}` has {kinds} conditions, expected one of `is`, `below`, \
                     `below_highest`",
                    condition.column
                );
                return refused("when", problem);
            }
        }
        if self.exclude.iter().any(|exclusion| exclusion.when.is_empty()) {
            return refused("exclude.when", "is empty, expected at least one condition".to_owned());
        }
        Ok(())
    }

    /// The columns that are read, in the order of the adapter, each once.
    pub(crate) fn columns_read(&self) -> Vec<&str> {
        let columns = &self.columns;
        let optional = [
            &columns.device,
            &columns.data,
            &columns.batch,
            &columns.block,
            &columns.work,
            &columns.images,
            &columns.accuracy,
            &columns.repetition,
        ];
        let replay = self.replay.iter().flat_map(|replay| {
            [&replay.only.column, &replay.matrix, &replay.operations, &replay.validation]
        });
        let excluded = self.exclude.iter().flat_map(|exclusion| &exclusion.when);
        let all = std::iter::once(&columns.network)
            .chain(optional.into_iter().flatten())
            .chain(&columns.joules)
            .chain(self.second.iter().flat_map(|second| &second.joules))
            .chain(self.estimate.iter().flat_map(OwnEstimate::columns))
            .chain(excluded.map(|condition| &condition.column))
            .chain(replay);
        let mut names: Vec<&str> = Vec::new();
        for name in all {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }
}
