//! From an interval to a verdict.

use record::Verdict;

/// A size of an effect with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Best estimate.
    pub value: f64,
    /// 95 % interval; `None` if the data do not allow one.
    pub ci95: Option<[f64; 2]>,
}

impl Estimate {
    /// The verdict on "the effect is above the limit": the whole interval must lie on one side.
    #[must_use]
    pub fn above(&self, limit: f64) -> Verdict {
        match self.ci95 {
            Some([low, _]) if low > limit => Verdict::Supported,
            Some([_, high]) if high < limit => Verdict::Contradicted,
            _ => Verdict::Inconclusive,
        }
    }

    /// The verdict on "the effect is below the limit".
    #[must_use]
    pub fn below(&self, limit: f64) -> Verdict {
        let mirrored =
            Self { value: -self.value, ci95: self.ci95.map(|[low, high]| [-high, -low]) };
        mirrored.above(-limit)
    }
}

/// The verdict on "this and that": one part against it contradicts it, one open part leaves it open.
#[must_use]
pub(super) fn all(parts: impl IntoIterator<Item = Verdict>) -> Verdict {
    parts.into_iter().fold(Verdict::Supported, |sum, it| match (sum, it) {
        (Verdict::Contradicted, _) | (_, Verdict::Contradicted) => Verdict::Contradicted,
        (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
        _ => Verdict::Supported,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_interval_on_one_side_decides() {
        let estimate = |low, high| Estimate { value: 0.5, ci95: Some([low, high]) };
        assert_eq!(estimate(0.1, 0.9).above(0.0), Verdict::Supported);
        assert_eq!(estimate(-0.1, 0.9).above(0.0), Verdict::Inconclusive);
        assert_eq!(estimate(-0.9, -0.1).above(0.0), Verdict::Contradicted);
        assert_eq!(estimate(0.1, 0.9).below(1.0), Verdict::Supported);
        assert_eq!(estimate(0.1, 0.9).below(0.0), Verdict::Contradicted);
        assert_eq!(Estimate { value: 9.0, ci95: None }.above(0.0), Verdict::Inconclusive);
    }

    #[test]
    fn a_conjunction_is_as_good_as_its_worst_part() {
        use Verdict::{Contradicted, Inconclusive, Supported};
        assert_eq!(all([Supported, Supported]), Supported);
        assert_eq!(all([Supported, Inconclusive]), Inconclusive);
        assert_eq!(all([Inconclusive, Contradicted, Supported]), Contradicted);
    }
}
