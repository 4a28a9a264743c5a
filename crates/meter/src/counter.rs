//! Follows a counter through its wraps and resets.

/// What a reading of a counter adds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// Nothing: it is the first reading.
    First,
    /// This many raw units since the reading before.
    By(u64),
    /// The counter decreased, and cannot have wrapped: it was reset, as by a driver that was loaded
    /// again or by a suspend. What it counted between the reading before and the reset is lost; it
    /// has counted this many raw units since.
    Reset(u64),
}

/// A counter with a known range, or without one, and its last reading.
#[derive(Clone, Copy, Debug)]
pub struct Counter {
    /// It wraps to 0 when it would reach this; `None` if it never wraps.
    range: Option<u64>,
    last: Option<u64>,
}

impl Counter {
    /// A counter that wraps at `range`, or never.
    #[must_use]
    pub fn new(range: Option<u64>) -> Self {
        Self { range: range.filter(|range| *range > 0), last: None }
    }

    /// The value at which it wraps; `None` if it never does.
    #[must_use]
    pub fn range(&self) -> Option<u64> {
        self.range
    }

    /// Forgets the range, because the counter shows values outside it. A driver that does not know
    /// the range states 0 (powercap on some older systems), and some state a wrong one.
    pub(crate) fn forget_range(&mut self) {
        self.range = None;
    }

    /// The last reading, if there was one.
    #[must_use]
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Adds a reading; see [`Counter::since`].
    pub fn advance(&mut self, value: u64) -> Advance {
        let advance = self.since(value);
        self.last = Some(value);
        advance
    }

    /// What a reading would add.
    ///
    /// A decrease of a counter with a range is a wrap and adds `range − last + value`, which is
    /// right if the counter advanced by less than its range. A decrease of a counter without a range,
    /// or from a value outside the range, is a reset.
    #[must_use]
    pub fn since(&self, value: u64) -> Advance {
        let Some(last) = self.last else { return Advance::First };
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
    fn a_reset_adds_the_new_value() {
        let mut counter = Counter::new(None);
        assert_eq!(counter.advance(500), Advance::First);
        assert_eq!(counter.advance(700), Advance::By(200));
        assert_eq!(counter.advance(30), Advance::Reset(30));
    }

    proptest! {
        /// Whatever the start, the range and the steps (each below the range), every step is exact.
        #[test]
        fn a_wrap_adds_the_difference(
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
