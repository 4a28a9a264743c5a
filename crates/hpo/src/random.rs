//! Random numbers that are functions of (seed, trial number, purpose).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers.
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    pub(crate) fn new(seed: u64, number: u32, purpose: &str) -> Self {
        let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ hash);
        random.set_stream(u64::from(number));
        Self(random)
    }

    /// In [0, 1).
    pub(crate) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A point of the unit cube.
    pub(crate) fn point(&mut self, dimensions: usize) -> Vec<f64> {
        (0..dimensions).map(|_| self.unit()).collect()
    }

    /// The numbers 0..n in random order.
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, (self.unit() * (last + 1) as f64) as usize);
        }
        order
    }

    /// Standard normal, as the sum of twelve uniform numbers.
    pub(crate) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Point `index` of a Sobol sequence with Owen's scrambling (Burley 2020, "Practical hash-based Owen
/// scrambling"): after 2ᵏ points each 2⁻ᵏ-th of every axis holds one.
pub(crate) fn sobol(seed: u64, purpose: &str, index: u32, dimensions: usize) -> Vec<f64> {
    // The sequence ends; another scrambling goes on.
    let (round, index) = (index >> 16, index & 0xffff);
    let mut stream = Stream::new(seed, round, purpose);
    let scrambling = stream.0.next_u32();
    let sets = sobol_burley::NUM_DIMENSIONS as usize;
    (0..dimensions)
        .map(|axis| {
            let scrambling = scrambling.wrapping_add((axis / sets) as u32);
            f64::from(sobol_burley::sample(index, (axis % sets) as u32, scrambling))
        })
        .collect()
}
