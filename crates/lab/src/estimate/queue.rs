//! What serving a queue costs.

use record::{BatchPolicy, Energy, RunSpec, Seconds, ServeTask};

use super::{Cost, Pieces, times};
use crate::work::RunError;

/// Largest batch that is measured: time and energy of a batch are straight lines from there on.
const LARGEST: usize = 16;

/// From the time and energy of batches: a fixed size waits for its last request, a greedy one finds
/// as many as came during the batch before.
pub(super) fn cost(
    pieces: &mut Pieces<'_>,
    spec: &RunSpec,
    task: &ServeTask,
    load: Seconds,
) -> Result<Cost, RunError> {
    let (BatchPolicy::Fixed(size) | BatchPolicy::Greedy(size)) = task.policy;
    let size = size.min(task.arrivals.requests).max(1);
    let mut measure = |n: usize| match task.photographs {
        // Preparing them is a part of the batch.
        Some(_) => pieces.served(spec, task, n),
        None => pieces.batch(spec, &task.network, task.image_side, n),
    };
    let (one, many) = (measure(1)?, measure(LARGEST.min(size))?);
    let steps = (LARGEST.min(size).max(2) - 1) as f64;
    let line = |a: f64, b: f64, n: f64| {
        let slope = if size == 1 { a } else { ((b - a) / steps).max(0.0) };
        a + slope * (n - 1.0)
    };
    let time = |n: f64| line(one.0.0, many.0.0, n);
    let requests = task.arrivals.requests as f64;
    let n = match task.policy {
        BatchPolicy::Fixed(_) => size as f64,
        BatchPolicy::Greedy(_) => {
            // As many as arrive while as many are served.
            let (mut low, mut high) = (1.0, size as f64);
            for _ in 0..40 {
                let middle = f64::midpoint(low, high);
                let arrived = task.arrivals.rate * time(middle);
                if arrived > middle { low = middle } else { high = middle }
            }
            high
        }
    };
    let batches = (requests / n).ceil();
    let (busy, arriving) = (batches * time(n), requests / task.arrivals.rate);
    let energy = |(a, b): (Energy, Energy)| Energy {
        joules: record::Joules(line(a.joules.0, b.joules.0, n)),
        uncertainty: record::Joules(line(a.uncertainty.0, b.uncertainty.0, n)),
        ..a
    };
    let warm_up = f64::from(task.warmup_batches) * time(size as f64);
    Ok(Cost {
        // The last batch begins when its last request is there.
        duration: load + Seconds(warm_up + busy.max(arriving + time(n))),
        energy: one.1.zip(many.1).map(|it| times(energy(it), batches)),
    })
}
