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
    ranges: Ranges,
}

/// Smallest and largest work of the fitted networks, by quantity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranges([[f64; 2]; 3]);

impl Ranges {
    pub(crate) fn of(measured: &[Measured]) -> Self {
        let range = |of: fn(&NetworkWork) -> f64| {
            measured
                .iter()
                .map(|one| of(&one.work))
                .fold([f64::INFINITY, 0.0], |[low, high]: [f64; 2], it| [low.min(it), high.max(it)])
        };
        Self([range(NetworkWork::all_flops), range(|work| work.bytes), range(|work| work.passes)])
    }

    /// By what factor a work is beyond the fitted ones, as a logarithm; 0 within them.
    pub(crate) fn beyond(&self, work: &NetworkWork) -> f64 {
        let quantities = [work.all_flops(), work.bytes, work.passes];
        let each = quantities.iter().zip(self.0);
        each.map(|(value, [low, high])| (low / value).max(value / high).ln().max(0.0))
            .fold(0.0, f64::max)
    }
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
        let ranges = Ranges::of(&measured);
        Some(Self { coefficients, calibration, devices, ranges })
    }

    /// Predicts the joules of a training per image.
    pub(crate) fn predict(&self, work: &NetworkWork, device: &DeviceRatio) -> Prediction {
        let beyond = self.ranges.beyond(work);
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
