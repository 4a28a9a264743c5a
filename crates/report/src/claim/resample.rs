//! Intervals over whole units: the rows of one search, block or repetition stay together.
//!
//! Verdicts rest on the jackknife, whose interval is right for few units. Figures and tables show intervals of the
//! cluster bootstrap (Davison and Hinkley 1997, section 3.8).

use super::verdict::Estimate;
use crate::stats::{self, Bootstrap, BootstrapMethod, Units};

/// Percentile intervals: the statistics here (η², ratios of few blocks) are not smooth enough for the
/// acceleration of BCa.
const BOOTSTRAP: Bootstrap = Bootstrap {
    resamples: 2000,
    confidence: 0.95,
    seed: 0x0077_6174_746c_6162,
    method: BootstrapMethod::Percentile,
};

/// Smallest number of units with an interval: few units have few distinct resamples (126 for n = 5),
/// and percentile intervals are then too narrow.
pub(super) const FEWEST_UNITS: usize = 5;

/// Smallest number of units with a jackknife interval.
pub(super) const FEWEST_LEFT_OUT: usize = 3;

/// A statistic over units with its 95 % percentile interval.
///
/// `statistic` gets the indices of the units to use, with repetition, and returns `None` where it is
/// not defined; undefined resamples are left out. The result depends only on the arguments, because
/// the seed is fixed. `None` if the statistic is not defined on the units themselves.
pub(crate) fn estimate(
    units: usize,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Option<Estimate> {
    let all: Vec<usize> = (0..units).collect();
    let value = statistic(&all).filter(|value| value.is_finite())?;
    if units < FEWEST_UNITS {
        return Some(Estimate { value, ci95: None });
    }
    // If a tenth of the resamples are undefined, an interval of the others would be biased: none.
    let found = BOOTSTRAP.interval(&Units::rows(units), statistic).ok();
    Some(Estimate { value, ci95: found.map(|found| [found.interval.low, found.interval.high]) })
}

/// A smooth statistic over units with its jackknife interval of this error rate: 0.05 for 95 %.
///
/// `statistic` gets the indices of the units to use. The interval is `None` for fewer than [`FEWEST_LEFT_OUT`]
/// units, or if the statistic is not defined without one of them.
pub(crate) fn jackknife(
    units: usize,
    error_rate: f64,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Option<Estimate> {
    let all: Vec<usize> = (0..units).collect();
    let value = statistic(&all).filter(|value| value.is_finite())?;
    let without = |left_out: usize| {
        let others: Vec<usize> = all.iter().copied().filter(|unit| *unit != left_out).collect();
        statistic(&others)
    };
    Some(interval_of(value, error_rate, units, without))
}

/// The jackknife interval around a value, from the value without each of the units.
fn interval_of(
    value: f64,
    error_rate: f64,
    units: usize,
    without: impl Fn(usize) -> Option<f64>,
) -> Estimate {
    let left_out: Option<Vec<f64>> =
        (0..units).map(without).collect::<Option<_>>().filter(|_| units >= FEWEST_LEFT_OUT);
    let found = left_out
        .and_then(|left_out| stats::jackknife_interval(value, &left_out, 1.0 - error_rate).ok());
    Estimate { value, ci95: found.map(|found| [found.low, found.high]) }
}

/// As [`estimate()`], with the two-sided p-value of a limit: twice the smaller share of resamples beyond it, with
/// one added to both counts (Davison and Hinkley 1997, section 4.2). The p-value is `None` without an interval.
pub(crate) fn estimate_against(
    units: usize,
    limit: f64,
    statistic: impl Fn(&[usize]) -> Option<f64>,
) -> Option<(Estimate, Option<f64>)> {
    let found = estimate(units, &statistic)?;
    if found.ci95.is_none() {
        return Some((found, None));
    }
    let resampled = BOOTSTRAP.statistics(&Units::rows(units), statistic).ok()?;
    Some((found, Some(p_of_limit(&resampled, limit))))
}

/// Two-sided p-value of a limit from resampled statistics.
pub(crate) fn p_of_limit(resampled: &[f64], limit: f64) -> f64 {
    let below = resampled.iter().filter(|value| **value <= limit).count();
    let above = resampled.iter().filter(|value| **value >= limit).count();
    let tail = (below.min(above) + 1) as f64 / (resampled.len() + 1) as f64;
    (2.0 * tail).min(1.0)
}

/// Sums over units and over their resamples. All statistics that are functions of sums share one
/// resampling, so that a report on a million runs takes seconds.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    units: usize,
    /// The columns of each unit.
    columns: Vec<f64>,
    whole: Vec<f64>,
    /// Sums over each resample; empty if there are too few units for an interval.
    resampled: Vec<Vec<f64>>,
}

impl Sums {
    /// Sums the columns of units; `columns` has `width` values per unit, unit after unit.
    pub(crate) fn of(columns: &[f64], width: usize) -> Self {
        let mut whole = vec![0.0; width];
        for unit in columns.chunks_exact(width) {
            whole.iter_mut().zip(unit).for_each(|(sum, value)| *sum += value);
        }
        let units = columns.len() / width;
        let resampled = if units < FEWEST_UNITS {
            Vec::new()
        } else {
            BOOTSTRAP.sums(columns, width).unwrap_or_default()
        };
        Self { units, columns: columns.to_vec(), whole, resampled }
    }

    /// The sums over all units.
    pub(crate) fn whole(&self) -> &[f64] {
        &self.whole
    }

    /// Number of units.
    pub(crate) fn units(&self) -> usize {
        self.units
    }

    /// A statistic of the sums with its interval, as [`estimate()`].
    pub(crate) fn estimate(&self, statistic: impl Fn(&[f64]) -> Option<f64>) -> Option<Estimate> {
        let value = statistic(&self.whole).filter(|value| value.is_finite())?;
        let found = BOOTSTRAP.interval_of_sums(&self.whole, &self.resampled, statistic).ok();
        let ci95 = found.filter(|_| !self.resampled.is_empty());
        Some(Estimate { value, ci95: ci95.map(|found| [found.interval.low, found.interval.high]) })
    }

    /// A smooth statistic of sums with its jackknife interval of this error rate. It also gets the number of units
    /// that the sums are over.
    pub(crate) fn jackknife(
        &self,
        error_rate: f64,
        statistic: impl Fn(&[f64], usize) -> Option<f64>,
    ) -> Option<Estimate> {
        let value = statistic(&self.whole, self.units).filter(|value| value.is_finite())?;
        let width = self.whole.len();
        let without = |unit: usize| {
            let columns = &self.columns[unit * width..][..width];
            let rest: Vec<f64> =
                self.whole.iter().zip(columns).map(|(sum, value)| sum - value).collect();
            statistic(&rest, self.units - 1)
        };
        Some(interval_of(value, error_rate, self.units, without))
    }

    /// Mean of a column over the units with its interval.
    pub(crate) fn mean(&self, column: usize) -> Option<Estimate> {
        let units = self.units as f64;
        self.estimate(|sums| (units > 0.0).then(|| sums[column] / units))
    }
}

/// The mean of some numbers; `None` if there are none.
pub(crate) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) =
        values.into_iter().fold((0.0, 0_u32), |(sum, n), value| (sum + value, n + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_agrees_with_theory() {
        let values: Vec<f64> = (0..200).map(|index| f64::from(index % 20)).collect();
        let mean_of = |units: &[usize]| mean(units.iter().map(|unit| values[*unit]));
        let found = estimate(values.len(), mean_of).unwrap();
        // sd 5.766, n 200: 9.5 ± 1.96 · 0.408
        let [low, high] = found.ci95.unwrap();
        assert!((low - 8.70).abs() < 0.08 && (high - 10.30).abs() < 0.08, "{found:?}");
        assert_eq!(
            estimate(values.len(), mean_of),
            Some(found),
            "the same data, the same interval"
        );
    }

    #[test]
    fn shared_resamples_give_the_same_interval() {
        let values: Vec<f64> = (0..50).map(|index| f64::from(index % 20)).collect();
        let pairs: Vec<f64> = values.iter().flat_map(|value| [*value, 1.0]).collect();
        let sums = Sums::of(&pairs, 2);
        let expected = estimate(50, |units| mean(units.iter().map(|unit| values[*unit])));
        assert_eq!(sums.mean(0), expected);
        assert_eq!(sums.estimate(|sums| Some(sums[0] / sums[1])), expected);
        assert_eq!(Sums::of(&pairs[..8], 2).mean(0).unwrap().ci95, None);
        assert_eq!(Sums::of(&[], 2).mean(0), None);
    }

    #[test]
    fn too_few_units_have_no_interval() {
        let found = estimate(4, |units| Some(units.len() as f64)).unwrap();
        assert_eq!(found.ci95, None);
        assert_eq!(estimate(0, |_| None), None);
    }
}
