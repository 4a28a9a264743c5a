//! Sizes that a command asks for, beside the memory of this machine.

use anyhow::anyhow;

use crate::environment::{environment, machine};

/// The share of the memory that images may take if a network runs on them: it needs the rest.
pub(crate) const INFERENCE: f64 = 0.1;
/// The share that images may take if a network is trained on them at once: each of its layers keeps its outputs.
pub(crate) const TRAINING: f64 = 0.01;
/// The share that the images of a data set may take.
pub(crate) const DATA_SET: f64 = 0.5;

/// Checks that `count` images of `side`×`side` pixels take at most a share of the memory, four bytes a value.
///
/// # Errors
///
/// If they take more.
pub(crate) fn fits(count: usize, channels: usize, side: usize, share: f64) -> anyhow::Result<()> {
    let bytes = 4.0 * count as f64 * channels as f64 * (side as f64).powi(2);
    match machine().memory_bytes {
        Some(memory) if bytes > share * memory as f64 => {
            let gib = |bytes: f64| bytes / 1024_f64.powi(3);
            Err(anyhow!(
                "{count} images of {side}×{side} pixels and {channels} channels take {:.3} GiB of memory, expected at most \
                 {:.3} GiB on this machine; take fewer or smaller ones",
                gib(bytes),
                gib(share * memory as f64)
            ))
        }
        _ => Ok(()),
    }
}

/// Starts as many threads as given.
///
/// # Errors
///
/// If they are more than the processors, or the process already uses another number.
pub(crate) fn use_threads(threads: Option<usize>) -> anyhow::Result<()> {
    let Some(threads) = threads else { return Ok(()) };
    let most = environment(Vec::new()).threads;
    if threads > most {
        return Err(anyhow!(
            "number of threads is {threads}, expected at most {most}: the number of processors here"
        ));
    }
    match rayon::ThreadPoolBuilder::new().num_threads(threads).build_global() {
        Err(_) if rayon::current_num_threads() != threads => Err(anyhow!(
            "cannot use {threads} threads, because this process already uses another number"
        )),
        _ => Ok(()),
    }
}
