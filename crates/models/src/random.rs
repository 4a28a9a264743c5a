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
        let mut values = Vec::with_capacity(count);
        // Many bytes at a time, which is much faster than one word after another.
        let mut bytes = [0_u8; 4096];
        while values.len() < count {
            let bytes = &mut bytes[..(4 * (count - values.len())).min(4096)];
            self.0.fill_bytes(bytes);
            values.extend(bytes.chunks_exact(4).map(|word| {
                let word = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
                ((word >> 8) as f32 / (1_u32 << 23) as f32 - 1.0) * bound
            }));
        }
        values
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers of earlier versions, which drew one word after another.
    #[test]
    fn numbers_are_those_of_single_words() {
        for count in [0, 1, 7, 1023, 1024, 1025, 5000] {
            let found = Stream::new(3, "weights").uniform(count, 0.5);
            let mut stream = Stream::new(3, "weights");
            let one = |word: u32| ((word >> 8) as f32 / (1_u32 << 23) as f32 - 1.0) * 0.5;
            let expected: Vec<f32> = (0..count).map(|_| one(stream.0.next_u32())).collect();
            assert_eq!(found, expected);
        }
        // A stream goes on after the last number, whatever their count.
        let (mut two, mut three) = (Stream::new(3, "weights"), Stream::new(3, "weights"));
        assert_eq!([two.uniform(5, 1.0), two.uniform(3, 1.0)].concat(), three.uniform(8, 1.0));
    }
}
