//! Quantiles of a stream in constant memory.

/// A histogram whose buckets have the same width everywhere, relative to their values.
///
/// Each power of two is cut into 512 buckets of equal width, found from the bits of the number
/// alone (as in HdrHistogram by Tene; DDSketch by Masson, Rim and Lee 2019, PVLDB 12(12), is the
/// logarithmic kind). A quantile is the middle of its bucket and so at most
/// [`Sketch::RELATIVE_ERROR`] from an observed value of that rank. Values below 2⁻⁴⁰ (1 ps, for
/// seconds) count as 0, those from 2⁴⁰ on (35,000 years) as the largest bucket.
pub(crate) struct Sketch {
    counts: Vec<u64>,
    zeros: u64,
    total: u64,
    min: f64,
    max: f64,
}

const SUB_BUCKET_BITS: u32 = 9;
const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
const LOWEST_EXPONENT: u64 = 1023 - 40;
const EXPONENTS: u64 = 80;
const BUCKETS: usize = (EXPONENTS << SUB_BUCKET_BITS) as usize;
const SHIFT: u32 = MANTISSA_BITS - SUB_BUCKET_BITS;
const OFFSET: u64 = LOWEST_EXPONENT << SUB_BUCKET_BITS;

impl Sketch {
    /// Half the width of a bucket over its lower edge.
    #[cfg(test)]
    pub(crate) const RELATIVE_ERROR: f64 = 1.0 / 1024.0;

    pub(crate) fn new() -> Self {
        Self {
            counts: vec![0; BUCKETS],
            zeros: 0,
            total: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
        }
    }

    /// Counts a value, which is not negative.
    #[inline]
    pub(crate) fn insert(&mut self, value: f64) {
        self.total += 1;
        // New extremes are rare.
        if value < self.min {
            self.min = value;
        }
        if value > self.max {
            self.max = value;
        }
        match (value.to_bits() >> SHIFT).checked_sub(OFFSET) {
            Some(bucket) => self.counts[(bucket as usize).min(BUCKETS - 1)] += 1,
            None => self.zeros += 1,
        }
    }

    /// Counts a value, which is not negative, this often.
    pub(crate) fn insert_many(&mut self, value: f64, count: u64) {
        if let Some(others) = count.checked_sub(1) {
            self.insert(value);
            self.total += others;
            match (value.to_bits() >> SHIFT).checked_sub(OFFSET) {
                Some(bucket) => self.counts[(bucket as usize).min(BUCKETS - 1)] += others,
                None => self.zeros += others,
            }
        }
    }

    /// Counts what another has counted: the sketch of all the values together.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.zeros += other.zeros;
        self.total += other.total;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Rows `(from, to, count)` over a quarter of a doubling each; the rows without values at both ends
    /// are left out. Values below 2⁻⁴⁰ are in a row from 0 on.
    pub(crate) fn histogram(&self) -> Vec<(f64, f64, u64)> {
        const QUARTER: usize = 1 << (SUB_BUCKET_BITS - 2);
        let edge = |bucket: usize| f64::from_bits((bucket as u64 + OFFSET) << SHIFT);
        let mut rows: Vec<_> = self
            .counts
            .chunks(QUARTER)
            .enumerate()
            .map(|(row, counts)| {
                let from = row * QUARTER;
                (edge(from), edge(from + QUARTER), counts.iter().sum::<u64>())
            })
            .collect();
        while rows.last().is_some_and(|row| row.2 == 0) {
            rows.pop();
        }
        let first = rows.iter().position(|row| row.2 > 0).unwrap_or(rows.len());
        rows.drain(..first);
        if self.zeros > 0 {
            let to = rows.first().map_or(edge(0), |row| row.0);
            rows.insert(0, (0.0, to, self.zeros));
        }
        rows
    }

    /// The value of rank ⌈`share` · count⌉, for a share in (0, 1]; NaN if there are no values.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.total as f64).ceil() as u64;
        let mut below = self.zeros;
        if self.total == 0 {
            return f64::NAN;
        }
        if below >= rank {
            return self.min;
        }
        for (bucket, count) in self.counts.iter().enumerate() {
            below += count;
            if below >= rank {
                let edge = (bucket as u64 + OFFSET) << SHIFT;
                let middle = f64::from_bits(edge | 1 << (SHIFT - 1));
                return middle.clamp(self.min, self.max);
            }
        }
        self.max
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quantile_is_as_near_as_promised(
            mut values in prop::collection::vec((-30.0..30.0_f64).prop_map(f64::exp2), 1..300),
            share in 0.001..=1.0_f64,
        ) {
            let mut halves = [Sketch::new(), Sketch::new()];
            for (number, &value) in values.iter().enumerate() {
                halves[number % 2].insert(value);
            }
            let [mut sketch, other] = halves;
            sketch.merge(&other);
            values.sort_by(f64::total_cmp);
            let exact = values[(share * values.len() as f64).ceil() as usize - 1];
            let found = sketch.quantile(share);
            prop_assert!((found - exact).abs() <= Sketch::RELATIVE_ERROR * exact);
        }
    }

    #[test]
    fn the_ends_are_kept() {
        let mut sketch = Sketch::new();
        assert!(sketch.quantile(0.5).is_nan());
        for value in [0.0, 0.0, 1e300] {
            sketch.insert(value);
        }
        assert_eq!(sketch.quantile(0.5), 0.0);
        assert!(sketch.quantile(1.0) >= 1e12);
    }
}
