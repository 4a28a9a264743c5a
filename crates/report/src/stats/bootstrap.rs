//! Intervals by resampling (Efron and Tibshirani 1993; Davison and Hinkley 1997).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{
    Interval, StatsError,
    describe::{type_7, variance_of},
    distribution::{normal_cdf, normal_quantile},
    error::{check_confidence, check_count, check_length, check_sample},
};

/// How the limits are computed from the resamples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BootstrapMethod {
    /// Quantiles of the resampled statistics.
    Percentile,
    /// Quantiles corrected for bias and skewness (BCa; Efron 1987), the acceleration from leaving out
    /// one unit at a time.
    Bca,
}

/// How to resample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// Number of resamples; at least 2,000 for 95 % limits.
    pub resamples: usize,
    /// Confidence of the interval, in (0, 1).
    pub confidence: f64,
    /// Seed; the result depends only on it and the data (ChaCha8).
    pub seed: u64,
    /// Method for the limits.
    pub method: BootstrapMethod,
}

/// A statistic with its bootstrap interval.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BootstrapInterval {
    /// The statistic of the data.
    pub estimate: f64,
    /// Standard deviation of the resampled statistics.
    pub standard_error: f64,
    /// Confidence interval of the statistic.
    pub interval: Interval,
    /// Number of resamples left out because the statistic is not defined on them.
    pub undefined: usize,
}

/// The units that are drawn: rows, or clusters of rows that stay together, optionally within strata.
#[derive(Clone, Debug, PartialEq)]
pub struct Units {
    /// The rows of each unit.
    rows: Vec<Vec<usize>>,
    /// The units of each stratum; each stratum keeps its number of units.
    strata: Vec<Vec<usize>>,
}

impl Units {
    /// Each of `n` rows is a unit.
    #[must_use]
    pub fn rows(n: usize) -> Self {
        Self { rows: (0..n).map(|row| vec![row]).collect(), strata: vec![(0..n).collect()] }
    }

    /// Rows with the same code are drawn together (cluster bootstrap).
    #[must_use]
    pub fn clusters(codes: &[usize]) -> Self {
        let rows = by_code(codes);
        let units = rows.len();
        Self { rows, strata: vec![(0..units).collect()] }
    }

    /// Draws within strata, for instance the cells of a design: `codes` has the stratum of each row.
    ///
    /// # Errors
    ///
    /// If there is not one code per row, or a cluster has rows in two strata.
    pub fn stratified(self, codes: &[usize]) -> Result<Self, StatsError> {
        check_length("strata", codes.len(), self.rows.iter().map(Vec::len).sum())?;
        let mut of_unit = Vec::with_capacity(self.rows.len());
        for (cluster, rows) in self.rows.iter().enumerate() {
            if rows.iter().any(|row| codes[*row] != codes[rows[0]]) {
                return Err(StatsError::Straddles { cluster });
            }
            of_unit.push(codes[rows[0]]);
        }
        Ok(Self { strata: by_code(&of_unit), rows: self.rows })
    }

    /// The rows of the data themselves.
    fn all(&self) -> Vec<usize> {
        self.strata.iter().flatten().flat_map(|unit| self.rows[*unit].iter().copied()).collect()
    }

    fn draw(&self, random: &mut ChaCha8Rng, drawn: &mut Vec<usize>) {
        drawn.clear();
        for stratum in &self.strata {
            for _ in stratum {
                drawn.extend(&self.rows[stratum[random.random_range(0..stratum.len())]]);
            }
        }
    }

    /// All rows but those of one unit.
    fn without(&self, left_out: usize) -> Vec<usize> {
        let units = self.strata.iter().flatten().filter(|unit| **unit != left_out);
        units.flat_map(|unit| self.rows[*unit].iter().copied()).collect()
    }
}

/// Positions by their code, in order of the codes.
fn by_code(codes: &[usize]) -> Vec<Vec<usize>> {
    let mut groups = std::collections::BTreeMap::<usize, Vec<usize>>::new();
    codes.iter().enumerate().for_each(|(at, code)| groups.entry(*code).or_default().push(at));
    groups.into_values().collect()
}

impl Bootstrap {
    /// The interval of any statistic of rows.
    ///
    /// `statistic` gets the indices of the rows to use, with repetition, and returns `None` where it
    /// is not defined; such resamples, and those with a value beyond ±1e150, are left out and counted.
    ///
    /// # Errors
    ///
    /// If there are fewer than 2 units or 100 resamples, the confidence is not in (0, 1), or the
    /// statistic is not defined on the data or on more than a tenth of the resamples.
    pub fn interval(
        &self,
        units: &Units,
        statistic: impl Fn(&[usize]) -> Option<f64>,
    ) -> Result<BootstrapInterval, StatsError> {
        check_confidence(self.confidence)?;
        let values = self.statistics(units, &statistic)?;
        let value = |rows: &[usize]| statistic(rows).filter(|value| is_usable(*value));
        let whole = StatsError::Undefined { undefined: 1, resamples: 1 };
        let estimate = value(&units.all()).ok_or(whole)?;
        self.limits(estimate, values, || acceleration(units, value))
    }

    /// The statistic of each resample, in the order drawn, without those on which it is not defined.
    ///
    /// # Errors
    ///
    /// If there are fewer than 2 units or 100 resamples.
    pub fn statistics(
        &self,
        units: &Units,
        statistic: impl Fn(&[usize]) -> Option<f64>,
    ) -> Result<Vec<f64>, StatsError> {
        check_count("units", units.rows.len(), 2)?;
        check_count("resamples", self.resamples, 100)?;
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut drawn = Vec::new();
        let resample = |_| {
            units.draw(&mut random, &mut drawn);
            statistic(&drawn).filter(|value| is_usable(*value))
        };
        Ok((0..self.resamples).filter_map(resample).collect())
    }

    /// Sums of columns over the rows of each resample, for statistics that are functions of sums, such as
    /// means and their ratios. `columns` has `width` values per row, row after row.
    ///
    /// The resamples are those of [`Bootstrap::interval`] over [`Units::rows`]; all statistics of
    /// the same rows can share them.
    ///
    /// # Errors
    ///
    /// If there are fewer than 2 rows or 100 resamples.
    pub fn sums(&self, columns: &[f64], width: usize) -> Result<Vec<Vec<f64>>, StatsError> {
        /// Number of resamples that are drawn before they are summed on all processors.
        const AT_ONCE: usize = 32;
        let rows = columns.len() / width.max(1);
        check_count("units", rows, 2)?;
        check_count("resamples", self.resamples, 100)?;
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        let mut sums = Vec::with_capacity(self.resamples);
        while sums.len() < self.resamples {
            let drawn: Vec<Vec<usize>> = (sums.len()..self.resamples)
                .take(AT_ONCE)
                .map(|_| (0..rows).map(|_| random.random_range(0..rows)).collect())
                .collect();
            let sum = |drawn: &Vec<usize>| {
                let mut sum = vec![0.0; width];
                for row in drawn {
                    let values = &columns[row * width..][..width];
                    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
                sum
            };
            sums.par_extend(drawn.par_iter().map(sum));
        }
        Ok(sums)
    }

    /// The interval of a statistic of such sums, by percentiles.
    ///
    /// # Errors
    ///
    /// As [`Bootstrap::interval`]; `whole` has the sums over the data themselves.
    pub fn interval_of_sums(
        &self,
        whole: &[f64],
        sums: &[Vec<f64>],
        statistic: impl Fn(&[f64]) -> Option<f64>,
    ) -> Result<BootstrapInterval, StatsError> {
        check_confidence(self.confidence)?;
        let value = |sums: &[f64]| statistic(sums).filter(|value| is_usable(*value));
        let undefined = StatsError::Undefined { undefined: 1, resamples: 1 };
        let estimate = value(whole).ok_or(undefined)?;
        let values = sums.iter().filter_map(|sums| value(sums)).collect();
        let percentiles = Self { method: BootstrapMethod::Percentile, ..*self };
        percentiles.limits(estimate, values, || Ok(0.0))
    }

    /// The limits that follow from resampled statistics.
    fn limits(
        &self,
        estimate: f64,
        mut values: Vec<f64>,
        acceleration: impl Fn() -> Result<f64, StatsError>,
    ) -> Result<BootstrapInterval, StatsError> {
        let undefined = self.resamples - values.len();
        if undefined * 10 > self.resamples {
            return Err(StatsError::Undefined { undefined, resamples: self.resamples });
        }
        values.sort_by(f64::total_cmp);
        let tail = (1.0 - self.confidence) / 2.0;
        let shares = match self.method {
            BootstrapMethod::Percentile => [tail, 1.0 - tail],
            BootstrapMethod::Bca => bca_shares(&values, estimate, acceleration()?, tail),
        };
        let [low, high] = shares.map(|share| type_7(&values, share));
        Ok(BootstrapInterval {
            estimate,
            standard_error: variance_of(&values).sqrt(),
            interval: Interval { low, high, confidence: self.confidence },
            undefined,
        })
    }

    /// The interval of a statistic of one sample of independent values.
    ///
    /// # Errors
    ///
    /// As [`Bootstrap::interval`], or if a value is not a number.
    pub fn one_sample(
        &self,
        values: &[f64],
        statistic: impl Fn(&[f64]) -> Option<f64>,
    ) -> Result<BootstrapInterval, StatsError> {
        check_sample("values", values, 2)?;
        self.interval(&Units::rows(values.len()), |rows| statistic(&pick(values, rows)))
    }

    /// The interval of a statistic of two independent samples, each resampled by itself.
    ///
    /// # Errors
    ///
    /// As [`Bootstrap::interval`], if a sample has fewer than 2 values, or one is not a number.
    pub fn two_samples(
        &self,
        a: &[f64],
        b: &[f64],
        statistic: impl Fn(&[f64], &[f64]) -> Option<f64>,
    ) -> Result<BootstrapInterval, StatsError> {
        check_sample("a", a, 2)?;
        check_sample("b", b, 2)?;
        let both = [a, b].concat();
        let strata: Vec<usize> = (0..both.len()).map(|row| usize::from(row >= a.len())).collect();
        let units = Units::rows(both.len()).stratified(&strata)?;
        self.interval(&units, |rows| {
            // Strata come one after the other, and each keeps its size except when one unit of it is
            // left out.
            let border = rows.iter().take_while(|row| **row < a.len()).count();
            let (of_a, of_b) = rows.split_at(border);
            statistic(&pick(&both, of_a), &pick(&both, of_b))
        })
    }
}

/// Squares of a value must be numbers too.
fn is_usable(value: f64) -> bool {
    value.abs() < 1e150
}

fn pick(values: &[f64], rows: &[usize]) -> Vec<f64> {
    rows.iter().map(|row| values[*row]).collect()
}

/// Skewness of the statistic's influence, stratum by stratum (Davison and Hinkley 1997, equation
/// 5.26 and section 3.2.1): `Σ u³ / n³` over the root of `(Σ u² / n²)³`, sixfold.
fn acceleration(units: &Units, value: impl Fn(&[usize]) -> Option<f64>) -> Result<f64, StatsError> {
    let mut influences: Vec<f64> = Vec::with_capacity(units.rows.len());
    for stratum in units.strata.iter().filter(|stratum| stratum.len() > 1) {
        let n = stratum.len() as f64;
        let left: Vec<f64> =
            stratum.iter().filter_map(|unit| value(&units.without(*unit))).collect();
        let undefined = stratum.len() - left.len();
        if undefined > 0 {
            return Err(StatsError::Undefined { undefined, resamples: stratum.len() });
        }
        let mean = left.iter().sum::<f64>() / n;
        influences.extend(left.iter().map(|value| (n - 1.0) / n * (mean - value)));
    }
    let largest = influences.iter().fold(0.0, |most: f64, influence| most.max(influence.abs()));
    if largest == 0.0 {
        return Ok(0.0);
    }
    // In shares of the largest, whose powers neither overflow nor vanish.
    let shares = || influences.iter().map(|influence| influence / largest);
    let cubes: f64 = shares().map(|share| share.powi(3)).sum();
    let squares: f64 = shares().map(|share| share.powi(2)).sum();
    Ok(cubes / (6.0 * squares.powf(1.5)))
}

/// Which quantiles of the sorted resamples are the limits (Efron 1987, equation 6.8).
fn bca_shares(sorted: &[f64], estimate: f64, acceleration: f64, tail: f64) -> [f64; 2] {
    let n = sorted.len() as f64;
    let below = sorted.partition_point(|value| *value < estimate) as f64;
    let upto = sorted.partition_point(|value| *value <= estimate) as f64;
    // Half a resample from either end, so that the correction stays finite.
    let share = ((below + upto) / (2.0 * n)).clamp(0.5 / n, 1.0 - 0.5 / n);
    let bias = normal_quantile(share);
    [tail, 1.0 - tail].map(|share| {
        let z = bias + normal_quantile(share);
        let slope = 1.0 - acceleration * z;
        // Beyond its pole the correction has no meaning: the end of the resamples is the limit.
        if slope <= 0.0 {
            return if z < 0.0 { 0.0 } else { 1.0 };
        }
        normal_cdf(bias + z / slope)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Efron (1987), equation 6.8, spelt out: 4 of 10 resamples lie below the estimate.
    #[test]
    fn bca_limits_agree_with_efrons_equation() {
        let sorted = [1.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 20.0];
        let [low, high] = bca_shares(&sorted, 3.5, 0.1, 0.05);
        let bias = normal_quantile(0.4);
        let by_hand = |share: f64| {
            let z = bias + normal_quantile(share);
            normal_cdf(bias + z / (1.0 - 0.1 * z))
        };
        assert_eq!([low, high], [by_hand(0.05), by_hand(0.95)]);
        let [low, high] = bca_shares(&sorted, 3.5, 0.0, 0.05);
        assert!(low < 0.05 && high < 0.95, "an estimate below the median pulls the limits down");
    }

    #[test]
    fn without_bias_and_skewness_bca_limits_are_percentiles() {
        let sorted: Vec<f64> = (0..1000).map(f64::from).collect();
        let [low, high] = bca_shares(&sorted, 499.5, 0.0, 0.025);
        assert!((low - 0.025).abs() < 1e-12 && (high - 0.975).abs() < 1e-12, "{low} {high}");
    }

    #[test]
    fn sums_and_rows_share_the_same_resamples() {
        let bootstrap = Bootstrap {
            resamples: 500,
            confidence: 0.95,
            seed: 3,
            method: BootstrapMethod::Percentile,
        };
        // Small integers: sums do not depend on their order.
        let columns: Vec<f64> = (0..80).map(|index| f64::from(index * index % 17)).collect();
        let ratio = |rows: &[usize]| {
            let sum = |at: usize| rows.iter().map(|row| columns[row * 2 + at]).sum::<f64>();
            Some(sum(0) / sum(1))
        };
        let expected = bootstrap.interval(&Units::rows(40), ratio).unwrap();
        let whole: Vec<f64> = (0..2).map(|at| columns.iter().skip(at).step_by(2).sum()).collect();
        let sums = bootstrap.sums(&columns, 2).unwrap();
        let found =
            bootstrap.interval_of_sums(&whole, &sums, |sums| Some(sums[0] / sums[1])).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_drawn_cluster_has_all_its_rows() {
        let units = Units::clusters(&[7, 7, 3, 3, 3]);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut drawn = Vec::new();
        for _ in 0..20 {
            units.draw(&mut random, &mut drawn);
            let of_7 = drawn.iter().filter(|row| **row < 2).count();
            let of_3 = drawn.len() - of_7;
            assert!(of_7 % 2 == 0 && of_3 % 3 == 0 && of_7 / 2 + of_3 / 3 == 2, "{drawn:?}");
        }
        assert!(matches!(
            units.stratified(&[0, 1, 0, 0, 0]),
            Err(StatsError::Straddles { cluster: 1 })
        ));
    }
}
