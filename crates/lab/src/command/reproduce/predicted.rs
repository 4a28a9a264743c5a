//! What the trainings of a plan would use on a GPU, predicted from trainings that others measured.

use anyhow::anyhow;
use models::image_shape;
use record::Task;
use report::EvidenceBundle;
use serde::Serialize;

use crate::{
    Failure,
    experiment::Plan,
    output,
    predict::{LayerCost, Model, NetworkLayers},
};

/// The GPU joules of all trainings of a study.
#[derive(Debug, Serialize)]
pub(super) struct Predicted {
    device: String,
    trainings: usize,
    /// Trainings of networks in files, which are not predicted.
    not_predicted: usize,
    joules: f64,
    /// Sums of the ends of the trainings' intervals, because their errors go together.
    interval95: [f64; 2],
    origin: &'static str,
    /// Whether a network is smaller or larger than all measured ones.
    is_beyond_measured_networks: bool,
}

/// Predicts the trainings of plans on a device.
///
/// # Errors
///
/// If a network cannot be built.
pub(super) fn of(plans: &[&dyn Plan], device: &str) -> Result<Predicted, Failure> {
    let bundle = EvidenceBundle::embedded().map_err(Failure::run_time)?;
    let model = Model::fitted(&bundle);
    let found = model.and_then(|model| Some((model.devices.ratio(device)?, model)));
    let (device, model) = found.ok_or_else(|| {
        Failure::RunTime(anyhow!("the measured trainings are not in this program"))
    })?;
    let mut sum = Predicted {
        device: device.device.clone(),
        trainings: 0,
        not_predicted: 0,
        joules: 0.0,
        interval95: [0.0; 2],
        origin: "estimated",
        is_beyond_measured_networks: false,
    };
    for (spec, count) in plans.iter().flat_map(|plan| plan.kinds()) {
        let Task::Train(task) = &spec.task else { continue };
        let shape = image_shape(&task.data.name);
        let Some((network, [channels, side])) = task.network.study().zip(shape) else {
            sum.not_predicted += count;
            continue;
        };
        let layers = NetworkLayers::of_study(&network, channels, side)?;
        let one = model.predict(&layers.sum(LayerCost::in_usual_batch), &device);
        let images = count as f64 * task.data.train as f64 * f64::from(task.epochs);
        sum.trainings += count;
        sum.joules += one.joules * images;
        sum.interval95[0] += one.interval[0] * images;
        sum.interval95[1] += one.interval[1] * images;
        sum.is_beyond_measured_networks |= one.is_beyond;
    }
    Ok(sum)
}

impl Predicted {
    pub(super) fn show(&self) {
        let Self { device, trainings, not_predicted, joules, interval95: [low, high], .. } = self;
        output::print(&format!(
            "on {device}, the {trainings} trainings would use about {} of GPU energy, estimated (95 % \
             interval {} to {})",
            output::joules(*joules),
            output::joules(*low),
            output::joules(*high)
        ));
        if self.is_beyond_measured_networks {
            output::print(
                "  some networks are smaller or larger than all measured ones, so the interval is wide",
            );
        }
        if *not_predicted > 0 {
            output::print(&format!(
                "  {not_predicted} trainings of networks in files are left out; `wattlab predict FILE` \
                 predicts one"
            ));
        }
    }
}
