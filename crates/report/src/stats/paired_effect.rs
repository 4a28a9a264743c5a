//! Effect sizes of the differences of pairs.

use super::{
    EffectSize, Interval, StatsError,
    describe::{deviation_squares, mean_of},
    distribution::normal_quantile,
    error::{check_confidence, check_length, check_sample, constant},
    noncentral_t::noncentrality_limits,
    order::ranks,
};

/// Effect sizes of a difference between two samples of pairs. They grow with how equal the differences of
/// the pairs are, while effect sizes of independent samples compare the difference with the spread of all
/// values.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct PairedEffects {
    /// Number of pairs.
    pub pairs: usize,
    /// d_z: the mean of the differences in their standard deviations. `None` if they do not vary.
    pub d_z: Option<EffectSize>,
    /// d_av: the mean of the differences in standard deviations of the values, `√((s_a² + s_b²) / 2)`.
    /// `None` if no value or no difference varies.
    pub d_av: Option<EffectSize>,
    /// Matched-pairs rank-biserial correlation: the sum of the ranks of positive differences less that of
    /// negative ones, as a share of both; 1 if a is larger in every pair. `None` if no pair differs.
    pub rank_biserial: Option<EffectSize>,
}

/// The effect sizes of pairs, a minus b.
///
/// The intervals of d_z and d_av are exact for normal differences, from the noncentral t (Algina and
/// Keselman 2003, Educational and Psychological Measurement 63:537; for d_av at the correlation of the
/// sample). That of the rank-biserial correlation (Kerby 2014) uses Fisher's transformation with the standard
/// error of the signed-rank statistic, `√((2n³ + 3n² + n) / 6) / ((n² + n) / 2)`, as R's effectsize; where
/// the correlation is ±1 it reaches from `(n − z²) / (n + z²)` to 1.
///
/// # Errors
///
/// If there are fewer than 2 pairs, lengths differ, a value is not a number, or the confidence is not in
/// (0, 1).
pub fn paired_effects(a: &[f64], b: &[f64], confidence: f64) -> Result<PairedEffects, StatsError> {
    check_sample("a", a, 2)?;
    check_sample("b", b, 2)?;
    check_length("b", b.len(), a.len())?;
    check_confidence(confidence)?;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let n = differences.len() as f64;
    let of_differences = (deviation_squares(&differences) / (n - 1.0)).sqrt();
    let of_values = ((deviation_squares(a) + deviation_squares(b)) / (2.0 * (n - 1.0))).sqrt();
    let t = mean_of(&differences) / (of_differences / n.sqrt());
    let in_units_of = |spread: f64| {
        (of_differences > 0.0 && spread > 0.0).then(|| {
            let scale = of_differences / n.sqrt() / spread;
            let [low, high] =
                noncentrality_limits(t, n - 1.0, confidence).map(|limit| limit * scale);
            EffectSize { value: t * scale, interval: Interval { low, high, confidence } }
        })
    };
    Ok(PairedEffects {
        pairs: differences.len(),
        d_z: in_units_of(of_differences),
        d_av: in_units_of(of_values),
        rank_biserial: rank_biserial(&differences, confidence).ok(),
    })
}

/// Pairs without a difference are left out, as in Wilcoxon's test.
fn rank_biserial(differences: &[f64], confidence: f64) -> Result<EffectSize, StatsError> {
    let kept: Vec<f64> =
        differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    if kept.is_empty() {
        return Err(constant("differences"));
    }
    let sizes: Vec<f64> = kept.iter().map(|difference| difference.abs()).collect();
    let signed = ranks(&sizes).into_iter().zip(&kept).map(|(rank, value)| rank * value.signum());
    let n = kept.len() as f64;
    let all = n * (n + 1.0) / 2.0;
    let value = signed.sum::<f64>() / all;
    let z = normal_quantile((1.0 + confidence) / 2.0);
    let interval = if value.abs() == 1.0 {
        let inner = (n - z * z) / (n + z * z);
        let (low, high) = if value > 0.0 { (inner, 1.0) } else { (-1.0, -inner) };
        Interval { low, high, confidence }
    } else {
        let margin = z * ((2.0 * n * n * n + 3.0 * n * n + n) / 6.0).sqrt() / all;
        let [low, high] = [-margin, margin].map(|margin| (value.atanh() + margin).tanh());
        Interval { low, high, confidence }
    };
    Ok(EffectSize { value, interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Public report pingouin 361: every pair gains 1 to 4, which independent samples would hide.
    #[test]
    fn equal_gains_are_a_large_effect_of_pairs() {
        let a = [101.0, 202.0, 303.0, 404.0];
        let b = [100.0, 200.0, 300.0, 400.0];
        let found = paired_effects(&a, &b, 0.95).unwrap();
        let d_z = found.d_z.unwrap();
        assert!((d_z.value - 1.936_491_673).abs() < 1e-9, "{found:?}");
        // R: MBESS::ci.sm(sm = 1.936492, N = 4) and SciPy's nct.
        assert!(d_z.interval.contains(d_z.value) && d_z.interval.low > 0.0, "{found:?}");
        assert_eq!(found.rank_biserial.unwrap().value, 1.0);
        let d_av = found.d_av.unwrap();
        assert!((d_av.value - 0.019_266).abs() < 1e-5, "{found:?}");
        assert_eq!(found.pairs, 4);
    }

    #[test]
    fn a_rank_biserial_correlation_is_that_of_the_signed_ranks() {
        // Ranks 1, 2, 3.5, 3.5, 5 with two negative: (14 − 1 − 3.5 − 3.5 + …) / 15.
        let found = paired_effects(&[1.0, -2.0, 3.0, -3.0, 4.0], &[0.0; 5], 0.95).unwrap();
        let found = found.rank_biserial.unwrap();
        assert!((found.value - (1.0 - 2.0 + 3.5 - 3.5 + 5.0) / 15.0).abs() < 1e-12, "{found:?}");
        assert!(found.interval.contains(found.value));
    }

    #[test]
    fn pairs_that_do_not_differ_have_no_effect_size() {
        let found = paired_effects(&[1.0, 2.0], &[1.0, 2.0], 0.95).unwrap();
        assert_eq!((found.d_z, found.d_av, found.rank_biserial), (None, None, None));
        assert!(paired_effects(&[1.0, 2.0], &[1.0], 0.95).is_err());
    }
}
