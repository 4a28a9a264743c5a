//! Seeds from seeds: every random number is a function of the profile's seed and of what it is for.

use sha2::{Digest, Sha256};

/// A seed for a purpose: the first 8 bytes of a SHA-256 over the parent seed and the purpose.
///
/// Only 53 bits are kept, so that a seed survives programs that read JSON numbers as doubles.
#[must_use]
pub fn derive(parent: u64, purpose: &str) -> u64 {
    let mut hash = Sha256::new();
    hash.update(parent.to_le_bytes());
    hash.update(purpose.as_bytes());
    let digest = hash.finalize();
    let bytes = digest.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
    bytes >> 11
}

/// A number in [0, 1) from a seed.
#[must_use]
pub fn unit(seed: u64) -> f64 {
    seed as f64 / (1_u64 << 53) as f64
}

/// Puts items in a random order: each is drawn a key by its position.
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
    fn seeds_depend_on_parent_and_purpose_and_fit_a_double() {
        assert_ne!(derive(1, "a"), derive(1, "b"));
        assert_ne!(derive(1, "a"), derive(2, "a"));
        assert!((0..1000).all(|it| derive(it, "x") < 1 << 53));
        assert!((0..1000).all(|it| unit(derive(it, "x")) < 1.0));
    }

    #[test]
    fn a_shuffle_keeps_every_item_and_is_repeatable() {
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
