//! The estimate for a GPU without a sensor: the share of time in which it is busy × its power cap.

use std::{
    fs,
    path::{Path, PathBuf},
};

use units::{Domain, Energy, Method, Seconds, Watts};

use crate::{
    file::{NumberFile, read_text},
    source::{Absent, Channel, Kind, ReadError, Source},
};

/// The probe's name.
pub(crate) const NAME: &str = "gpu-model";

/// A busy GPU may draw anything up to its cap.
const UNCERTAINTY: f64 = 0.5;

/// What the model says of a GPU's work that was recorded elsewhere: the share of the time in which the GPU was busy,
/// its power cap, and the length of the work.
#[must_use]
pub fn gpu_energy(busy_share: f64, cap: Watts, duration: Seconds) -> Energy {
    let joules = cap * busy_share * duration;
    Energy { joules, uncertainty: joules * UNCERTAINTY, origin: Method::Model.origin() }
}

/// Busy share × power cap, for each card that shows both.
pub(crate) struct GpuModel {
    channels: Vec<Channel>,
    busy: Vec<NumberFile>,
}

impl GpuModel {
    /// Finds `<sysfs>/class/drm/card*/device/gpu_busy_percent` and the power cap in its hwmon folder.
    pub(crate) fn open(sysfs: &Path) -> Result<Self, Absent> {
        let mut this = Self { channels: Vec::new(), busy: Vec::new() };
        let folder = sysfs.join("class/drm");
        let mut cards: Vec<PathBuf> = fs::read_dir(&folder)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        cards.sort();
        for card in cards {
            let device = card.join("device");
            let (Ok(busy), Some(cap)) =
                (NumberFile::open(device.join("gpu_busy_percent")), cap(&device))
            else {
                continue;
            };
            let name = card.file_name().unwrap_or_default().to_string_lossy().into_owned();
            // A raw unit is one percent of the cap.
            let unit = cap / 100.0;
            let mut channel =
                Channel::new(NAME, Domain::Gpu, &name, Kind::Power, Method::Model, unit);
            channel.relative_error = Some(UNCERTAINTY);
            channel.model = Some(format!(
                "busy share × the power cap of {cap:.0} W (±{:.0} %), without idle power",
                UNCERTAINTY * 100.0
            ));
            this.channels.push(channel);
            this.busy.push(busy);
        }
        if this.channels.is_empty() {
            return Err(Absent {
                reason: format!(
                    "`{}` has no card that shows both its busy share and its power cap",
                    folder.display()
                ),
                remedy: "use a driver that shows both, such as `amdgpu`".to_owned(),
            });
        }
        Ok(this)
    }
}

/// The power cap of a card, in watts; `None` if the driver does not show it.
fn cap(device: &Path) -> Option<f64> {
    let monitors = fs::read_dir(device.join("hwmon")).ok()?.flatten();
    let caps = monitors.filter_map(|monitor| read_text(&monitor.path().join("power1_cap")).ok());
    let microwatts = caps.filter_map(|cap| cap.parse::<f64>().ok()).find(|cap| *cap > 0.0)?;
    Some(microwatts * 1e-6)
}

impl Source for GpuModel {
    fn channels(&self) -> &[Channel] {
        &self.channels
    }

    fn read(&mut self, channel: usize) -> Result<u64, ReadError> {
        self.busy[channel].read().map_err(|reason| ReadError {
            probe: NAME.to_owned(),
            device: self.channels[channel].device.clone(),
            reason,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_the_busy_share_of_the_cap() {
        let folder = tempfile::tempdir().unwrap();
        assert!(GpuModel::open(folder.path()).is_err());
        let device = folder.path().join("class/drm/card0/device");
        fs::create_dir_all(device.join("hwmon/hwmon3")).unwrap();
        fs::write(device.join("gpu_busy_percent"), "40\n").unwrap();
        fs::write(device.join("hwmon/hwmon3/power1_cap"), "250000000\n").unwrap();
        let mut model = GpuModel::open(folder.path()).unwrap();
        let raw = model.read(0).unwrap();
        assert!((model.channels()[0].watts(raw).0 - 100.0).abs() < 1e-9);
        assert_eq!(model.channels()[0].method.origin(), units::Origin::Estimated);
    }
}
