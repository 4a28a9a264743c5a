//! Seeds: every random number is a function of the profile's seed and of its purpose.

use sha2::{Digest, Sha256};

/// The seed for a purpose: the first 53 bits of the SHA-256 of the parent seed and the purpose.
///
/// With 53 bits, a seed survives programs that read JSON numbers as 64-bit floats.
#[must_use]
pub fn derive(parent: u64, purpose: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(parent.to_le_bytes());
    hash.update(purpose.as_bytes());
    let digest = hash.finalize();
    let bytes = digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    bytes >> 11
}

/// The number in [0, 1) that belongs to a seed.
#[must_use]
pub fn unit(seed: u64) -> f64 {
    seed as f64 / (1_u64 << 53) as f64
}

/// Puts items into a random order that follows from the seed.
pub fn shuffle<T>(seed: u64, items: &mut Vec<T>) {
    let mut keyed: Vec<(u64, T)> = items
        .drain(..)
        .enumerate()
        .map(|(index, item)| (derive(seed, &index.to_string()), item))
        .collect();
    keyed.sort_by_key(|(key, _)| *key);
    items.extend(keyed.into_iter().map(|(_, item)| item));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_depends_on_parent_and_purpose_and_fits_a_64_bit_float() {
        assert_ne!(derive(1, "a"), derive(1, "b"));
        assert_ne!(derive(1, "a"), derive(2, "a"));
        assert!((0..1000).all(|parent| derive(parent, "x") < 1 << 53));
        assert!((0..1000).all(|parent| unit(derive(parent, "x")) < 1.0));
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_depends_on_the_seed_alone() {
        let shuffled = |seed| {
            let mut items: Vec<u32> = (0..50).collect();
            shuffle(seed, &mut items);
            items
        };
        assert_eq!(shuffled(1), shuffled(1));
        assert_ne!(shuffled(1), shuffled(2));
        let mut sorted = shuffled(1);
        sorted.sort_unstable();
        assert_eq!(sorted, (0..50).collect::<Vec<_>>());
    }
}
