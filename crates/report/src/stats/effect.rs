//! Effect sizes of a difference between two samples.

use super::{
    Interval, StatsError,
    describe::{deviation_squares, mean_of},
    distribution::normal_quantile,
    error::{check_confidence, check_sample, constant},
    noncentral_t::noncentrality_limits,
    order::sorted,
};

/// An effect size with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct EffectSize {
    /// The estimate.
    pub value: f64,
    /// Its confidence interval.
    pub interval: Interval,
}

/// Cliff's δ: P(a > b) − P(a < b), in [-1, 1]; no assumption on the distributions.
///
/// The interval is Cliff's (1996) asymmetric one, from the unbiased variance `s²` of δ:
/// `(δ − δ³ ± z s √((1 − δ²)² + z² s²)) / (1 − δ² + z² s²)`. Where the samples do not overlap (|δ| = 1,
/// `s = 0`) it reaches from `(n − z²) / (n + z²)`, n the size of the smaller sample, to 1.
///
/// # Errors
///
/// If a sample has fewer than 2 values, one is not a number, or the confidence is not in (0, 1).
pub fn cliffs_delta(a: &[f64], b: &[f64], confidence: f64) -> Result<EffectSize, StatsError> {
    check_two(a, b, confidence)?;
    let (rows, columns) = (dominance(a, b), dominance(b, a));
    let (n, m) = (a.len() as f64, b.len() as f64);
    let delta = mean_of(&rows);
    let z = normal_quantile((1.0 + confidence) / 2.0);
    let interval = if delta.abs() == 1.0 {
        let smaller = n.min(m);
        let inner = (smaller - z * z) / (smaller + z * z);
        let (low, high) = if delta > 0.0 { (inner, 1.0) } else { (-1.0, -inner) };
        Interval { low, high, confidence }
    } else {
        // Cliff 1996, equation 5.10: of rows, of columns and of all pairs.
        let of_rows: f64 = rows.iter().map(|share| (share - delta).powi(2)).sum();
        let of_columns: f64 = columns.iter().map(|share| (-share - delta).powi(2)).sum();
        let all = n * m * (untied(a, b) - delta * delta);
        let variance =
            (m * m * of_rows + n * n * of_columns - all) / (n * m * (n - 1.0) * (m - 1.0));
        // The estimate can be negative; Cliff's floor.
        let variance = variance.max((1.0 - delta * delta) / (n * m - 1.0));
        let zs = z * variance.sqrt();
        let rest = 1.0 - delta * delta;
        let middle = delta * rest / (rest + zs * zs);
        let margin = zs * (rest * rest + zs * zs).sqrt() / (rest + zs * zs);
        let around = Interval::around(middle, margin, confidence);
        Interval { low: around.low.max(-1.0), high: around.high.min(1.0), confidence }
    };
    Ok(EffectSize { value: delta, interval })
}

/// Cohen's d: the difference of the means, a minus b, in pooled standard deviations.
///
/// The interval is exact for normal data with equal variances, from the noncentral t (Steiger and
/// Fouladi 1997).
///
/// # Errors
///
/// If a sample has fewer than 2 values, one is not a number, neither varies, or the confidence is
/// not in (0, 1).
pub fn cohens_d(a: &[f64], b: &[f64], confidence: f64) -> Result<EffectSize, StatsError> {
    standardized(a, b, confidence, |_| 1.0)
}

/// Hedges' g: Cohen's d corrected for its bias in small samples, as is the interval.
///
/// The factor is exact, `Γ(ν/2) / (√(ν/2) Γ((ν − 1)/2))` (Hedges 1981), with ν = n + m − 2.
///
/// # Errors
///
/// As [`cohens_d`].
pub fn hedges_g(a: &[f64], b: &[f64], confidence: f64) -> Result<EffectSize, StatsError> {
    standardized(a, b, confidence, |df| {
        (libm::lgamma(df / 2.0) - libm::lgamma((df - 1.0) / 2.0)).exp() / (df / 2.0).sqrt()
    })
}

fn standardized(
    a: &[f64],
    b: &[f64],
    confidence: f64,
    correction: fn(f64) -> f64,
) -> Result<EffectSize, StatsError> {
    check_two(a, b, confidence)?;
    let (n, m) = (a.len() as f64, b.len() as f64);
    let df = n + m - 2.0;
    let pooled = ((deviation_squares(a) + deviation_squares(b)) / df).sqrt();
    if pooled == 0.0 {
        return Err(constant("a and b"));
    }
    let d = (mean_of(a) - mean_of(b)) / pooled;
    let root = (1.0 / n + 1.0 / m).sqrt();
    let scale = correction(df);
    let [low, high] =
        noncentrality_limits(d / root, df, confidence).map(|limit| limit * root * scale);
    Ok(EffectSize { value: d * scale, interval: Interval { low, high, confidence } })
}

fn check_two(a: &[f64], b: &[f64], confidence: f64) -> Result<(), StatsError> {
    check_sample("a", a, 2)?;
    check_sample("b", b, 2)?;
    check_confidence(confidence)
}

/// For each value of `of`, the share of `over` that it exceeds minus the share that exceeds it.
fn dominance(of: &[f64], over: &[f64]) -> Vec<f64> {
    let over = sorted(over);
    let count = over.len() as f64;
    of.iter()
        .map(|value| {
            let below = over.partition_point(|other| other < value);
            let upto = over.partition_point(|other| other <= value);
            (below as f64 - (over.len() - upto) as f64) / count
        })
        .collect()
}

/// Share of the pairs that differ.
fn untied(a: &[f64], b: &[f64]) -> f64 {
    let over = sorted(b);
    let equal: usize = a
        .iter()
        .map(|value| {
            over.partition_point(|other| other <= value)
                - over.partition_point(|other| other < value)
        })
        .sum();
    1.0 - equal as f64 / (a.len() as f64 * b.len() as f64)
}
