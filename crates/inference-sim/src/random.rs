//! The random streams of a seed.

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

/// The purpose of a stream of random numbers.
///
/// Arrivals have a stream of their own, so that two policies or two servers under one seed get the
/// same requests at the same times (common random numbers).
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    Arrivals = 0,
    Service = 1,
    /// Sizes and levels of requests.
    Marks = 2,
    /// Patience, retries and thinking of clients.
    Clients = 3,
    /// Which replica gets a request.
    Routes = 4,
    /// Slow and fast times of a server.
    Slowness = 5,
    /// Images that are asked of the large network of a cascade.
    Cascade = 6,
}

/// The generator of a model's stream: ChaCha8, whose output is the same on every machine.
pub(crate) fn generator(seed: u64, stream: Stream, model: u64) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let stream = stream as u64;
    // The first two came before the others.
    generator.set_stream(if stream < 2 { 2 * model + stream } else { (stream << 40) + model });
    generator
}
