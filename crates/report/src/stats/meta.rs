//! Random-effects meta-analysis: the mean of effects that differ between studies.

use super::{
    Interval, StatsError,
    distribution::{chi_squared_sf, t_quantile, t_two_sided},
    error::{check_confidence, check_length, check_sample, check_values},
    root::root,
};

/// How the variance between studies is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BetweenStudies {
    /// Restricted maximum likelihood (Viechtbauer 2005).
    Reml,
    /// The variance at which the generalized Q equals its degrees of freedom (Paule and Mandel 1982).
    PauleMandel,
}

/// The mean of effects that differ between studies.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RandomEffectsMean {
    /// Mean effect.
    pub estimate: f64,
    /// Its standard error (Hartung and Knapp 2001; Sidik and Jonkman 2002).
    pub se: f64,
    /// Degrees of freedom: studies minus 1.
    pub df: f64,
    /// Two-sided p-value of a mean of 0.
    pub p: f64,
    /// Confidence interval of the mean.
    pub interval: Interval,
    /// Interval for the effect in a new study (Higgins, Thompson and Spiegelhalter 2009, with the degrees of
    /// freedom of the mean, as metafor).
    pub prediction: Interval,
    /// Variance of the effects between studies.
    pub tau_squared: f64,
    /// Share of the variation that is between studies, in [0, 1] (Higgins and Thompson 2002).
    pub i_squared: f64,
    /// Cochran's Q.
    pub q: f64,
    /// p-value of Q: no differences between studies.
    pub q_p: f64,
}

/// Weighted mean and sum of weights at a variance between studies.
fn mean_at(effects: &[f64], variances: &[f64], tau_squared: f64) -> (f64, f64) {
    let (mut sum, mut weights) = (0.0, 0.0);
    for (effect, variance) in effects.iter().zip(variances) {
        let weight = 1.0 / (variance + tau_squared);
        sum += weight * effect;
        weights += weight;
    }
    (sum / weights, weights)
}

/// Weighted sum of squared deviations from the weighted mean: the generalized Q.
fn q_at(effects: &[f64], variances: &[f64], tau_squared: f64) -> f64 {
    let (mean, _) = mean_at(effects, variances, tau_squared);
    let squares = effects.iter().zip(variances);
    squares.map(|(effect, variance)| (effect - mean).powi(2) / (variance + tau_squared)).sum()
}

/// Twice the derivative of the restricted log likelihood (Viechtbauer 2005, equation 11).
fn reml_score(effects: &[f64], variances: &[f64], tau_squared: f64) -> f64 {
    let (mean, weights) = mean_at(effects, variances, tau_squared);
    let (mut squares, mut fourth) = (0.0, 0.0);
    for (effect, variance) in effects.iter().zip(variances) {
        let weight = 1.0 / (variance + tau_squared);
        squares += (weight * (effect - mean)).powi(2);
        fourth += weight * weight;
    }
    squares - weights + fourth / weights
}

/// The mean of effects with known variances, in a model in which the true effects differ between studies.
///
/// # Errors
///
/// If lengths differ, there are fewer than 2 studies, a value is not finite, a variance is not above 0, or the
/// confidence is not in (0, 1).
pub fn random_effects_mean(
    effects: &[f64],
    variances: &[f64],
    between: BetweenStudies,
    confidence: f64,
) -> Result<RandomEffectsMean, StatsError> {
    check_confidence(confidence)?;
    check_sample("effects", effects, 2)?;
    check_length("variances", variances.len(), effects.len())?;
    check_values("variances", variances)?;
    let refused = |variance: f64| StatsError::OutOfRange {
        parameter: "variance".to_owned(),
        value: variance,
        expected: "a number from 1e-60 to 1e60",
    };
    if let Some(variance) = variances.iter().find(|variance| !(1e-60..=1e60).contains(*variance)) {
        return Err(refused(*variance));
    }
    let df = (effects.len() - 1) as f64;
    let excess = |tau_squared: f64| match between {
        BetweenStudies::Reml => reml_score(effects, variances, tau_squared),
        BetweenStudies::PauleMandel => q_at(effects, variances, tau_squared) - df,
    };
    let tau_squared = if excess(0.0) <= 0.0 {
        0.0
    } else {
        let (least, most) = effects
            .iter()
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), e| (low.min(*e), high.max(*e)));
        let mut high = (most - least).powi(2).max(1e-60);
        while excess(high) > 0.0 && high < 1e200 {
            high *= 4.0;
        }
        // In units of the upper end, because the tolerance of the root is absolute.
        high * root(0.0, 1.0, |share| excess(high * share))
    };
    let (estimate, weights) = mean_at(effects, variances, tau_squared);
    let se = (q_at(effects, variances, tau_squared) / df / weights).sqrt();
    let t = t_quantile((1.0 + confidence) / 2.0, df);
    let inverse: f64 = variances.iter().map(|variance| 1.0 / variance).sum();
    let squares: f64 = variances.iter().map(|variance| variance.powi(-2)).sum();
    // Rounding can make the difference negative where one study outweighs all others.
    let typical = df * inverse / (inverse * inverse - squares).max(0.0);
    let q = q_at(effects, variances, 0.0);
    Ok(RandomEffectsMean {
        estimate,
        se,
        df,
        p: if estimate == 0.0 { 1.0 } else { t_two_sided(estimate / se, df) },
        interval: Interval::around(estimate, t * se, confidence),
        prediction: Interval::around(estimate, t * (se * se + tau_squared).sqrt(), confidence),
        tau_squared,
        i_squared: if tau_squared == 0.0 { 0.0 } else { tau_squared / (tau_squared + typical) },
        q,
        q_p: chi_squared_sf(q, df),
    })
}
