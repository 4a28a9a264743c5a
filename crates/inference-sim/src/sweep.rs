//! Many queues at once.

use std::{
    num::NonZeroUsize,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    config::SimulationConfig, error::ConfigError, report::SimulationReport, simulation::simulate,
};

/// Simulates queues on several threads; the reports in the order of the descriptions, and the same
/// whatever the number of threads.
///
/// Descriptions with equal arrivals and seeds meet the same requests at the same times, whatever
/// serves them: differences between policies are free of the chance of the arrivals (common random
/// numbers, Law 2015, Simulation Modeling and Analysis, section 11.2).
///
/// # Errors
/// [`ConfigError`] of the first description that cannot be simulated.
pub fn simulate_all(
    configs: &[SimulationConfig],
    threads: NonZeroUsize,
) -> Result<Vec<SimulationReport>, ConfigError> {
    in_parallel(configs, threads, simulate).into_iter().collect()
}

/// What `work` makes of each item, in their order, on several threads.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    threads: NonZeroUsize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Vec<_> = items.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..threads.get().min(items.len()) {
            scope.spawn(|| {
                while let Some((item, slot)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    items.get(number).zip(results.get(number))
                } {
                    let result = work(item);
                    if let Ok(mut slot) = slot.lock() {
                        *slot = Some(result);
                    }
                }
            });
        }
    });
    // A panic of a thread ends the scope: every slot is filled.
    results.into_iter().filter_map(|slot| slot.into_inner().ok().flatten()).collect()
}
