//! Runs a vision network forward over random images.

use models::vision::random_images;
use record::{InferTask, Inferred, Outcome, RunSpec};

use super::{Done, RunError, Worker};

pub(super) fn run(worker: &mut Worker, spec: &RunSpec, task: &InferTask) -> Result<Done, RunError> {
    let span = worker.meter.span("load");
    let network = worker.take_network(&task.network)?;
    let images = network.keep(&random_images(task.batch, task.image_side, spec.seed)?)?;
    let load = span.end();
    let interrupt = worker.interrupt.clone();
    let forward = |batches: u32| -> Result<f64, RunError> {
        let mut mean = 0.0;
        for _ in 0..batches {
            if interrupt.is_set() {
                return Err(RunError::Interrupted);
            }
            let logits = network.run(&images, None)?;
            let value = logits.mean_all().and_then(|it| it.to_scalar::<f32>());
            mean = f64::from(value.map_err(models::vision::VisionError::from)?);
        }
        Ok(mean)
    };
    let (_, warmup) = worker.measured("warm-up", |_| forward(task.warmup_batches))?;
    let (mean_logit, main) = worker.main("infer", |_| forward(task.batches))?;
    let parameters = network.parameters();
    worker.keep_network(network);
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
