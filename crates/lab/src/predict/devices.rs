//! Other devices: their joules over those of the device that the model is fitted on.

use std::collections::BTreeMap;

use report::{EvidenceBundle, EvidenceSet};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::measured::FITTED_ON;

/// A name without its case, spaces and signs.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

fn words(name: &str) -> Vec<String> {
    name.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_lowercase).collect()
}

/// A device's joules over those of the fitted device for the same work.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DeviceRatio {
    /// Name of the device.
    pub(crate) device: String,
    /// Mean of the logarithm.
    pub(crate) log_ratio: f64,
    /// Half the width of the 95 % interval for a new workload.
    pub(crate) log_half_width: f64,
    /// What it rests on, in words.
    pub(crate) from: String,
}

impl DeviceRatio {
    /// The words of its name.
    fn names(&self) -> Vec<String> {
        words(&self.device)
    }
}

/// The devices that were compared with the fitted one on the same workloads.
#[derive(Clone, Debug, Default)]
pub(crate) struct Devices(Vec<DeviceRatio>);

/// Mean and half-width of the 95 % prediction interval of a new value (Student's t).
fn prediction(values: &[f64]) -> Option<(f64, f64)> {
    let n = values.len() as f64;
    if values.len() < 3 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0).ok()?.inverse_cdf(0.975);
    Some((mean, t * (variance * (1.0 + 1.0 / n)).sqrt()))
}

/// Log joules by workload and batch.
fn cells(set: &EvidenceSet) -> BTreeMap<(&str, Option<u32>), f64> {
    set.rows.iter().map(|row| ((row.network.as_str(), row.batch), row.joules.ln())).collect()
}

impl Devices {
    /// Compares the devices of each data set that has the fitted one.
    pub(crate) fn of(bundle: &EvidenceBundle) -> Self {
        let mut found = vec![DeviceRatio {
            device: FITTED_ON.to_owned(),
            log_ratio: 0.0,
            log_half_width: 0.0,
            from: "the model is fitted on this device".to_owned(),
        }];
        for base in
            bundle.sets.iter().filter(|set| set.device == FITTED_ON && set.adapter.name != "ec-nas")
        {
            let reference = cells(base);
            for set in bundle.sets.iter().filter(|set| set.adapter.name == base.adapter.name) {
                let mut by_workload: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
                for ((workload, batch), joules) in cells(set) {
                    if let Some(other) = reference.get(&(workload, batch)) {
                        by_workload.entry(workload).or_default().push(joules - other);
                    }
                }
                // Batches of one workload are not independent, so a workload counts once.
                let means: Vec<f64> = by_workload
                    .values()
                    .map(|logs| logs.iter().sum::<f64>() / logs.len() as f64)
                    .collect();
                let Some((log_ratio, log_half_width)) = prediction(&means) else { continue };
                if set.device != FITTED_ON {
                    let from = format!("{} workloads of {}", means.len(), set.adapter.name);
                    found.push(DeviceRatio {
                        device: set.device.clone(),
                        log_ratio,
                        log_half_width,
                        from,
                    });
                }
            }
        }
        Self(found)
    }

    /// The names of the known devices.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|ratio| ratio.device.as_str())
    }

    /// A known device that a name is nearly that of, but not quite; `None` if it is known or far from all.
    pub(crate) fn nearly(&self, device: &str) -> Option<&str> {
        let wanted = plain(device);
        let near = |known: &&str| {
            let known = plain(known);
            known != wanted
                && (strsim::damerau_levenshtein(&known, &wanted) <= 2
                    || (wanted.len() >= 3 && known.contains(&wanted)))
        };
        self.names().find(near)
    }

    /// The ratio of a device: measured if it is known, else what the known devices say about a new one; `None`
    /// if they are too few.
    pub(crate) fn ratio(&self, device: &str) -> Option<DeviceRatio> {
        let wanted = plain(device);
        let known = self.0.iter().find(|ratio| plain(&ratio.device) == wanted).or_else(|| {
            // `Tesla V100-SXM2-16GB` is a V100; a `RTX 6000 Ada` is not a `Quadro RTX 6000`.
            let words = words(device);
            self.0.iter().find(|ratio| ratio.names().iter().all(|word| words.contains(word)))
        });
        known.cloned().or_else(|| {
            let logs: Vec<f64> = self.0.iter().map(|ratio| ratio.log_ratio).collect();
            let (log_ratio, between) = prediction(&logs)?;
            let within = self.0.iter().map(|ratio| ratio.log_half_width).fold(0.0, f64::max);
            Some(DeviceRatio {
                device: device.to_owned(),
                log_ratio,
                log_half_width: between.hypot(within),
                from: format!("the differences between {} known devices", self.0.len()),
            })
        })
    }
}
