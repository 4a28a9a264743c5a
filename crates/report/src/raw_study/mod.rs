//! The study's raw files, as rows like those of our records.

mod effects;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use record::{Adam, Energy, Joules, NetworkKind, Origin, SamplerKind, StudyNetwork, TuningSpace};
use serde::Deserialize;

use crate::claim::{LayerRow, Rows, TrialRow};

pub(crate) use self::effects::study_cautions;
pub use self::effects::{EffectShare, OurEffect, effect_shares};

/// The study's measurements, and the tables that it computed from them.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RawStudy {
    /// RQ1: a row per configuration, each the mean of the study's eight repetitions.
    pub trials: Vec<TrialRow>,
    /// RQ2 and RQ3: a row per training; `repetition` counts the repeats of a setting in a cell.
    pub layers: Vec<LayerRow>,
    /// The study's own analysis of variance by `data set:response`, as in `fashion-mnist:energy_j`.
    pub published: BTreeMap<String, Vec<PublishedTerm>>,
}

/// A row of the study's analysis of variance.
#[derive(Clone, Debug, Deserialize)]
#[non_exhaustive]
pub struct PublishedTerm {
    /// `linear_layers:relu`, or `Residual`.
    pub term: String,
    /// F; `None` for the residual.
    #[serde(default)]
    pub f: Option<f64>,
    /// p; `None` for the residual.
    #[serde(default)]
    pub p: Option<f64>,
    /// η²; `None` for the residual.
    #[serde(default)]
    pub eta_sq: Option<f64>,
}

/// Why the raw files cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RawStudyError {
    /// The folder or a file cannot be read.
    #[error("failed to read `{}`; `--reference` needs the folder with the study's raw files", path.display())]
    Unreadable {
        /// Folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The folder has none of the files.
    #[error(
        "`{}` has none of the study's raw files, expected `rq1_trials.csv` or `rq2_<data set>.csv`",
        path.display()
    )]
    Nothing {
        /// The folder.
        path: PathBuf,
    },
    /// A file is not CSV, or lacks columns.
    #[error("`{}` is not a raw file of the study; download it again", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Line and column.
        source: csv::Error,
    },
    /// A value is out of range.
    #[error("`{}`, line {line}: `{column}` is `{value}`, expected {expected}; download the file again", path.display())]
    Value {
        /// The file.
        path: PathBuf,
        /// Counted from 1, the header included.
        line: usize,
        /// Its column.
        column: &'static str,
        /// As found.
        value: String,
        /// In words.
        expected: &'static str,
    },
    /// The file with the published tables has another structure.
    #[error("`{}` does not have the study's tables; download it again", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// Line and column.
        source: serde_json::Error,
    },
}

#[derive(Deserialize)]
struct TrialLine {
    dataset: String,
    parameters: u8,
    network: String,
    strategy: String,
    trial: u32,
    lr: Option<f64>,
    beta1: Option<f64>,
    beta2: Option<f64>,
    epsilon: Option<f64>,
    weight_decay: Option<f64>,
    energy_j: f64,
    accuracy: f64,
}

#[derive(Deserialize)]
struct LayerLine {
    linear_layers: u32,
    conv_layers: u32,
    relu: u8,
    lr: f64,
    beta1: f64,
    beta2: f64,
    energy_j: f64,
    accuracy: f64,
}

impl TrialLine {
    /// Adam's settings; with three parameters, ε and the weight decay have Adam's defaults.
    fn optimizer(&self) -> Option<Adam> {
        let own = Adam::default();
        Some(Adam {
            learning_rate: self.lr?,
            beta1: self.beta1?,
            beta2: self.beta2?,
            epsilon: self.epsilon.unwrap_or(own.epsilon),
            weight_decay: self.weight_decay.unwrap_or(own.weight_decay),
        })
    }
}

impl RawStudy {
    /// Reads `rq1_trials.csv`, every `rq2_*.csv` and `rq2_published.json` of a folder; each may be
    /// missing.
    ///
    /// # Errors
    ///
    /// If the folder has none of the raw files, or one of them is not valid.
    pub fn read(folder: &Path) -> Result<Self, RawStudyError> {
        let unreadable = |source| RawStudyError::Unreadable { path: folder.to_owned(), source };
        let mut names: Vec<String> = fs::read_dir(folder)
            .map_err(unreadable)?
            .map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        names.sort_unstable();
        let mut reference = Self::default();
        for name in names {
            let path = folder.join(&name);
            if name == "rq1_trials.csv" {
                reference.trials = trials(&path)?;
            } else if name == "rq2_published.json" {
                reference.published = published(&path)?;
            } else if let Some(data) =
                name.strip_prefix("rq2_").and_then(|rest| rest.strip_suffix(".csv"))
            {
                reference.layers.extend(layers(&path, &data.replace('_', "-"))?);
            }
        }
        if reference.trials.is_empty() && reference.layers.is_empty() {
            return Err(RawStudyError::Nothing { path: folder.to_owned() });
        }
        Ok(reference)
    }

    /// The rows for our claims.
    ///
    /// Repeats of a setting are not independent, so each setting of a cell is one row, the mean of its
    /// repeats. The study used different settings with and without ReLU, so a block has the settings
    /// with the same rank by learning rate in each cell.
    #[must_use]
    pub fn rows(&self) -> Rows {
        type Group<'a> =
            BTreeMap<(&'a str, u32, u32, bool), Vec<(f64, &'a str, Vec<&'a LayerRow>)>>;
        let mut cells: Group<'_> = BTreeMap::new();
        for row in &self.layers {
            let key = (row.data.as_str(), row.network.conv, row.network.linear, row.network.relu);
            let settings = cells.entry(key).or_default();
            match settings.iter_mut().find(|setting| setting.1 == row.setting) {
                Some((.., rows)) => rows.push(row),
                None => {
                    let rate = row.setting.split('/').next().and_then(|rate| rate.parse().ok());
                    settings.push((rate.unwrap_or(0.0), &row.setting, vec![row]));
                }
            }
        }
        let mut means = Vec::new();
        for settings in cells.values_mut() {
            settings.sort_by(|a, b| a.0.total_cmp(&b.0));
            for (number, (_, _, rows)) in settings.iter().enumerate() {
                let n = rows.len() as f64;
                let joules = rows.iter().map(|row| row.energy.joules.0).sum::<f64>() / n;
                means.push(LayerRow {
                    setting: format!("setting {}", number + 1),
                    repetition: 0,
                    energy: measured(joules),
                    accuracy: rows.iter().map(|row| row.accuracy).sum::<f64>() / n,
                    ..rows[0].clone()
                });
            }
        }
        Rows { trials: self.trials.clone(), layers: means, ..Rows::default() }
    }
}

/// An energy of the study, which measured with a sensor and states no uncertainty.
fn measured(joules: f64) -> Energy {
    Energy { joules: Joules(joules), uncertainty: Joules(0.0), origin: Origin::Measured }
}

fn lines<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Vec<T>, RawStudyError> {
    let broken = |source| RawStudyError::Csv { path: path.to_owned(), source };
    let mut reader = csv::Reader::from_path(path).map_err(broken)?;
    reader.deserialize().collect::<Result<_, _>>().map_err(broken)
}

/// A value from 0 to `most`: joules, or a share if `most` is 1.
fn checked(
    path: &Path,
    at: usize,
    column: &'static str,
    value: f64,
    most: f64,
) -> Result<f64, RawStudyError> {
    if (0.0..=most).contains(&value) {
        return Ok(value);
    }
    let expected = if most == 1.0 { "a share from 0 to 1" } else { "a number of joules from 0" };
    let (path, value) = (path.to_owned(), value.to_string());
    Err(RawStudyError::Value { path, line: at + 2, column, value, expected })
}

fn trials(path: &Path) -> Result<Vec<TrialRow>, RawStudyError> {
    let lines: Vec<TrialLine> = lines(path)?;
    let rows = lines.into_iter().enumerate().map(|(at, line)| {
        let unknown = |column, value: &str, expected| RawStudyError::Value {
            path: path.to_owned(),
            line: at + 2,
            column,
            value: value.to_owned(),
            expected,
        };
        let kinds = [NetworkKind::SimpleCnn, NetworkKind::DensePoly, NetworkKind::DenseLinear];
        let network = kinds.into_iter().find(|kind| kind.paper_name() == line.network);
        let accuracy = checked(path, at, "accuracy", line.accuracy, 1.0)?;
        Ok(TrialRow {
            network: network.ok_or_else(|| {
                unknown("network", &line.network, "SimpleCNN, DensePolyNN or DenseLinearNN")
            })?,
            space: match line.parameters {
                3 => TuningSpace::Three,
                5 => TuningSpace::Five,
                other => return Err(unknown("parameters", &other.to_string(), "3 or 5")),
            },
            sampler: match line.strategy.as_str() {
                "grid" => SamplerKind::Grid,
                "random" => SamplerKind::Random,
                "bayesian" => SamplerKind::PaperPi,
                other => return Err(unknown("strategy", other, "grid, random or bayesian")),
            },
            repetition: 0,
            number: line.trial,
            optimizer: line.optimizer(),
            energy: Some(measured(checked(path, at, "energy_j", line.energy_j, f64::MAX)?)),
            plan: None,
            validation: accuracy,
            test: accuracy,
            diverged: false,
            data: line.dataset,
        })
    });
    rows.collect()
}

fn layers(path: &Path, data: &str) -> Result<Vec<LayerRow>, RawStudyError> {
    let lines: Vec<LayerLine> = lines(path)?;
    let mut repeats: BTreeMap<String, u32> = BTreeMap::new();
    let rows = lines.into_iter().enumerate().map(|(at, line)| {
        let setting = format!("{}/{}/{}", line.lr, line.beta1, line.beta2);
        let cell = format!("{} {} {} {setting}", line.linear_layers, line.conv_layers, line.relu);
        let repeat = repeats.entry(cell).or_default();
        *repeat += 1;
        Ok(LayerRow {
            data: data.to_owned(),
            network: StudyNetwork {
                kind: NetworkKind::SimpleCnn,
                conv: line.conv_layers,
                linear: line.linear_layers,
                relu: line.relu != 0,
            },
            setting,
            repetition: *repeat - 1,
            order: at as u64,
            energy: measured(checked(path, at, "energy_j", line.energy_j, f64::MAX)?),
            accuracy: checked(path, at, "accuracy", line.accuracy, 1.0)?,
        })
    });
    rows.collect()
}

fn published(path: &Path) -> Result<BTreeMap<String, Vec<PublishedTerm>>, RawStudyError> {
    let text = units::read_text(path, units::limits::CONFIG_BYTES.max())
        .map_err(|source| RawStudyError::Unreadable { path: path.to_owned(), source })?;
    let broken = |source| RawStudyError::Json { path: path.to_owned(), source };
    let all: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).map_err(broken)?;
    all.into_iter()
        .filter_map(|(key, mut value)| Some((key, value.get_mut("terms")?.take())))
        .map(|(key, terms)| Ok((key, serde_json::from_value(terms).map_err(broken)?)))
        .collect()
}
