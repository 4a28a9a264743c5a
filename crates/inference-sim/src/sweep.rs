//! Many queues on several threads.

use std::{
    num::NonZeroUsize,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use crate::{
    config::SimulationConfig,
    error::ConfigError,
    policy::{Policy, PolicyContext},
    report::SimulationReport,
    simulation::{SimulationError, simulate, simulate_with},
};

/// Simulates queues on several threads. The reports are in the order of the descriptions and do not
/// depend on the number of threads.
///
/// Descriptions with equal arrivals and seeds get the same requests at the same times, whatever
/// serves them: differences between policies are not blurred by random arrivals (common random
/// numbers, Law 2015, Simulation Modeling and Analysis, section 11.2).
///
/// # Errors
/// [`SimulationError`] of the first description that cannot be simulated.
pub fn simulate_all(
    configs: &[SimulationConfig],
    threads: NonZeroUsize,
) -> Result<Vec<SimulationReport>, SimulationError> {
    in_parallel(configs, threads, |_, config| simulate(config)).into_iter().collect()
}

/// The same with any policies: `policy` makes them as in [`simulate_with`], from the position of
/// the description in `configs` and the model's context.
///
/// # Errors
/// As [`simulate_with`], of the first description that cannot be simulated.
pub fn simulate_all_with<P: Policy>(
    configs: &[SimulationConfig],
    threads: NonZeroUsize,
    policy: impl Fn(usize, &PolicyContext<'_>) -> Result<P, ConfigError> + Sync,
) -> Result<Vec<SimulationReport>, SimulationError> {
    let run = |number: usize, config: &SimulationConfig| {
        simulate_with(config, |context| policy(number, context))
    };
    in_parallel(configs, threads, run).into_iter().collect()
}

/// Applies `work` to the position and the value of each item, on several threads; the results in
/// the order of the items.
pub(crate) fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    threads: NonZeroUsize,
    work: impl Fn(usize, &T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results: Vec<_> = items.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..threads.get().min(items.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some((item, slot)) = items.get(number).zip(results.get(number)) else {
                        return;
                    };
                    let result = work(number, item);
                    if let Ok(mut slot) = slot.lock() {
                        *slot = Some(result);
                    }
                }
            });
        }
    });
    // If a thread panics, so does the scope: here every slot is filled.
    results.into_iter().filter_map(|slot| slot.into_inner().ok().flatten()).collect()
}
