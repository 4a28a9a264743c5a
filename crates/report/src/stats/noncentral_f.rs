//! The noncentral F distribution: confidence intervals of shares of variance.

use super::{
    noncentral_t::{noncentral_t_cdf, noncentrality_limits},
    root::root,
};

/// Above this, √χ² of noncentrality λ is normal around √(λ + df − 1) to a relative error of 1/λ.
const LARGE: f64 = 1e6;

/// P(F ≤ f) with noncentrality λ: central ones weighted by Poisson's law with mean λ/2,
/// `Σ Poisson(j; λ/2) I_x(df1/2 + j, df2/2)` with `x = df1 f / (df1 f + df2)` (Johnson, Kotz and
/// Balakrishnan 1995, section 30.2).
fn noncentral_f_cdf(f: f64, df1: f64, df2: f64, noncentrality: f64) -> f64 {
    if f <= 0.0 {
        return 0.0;
    }
    if noncentrality.max(df1 * f) > LARGE {
        return noncentral_t_cdf((df1 * f).sqrt(), df2, (noncentrality + df1 - 1.0).sqrt());
    }
    let (ratio, b, mean) = (df1 * f / df2, df2 / 2.0, noncentrality / 2.0);
    let (ln_x, ln_rest) = (-(1.0 / ratio).ln_1p(), -ratio.ln_1p());
    // I_x(a, b) is the sum of these from a on (in steps of 1), so that it is built from the top:
    // every addition is of positive numbers.
    let step = |a: f64| {
        (a * ln_x + b * ln_rest + libm::lgamma(a + b) - libm::lgamma(a + 1.0) - libm::lgamma(b))
            .exp()
    };
    let reach = 12.0 * mean.sqrt() + 40.0;
    let (first, last) = ((mean - reach).max(0.0).floor(), (mean + reach).ceil());
    let top = df1 / 2.0 + last;
    let x = ln_x.exp();
    // Above the last weight: terms rise while neighbors' ratio is above 1, then fall like a geometric
    // series. Where the first one underflows, the next ones need not.
    let (mut a, mut term, mut above) = (top, step(top), 0.0);
    loop {
        above += term;
        let growth = x * (a + b) / (a + 1.0);
        if growth < 1.0 && term <= 1e-17 * (1.0 - growth) * above {
            break;
        }
        term = if term > 1e-290 { term * growth } else { step(a + 1.0) };
        a += 1.0;
    }
    let weight = |j: f64| (j * mean.ln() - mean - libm::lgamma(j + 1.0)).exp();
    if mean == 0.0 {
        let from_zero = (0..last as u32).map(|j| step(df1 / 2.0 + f64::from(j))).sum::<f64>();
        return (above + from_zero).min(1.0);
    }
    let (mut beta, mut sum, mut j) = (above, 0.0, last);
    let (mut poisson, mut gap) = (weight(j), step(df1 / 2.0 + j - 1.0));
    loop {
        sum += poisson * beta;
        if j <= first {
            return sum.min(1.0);
        }
        beta += gap;
        poisson = if poisson > 1e-290 { poisson * j / mean } else { weight(j - 1.0) };
        j -= 1.0;
        let a = df1 / 2.0 + j;
        // From step(a) to step(a − 1).
        gap = if gap > 1e-290 { gap * a / (x * (a - 1.0 + b)) } else { step(a - 1.0) };
    }
}

/// Confidence limits of the noncentrality for an observed F (Steiger 2004), at least 0.
pub(super) fn noncentrality_limits_of_f(f: f64, df1: f64, df2: f64, confidence: f64) -> [f64; 2] {
    let tail = (1.0 - confidence) / 2.0;
    if df1 * f > LARGE {
        let limits = noncentrality_limits((df1 * f).sqrt(), df2, confidence);
        return limits.map(|limit| (limit.max(0.0).powi(2) - df1 + 1.0).max(0.0));
    }
    let limit = |share: f64| {
        let lack = |noncentrality: f64| noncentral_f_cdf(f, df1, df2, noncentrality) - share;
        if lack(0.0) <= 0.0 {
            return 0.0;
        }
        let mut high = 2.0 * df1 * f + 20.0;
        while lack(high) > 0.0 && high < LARGE {
            high *= 2.0;
        }
        root(0.0, high, lack)
    };
    [limit(1.0 - tail), limit(tail)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::distribution::f_sf;

    #[test]
    fn without_an_effect_the_distribution_is_central() {
        for (f, df1, df2) in
            [(0.2, 1.0, 5.0), (1.0, 3.0, 40.0), (9.0, 7.0, 3064.0), (80.0, 2.0, 6.0)]
        {
            let found = noncentral_f_cdf(f, df1, df2, 0.0);
            assert!((found - (1.0 - f_sf(f, df1, df2))).abs() < 1e-12, "{f} {df1} {df2}: {found}");
        }
    }

    /// `scipy.stats.ncf.cdf`.
    #[test]
    fn the_noncentral_distribution_agrees_with_scipy() {
        for (f, df1, df2, noncentrality, expected) in SCIPY {
            let found = noncentral_f_cdf(f, df1, df2, noncentrality);
            let error = (found / expected - 1.0).abs();
            assert!(error < 1e-9, "{f} {df1} {df2} {noncentrality}: {found} {expected}");
        }
    }

    /// With one degree of freedom F is a squared t, and nothing jumps where the series ends.
    #[test]
    fn the_series_and_its_approximation_agree_where_the_series_ends() {
        for (df1, f, tolerance) in [(1.0, 9e5, 1e-9), (4.0, 2.4e5, 3e-6)] {
            let series = noncentrality_limits_of_f(f, df1, 50.0, 0.95);
            let large = noncentrality_limits((df1 * f).sqrt(), 50.0, 0.95)
                .map(|limit| limit * limit - df1 + 1.0);
            for (a, b) in series.iter().zip(large) {
                assert!((a / b - 1.0).abs() < tolerance, "{df1}: {series:?} {large:?}");
            }
        }
    }

    const SCIPY: [(f64, f64, f64, f64, f64); 7] = [
        (1.5, 2.0, 10.0, 0.5, 0.6559712995912186),
        (3.0, 1.0, 20.0, 4.0, 0.3896650595900325),
        (0.4, 3.0, 8.0, 30.0, 2.330653187024186e-06),
        (12.0, 5.0, 300.0, 60.0, 0.40011587861307435),
        (500.0, 2.0, 3064.0, 900.0, 0.931530816632187),
        (52000.0, 1.0, 3064.0, 50000.0, 0.9241742472726913),
        (2.0, 7.0, 3064.0, 0.001, 0.9484171991620898),
    ];
}
