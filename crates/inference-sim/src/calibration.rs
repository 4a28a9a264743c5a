//! Measured times and energies of a network's batches.

use std::{num::NonZeroUsize, path::PathBuf};

use serde::{Deserialize, Serialize};
use units::{Joules, Origin, Seconds};

use crate::{fit::LinearFit, pause::AfterPause};

/// The measured time and energy of a batch, or the means of several equal batches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchMeasurement {
    /// Requests in the batch.
    pub size: usize,
    /// How long the server had served nothing before; 0 right after another batch.
    pub pause: Seconds,
    /// Its time from when it could start: after a pause, waking up is a part of it.
    pub service: Seconds,
    /// Coefficient of variation of the times of single batches; `None` for one batch.
    pub cv: Option<f64>,
    /// Its energy, the idle power over its time included; `None` without a sensor or an estimate.
    pub energy: Option<Joules>,
}

/// Times and energies by batch size, with their linear fits. A description keeps them beside the
/// tables that the simulation reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// torchvision's name of the network, or the path of its file; `None` for somebody else's server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// Somebody else's server: the command line that started it, or its address; `None` for a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Side of the network's square images, in pixels; `None` for somebody else's server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_side: Option<usize>,
    /// Folder of the photographs whose decoding and preprocessing is part of the times; `None` if
    /// the images were in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<PathBuf>,
    /// Whether the photographs were prepared before and kept in memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache_images: bool,
    /// Threads that ran the network; `None` for one per processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<NonZeroUsize>,
    /// The device the network ran on, such as `cuda`; `None` for the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The name of the processor, and of the device if there is one.
    pub machine: String,
    /// The origin of the joules; `None` without joules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_origin: Option<Origin>,
    /// Seconds of a batch that follows another at once.
    pub time: LinearFit,
    /// Joules of a batch that follows another at once; `None` without joules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<LinearFit>,
    /// The measurements by pause, then by size, both rising.
    pub sizes: Vec<SizeRow>,
}

/// Times and energies of a batch size after a pause, or without one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeRow {
    /// Requests in the batch.
    pub size: usize,
    /// How long the server had served nothing before; 0 right after another batch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pause_s: f64,
    /// Number of measurements.
    pub measurements: usize,
    /// Mean time.
    pub mean_s: f64,
    /// Coefficient of variation of single batches' times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cv: Option<f64>,
    /// Standard deviation of the times; `None` for a single one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sd_s: Option<f64>,
    /// Mean energy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_j: Option<f64>,
    /// Standard deviation of the energies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sd_j: Option<f64>,
}

/// Batch sizes with a value each.
pub(crate) type Table = Vec<(usize, f64)>;

impl Calibration {
    /// What was measured, in words: the network, or the server.
    #[must_use]
    pub fn measured(&self) -> &str {
        self.network.as_deref().or(self.server.as_deref()).unwrap_or("none")
    }

    /// Rows without a pause, and rows after pauses; `None` if a value is missing.
    pub(crate) fn tables(
        &self,
        value: impl Fn(&SizeRow) -> Option<f64>,
    ) -> Option<(Table, Vec<AfterPause>)> {
        let mut at_once = Vec::new();
        let mut after: Vec<AfterPause> = Vec::new();
        for row in &self.sizes {
            let found = (row.size, value(row)?);
            if row.pause_s <= 0.0 {
                at_once.push(found);
                continue;
            }
            match after.last_mut().filter(|last| last.pause_s == row.pause_s) {
                Some(last) => last.table.push(found),
                None => after.push(AfterPause { pause_s: row.pause_s, table: vec![found] }),
            }
        }
        Some((at_once, after))
    }
}

/// Rows by pause and size from measurements in any order.
#[must_use]
pub fn size_rows(measurements: &[BatchMeasurement]) -> Vec<SizeRow> {
    let mut groups: Vec<(f64, usize)> =
        measurements.iter().map(|batch| (batch.pause.0, batch.size)).collect();
    groups.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    groups.dedup();
    let row = |(pause_s, size): (f64, usize)| {
        let alike = || {
            measurements.iter().filter(move |batch| batch.size == size && batch.pause.0 == pause_s)
        };
        let times: Vec<f64> = alike().map(|batch| batch.service.0).collect();
        let joules: Vec<f64> = alike().filter_map(|batch| Some(batch.energy?.0)).collect();
        let (mean_j, sd_j) =
            if joules.len() == times.len() { moments(&joules) } else { (None, None) };
        let (mean_s, sd_s) = moments(&times);
        let mean_s = mean_s.unwrap_or_default();
        let cv = root_mean_square(alike().filter_map(|batch| batch.cv));
        SizeRow { size, pause_s, measurements: times.len(), mean_s, cv, sd_s, mean_j, sd_j }
    };
    groups.into_iter().map(row).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

pub(crate) fn root_mean_square(values: impl Iterator<Item = f64>) -> Option<f64> {
    let squares: Vec<f64> = values.map(|value| value * value).collect();
    let n = squares.len() as f64;
    (!squares.is_empty()).then(|| (squares.iter().sum::<f64>() / n).sqrt())
}

fn moments(values: &[f64]) -> (Option<f64>, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    ((n > 0.0).then_some(mean), (n > 1.0).then(|| variance.sqrt()))
}
