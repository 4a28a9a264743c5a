//! What the trainings of a plan would use on a GPU, predicted from trainings that others measured.

use std::ops::ControlFlow;

use anyhow::anyhow;
use models::{Network, Training, image_shape, profile::Pass};
use record::{Adam, StudyNetwork, Task};
use report::EvidenceBundle;
use serde::Serialize;

use crate::{
    Failure,
    experiment::Plan,
    output,
    predict::{Model, NetworkWork},
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
        let one = model.predict(&work(&network, channels, side)?, &device);
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

/// The work of one of the study's networks for an image: what a batch of 64 needs beyond one of 32, because weights
/// are read once per batch.
fn work(network: &StudyNetwork, channels: usize, side: usize) -> Result<NetworkWork, Failure> {
    const BATCH: usize = 32;
    let small = profiled(network, channels, side, BATCH)?;
    let large = profiled(network, channels, side, 2 * BATCH)?;
    Ok(NetworkWork {
        flops: (large.flops - small.flops) / BATCH as f64,
        bytes: (large.bytes - small.bytes) / BATCH as f64,
        passes: small.passes,
    })
}

fn profiled(
    network: &StudyNetwork,
    channels: usize,
    side: usize,
    batch: usize,
) -> Result<NetworkWork, Failure> {
    let built = Network::new(network, channels, side, 10, 0).map_err(Failure::bad_input)?;
    let images = vec![0.5; batch * channels * side * side];
    let labels: Vec<u32> = (0..batch as u32).map(|image| image % 10).collect();
    let mut training = Training::on_one_batch(built, &Adam::default(), &images, &labels)
        .map_err(Failure::bad_input)?;
    let mut sum = NetworkWork::default();
    training
        .profile(&mut |work, _| {
            if work.pass == Pass::Forward {
                sum.flops += work.flops;
                sum.bytes += work.bytes;
                sum.passes += f64::from(u8::from(!work.by_difference && work.bytes > 0.0));
            }
            ControlFlow::Continue(())
        })
        .map_err(Failure::run_time)?;
    Ok(sum)
}
