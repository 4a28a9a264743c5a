//! Runs a trained network over labeled images, and counts its correct answers.

use std::rc::Rc;

use candle_core::{Device, Tensor};
use models::{
    Dataset, NetworkFile, Precision,
    vision::{Images, Int8Settings, VisionError, VisionNetwork, read_weights},
};
use record::{DataSpec, DataUse, EvaluateTask, Evaluated, InferencePrecision, Outcome};
use units::limits;

use super::{
    context::{Done, RunContext, on_the_cpu},
    error::RunError,
    trained_weights::{EvaluationError, weights_path},
};
use crate::{data::DataFolder, memory, scores::Scores};

/// Whether everything that an evaluation needs is here and fits.
pub(super) fn check(context: &mut RunContext, task: &EvaluateTask) -> Result<(), RunError> {
    let data = context.data.load(&images_of(task))?;
    let network = network(&context.data, task)?;
    fits(&network, &data, task)?;
    if task.precision == InferencePrecision::Int8 {
        on_the_cpu(&context.device, &task.network)?;
        calibrated(&network, &data, task)?;
    }
    Ok(())
}

/// The network with 8-bit integers, calibrated on the first images. Their labels are not used.
fn calibrated(
    network: &VisionNetwork,
    data: &Dataset,
    task: &EvaluateTask,
) -> Result<VisionNetwork, RunError> {
    let settings = Int8Settings::default();
    let values = settings.images * data.channels * data.side * data.side;
    let images = &data.test.images[..values.min(data.test.images.len())];
    let images = normalized(images, data, task)?;
    network.to_int8(&settings, &images).map_err(|error| unfit(task, error.to_string()))
}

pub(super) fn run(context: &mut RunContext, task: &EvaluateTask) -> Result<Done, RunError> {
    let data = context.data.load(&images_of(task))?;
    let (network, load) = context.measured("load", |_| {
        let network = network(&context.data, task)?;
        fits(&network, &data, task)?;
        match task.precision {
            InferencePrecision::Float32 => Ok(network.on(&context.device, Precision::default())),
            InferencePrecision::Int8 => {
                on_the_cpu(&context.device, &task.network).map_err(RunError::from)?;
                calibrated(&network, &data, task)
            }
        }
    })?;
    let (batches, prepare) = context.measured("prepare", |_| batches(&network, &data, task))?;
    let interrupt = context.interrupt.clone();
    let forward = |batch: &Images| -> Result<Tensor, RunError> {
        if interrupt.is_set() { Err(RunError::Interrupted) } else { Ok(network.run(batch, None)?) }
    };
    let (outputs, warmup) = context.measured("warm-up", |_| {
        let mut outputs = None;
        for batch in batches.iter().cycle().take(task.warmup_batches as usize) {
            outputs = Some(forward(batch)?.dim(1).map_err(VisionError::from)?);
        }
        Ok(outputs)
    })?;
    if let Some(outputs) = outputs {
        check_classes(outputs, &data, task)?;
    }
    let (logits, main) = context
        .main("infer", |_| batches.iter().map(&forward).collect::<Result<Vec<Tensor>, _>>())?;
    let correct = correct(&logits, &data, task)?;
    Ok(Done {
        outcome: Outcome::Evaluated(Evaluated {
            data: DataUse {
                name: data.name.clone(),
                sha256: data.sha256.clone(),
                train: 0,
                validation: 0,
                test: data.test.labels.len(),
            },
            correct,
            parameters: network.parameters(),
        }),
        main,
        spans: vec![load, prepare, warmup],
        serving: None,
        preparing: None,
        warnings: Vec::new(),
    })
}

/// The images of a task, as the spec of a training would name them.
fn images_of(task: &EvaluateTask) -> DataSpec {
    DataSpec { name: task.data.clone(), train: 0, validation: 0, test: task.images }
}

fn unfit(task: &EvaluateTask, reason: String) -> RunError {
    let (network, weights) = (task.network.clone(), task.weights.file.clone());
    EvaluationError::Unfit { network, weights, reason }.into()
}

/// The network with its trained weights.
fn network(folder: &DataFolder, task: &EvaluateTask) -> Result<VisionNetwork, RunError> {
    let tensors = read_weights(&weights_path(folder, &task.weights)?)?;
    let network = match &task.text {
        Some(text) => {
            let file = NetworkFile::parse(text, &task.network)?;
            VisionNetwork::from_file(&file, &task.network, Some(tensors), 0)
        }
        None => VisionNetwork::open(&task.network, None, Some(tensors), 0),
    };
    network.map_err(|error| unfit(task, error.to_string()))
}

/// Whether the network accepts the images, and there is memory for them.
fn fits(network: &VisionNetwork, data: &Dataset, task: &EvaluateTask) -> Result<(), RunError> {
    let (info, side) = (network.info(), data.side);
    limits::BATCH.check(task.batch).map_err(|error| VisionError::from(error.of_key("batch")))?;
    info.check_size(side, side).map_err(|error| unfit(task, error.to_string()))?;
    if info.channels != data.channels {
        return Err(unfit(
            task,
            format!(
                "it reads images of {} channels, and those of `{}` have {}; choose another data set",
                info.channels, data.name, data.channels
            ),
        ));
    }
    for (key, values) in [("mean", &task.mean), ("deviation", &task.deviation)] {
        if ![0, 1, data.channels].contains(&values.len()) {
            let (given, channels) = (values.len(), data.channels);
            let reason = format!("`{key}` has {given} values, expected 1 or {channels}");
            return Err(unfit(task, reason));
        }
    }
    memory::fits(data.test.labels.len(), data.channels, side, memory::INFERENCE)
        .map_err(|error| unfit(task, format!("`images`: {error}")))
}

fn check_classes(outputs: usize, data: &Dataset, task: &EvaluateTask) -> Result<(), RunError> {
    if outputs == data.classes {
        return Ok(());
    }
    let text = format!(
        "it has {outputs} classes, and `{}` has {}; labels are positions among the classes, so both must have the same",
        data.name, data.classes
    );
    Err(unfit(task, text))
}

/// The normalized images in batches, where the network computes.
fn batches(
    network: &VisionNetwork,
    data: &Rc<Dataset>,
    task: &EvaluateTask,
) -> Result<Vec<Images>, RunError> {
    let batch = task.batch * data.channels * data.side * data.side;
    let batches = data.test.images.chunks(batch);
    batches.map(|images| Ok(network.upload(&normalized(images, data, task)?)?)).collect()
}

/// Normalized images, `[n][channels][side][side]`.
fn normalized(images: &[f32], data: &Dataset, task: &EvaluateTask) -> Result<Tensor, RunError> {
    let Dataset { channels, side, .. } = data;
    let plane = side * side;
    let of = |values: &[f64], channel: usize, default: f32| match values {
        [] => default,
        [one] => *one as f32,
        many => many[channel] as f32,
    };
    let parameters: Vec<(f32, f32)> = (0..*channels)
        .map(|channel| (of(&task.mean, channel, 0.0), of(&task.deviation, channel, 1.0)))
        .collect();
    let mut images = images.to_vec();
    for (index, pixels) in images.chunks_exact_mut(plane).enumerate() {
        let (mean, deviation) = parameters[index % channels];
        pixels.iter_mut().for_each(|pixel| *pixel = (*pixel - mean) / deviation);
    }
    let shape = (images.len() / (channels * plane), *channels, *side, *side);
    Ok(Tensor::from_vec(images, shape, &Device::Cpu).map_err(VisionError::from)?)
}

/// The number of images whose most likely class is the label. Of equal logits, the first class counts.
fn correct(logits: &[Tensor], data: &Dataset, task: &EvaluateTask) -> Result<usize, RunError> {
    let rows = logits.iter().map(|batch| batch.to_vec2::<f32>());
    let rows = rows.collect::<Result<Vec<_>, _>>().map_err(VisionError::from)?.concat();
    if let Some(row) = rows.first() {
        check_classes(row.len(), data, task)?;
    }
    let mut scores = Scores::default();
    for (index, (row, label)) in rows.iter().zip(&data.test.labels).enumerate() {
        if scores.add(row, *label).is_none() {
            let text = format!(
                "a logit of image {index} is infinite or not a number; the weights do not belong to this network, or \
                 are damaged"
            );
            return Err(unfit(task, text));
        }
    }
    Ok(scores.correct())
}
