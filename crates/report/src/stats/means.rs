//! Means and counts of cells and levels.

use super::{
    Factor, Interval, StatsError,
    anova::check,
    describe::{mean_of, variance_of},
    distribution::t_quantile,
    error::check_confidence,
    factor::{Cells, level_names},
};

/// The mean of one combination of levels.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CellMean {
    /// The level of each factor.
    pub levels: Vec<String>,
    /// Observations.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation; `None` for one observation.
    pub sd: Option<f64>,
}

impl CellMean {
    /// The t interval of the mean; `None` if the cell's observations do not vary.
    ///
    /// # Errors
    ///
    /// If the confidence is not in (0, 1).
    pub fn interval(&self, confidence: f64) -> Result<Option<Interval>, StatsError> {
        check_confidence(confidence)?;
        let spread = self.sd.filter(|sd| *sd > 0.0);
        Ok(spread.map(|sd| {
            let n = self.n as f64;
            let half = t_quantile(0.5 + confidence / 2.0, n - 1.0) * sd / n.sqrt();
            Interval::around(self.mean, half, confidence)
        }))
    }
}

/// The mean of one level over all levels of the other factors.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MarginalMean {
    /// The factor.
    pub factor: String,
    /// Its level.
    pub level: String,
    /// Observations.
    pub n: usize,
    /// Mean of the observations.
    pub mean: f64,
    /// Mean of the means of the level's cells, each counted once, which type III tests compare. Equal to
    /// `mean` in balanced data.
    pub unweighted: f64,
}

/// Means of the cells that occur, in the order of the factors' levels, the last factor varying fastest.
///
/// # Errors
///
/// If lengths differ, a value is not a number, a factor has one level or a level without an
/// observation, or the response does not vary.
pub fn cell_means(response: &[f64], factors: &[Factor]) -> Result<Vec<CellMean>, StatsError> {
    check(response, factors)?;
    let cells = Cells::of(factors);
    let groups = cells.split(response);
    Ok(cells
        .keys
        .iter()
        .zip(groups)
        .map(|(key, values)| CellMean {
            levels: level_names(factors, key),
            n: values.len(),
            mean: mean_of(&values),
            sd: (values.len() > 1).then(|| variance_of(&values).sqrt()),
        })
        .collect())
}

/// Means of the levels of every factor, each over all levels of the other factors.
///
/// # Errors
///
/// As [`cell_means`].
pub fn marginal_means(
    response: &[f64],
    factors: &[Factor],
) -> Result<Vec<MarginalMean>, StatsError> {
    check(response, factors)?;
    let cells = Cells::of(factors);
    let means: Vec<f64> = cells.split(response).iter().map(|cell| mean_of(cell)).collect();
    let mut rows = Vec::new();
    for (at, factor) in factors.iter().enumerate() {
        for (code, (level, values)) in factor.levels.iter().zip(factor.split(response)?).enumerate()
        {
            let of_level = cells.keys.iter().zip(&means).filter(|(key, _)| key[at] == code);
            let of_level: Vec<f64> = of_level.map(|(_, mean)| *mean).collect();
            rows.push(MarginalMean {
                factor: factor.name.clone(),
                level: level.clone(),
                n: values.len(),
                mean: mean_of(&values),
                unweighted: mean_of(&of_level),
            });
        }
    }
    Ok(rows)
}

/// Each observation minus the mean of its cell: the residuals of the full factorial model, on which
/// normality, equal variance and drift are checked.
///
/// # Errors
///
/// As [`cell_means`].
pub fn cell_residuals(response: &[f64], factors: &[Factor]) -> Result<Vec<f64>, StatsError> {
    check(response, factors)?;
    let cells = Cells::of(factors);
    let means: Vec<f64> = cells.split(response).iter().map(|cell| mean_of(cell)).collect();
    Ok(response.iter().zip(&cells.of_row).map(|(value, cell)| value - means[*cell]).collect())
}
