//! From an interval to a verdict.

use record::Verdict;

/// The size of an effect with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Best estimate.
    pub value: f64,
    /// 95 % interval; `None` if there are too few data.
    pub ci95: Option<[f64; 2]>,
}

impl Estimate {
    /// The verdict on "the effect is above the limit", which needs the whole interval on one side.
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

/// How far the estimate of a part of a claim is from its limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Margin {
    /// The distance of the estimate from the limit over that of the interval's end from the estimate; positive on the
    /// side that supports the claim. Beyond ±1 the part is decided.
    pub(super) ratio: f64,
    /// The number of units behind the estimate.
    pub(super) units: usize,
}

impl Estimate {
    /// How far it is from "above the limit"; `None` without an interval.
    pub(super) fn margin_above(&self, limit: f64, units: usize) -> Option<Margin> {
        let [low, high] = self.ci95?;
        let distance = self.value - limit;
        let half = if distance > 0.0 { self.value - low } else { high - self.value };
        (half > 0.0).then(|| Margin { ratio: distance / half, units })
    }

    /// How far it is from "below the limit"; `None` without an interval.
    pub(super) fn margin_below(&self, limit: f64, units: usize) -> Option<Margin> {
        let margin = self.margin_above(limit, units)?;
        Some(Margin { ratio: -margin.ratio, ..margin })
    }
}

/// The verdict on a claim with several parts: contradicted if one part is, else inconclusive if one
/// part is, else supported.
#[must_use]
pub(super) fn all(parts: impl IntoIterator<Item = Verdict>) -> Verdict {
    parts.into_iter().fold(Verdict::Supported, |sum, part| match (sum, part) {
        (Verdict::Contradicted, _) | (_, Verdict::Contradicted) => Verdict::Contradicted,
        (Verdict::Inconclusive, _) | (_, Verdict::Inconclusive) => Verdict::Inconclusive,
        _ => Verdict::Supported,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verdict_needs_the_whole_interval_on_one_side() {
        let estimate = |low, high| Estimate { value: 0.5, ci95: Some([low, high]) };
        assert_eq!(estimate(0.1, 0.9).above(0.0), Verdict::Supported);
        assert_eq!(estimate(-0.1, 0.9).above(0.0), Verdict::Inconclusive);
        assert_eq!(estimate(-0.9, -0.1).above(0.0), Verdict::Contradicted);
        assert_eq!(estimate(0.1, 0.9).below(1.0), Verdict::Supported);
        assert_eq!(estimate(0.1, 0.9).below(0.0), Verdict::Contradicted);
        assert_eq!(Estimate { value: 9.0, ci95: None }.above(0.0), Verdict::Inconclusive);
    }

    #[test]
    fn the_worst_part_decides_a_claim_of_several_parts() {
        use Verdict::{Contradicted, Inconclusive, Supported};
        assert_eq!(all([Supported, Supported]), Supported);
        assert_eq!(all([Supported, Inconclusive]), Inconclusive);
        assert_eq!(all([Inconclusive, Contradicted, Supported]), Contradicted);
    }
}
