//! From raw counter values to an amount that only grows.

/// What one more reading of a counter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// The first reading: nothing to compare with.
    First,
    /// Raw units since the reading before.
    By(u64),
    /// The counter fell, and so far that it cannot have wrapped: it started anew (driver reload,
    /// suspend). What passed before the reset is lost; the value after it is counted.
    Reset(u64),
}

/// A counter of a known range, followed reading by reading.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// Wraps to 0 when it would reach this; `None` if it never wraps.
    range: Option<u64>,
    last: Option<u64>,
}

impl Counter {
    /// A counter that wraps at `range`, or never.
    #[must_use]
    pub fn new(range: Option<u64>) -> Self {
        Self { range: range.filter(|it| *it > 0), last: None }
    }

    /// The reading before, if there was one.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Takes a reading.
    ///
    /// A fall of a counter with a range is a wrap: `range − last + value`, which is right whenever
    /// less than one range passed between two readings. A fall of a counter without one, or from a
    /// value outside the range, is a reset. The answer is never negative.
    pub fn advance(&mut self, value: u64) -> Advance {
        let Some(last) = self.last.replace(value) else { return Advance::First };
        match (value.checked_sub(last), self.range) {
            (Some(passed), _) => Advance::By(passed),
            (None, Some(range)) if last < range => Advance::By(range - last + value),
            (None, _) => Advance::Reset(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_reset_counts_what_came_after_it() {
        let mut counter = Counter::new(None);
        assert_eq!(counter.advance(500), Advance::First);
        assert_eq!(counter.advance(700), Advance::By(200));
        assert_eq!(counter.advance(30), Advance::Reset(30));
    }

    proptest! {
        /// Whatever the start, the range and the steps (each under one range), the sum is the truth.
        #[test]
        fn wraps_lose_nothing(
            range in 2_u64..1 << 40,
            start in any::<u64>(),
            steps in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let mut truth = start % range;
            let mut counter = Counter::new(Some(range));
            counter.advance(truth);
            for step in steps {
                let step = step % range;
                truth = (truth + step) % range;
                prop_assert_eq!(counter.advance(truth), Advance::By(step));
            }
        }
    }
}
