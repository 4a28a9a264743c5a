//! Comparisons of the means of a model.

use super::{
    coding::Value,
    fixed::Fixed,
    formula::{Formula, Term},
    frame::Frame,
    mixed::{Fitted, fitted},
    orthogonal::dot,
    role::Variable,
};
use crate::stats::{
    Interval, PairComparison, StatsError,
    error::check_confidence,
    posthoc::{pairs, studentized_range_quantile, studentized_range_sf},
};

/// Most levels that are compared, and most points of the grid of all factors.
const MOST_LEVELS: usize = 100;
const MOST_POINTS: usize = 100_000;

/// Compares the means of all pairs of levels of a factor, or of the combinations of several, in a model with other
/// factors, blocks, covariates or random effects.
///
/// A level's mean is the model's prediction, averaged with equal weights over the levels of the other factors at the
/// mean of each covariate (Searle, Speed and Milliken 1980, The American Statistician 34:216). P-values and
/// intervals are those of Tukey and Kramer: the studentized range over all levels. With random effects, the degrees
/// of freedom are Satterthwaite's. Results equal those of R's `TukeyHSD` in balanced data, and of `emmeans`.
///
/// # Errors
///
/// As [`super::mixed_model`] and [`super::anova_by_formula`]; if `of` names no factors of the formula, there
/// are more than 100 levels, or a factor is nested in another.
pub fn tukey_by_formula(
    formula: &Formula,
    response: &[f64],
    variables: &[Variable],
    of: &[&str],
    confidence: f64,
) -> Result<Vec<PairComparison>, StatsError> {
    check_confidence(confidence)?;
    let fail = |reason: String| StatsError::Formula { formula: formula.to_string(), reason };
    if formula.repeated.is_some() {
        return Err(fail("pairs are not compared with `Error(…)`; write `(1|subject)`".to_owned()));
    }
    let frame = Frame::new(formula, response, variables)?;
    let mut columns = Vec::with_capacity(of.len());
    for name in of {
        let found = formula.position(name).filter(|column| formula.is_fixed(*column));
        let column =
            found.ok_or_else(|| fail(format!("`{name}` is not one of its fixed effects")))?;
        frame.factor(column)?;
        columns.push(column);
    }
    if columns.is_empty() {
        return Err(fail("no factor to compare was given".to_owned()));
    }
    columns.sort_unstable();
    columns.dedup();
    let model = Model::new(&frame)?;
    let (names, rows) = means(&frame, model.fixed(), &Term(columns))?;
    let count = rows.len();
    pairs(count)
        .map(|(a, b)| {
            let x: Vec<f64> = rows[a].iter().zip(&rows[b]).map(|(a, b)| a - b).collect();
            let (difference, se, df) = model.combination(&x);
            let t = difference / se;
            let critical =
                studentized_range_quantile(confidence, count, df)? / std::f64::consts::SQRT_2;
            Ok(PairComparison {
                a: names[a].clone(),
                b: names[b].clone(),
                difference,
                se,
                statistic: t,
                df: Some(df),
                p: studentized_range_sf(std::f64::consts::SQRT_2 * t.abs(), count, df)?,
                interval: Some(Interval::around(difference, critical * se, confidence)),
            })
        })
        .collect()
}

/// A fit with or without random effects.
enum Model {
    Fixed { fixed: Box<Fixed>, coefficients: Vec<f64>, variance: f64, df: f64 },
    Mixed(Box<Fitted>),
}

impl Model {
    fn new(frame: &Frame<'_>) -> Result<Self, StatsError> {
        if !frame.formula.random.is_empty() {
            return fitted(frame).map(|fitted| Self::Mixed(Box::new(fitted)));
        }
        let fixed = Fixed::new(frame)?;
        let (observations, parameters) = (frame.rows(), fixed.basis.rank());
        if observations <= parameters {
            return Err(StatsError::NoResidual { observations, parameters });
        }
        let df = (observations - parameters) as f64;
        let variance = fixed.basis.residual_squares(frame.response) / df;
        if variance == 0.0 {
            return Err(crate::stats::error::constant("response within groups"));
        }
        let coefficients = fixed.basis.rotate(frame.response);
        Ok(Self::Fixed { fixed: Box::new(fixed), coefficients, variance, df })
    }

    fn fixed(&self) -> &Fixed {
        match self {
            Self::Fixed { fixed, .. } => fixed,
            Self::Mixed(fitted) => &fitted.fixed,
        }
    }

    /// Value, standard error and degrees of freedom of a combination of the kept columns' coefficients.
    fn combination(&self, x: &[f64]) -> (f64, f64, f64) {
        match self {
            Self::Fixed { fixed, coefficients, variance, df } => {
                let contrast = fixed.basis.whiten(x);
                (dot(&contrast, coefficients), (dot(&contrast, &contrast) * variance).sqrt(), *df)
            }
            Self::Mixed(fitted) => fitted.combination(x),
        }
    }
}

/// The levels that are compared, and the kept columns' mean values for each.
fn means(
    frame: &Frame<'_>,
    fixed: &Fixed,
    of: &Term,
) -> Result<(Vec<String>, Vec<Vec<f64>>), StatsError> {
    let fail = |reason: String| StatsError::Formula { formula: frame.formula.to_string(), reason };
    if fixed.design.codings.iter().any(super::coding::Coding::is_nested) {
        return Err(fail(
            "pairs are not compared in nested factors; analyze the inner one alone".to_owned(),
        ));
    }
    let factors: Vec<usize> = (0..frame.variables.len())
        .filter(|column| frame.formula.is_fixed(*column) && frame.factor(*column).is_ok())
        .collect();
    let levels = |columns: &[usize]| -> Result<usize, StatsError> {
        let mut sizes =
            columns.iter().map(|column| frame.factor(*column).map(|factor| factor.levels.len()));
        sizes.try_fold(1_usize, |all, size| Ok(all.saturating_mul(size?)))
    };
    let (points, compared) = (levels(&factors)?, levels(of.columns())?);
    if compared > MOST_LEVELS || points > MOST_POINTS {
        return Err(fail(format!(
            "{compared} levels would be compared over {points} combinations, expected at most {MOST_LEVELS} \
             over {MOST_POINTS}; leave out a factor"
        )));
    }
    let middle: Vec<Value> = frame
        .variables
        .iter()
        .map(|variable| match variable {
            Variable::Factor(_) => Value::Level(0),
            Variable::Covariate { values, .. } => {
                Value::Number(values.iter().sum::<f64>() / values.len() as f64)
            }
        })
        .collect();
    let (mut names, mut sums) = (vec![String::new(); compared], vec![Vec::new(); compared]);
    for index in 0..points {
        let (mut rest, mut point) = (index, middle.clone());
        let (mut level, mut parts) = (0, Vec::new());
        for column in factors.iter().rev() {
            let factor = frame.factor(*column)?;
            let (code, size) = (rest % factor.levels.len(), factor.levels.len());
            rest /= size;
            point[*column] = Value::Level(code);
            if of.columns().contains(column) {
                parts.push(factor.levels[code].as_str());
                level += code * of_later(frame, of, *column)?;
            }
        }
        parts.reverse();
        names[level] = parts.join(" ");
        let mut values = vec![1.0];
        for coding in &fixed.design.codings {
            values.extend(coding.values(&point));
        }
        let kept = fixed.basis.kept.iter().map(|column| values[*column]);
        let sum: &mut Vec<f64> = &mut sums[level];
        if sum.is_empty() {
            sum.resize(fixed.basis.rank(), 0.0);
        }
        sum.iter_mut().zip(kept).for_each(|(sum, value)| *sum += value);
    }
    let each = (points / compared) as f64;
    sums.iter_mut().flatten().for_each(|value| *value /= each);
    Ok((names, sums))
}

/// How many combinations the compared factors after this one have.
fn of_later(frame: &Frame<'_>, of: &Term, column: usize) -> Result<usize, StatsError> {
    let later = of.columns().iter().filter(|other| **other > column);
    later.map(|other| frame.factor(*other).map(|factor| factor.levels.len())).product()
}
