//! Linear mixed models by restricted maximum likelihood.

mod derivative;
mod freedom;
mod likelihood;
mod optimum;
mod random;

use self::{
    freedom::Freedom,
    likelihood::{Fit, System},
    optimum::{Optimum, minimize},
    random::Block,
};
use super::{fixed::Fixed, formula::Formula, frame::Frame, role::Variable};
use crate::stats::{
    StatsError,
    describe::{mean_of, variance_of},
    distribution::{f_sf, t_two_sided},
};

/// A test of a fixed term of a mixed model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MixedTerm {
    /// Its name.
    pub term: String,
    /// Degrees of freedom of the term, and of its error by Satterthwaite's method.
    pub df: f64,
    /// See `df`.
    pub den_df: f64,
    /// The ratio.
    pub f: f64,
    /// Probability of an F at least this large without an effect.
    pub p: f64,
}

/// A coefficient of a mixed model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct FixedEffect {
    /// The column: a covariate, or a level as `tension[L]`, whose value is its difference from the mean of all
    /// levels.
    pub name: String,
    /// Its value, in units of the response for each unit of the column.
    pub estimate: f64,
    /// Its standard error.
    pub se: f64,
    /// Degrees of freedom of the standard error by Satterthwaite's method.
    pub df: f64,
    /// The ratio of both.
    pub t: f64,
    /// Two-sided p-value.
    pub p: f64,
}

/// The random effects of one grouping.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RandomVariance {
    /// The columns of the groups, joined by `:`.
    pub group: String,
    /// Number of groups.
    pub groups: usize,
    /// The effects: `(Intercept)`, a covariate, or a level.
    pub effects: Vec<String>,
    /// The standard deviation of each effect between groups.
    pub sd: Vec<f64>,
    /// Correlations of the effects, row by row; 0 if the model has none.
    pub correlations: Vec<Vec<f64>>,
}

/// A fitted mixed model.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MixedModel {
    /// Type III tests of the fixed terms.
    pub terms: Vec<MixedTerm>,
    /// The fixed effects, the intercept first.
    pub coefficients: Vec<FixedEffect>,
    /// The random effects.
    pub random: Vec<RandomVariance>,
    /// Standard deviation of the residual.
    pub residual_sd: f64,
    /// −2 log of the restricted likelihood.
    pub criterion: f64,
    /// Number of observations.
    pub observations: usize,
    /// Terms that the terms before them determine; they are not part of the model.
    pub aliased: Vec<String>,
    /// Whether a variance was estimated as 0, or a correlation as 1.
    pub singular: bool,
}

/// Fits a linear mixed model and tests its fixed effects.
///
/// Variances are found by restricted maximum likelihood (Bates et al. 2015, the method of R's `lme4`). Degrees of
/// freedom are Satterthwaite's, from the curvature of the likelihood (Kuznetsova, Brockhoff and Christensen 2017,
/// Journal of Statistical Software 82:13, `lmerTest`). Factors have sum-to-zero contrasts.
///
/// # Errors
///
/// As [`super::anova_by_formula`]; if the formula has no random effects, there are as many random effects as
/// rows, or the variances are not found.
pub fn mixed_model(
    formula: &Formula,
    response: &[f64],
    variables: &[Variable],
) -> Result<MixedModel, StatsError> {
    if formula.random.is_empty() {
        return Err(StatsError::Formula {
            formula: formula.to_string(),
            reason: "it has no random effects, expected at least one, such as `(1|group)`"
                .to_owned(),
        });
    }
    let frame = Frame::new(formula, response, variables)?;
    let Fitted { fixed, blocks, theta, criterion, fit, freedom, sigma, scale, mean } =
        fitted(&frame)?;
    let coefficients = fixed.basis.coefficients(&fit.coefficients);
    let unit = |at: usize| -> Vec<f64> {
        let units = (0..coefficients.len()).map(|other| f64::from(u8::from(other == at)));
        fixed.basis.whiten(&units.collect::<Vec<_>>())
    };
    let terms = fixed
        .terms
        .iter()
        .zip(&formula.fixed)
        .filter(|(columns, _)| !columns.is_empty())
        .map(|(columns, term)| {
            let contrasts: Vec<Vec<f64>> = columns.clone().map(unit).collect();
            let (f, den_df) = freedom.f_test(&fit, &contrasts);
            let df = contrasts.len() as f64;
            MixedTerm { term: formula.name(term), df, den_df, f, p: f_sf(f, df, den_df) }
        })
        .collect();
    let coefficients = coefficients
        .iter()
        .zip(&fixed.names)
        .enumerate()
        .map(|(at, (estimate, name))| {
            let contrast = unit(at);
            let se = fit.covariance(&contrast, &contrast).sqrt() * sigma * scale;
            let estimate = estimate * scale + if at == 0 { mean } else { 0.0 };
            let (t, df) = (estimate / se, freedom.of(&contrast));
            FixedEffect { name: name.clone(), estimate, se, df, t, p: t_two_sided(t, df) }
        })
        .collect();
    let mut theta = theta.as_slice();
    let mut singular = false;
    let random = blocks
        .iter()
        .map(|block| {
            let (own, later) = theta.split_at(block.parameters());
            theta = later;
            let (variance, is_singular) = variance_of_block(block, own, sigma * scale);
            singular |= is_singular;
            variance
        })
        .collect();
    Ok(MixedModel {
        terms,
        coefficients,
        random,
        residual_sd: sigma * scale,
        criterion,
        observations: response.len(),
        aliased: fixed.aliased.clone(),
        singular,
    })
}

/// A fit to the response in units of its standard deviation `scale`, less its `mean`.
pub(super) struct Fitted {
    pub(super) fixed: Fixed,
    blocks: Vec<Block>,
    theta: Vec<f64>,
    /// −2 log of the restricted likelihood of the response as given.
    criterion: f64,
    fit: Fit,
    freedom: Freedom,
    /// Standard deviation of the residual.
    sigma: f64,
    scale: f64,
    mean: f64,
}

impl Fitted {
    /// Value, standard error and degrees of freedom of a combination of the kept columns' coefficients.
    pub(super) fn combination(&self, x: &[f64]) -> (f64, f64, f64) {
        let contrast = self.fixed.basis.whiten(x);
        let value: f64 = contrast.iter().zip(&self.fit.coefficients).map(|(a, b)| a * b).sum();
        let se = self.fit.covariance(&contrast, &contrast).sqrt() * self.sigma;
        (value * self.scale, se * self.scale, self.freedom.of(&contrast))
    }
}

/// Fits a model with random effects.
pub(super) fn fitted(frame: &Frame<'_>) -> Result<Fitted, StatsError> {
    let fixed = Fixed::new(frame)?;
    let blocks = Block::all(frame)?;
    // In units in which neither the mean nor the spread loses digits.
    let response = frame.response;
    let (mean, scale) = (mean_of(response), variance_of(response).sqrt());
    let scaled: Vec<f64> = response.iter().map(|value| (value - mean) / scale).collect();
    let system = System::new(&blocks, &fixed.basis, &scaled)?;
    if system.freedom() < 1.0 {
        let (observations, parameters) = (response.len(), fixed.basis.rank());
        return Err(StatsError::NoResidual { observations, parameters });
    }
    let start: Vec<f64> = blocks.iter().flat_map(Block::start).collect();
    let criterion =
        |theta: &[f64]| system.fit(theta).map_or(f64::MAX, |fit| system.criterion(&fit));
    let Optimum { point: theta, value, steps, converged } = minimize(criterion, &start);
    let fit = system.fit(&theta).filter(|_| converged && value < f64::MAX);
    let fit = fit.ok_or(StatsError::NotConverged { steps })?;
    let sigma = (fit.squares / system.freedom()).sqrt();
    let freedom = Freedom::new(&system, &theta, sigma).ok_or(StatsError::NotConverged { steps })?;
    let criterion = value + 2.0 * system.freedom() * scale.ln() + 2.0 * fixed.basis.log_scale();
    Ok(Fitted { fixed, blocks, theta, criterion, fit, freedom, sigma, scale, mean })
}

/// Deviations and correlations of a block, and whether it is singular.
fn variance_of_block(block: &Block, theta: &[f64], scale: f64) -> (RandomVariance, bool) {
    let q = block.size();
    let lambda = block.factor(theta);
    let row = |i: usize| &lambda[i * q..(i + 1) * q];
    let dot = |i: usize, j: usize| -> f64 { row(i).iter().zip(row(j)).map(|(a, b)| a * b).sum() };
    let sd: Vec<f64> = (0..q).map(|i| dot(i, i).sqrt()).collect();
    let correlation = |i: usize, j: usize| {
        let product = sd[i] * sd[j];
        if i == j || product > 0.0 { dot(i, j) / product } else { 0.0 }
    };
    let correlations = (0..q)
        .map(|i| (0..q).map(|j| if i == j { 1.0 } else { correlation(i, j) }).collect())
        .collect();
    let singular = (0..q).any(|i| lambda[i * q + i].abs() < 1e-4);
    let variance = RandomVariance {
        group: block.group.clone(),
        groups: block.levels,
        effects: block.names.clone(),
        sd: sd.iter().map(|sd| sd * scale).collect(),
        correlations,
    };
    (variance, singular)
}
