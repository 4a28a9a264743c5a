//! Random numbers that depend only on the seed, the trial number and a purpose.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A reproducible stream of random numbers (ChaCha8). Two streams differ if their seeds, trial numbers
/// or purposes do.
#[derive(Clone, Debug)]
pub struct RandomStream(ChaCha8Rng);

impl RandomStream {
    /// The stream of a study's seed, a trial's number and a purpose, such as `"candidates"`.
    #[must_use]
    pub fn new(seed: u64, number: u32, purpose: &str) -> Self {
        // FNV-1a.
        let hash = purpose.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ hash);
        random.set_stream(u64::from(number));
        Self(random)
    }

    /// A uniform number in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A uniform point of the unit cube.
    pub fn point(&mut self, dimensions: usize) -> Vec<f64> {
        (0..dimensions).map(|_| self.unit()).collect()
    }

    /// The numbers 0 to n − 1 in random order.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, (self.unit() * (last + 1) as f64) as usize);
        }
        order
    }

    /// An approximately standard normal number: the sum of twelve uniform ones, less 6.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}

/// Point `index` of a Sobol sequence with Owen scrambling (Burley 2020, "Practical hash-based Owen
/// scrambling"): of the first 2ᵏ points, one falls into each of 2ᵏ equal intervals of every axis.
pub(crate) fn sobol(seed: u64, purpose: &str, index: u32, dimensions: usize) -> Vec<f64> {
    // The sequence ends after 2¹⁶ points; the next ones use another scrambling.
    let (round, index) = (index >> 16, index & 0xffff);
    let mut stream = RandomStream::new(seed, round, purpose);
    let scrambling = stream.0.next_u32();
    let sets = sobol_burley::NUM_DIMENSIONS as usize;
    (0..dimensions)
        .map(|axis| {
            let scrambling = scrambling.wrapping_add((axis / sets) as u32);
            f64::from(sobol_burley::sample(index, (axis % sets) as u32, scrambling))
        })
        .collect()
}
