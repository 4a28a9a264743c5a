//! Which of two tests to read, and why.

use super::SampleComparison;

/// A test to read, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Which of them.
    pub test: ChosenTest,
    /// In a sentence.
    pub because: String,
}

/// A test of a [`SampleComparison`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChosenTest {
    /// Of the means.
    TTest,
    /// Of the ranks.
    RankTest,
    /// The data allow neither.
    Neither,
}

impl ChosenTest {
    /// As in JSON.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::TTest => "t_test",
            Self::RankTest => "rank_test",
            Self::Neither => "neither",
        }
    }
}

/// Values from which on the mean of a skewed sample is normal enough for a t test.
const MANY: usize = 100;

impl SampleComparison {
    /// Picks the test of means where the samples look normal or are large (100 values), else that of
    /// ranks. `smaller` is the number of values of the smaller sample.
    #[must_use]
    pub fn choose(&self, smaller: usize) -> Choice {
        let not_normal = self.normality.iter().flatten().find(|it| it.p < 0.05);
        let unknown = self.normality.iter().any(Option::is_none);
        let (test, because) = match (self.t_test, self.rank_test) {
            (None, None) => (ChosenTest::Neither, "the samples do not vary".to_owned()),
            (None, Some(_)) => {
                (ChosenTest::RankTest, "the samples do not vary enough for a t test".to_owned())
            }
            (Some(_), None) => {
                (ChosenTest::TTest, "the ranks do not vary enough for a rank test".to_owned())
            }
            (Some(_), Some(_)) if smaller >= MANY => (
                ChosenTest::TTest,
                format!("with {smaller} values a sample the means are near normal"),
            ),
            (Some(_), Some(_)) => match not_normal {
                Some(it) => (
                    ChosenTest::RankTest,
                    format!("a sample is not normal (Shapiro-Wilk p = {:.2e})", it.p),
                ),
                None if unknown => (
                    ChosenTest::RankTest,
                    "too few values, or too many equal ones, to tell whether they are normal"
                        .to_owned(),
                ),
                None => (
                    ChosenTest::TTest,
                    "no sample departs from normal (Shapiro-Wilk p ≥ 0.05)".to_owned(),
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
    fn normality_and_size_decide() {
        let bootstrap = Bootstrap {
            resamples: 100,
            confidence: 0.95,
            seed: 1,
            method: BootstrapMethod::Percentile,
        };
        let chosen = |a: &[f64], b: &[f64]| {
            compare(a, b, &bootstrap).map(|it| it.choose(a.len().min(b.len())).test)
        };
        let even: Vec<f64> = (1..12).map(f64::from).collect();
        let skewed: Vec<f64> = (1..12).map(|it| f64::from(it).exp()).collect();
        let many: Vec<f64> = (1..120).map(|it| (f64::from(it) / 20.0).exp()).collect();
        assert_eq!(chosen(&even, &even), Ok(ChosenTest::TTest));
        assert_eq!(chosen(&even, &skewed), Ok(ChosenTest::RankTest));
        assert_eq!(chosen(&many, &many), Ok(ChosenTest::TTest));
        assert_eq!(chosen(&[1.0, 2.0], &[2.0, 3.0]), Ok(ChosenTest::RankTest));
        assert_eq!(chosen(&[1.0, 1.0], &[1.0, 1.0]), Ok(ChosenTest::Neither));
    }
}
