//! Which of two tests fits the data, and why.

use super::SampleComparison;

/// The test that fits the data, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Choice {
    /// The test.
    pub test: ChosenTest,
    /// The reason, as the end of a sentence.
    pub because: String,
}

/// A test of a [`SampleComparison`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenTest {
    /// The t test of the means.
    TTest,
    /// The test of the ranks.
    RankTest,
    /// Neither test is defined on the data.
    Neither,
}

impl ChosenTest {
    /// Its name in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TTest => "t_test",
            Self::RankTest => "rank_test",
            Self::Neither => "neither",
        }
    }
}

/// Sample size at which the mean of a skewed sample is normal enough for a t test.
const LARGE_SAMPLE: usize = 100;

impl SampleComparison {
    /// Chooses the t test if the samples look normal or are large (100 values), else the rank test.
    /// `smaller` is the size of the smaller sample.
    #[must_use]
    pub fn choose(&self, smaller: usize) -> Choice {
        let not_normal = self.normality.iter().flatten().find(|test| test.p < 0.05);
        let unknown = self.normality.iter().any(Option::is_none);
        let (test, because) = match (self.t_test, self.rank_test) {
            (None, None) => (ChosenTest::Neither, "the samples do not vary".to_owned()),
            (None, Some(_)) => {
                (ChosenTest::RankTest, "the samples do not vary enough for a t test".to_owned())
            }
            (Some(_), None) => {
                (ChosenTest::TTest, "the ranks do not vary enough for a rank test".to_owned())
            }
            (Some(_), Some(_)) if smaller >= LARGE_SAMPLE => (
                ChosenTest::TTest,
                format!("with {smaller} values per sample the means are approximately normal"),
            ),
            (Some(_), Some(_)) => match not_normal {
                Some(test) => (
                    ChosenTest::RankTest,
                    format!("a sample is not normal (Shapiro-Wilk p = {:.2e})", test.p),
                ),
                None if unknown => (
                    ChosenTest::RankTest,
                    "the values are too few, or too many are equal, to test for normality"
                        .to_owned(),
                ),
                None => (
                    ChosenTest::TTest,
                    "no sample departs significantly from normality (Shapiro-Wilk p ≥ 0.05)"
                        .to_owned(),
                ),
            },
        };
        Choice { test, because }
    }
}

#[cfg(test)]
mod tests {
    use crate::stats::{Bootstrap, BootstrapMethod, ChosenTest, compare};

    #[test]
    fn the_t_test_is_chosen_for_normal_or_large_samples() {
        let bootstrap = Bootstrap {
            resamples: 100,
            confidence: 0.95,
            seed: 1,
            method: BootstrapMethod::Percentile,
        };
        let chosen = |a: &[f64], b: &[f64]| {
            compare(a, b, &bootstrap).map(|found| found.choose(a.len().min(b.len())).test)
        };
        let even: Vec<f64> = (1..12).map(f64::from).collect();
        let skewed: Vec<f64> = (1..12).map(|index| f64::from(index).exp()).collect();
        let many: Vec<f64> = (1..120).map(|index| (f64::from(index) / 20.0).exp()).collect();
        assert_eq!(chosen(&even, &even), Ok(ChosenTest::TTest));
        assert_eq!(chosen(&even, &skewed), Ok(ChosenTest::RankTest));
        assert_eq!(chosen(&many, &many), Ok(ChosenTest::TTest));
        assert_eq!(chosen(&[1.0, 2.0], &[2.0, 3.0]), Ok(ChosenTest::RankTest));
        assert_eq!(chosen(&[1.0, 1.0], &[1.0, 1.0]), Ok(ChosenTest::Neither));
    }
}
