//! The cost of serving a queue.

use record::{BatchPolicy, Energy, RunSpec, Seconds, ServeTask};

use super::pieces::{Cost, Pieces, times};
use crate::work::RunError;

/// The largest batch that is measured. Time and energy of larger batches are extrapolated linearly.
const LARGEST: usize = 16;

/// The cost of a run, from the time and energy of batches. A batch of fixed size waits for its last
/// request; a greedy batch contains the requests that arrived during the batch before.
pub(super) fn cost(
    pieces: &mut Pieces<'_>,
    spec: &RunSpec,
    task: &ServeTask,
    load: Seconds,
) -> Result<Cost, RunError> {
    let size = task.policy.max_size().min(task.arrivals.requests).max(1);
    let mut measure = |n: usize| match task.photographs {
        // Reading and decoding photographs is part of the batch.
        Some(_) => pieces.served(spec, task, n),
        None => pieces.batch(spec, (&task.network, None), task.image_side, n),
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
            // The batch size at which as many requests arrive during a batch as are in it.
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
        // The last batch begins when its last request has arrived.
        duration: load + Seconds(warm_up + busy.max(arriving + time(n))),
        energy: one.1.zip(many.1).map(|ends| times(energy(ends), batches)),
    })
}
