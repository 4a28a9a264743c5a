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
    let next = AtomicUsize::new(0);
    let reports: Vec<_> = configs.iter().map(|_| Mutex::new(None)).collect();
    thread::scope(|scope| {
        for _ in 0..threads.get().min(configs.len()) {
            scope.spawn(|| {
                while let Some((config, slot)) = {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    configs.get(number).zip(reports.get(number))
                } {
                    let report = simulate(config);
                    if let Ok(mut slot) = slot.lock() {
                        *slot = Some(report);
                    }
                }
            });
        }
    });
    let done = reports.into_iter().filter_map(|slot| slot.into_inner().ok().flatten());
    done.collect()
}
