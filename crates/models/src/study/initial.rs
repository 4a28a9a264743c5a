//! Initial weights as PyTorch draws them by default, from our own seeded generator.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A stream of random numbers for one tensor: a function of the seed and the tensor's name.
pub(crate) struct Stream(ChaCha8Rng);

impl Stream {
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a, so that equal seeds draw different numbers for different tensors.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(ChaCha8Rng::seed_from_u64(seed ^ hash))
    }

    /// Uniform in [-bound, bound): 24 random bits each.
    pub(crate) fn uniform(&mut self, count: usize, bound: f32) -> Vec<f32> {
        let mut value = || (self.0.next_u32() >> 8) as f32 / (1_u32 << 23) as f32 - 1.0;
        (0..count).map(|_| value() * bound).collect()
    }

    /// A number below `limit`, each about equally likely.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        ((u128::from(self.0.next_u64()) * limit as u128) >> 64) as usize
    }

    /// The numbers 0..n in random order (Fisher and Yates).
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

/// The bound of PyTorch's default for weights and biases of linear and convolution layers:
/// Kaiming-uniform with a = √5 is U(−1/√fan_in, 1/√fan_in), and the bias has the same bound
/// (`torch.nn.Linear.reset_parameters`).
pub(crate) fn bound(fan_in: usize) -> f32 {
    1.0 / (fan_in as f32).sqrt()
}
