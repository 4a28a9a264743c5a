//! The fitted model and its predictions.

use report::EvidenceBundle;

use super::{
    calibration::Calibration,
    devices::{DeviceRatio, Devices},
    fit::Coefficients,
    measured::{FITTED_ON, Measured},
    work::{NetworkWork, of_cell_network},
};

/// Images of a training of EC-NAS: four epochs of 40,000 images.
const IMAGES: f64 = 160_000.0;

/// The fitted model with its calibration.
pub(crate) struct Model {
    pub(crate) coefficients: Coefficients,
    pub(crate) calibration: Calibration,
    pub(crate) devices: Devices,
    /// Smallest and largest work of the measured networks, by quantity.
    ranges: [[f64; 2]; 3],
}

/// A prediction for a network on a device, in joules per image of training.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prediction {
    pub(crate) joules: f64,
    pub(crate) interval: [f64; 2],
    /// Whether the network's work is beyond that of the measured networks.
    pub(crate) is_beyond: bool,
}

impl Model {
    /// Fits the model on the trainings in this program; `None` if they are not there.
    pub(crate) fn fitted(bundle: &EvidenceBundle) -> Option<Self> {
        let set = bundle
            .sets
            .iter()
            .find(|set| set.device == FITTED_ON && set.adapter.name == "ec-nas")?;
        let mut measured = Vec::new();
        for row in &set.rows {
            let Some(graph) = &row.graph else { continue };
            let (work, group) = of_cell_network(&graph.matrix, &graph.operations)?;
            measured.push(Measured { work, joules: row.joules / IMAGES, group });
        }
        let coefficients = Coefficients::fit(measured.iter())?;
        let calibration = Calibration::of(&measured)?;
        let devices = Devices::of(bundle);
        let range = |of: fn(&NetworkWork) -> f64| {
            measured
                .iter()
                .map(|one| of(&one.work))
                .fold([f64::INFINITY, 0.0], |[low, high]: [f64; 2], it| [low.min(it), high.max(it)])
        };
        let ranges =
            [range(|work| work.flops), range(|work| work.bytes), range(|work| work.passes)];
        Some(Self { coefficients, calibration, devices, ranges })
    }

    /// Predicts the joules of a training per image.
    pub(crate) fn predict(&self, work: &NetworkWork, device: &DeviceRatio) -> Prediction {
        let quantities = [work.flops, work.bytes, work.passes];
        // By what factor the work is beyond the measured range, as a logarithm.
        let beyond = quantities
            .iter()
            .zip(self.ranges)
            .map(|(value, [low, high])| (low / value).max(value / high).ln().max(0.0))
            .fold(0.0, f64::max);
        let is_beyond = beyond > 0.0;
        // A network ten times as large as all measured ones may use ten times more or less than predicted.
        let half =
            if is_beyond { self.calibration.beyond + beyond } else { self.calibration.within };
        let joules = self.coefficients.joules(work) * device.log_ratio.exp();
        // The two errors are independent, so their squares add up.
        let half = half.hypot(device.log_half_width);
        Prediction { joules, interval: [joules * (-half).exp(), joules * half.exp()], is_beyond }
    }
}
