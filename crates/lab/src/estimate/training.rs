//! The cost of a training.

use record::{Energy, Joules, RunSpec, Seconds, Task, TrainTask};

use super::pieces::{Cost, Pieces, SHORT, times};
use crate::work::RunError;

/// The number of training steps of the smallest piece.
const STEPS: usize = 4;

/// The cost of a training, from two epochs over a part of the images. The second epoch is warm; what
/// the first one takes longer is added once for each run.
pub(super) fn cost(
    pieces: &mut Pieces<'_>,
    spec: &RunSpec,
    whole: &TrainTask,
) -> Result<Cost, RunError> {
    let mut train = STEPS * whole.minibatch;
    loop {
        let mut data = whole.data.clone();
        data.train = data.train.min(train);
        data.validation = data.validation.min(256);
        data.test = data.test.min(256);
        let part = TrainTask { data, epochs: 2, trial: None, ..whole.clone() };
        // The seed does not change what a step costs.
        let task = Task::Train(part.clone());
        let piece = pieces.run(&RunSpec { task, seed: 1, repetition: 0, ..spec.clone() })?;
        let span = |name: &str| piece.energy.span_named(name);
        let time = |name: &str| span(name).map_or(Seconds(0.0), |span| span.duration);
        let warm = time("fit/epoch-1");
        if warm < SHORT && part.data.train < whole.data.train {
            // Enough images for a measurable time, as far as the data set has them.
            let factor = (1.2 * SHORT.0 / warm.0.max(1e-4)).clamp(2.0, 16.0);
            train = (part.data.train as f64 * factor).ceil() as usize;
            continue;
        }
        let each = 1.0 / part.data.train as f64;
        let images = whole.data.train as f64 * f64::from(whole.epochs);
        let evaluated = (whole.data.validation + whole.data.test) as f64
            / (part.data.validation + part.data.test) as f64;
        let load = time("load") * (whole.data.train as f64 * each);
        let joules = |name: &str| span(name).and_then(|span| span.energy);
        let begin = (time("fit/epoch-0").0 - warm.0).max(0.0);
        let energy = joules("fit/epoch-1").map(|warm| {
            let whole = times(warm, images * each);
            let first = joules("fit/epoch-0").map_or(0.0, |energy| energy.joules.0);
            let begin = (first - warm.joules.0).max(0.0);
            Energy { joules: Joules(whole.joules.0 + begin), ..whole }
        });
        return Ok(Cost {
            duration: load + Seconds(begin) + warm * (images * each) + time("evaluate") * evaluated,
            energy,
        });
    }
}
