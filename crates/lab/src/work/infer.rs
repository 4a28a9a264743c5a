//! Runs a vision network forward over random images.

use models::vision::VisionError;
use record::{InferTask, Inferred, Outcome, RunSpec};
use units::limits;

use super::{
    context::{Done, RunContext},
    error::RunError,
};
use crate::memory;

pub(super) fn run(
    context: &mut RunContext,
    spec: &RunSpec,
    task: &InferTask,
) -> Result<Done, RunError> {
    let batch = limits::BATCH.check(task.batch).map_err(|error| error.of_key("batch"));
    batch.map_err(VisionError::from)?;
    let span = context.meter.span("load");
    let named = (task.network.as_str(), task.text.as_deref());
    let network = context.take_network(named, task.precision, task.image_side)?;
    memory::fits(task.batch, network.info().channels, task.image_side, memory::INFERENCE)
        .map_err(|error| RunError::Memory { batch: task.batch, reason: error.to_string() })?;
    let images = network.info().random_images(task.batch, task.image_side, spec.seed)?;
    let images = network.upload(&images)?;
    let load = span.end();
    let interrupt = context.interrupt.clone();
    let forward = |batches: u32| -> Result<f64, RunError> {
        let mut mean = 0.0;
        for _ in 0..batches {
            if interrupt.is_set() {
                return Err(RunError::Interrupted);
            }
            let logits = network.run(&images, None)?;
            let value = logits.mean_all().and_then(|it| it.to_scalar::<f32>());
            mean = f64::from(value.map_err(VisionError::from)?);
        }
        Ok(mean)
    };
    let (_, warmup) = context.measured("warm-up", |_| forward(task.warmup_batches))?;
    let (mean_logit, main) = context.main("infer", |_| forward(task.batches))?;
    let parameters = network.parameters();
    context.keep_network(network);
    Ok(Done {
        outcome: Outcome::Inferred(Inferred {
            images: task.batch * task.batches as usize,
            parameters,
            mean_logit,
        }),
        main,
        spans: vec![load, warmup],
        serving: None,
        preparing: None,
        warnings: Vec::new(),
    })
}
