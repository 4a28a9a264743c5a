//! Properties that hold for any data.

use proptest::prelude::*;
use wattlab_report::stats::{self, Bootstrap, BootstrapMethod, Factor, SumsOfSquares, Units};

/// Values with a few ties.
fn sample(sizes: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec((-40..40_i32).prop_map(|quarter| f64::from(quarter) / 4.0), sizes)
}

fn factor(name: &str, codes: impl IntoIterator<Item = usize>) -> Factor {
    Factor::new(name, codes.into_iter().map(|code| code.to_string()))
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * (1.0 + a.abs().max(b.abs()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// In a balanced design the sums of squares of either type add up to that of the response, and neither
    /// the order nor the names of levels matter.
    #[test]
    fn balanced_sums_of_squares_add_up(y in sample(24..25)) {
        prop_assume!(y.iter().any(|value| *value != y[0]));
        let a = factor("a", (0..24).map(|row| row % 2));
        let b = factor("b", (0..24).map(|row| row / 2 % 3));
        let three = stats::anova(&y, &[a.clone(), b.clone()], SumsOfSquares::TypeIII).unwrap();
        let two = stats::anova(&y, &[b, a], SumsOfSquares::TypeII).unwrap();
        let mean = stats::mean(&y).unwrap();
        let total: f64 = y.iter().map(|value| (value - mean).powi(2)).sum();
        let sum = three.terms.iter().map(|term| term.ss).sum::<f64>() + three.residual.ss;
        prop_assert!(near(sum, total), "{} {}", sum, total);
        for (i, j) in [(0, 1), (1, 0), (2, 2)] {
            prop_assert!(near(three.terms[i].ss, two.terms[j].ss));
            prop_assert!((0.0..=1.0).contains(&three.terms[i].p));
            if let Some(sizes) = three.effect_intervals(i, 0.95).unwrap() {
                let term = &three.terms[i];
                prop_assert!(sizes.eta_sq.contains(term.eta_sq), "{sizes:?} {term:?}");
                prop_assert!(sizes.partial_eta_sq.contains(term.partial_eta_sq), "{sizes:?} {term:?}");
                prop_assert!(sizes.omega_sq.contains(term.omega_sq), "{sizes:?} {term:?}");
            }
        }
    }

    /// Tests of many groups agree with the tests of two groups if there are two.
    #[test]
    fn comparisons_of_two_groups_agree_with_one_another(a in sample(3..20), b in sample(3..20)) {
        prop_assume!(a.iter().any(|value| *value != a[0]) && b.iter().any(|value| *value != b[0]));
        let y = [a.as_slice(), &b].concat();
        let group = factor("g", (0..y.len()).map(|row| usize::from(row >= a.len())));
        let anova = stats::anova(&y, std::slice::from_ref(&group), SumsOfSquares::TypeIII).unwrap();
        let tukey = stats::tukey_hsd(&y, &group, 0.95).unwrap();
        prop_assert!(near(anova.terms[0].f, tukey[0].statistic.powi(2)));
        prop_assert!((anova.terms[0].p - tukey[0].p).abs() < 1e-9);
        let howell = stats::games_howell(&y, &group, 0.95).unwrap();
        let welch = stats::welch_t(&a, &b).unwrap();
        prop_assert!((welch.p - howell[0].p).abs() < 1e-9);
        let dunn = stats::dunn(&y, &group).unwrap();
        let kruskal = stats::kruskal_wallis(&[&a, &b]).unwrap();
        prop_assert!((kruskal.p - dunn[0].p).abs() < 1e-9);
    }

    /// Exchanging the samples changes the sign and nothing else.
    #[test]
    fn comparisons_are_antisymmetric(a in sample(2..15), b in sample(2..15)) {
        let (ab, ba) = (stats::cliffs_delta(&a, &b, 0.9).unwrap(), stats::cliffs_delta(&b, &a, 0.9).unwrap());
        prop_assert!(near(ab.value, -ba.value) && near(ab.interval.low, -ba.interval.high));
        prop_assert!(ab.interval.low >= -1.0 && ab.interval.high <= 1.0);
        prop_assert!(ab.interval.low <= ab.value + 1e-12 && ab.value <= ab.interval.high + 1e-12);
        if let (Ok(ab), Ok(ba)) = (stats::mann_whitney(&a, &b), stats::mann_whitney(&b, &a)) {
            prop_assert_eq!(ab.statistic + ba.statistic, (a.len() * b.len()) as f64);
            prop_assert!(near(ab.p, ba.p) && ab.p <= 1.0);
        }
        if let (Ok(ab), Ok(ba)) = (stats::hedges_g(&a, &b, 0.9), stats::hedges_g(&b, &a, 0.9)) {
            prop_assert!(near(ab.value, -ba.value));
            prop_assert!((ab.interval.low + ba.interval.high).abs() < 1e-6);
            prop_assert!(ab.interval.contains(ab.value) || a.len() + b.len() < 5);
        }
    }

    /// Rank tests depend on the order of the values only.
    #[test]
    fn rank_tests_ignore_the_scale(a in sample(4..12), b in sample(4..12)) {
        let bend = |values: &[f64]| values.iter().map(|value| (value / 5.0).exp()).collect::<Vec<f64>>();
        let found = (stats::mann_whitney(&a, &b), stats::kruskal_wallis(&[&a, &b]));
        let bent = (stats::mann_whitney(&bend(&a), &bend(&b)), stats::kruskal_wallis(&[&bend(&a), &bend(&b)]));
        prop_assert_eq!(found, bent);
    }

    /// Adjusted p-values keep their order and are never smaller than before.
    #[test]
    fn adjusted_p_values_keep_their_order(p in prop::collection::vec(0.0..=1.0_f64, 0..12)) {
        let holm = stats::holm(&p).unwrap();
        for i in 0..p.len() {
            prop_assert!(p[i] <= holm[i] && holm[i] <= 1.0);
            for j in 0..p.len() {
                prop_assert!(p[i] > p[j] || holm[i] <= holm[j]);
            }
        }
    }

    /// All kinds of intervals of a mean are close to one another, and equal seeds give equal intervals.
    #[test]
    fn the_bootstrap_is_deterministic(values in sample(12..30), seed in any::<u64>()) {
        prop_assume!(stats::variance(&values).unwrap() > 0.1);
        let mean = |values: &[f64]| stats::mean(values).ok();
        let run = |method| {
            let bootstrap = Bootstrap { resamples: 500, confidence: 0.9, seed, method };
            bootstrap.one_sample(&values, mean).unwrap()
        };
        let [percentile, bca] = [BootstrapMethod::Percentile, BootstrapMethod::Bca].map(run);
        prop_assert_eq!(percentile, run(BootstrapMethod::Percentile));
        let se = (stats::variance(&values).unwrap() / values.len() as f64).sqrt();
        for found in [percentile, bca] {
            prop_assert!(found.interval.contains(found.estimate));
            prop_assert!((found.standard_error / se - 1.0).abs() < 0.25, "{:?} {}", found, se);
        }
    }

    /// Residuals of least squares are orthogonal to the predictors, and the leave-one-out residual of a row
    /// is that of a fit without the row.
    #[test]
    fn residuals_are_orthogonal(x in sample(6..20), noise in sample(20..21)) {
        let y: Vec<f64> = x.iter().zip(&noise).map(|(x, e)| 2.0 * x + e).collect();
        prop_assume!(x[2..].iter().any(|value| *value != x[2]) && y.iter().any(|value| *value != y[0]));
        let fit = stats::linear_regression(&[&x], &y).unwrap();
        prop_assert!(fit.residuals.iter().sum::<f64>().abs() < 1e-8);
        let product: f64 = x.iter().zip(&fit.residuals).map(|(x, e)| x * e).sum();
        prop_assert!(product.abs() < 1e-7);
        if y[1..].iter().any(|value| *value != y[1]) {
            let without = stats::linear_regression(&[&x[1..]], &y[1..]).unwrap();
            let predicted = without.predict(&[x[0]], 0.95).unwrap().value;
            prop_assert!(near(fit.leave_one_out[0].unwrap(), y[0] - predicted));
        }
    }
}

#[test]
fn a_perfect_order_of_few_pairs_has_a_large_p_value() {
    let p = |n: u32| {
        let x: Vec<f64> = (0..n).map(f64::from).collect();
        stats::spearman(&x, &x).unwrap().p
    };
    assert_eq!([p(3), p(4), p(5)], [2.0 / 6.0, 2.0 / 24.0, 2.0 / 120.0]);
}

#[test]
fn shapiro_wilk_at_its_largest_sample_size() {
    // W of three values cannot be below 3/4.
    let found = stats::shapiro_wilk(&[1.0, 1.0, 4.0]).unwrap();
    assert!((found.w - 0.75).abs() < 1e-12 && found.p < 1e-14, "{found:?}");
    let found = stats::shapiro_wilk(&[1.0, 2.0, 3.0]).unwrap();
    assert!((found.w - 1.0).abs() < 1e-12 && (found.p - 1.0).abs() < 1e-6, "{found:?}");
}

#[test]
fn samples_without_overlap_have_a_one_sided_interval() {
    let delta = stats::cliffs_delta(&[5.0, 6.0, 7.0, 8.0, 9.0], &[1.0, 2.0, 3.0], 0.95).unwrap();
    let z2 = 1.959_963_984_540_054_f64.powi(2);
    assert_eq!((delta.value, delta.interval.high), (1.0, 1.0));
    assert!((delta.interval.low - (3.0 - z2) / (3.0 + z2)).abs() < 1e-12);
}

#[test]
fn levels_that_are_numbers_are_sorted_by_value() {
    let levels = |names: [&str; 3]| {
        let sorted = Factor::new("f", names.map(str::to_owned)).sorted();
        (sorted.levels, sorted.codes)
    };
    assert_eq!(
        levels(["128", "16", "32"]),
        (vec!["16".into(), "32".into(), "128".into()], vec![2, 0, 1])
    );
    assert_eq!(levels(["b", "10", "9"]).0, ["10", "9", "b"]);
    let crossed = Factor::crossed(&[factor("a", [0, 1, 0, 1]), factor("b", [0, 0, 1, 1])]).unwrap();
    assert_eq!(crossed.levels, ["0 0", "1 0", "0 1", "1 1"]);
}

#[test]
fn clusters_widen_the_interval_of_a_mean() {
    // Ten clusters of five equal values: fifty rows contain no more information than ten.
    let values: Vec<f64> = (0..50).map(|index| f64::from(index / 5 % 4)).collect();
    let clusters: Vec<usize> = (0..50).map(|index| index / 5).collect();
    let bootstrap =
        Bootstrap { resamples: 2000, confidence: 0.95, seed: 3, method: BootstrapMethod::Bca };
    let mean =
        |rows: &[usize]| Some(rows.iter().map(|row| values[*row]).sum::<f64>() / rows.len() as f64);
    let rows = bootstrap.interval(&Units::rows(50), mean).unwrap();
    let whole = bootstrap.interval(&Units::clusters(&clusters), mean).unwrap();
    let ratio = whole.standard_error / rows.standard_error;
    assert!((ratio - 5_f64.sqrt()).abs() < 0.15, "{ratio}");
    let icc = stats::intraclass_correlation(&values, &clusters).unwrap();
    assert_eq!((icc.icc, icc.design_effect, icc.effective_rows), (1.0, 5.0, 10.0));
}

#[test]
fn pairs_by_key_give_the_paired_comparison() {
    let (a, b) = ([3.0, 4.5, 5.0, 6.5, 9.0], [2.0, 4.0, 4.75, 5.0, 8.0]);
    // Rows sorted by level, the keys of the second level in another order, and one key without a partner.
    let y = [a.as_slice(), &[b[4], b[0], b[1], b[3], b[2], 99.0]].concat();
    let level = factor("level", [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]);
    let key = factor("seed", [10, 11, 12, 13, 14, 14, 10, 11, 13, 12, 15]);
    let bootstrap =
        Bootstrap { resamples: 500, confidence: 0.95, seed: 1, method: BootstrapMethod::Bca };
    let found = stats::compare_levels_paired(&y, &level, &key, &bootstrap).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].comparison, stats::compare_paired(&a, &b, &bootstrap).unwrap());
    assert_eq!(
        found[0].t_test_p,
        found[0].comparison.t_test.map(|test| test.p),
        "one pair, no adjustment"
    );
    let apart = stats::compare_levels(&y, &level, &bootstrap).unwrap();
    assert_eq!(apart[0].comparison, stats::compare(&a, &y[5..], &bootstrap).unwrap());
    // Constant samples have a difference, but no t test.
    let flat = stats::compare(&[1.0; 4], &[2.0; 4], &bootstrap).unwrap();
    assert_eq!((flat.difference, flat.t_test, flat.hedges_g), (-1.0, None, None));
}

/// An estimated energy has almost no noise: effects of a million standard deviations are finite, and
/// computed quickly.
#[test]
fn effects_without_noise_have_an_infinite_f() {
    let (a, b) = ([2e3, 2e3 + 1e-6, 2e3], [1e3, 1e3 + 1e-6, 1e3 - 1e-6]);
    let d = stats::cohens_d(&a, &b, 0.95).unwrap();
    assert!(d.value > 1e8 && d.interval.contains(d.value), "{d:?}");
    // Against χ: the limits are d √(χ²/ν) at its quantiles; SciPy: sqrt(chi2.ppf([.025, .975], 4) / 4).
    let ratios = [d.interval.low / d.value, d.interval.high / d.value];
    assert!(
        (ratios[0] - 0.348_001).abs() < 1e-5 && (ratios[1] - 1.669_078).abs() < 1e-5,
        "{ratios:?}"
    );
    let y = [a, b].concat();
    let pair = &stats::tukey_hsd(&y, &factor("g", [0, 0, 0, 1, 1, 1]), 0.95).unwrap()[0];
    let t = stats::welch_t(&a, &b).unwrap();
    assert!(pair.p > 0.0 && pair.p < 1e-30 && t.p < 1e-15, "{pair:?} {t:?}");
}
