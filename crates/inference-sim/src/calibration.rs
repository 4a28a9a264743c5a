//! What batches of a network take and draw, measured once and simulated often.

use std::{num::NonZeroUsize, path::PathBuf};

use record::{Joules, Origin, Seconds, Watts};
use serde::{Deserialize, Serialize};

use crate::{
    config::{
        ArrivalConfig, BatchingConfig, PolicyKind, PowerConfig, QueueConfig, ServersConfig,
        ServiceConfig, SimulationConfig, StatisticsConfig,
    },
    pause::AfterPause,
};

/// One batch, or several alike that were measured together: their mean.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Requests in the batch.
    pub size: usize,
    /// For how long the server had served nothing before; 0 right after another batch.
    pub pause: Seconds,
    /// What it took, from when it could begin: after a pause, waking up is a part of it.
    pub service: Seconds,
    /// Coefficient of variation of the times of single batches; `None` for one batch.
    pub cv: Option<f64>,
    /// What it drew, the idle power over its time included; `None` where nothing tells.
    pub energy: Option<Joules>,
}

/// Times and energies by batch size, with their linear fits: kept in the description of a queue,
/// beside the tables that the simulation reads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// torchvision's name of the network.
    pub network: String,
    /// Side of the square images, in pixels.
    pub image_side: usize,
    /// Folder of the photographs whose decoding and preprocessing is part of the times; `None` if
    /// the images lay ready in memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<PathBuf>,
    /// The photographs were prepared before and kept in memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache_images: bool,
    /// Threads that ran the network; `None` for as many as processors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<NonZeroUsize>,
    /// The device the network ran on, such as `cuda`; `None` for the processor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The processor, and the device if there is one.
    pub machine: String,
    /// Where the joules are from; `None` without joules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_origin: Option<Origin>,
    /// Seconds of a batch that follows another.
    pub time: Fit,
    /// Joules of a batch that follows another; `None` without joules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Fit>,
    /// Pause by pause, and of each size by size, rising.
    pub sizes: Vec<SizeRow>,
}

/// What was measured of a batch size after a pause, or without one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeRow {
    /// Requests in the batch.
    pub size: usize,
    /// For how long the server had served nothing before; 0 right after another batch.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pause_s: f64,
    /// How often it was measured.
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

/// y(n) = base + n · per_item, by least squares of the relative residuals: a large batch must not
/// decide what a small one takes. The intervals are Student's, of 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fit {
    /// Of a batch of any size.
    pub base: f64,
    /// Of each request in it.
    pub per_item: f64,
    /// Of `base`; `None` for fewer than three observations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_ci95: Option<[f64; 2]>,
    /// Of `per_item`; as `base_ci95`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_item_ci95: Option<[f64; 2]>,
    /// The largest relative distance of a size's mean from the line.
    pub worst_relative: f64,
}

impl Fit {
    /// Fits points `(n, y)` with n and y above 0; `None` unless there are two different n.
    #[must_use]
    pub fn new(points: &[(f64, f64)]) -> Option<Self> {
        let weighted = || points.iter().map(|&(n, y)| (n, y, (y * y).recip()));
        let sum = |value: fn(f64, f64) -> f64| -> f64 {
            weighted().map(|(n, y, weight)| weight * value(n, y)).sum()
        };
        let (w, n1, n2) = (sum(|_, _| 1.0), sum(|n, _| n), sum(|n, _| n * n));
        let (y1, ny) = (sum(|_, y| y), sum(|n, y| n * y));
        let determinant = w * n2 - n1 * n1;
        // Of one n alone it is rounding errors.
        if determinant.is_nan() || determinant <= 1e-12 * w * n2 {
            return None;
        }
        let base = (n2 * y1 - n1 * ny) / determinant;
        let per_item = (w * ny - n1 * y1) / determinant;
        let squares: f64 =
            weighted().map(|(n, y, weight)| weight * (y - base - n * per_item).powi(2)).sum();
        let degrees = points.len().checked_sub(2).filter(|&it| it > 0);
        let interval = |center: f64, factor: f64| {
            let degrees = degrees?;
            let error = (squares / degrees as f64 * factor / determinant).sqrt();
            let half = t_975(degrees) * error;
            Some([center - half, center + half])
        };
        let mut sizes: Vec<f64> = points.iter().map(|point| point.0).collect();
        sizes.sort_by(f64::total_cmp);
        sizes.dedup();
        let worst = sizes.iter().map(|&size| {
            let of_size: Vec<f64> =
                points.iter().filter(|point| point.0 == size).map(|point| point.1).collect();
            let mean = of_size.iter().sum::<f64>() / of_size.len() as f64;
            ((base + size * per_item) / mean - 1.0).abs()
        });
        Some(Self {
            base,
            per_item,
            base_ci95: interval(base, n2),
            per_item_ci95: interval(per_item, w),
            worst_relative: worst.fold(0.0, f64::max),
        })
    }
}

/// Batch sizes with a value each.
type Table = Vec<(usize, f64)>;

impl Calibration {
    /// A queue before the calibrated server, to be edited: Poisson arrivals at half of what it can
    /// serve, greedy batches up to the largest size measured.
    #[must_use]
    pub fn describe(self, idle: Option<Watts>) -> SimulationConfig {
        let (times, times_after) = self.tables(|row| Some(row.mean_s)).unwrap_or_default();
        let power = idle.zip(self.tables(|row| row.mean_j)).map(|(idle, (rows, after_pause))| {
            PowerConfig { after_pause, ..PowerConfig::table(idle, rows) }
        });
        let largest = self.sizes.iter().map(|row| row.size).max().unwrap_or(1);
        let fastest = times.iter().map(|&(size, time)| size as f64 / time).fold(0.0, f64::max);
        SimulationConfig {
            seed: 1,
            requests: 200_000,
            warmup: 10_000,
            arrivals: ArrivalConfig::poisson(fastest / 2.0),
            service: ServiceConfig {
                table_cv: root_mean_square(self.sizes.iter().filter_map(|it| it.cv)),
                after_pause: times_after,
                ..ServiceConfig::table(times)
            },
            batching: BatchingConfig::new(PolicyKind::Greedy, largest),
            servers: ServersConfig::default(),
            power,
            queue: QueueConfig::default(),
            models: Vec::new(),
            statistics: StatisticsConfig::default(),
            calibration: Some(self),
        }
    }

    /// Rows without a pause, and those after pauses; `None` if a value is missing.
    fn tables(&self, value: impl Fn(&SizeRow) -> Option<f64>) -> Option<(Table, Vec<AfterPause>)> {
        let mut at_once = Vec::new();
        let mut after: Vec<AfterPause> = Vec::new();
        for row in &self.sizes {
            let found = (row.size, value(row)?);
            if row.pause_s <= 0.0 {
                at_once.push(found);
                continue;
            }
            match after.last_mut().filter(|it| it.pause_s == row.pause_s) {
                Some(it) => it.table.push(found),
                None => after.push(AfterPause { pause_s: row.pause_s, table: vec![found] }),
            }
        }
        Some((at_once, after))
    }
}

/// Rows by pause and size from observations in any order.
#[must_use]
pub fn size_rows(observations: &[Observation]) -> Vec<SizeRow> {
    let mut groups: Vec<(f64, usize)> =
        observations.iter().map(|it| (it.pause.0, it.size)).collect();
    groups.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    groups.dedup();
    let row = |(pause_s, size): (f64, usize)| {
        let alike =
            || observations.iter().filter(move |it| it.size == size && it.pause.0 == pause_s);
        let times: Vec<f64> = alike().map(|it| it.service.0).collect();
        let joules: Vec<f64> = alike().filter_map(|it| Some(it.energy?.0)).collect();
        let (mean_j, sd_j) =
            if joules.len() == times.len() { moments(&joules) } else { (None, None) };
        let (mean_s, sd_s) = moments(&times);
        let mean_s = mean_s.unwrap_or_default();
        let cv = root_mean_square(alike().filter_map(|it| it.cv));
        SizeRow { size, pause_s, measurements: times.len(), mean_s, cv, sd_s, mean_j, sd_j }
    };
    groups.into_iter().map(row).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn root_mean_square(values: impl Iterator<Item = f64>) -> Option<f64> {
    let squares: Vec<f64> = values.map(|it| it * it).collect();
    let n = squares.len() as f64;
    (!squares.is_empty()).then(|| (squares.iter().sum::<f64>() / n).sqrt())
}

fn moments(values: &[f64]) -> (Option<f64>, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / (n - 1.0);
    ((n > 0.0).then_some(mean), (n > 1.0).then(|| variance.sqrt()))
}

/// The 0.975 quantile of Student's t, by the expansion of Cornish and Fisher in 1/degrees (Abramowitz
/// and Stegun 26.7.5); within 0.3 % from 4 degrees on, exact for 1 and 2.
pub(crate) fn t_975(degrees: usize) -> f64 {
    const Z: f64 = 1.959_963_984_540_054;
    match degrees {
        0 => f64::INFINITY,
        1 => 12.706_204_736_174_7,
        2 => 4.302_652_729_749_46,
        3 => 3.182_446_305_283_71,
        _ => {
            let v = degrees as f64;
            let (z3, z5, z7) = (Z.powi(3), Z.powi(5), Z.powi(7));
            Z + (z3 + Z) / (4.0 * v)
                + (5.0 * z5 + 16.0 * z3 + 3.0 * Z) / (96.0 * v * v)
                + (3.0 * z7 + 19.0 * z5 + 17.0 * z3 - 15.0 * Z) / (384.0 * v.powi(3))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn students_quantiles_are_the_tables() {
        for (degrees, expected) in
            [(4, 2.776_445), (5, 2.570_582), (10, 2.228_139), (30, 2.042_272)]
        {
            assert!(
                (t_975(degrees) / expected - 1.0).abs() < 0.003,
                "{degrees}: {}",
                t_975(degrees)
            );
        }
    }

    #[test]
    fn a_description_has_what_was_measured_after_pauses() {
        let observation = |size, pause, service, joules| Observation {
            size,
            pause: Seconds(pause),
            service: Seconds(service),
            cv: None,
            energy: Some(Joules(joules)),
        };
        let sizes = size_rows(&[
            observation(2, 0.1, 0.5, 5.0),
            observation(1, 0.0, 0.1, 1.0),
            observation(1, 0.1, 0.3, 3.0),
            observation(1, 0.0, 0.2, 1.0),
            observation(2, 0.0, 0.3, 3.0),
        ]);
        let fit = Fit::new(&[(1.0, 0.15), (2.0, 0.3)]).unwrap();
        let calibration = Calibration {
            network: "net".to_owned(),
            image_side: 1,
            images: None,
            cache_images: false,
            threads: None,
            device: None,
            machine: String::new(),
            energy_origin: Some(Origin::Measured),
            time: fit,
            energy: None,
            sizes,
        };
        let config = calibration.describe(Some(Watts(1.0)));
        let law = config.service.law().unwrap();
        assert!((law.mean_s(1) - 0.15).abs() < 1e-12);
        assert!((law.mean_after_s(2, 0.05) - 0.4).abs() < 1e-12);
        assert_eq!(law.mean_rested_s(1), 0.3);
        assert_eq!(config.power.unwrap().power().unwrap().batch.joules(2, 9.0, 0.1), 5.0);
    }

    #[test]
    fn a_line_is_found_and_noise_is_covered() {
        let exact: Vec<_> = [1.0, 2.0, 4.0, 8.0].map(|n| (n, 0.01 + 0.002 * n)).to_vec();
        let fit = Fit::new(&exact).unwrap();
        assert!((fit.base - 0.01).abs() < 1e-12 && (fit.per_item - 0.002).abs() < 1e-12);
        assert!(fit.worst_relative < 1e-9);
        let noisy: Vec<_> =
            exact.iter().zip([1.01, 0.99, 1.01, 0.99]).map(|(&(n, y), it)| (n, y * it)).collect();
        let [low, high] = Fit::new(&noisy).unwrap().per_item_ci95.unwrap();
        assert!(low < 0.002 && 0.002 < high);
        assert_eq!(Fit::new(&[(4.0, 1.0), (4.0, 1.1)]), None);
    }
}
