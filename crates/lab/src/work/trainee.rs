//! What a training trains: a network of the study or of the user, with one of the engines.

use std::ops::ControlFlow;

use models::{
    AutogradTraining, Dataset, Device, NetworkFile, Split, TrainError, TrainEvent, Training,
    TrainingHistory,
};
use record::{Engine, FactorValue, OwnNetwork, TrainTask, TrainedNetwork};

use super::error::RunError;

/// A network with its optimizer and its batches.
pub(super) enum Trainee {
    /// The study's network with our kernels.
    Fused(Box<Training>),
    /// Any network with candle's autograd.
    Autograd(Box<AutogradTraining>),
}

impl Trainee {
    pub(super) fn new(
        device: &Device,
        task: &TrainTask,
        data: &Dataset,
        seed: u64,
    ) -> Result<Self, RunError> {
        check_device(device, task)?;
        let (adam, minibatch) = (&task.optimizer, task.minibatch);
        Ok(match (&task.network, task.engine) {
            (TrainedNetwork::Study(network), Engine::Candle) => Self::Autograd(Box::new(
                AutogradTraining::of_study(network, adam, minibatch, data, seed)?,
            )),
            (TrainedNetwork::Study(network), _) => Self::Fused(Box::new(Training::new_on(
                device, network, adam, minibatch, data, seed,
            )?)),
            (TrainedNetwork::Own(network), engine) => Self::Autograd(Box::new(
                AutogradTraining::of_file(engine, &file(network)?, adam, minibatch, data, seed)?,
            )),
        })
    }

    pub(super) fn parameters(&self) -> usize {
        match self {
            Self::Fused(training) => training.network().parameters(),
            Self::Autograd(training) => training.parameters(),
        }
    }

    pub(super) fn fit(
        &mut self,
        epochs: u32,
        observe: &mut dyn FnMut(TrainEvent) -> ControlFlow<()>,
    ) -> Result<TrainingHistory, TrainError> {
        match self {
            Self::Fused(training) => training.fit(epochs, observe),
            Self::Autograd(training) => training.fit(epochs, observe),
        }
    }

    pub(super) fn accuracy(&mut self, split: &Split) -> Result<Option<f64>, TrainError> {
        match self {
            Self::Fused(training) => training.accuracy(split),
            Self::Autograd(training) => training.accuracy(split),
        }
    }
}

/// Whether a network can be trained on these images, without building it.
pub(super) fn check(
    device: &Device,
    task: &TrainTask,
    data: &Dataset,
    seed: u64,
) -> Result<(), RunError> {
    check_device(device, task)?;
    match &task.network {
        TrainedNetwork::Study(network) => {
            models::Network::new(network, data.channels, data.side, data.classes, seed)
                .map_err(TrainError::from)?;
        }
        TrainedNetwork::Own(network) => {
            file(network)?.for_images(data.channels, data.side, data.classes)?;
        }
    }
    Ok(())
}

/// Candle's autograd runs on the processor.
fn check_device(device: &Device, task: &TrainTask) -> Result<(), RunError> {
    let what = match (&task.network, task.engine) {
        (_, Engine::Candle) => "the engine `candle`".to_owned(),
        (TrainedNetwork::Own(network), _) => format!("network file `{}`", network.file),
        (TrainedNetwork::Study(_), _) => return Ok(()),
    };
    if device.name() == Device::cpu().name() {
        return Ok(());
    }
    Err(RunError::NotOnDevice { what, device: device.name().to_owned() })
}

/// The network of a file, with the values of its cell.
pub(crate) fn file(network: &OwnNetwork) -> Result<NetworkFile, RunError> {
    let file = NetworkFile::parse(&network.text, &network.file)?;
    let levels = network.levels.iter().map(|level| (level.path.as_str(), value(&level.value)));
    Ok(file.with_all(levels)?)
}

fn value(level: &FactorValue) -> toml::Value {
    match level {
        FactorValue::Flag(value) => (*value).into(),
        FactorValue::Whole(value) => (*value).into(),
        FactorValue::Real(value) => (*value).into(),
        other => other.to_string().into(),
    }
}
