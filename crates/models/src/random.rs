//! Seeded random numbers: initial weights, the order of batches, embedded images.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers for one purpose: a function of the seed and the purpose's name (for
/// weights, the tensor's name).
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a of the name, so that one seed gives every name numbers of its own.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(ChaCha8Rng::seed_from_u64(seed ^ hash))
    }

    /// `count` numbers, uniform in [-bound, bound), with 24 random bits each.
    pub(crate) fn uniform(&mut self, count: usize, bound: f32) -> Vec<f32> {
        let mut value = || (self.0.next_u32() >> 8) as f32 / (1_u32 << 23) as f32 - 1.0;
        (0..count).map(|_| value() * bound).collect()
    }

    /// An integer in `0..limit`, uniform up to rounding (multiply-shift).
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.0.next_u64()) * limit as u128) >> 64) as usize
    }

    /// The integers `0..n` in random order (Fisher–Yates shuffle).
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

/// PyTorch's default bound for the weights and biases of linear and convolution layers:
/// Kaiming-uniform with a = √5 equals U(−1/√fan_in, 1/√fan_in), and the bias has the same bound
/// (`torch.nn.Linear.reset_parameters`).
pub(crate) fn bound(fan_in: usize) -> f32 {
    1.0 / (fan_in as f32).sqrt()
}
