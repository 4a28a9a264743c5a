//! For any finite values, no public function returns a NaN: what cannot be computed is an error that
//! gives the reason.

use std::{
    collections::BTreeSet,
    fmt::Debug,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use proptest::prelude::*;
use wattlab_report::stats::{
    self, Bootstrap, BootstrapMethod, Center, Effects, Factor, Formula, PValue, StatsError,
    SumsOfSquares, Units, Variable, Zeros,
};

/// The functions that were called, and those of them that have ever returned a result.
struct Called {
    all: BTreeSet<&'static str>,
    answered: BTreeSet<&'static str>,
}

static CALLED: Mutex<Called> =
    Mutex::new(Called { all: BTreeSet::new(), answered: BTreeSet::new() });

fn called() -> MutexGuard<'static, Called> {
    CALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fails if a result or the text of an error contains a NaN.
fn check<T: Debug>(function: &'static str, found: Result<T, StatsError>) -> Option<T> {
    called().all.insert(function);
    match found {
        Ok(found) => {
            called().answered.insert(function);
            let shown = format!("{found:?}");
            assert!(!shown.contains("NaN"), "{function}: {shown}");
            Some(found)
        }
        Err(error) => {
            let shown = error.to_string();
            assert!(!shown.contains("NaN") && shown.len() > 10, "{function}: {shown}");
            None
        }
    }
}

/// Numbers of every size: also ties, and the ends of the range.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (-8..8_i32).prop_map(|half| f64::from(half) / 2.0),
        2 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
        2 => -1e3..1e3_f64,
        1 => prop::sample::select(vec![
            0.0, -0.0, 1e-320, -1e-320, 1e-61, 1e-60, 1e-59, -1e-60, 1e-16, 1.0 + 1e-15, 1e59,
            1e60, -1e60, 1e61, f64::MAX, f64::MIN, f64::MIN_POSITIVE,
        ]),
    ]
}

/// A column of values of one unit: equal, of one size, or mixed.
fn column() -> impl Strategy<Value = Vec<f64>> {
    let size = 0..14_usize;
    prop_oneof![
        2 => prop::collection::vec(value(), size.clone()),
        3 => prop::collection::vec((-6..6_i32).prop_map(f64::from), size.clone()),
        1 => (value(), size.clone()).prop_map(|(value, n)| vec![value; n]),
        // Values of one size, from the smallest to the largest allowed; below, values that differ in their
        // last digits only.
        2 => (-60..60_i32, prop::collection::vec(-9..9_i32, size.clone())).prop_map(|(power, values)| {
            values.into_iter().map(|value| f64::from(value) * 10_f64.powi(power)).collect()
        }),
        1 => (-60..59_i32, prop::collection::vec(0..4_u32, size)).prop_map(|(power, values)| {
            let scale = 10_f64.powi(power);
            values.into_iter().map(|value| scale * f64::EPSILON.mul_add(f64::from(value), 1.0)).collect()
        }),
    ]
}

fn factor(name: &str, codes: &[usize], rows: usize) -> Factor {
    Factor::new(name, (0..rows).map(|row| codes[row % codes.len()].to_string()))
}

fn of_one_sample(x: &[f64], confidence: f64) {
    check("describe", stats::describe(x));
    check("mean", stats::mean(x));
    check("median", stats::median(x));
    check("quantile", stats::quantile(x, confidence));
    check("standard_deviation", stats::standard_deviation(x));
    check("variance", stats::variance(x));
    check("shapiro_wilk", stats::shapiro_wilk(x));
    check("normal_plot", stats::normal_plot(x));
    if let Some(test) = check("one_sample_t", stats::one_sample_t(x, 0.5)) {
        check("one_sample_t", test.interval(confidence));
    }
    check("wilcoxon_signed_rank", stats::wilcoxon_signed_rank(x));
    for (zeros, method) in [
        (Zeros::Wilcoxon, PValue::Exact),
        (Zeros::Wilcoxon, PValue::Asymptotic),
        (Zeros::Pratt, PValue::Asymptotic),
    ] {
        let found = stats::wilcoxon_signed_rank_by(x, zeros, method);
        check("wilcoxon_signed_rank_by", found);
    }
    let p: Vec<f64> = x.iter().map(|value| value.abs().min(1.0)).collect();
    check("holm", stats::holm(&p));
    check("holm", stats::holm(x));
    check(
        "jackknife_interval",
        stats::jackknife_interval(x.first().copied().unwrap_or(0.0), x, confidence),
    );
    let looks: Vec<u32> = x.iter().map(|value| value.abs().min(1e9) as u32).collect();
    check("look_error_rates", stats::look_error_rates(&looks, confidence));
    check("look_error_rates", stats::look_error_rates(&[3, 5, 8], confidence));
}

fn of_two_samples(x: &[f64], y: &[f64], confidence: f64) {
    check("welch_t", stats::welch_t(x, y));
    check("paired_t", stats::paired_t(x, y));
    check("mann_whitney", stats::mann_whitney(x, y));
    for method in [PValue::Exact, PValue::Asymptotic] {
        check("mann_whitney_by", stats::mann_whitney_by(x, y, method));
    }
    check("cliffs_delta", stats::cliffs_delta(x, y, confidence));
    check("cohens_d", stats::cohens_d(x, y, confidence));
    check("hedges_g", stats::hedges_g(x, y, confidence));
    check("paired_effects", stats::paired_effects(x, y, confidence));
    check(
        "bayesian_signed_rank",
        stats::bayesian_signed_rank(&x[..x.len().min(4)], &y[..y.len().min(4)], 0.5, 1),
    );
    check("levene", stats::levene(&[x, y], Center::Mean));
    check("levene", stats::levene(&[x, y, &[1.0, 2.0]], Center::Median));
    check("kruskal_wallis", stats::kruskal_wallis(&[x, y]));
    check("friedman", stats::friedman(&[x, y, x]));
    check("mean_ranks", stats::mean_ranks(&[x, y], confidence));
    let names = ["x", "y"].map(str::to_owned);
    check("nemenyi", stats::nemenyi(&[x, y], &names));
    for method in [BootstrapMethod::Percentile, BootstrapMethod::Bca] {
        let bootstrap = Bootstrap { resamples: 100, confidence, seed: 1, method };
        check("compare", stats::compare(x, y, &bootstrap));
        check("compare_paired", stats::compare_paired(x, y, &bootstrap));
        let units = Units::clusters(&(0..x.len()).map(|row| row / 2).collect::<Vec<_>>());
        let sum = |rows: &[usize]| Some(rows.iter().map(|row| x[*row]).sum::<f64>());
        check("Bootstrap", bootstrap.interval(&units, sum));
        check("Bootstrap", bootstrap.statistics(&units, sum));
        check("Bootstrap", bootstrap.one_sample(x, |values| stats::median(values).ok()));
    }
}

fn of_pairs(x: &[f64], y: &[f64], confidence: f64) {
    check("spearman", stats::spearman(x, y));
    check("theil_sen", stats::theil_sen(x, y));
    let positive: Vec<f64> = y.iter().map(|y| y.abs()).collect();
    for between in [stats::BetweenStudies::Reml, stats::BetweenStudies::PauleMandel] {
        let found = stats::random_effects_mean(x, &positive, between, confidence);
        check("random_effects_mean", found);
        let ones = vec![1.0; x.len()];
        check("random_effects_mean", stats::random_effects_mean(x, &ones, between, confidence));
    }
    check("theil_sen_within", stats::theil_sen_within(x, y, confidence));
    if let Some(fit) = check("linear_regression", stats::linear_regression(&[x], y)) {
        check("LinearFit", fit.predict(&[1.5], confidence));
        let clusters: Vec<usize> = (0..x.len()).map(|row| row / 2).collect();
        check("LinearFit", fit.cluster_robust(&clusters));
        check("Coefficient", fit.coefficients[1].interval(confidence));
    }
    check("linear_regression", stats::linear_regression(&[x, y], y));
    check("non_negative_least_squares", stats::non_negative_least_squares(&[x, y], x));
    check("non_negative_least_squares", stats::non_negative_least_squares(&[x, x, y], y));
    let happened: Vec<bool> = y.iter().map(|value| *value > 0.0).collect();
    check("kaplan_meier", stats::kaplan_meier(x, &happened, confidence));
}

fn of_factors(y: &[f64], codes: &[usize], confidence: f64) {
    let rows = y.len();
    let a = factor("a", codes, rows);
    let b = factor("b", &[0, 0, 1], rows);
    let order: Vec<f64> = (0..rows).map(|row| (row * 7 % 5) as f64).collect();
    let clusters: Vec<usize> = (0..rows).map(|row| row / 2).collect();
    for factors in [vec![a.clone()], vec![a.clone(), b.clone()]] {
        for kind in [SumsOfSquares::TypeI, SumsOfSquares::TypeII, SumsOfSquares::TypeIII] {
            let found = check("anova", stats::anova(y, &factors, kind));
            for at in 0..found.map_or(0, |anova| anova.terms.len()) {
                let again = stats::anova(y, &factors, kind);
                let intervals = again.and_then(|anova| anova.effect_intervals(at, confidence));
                check("Anova", intervals);
            }
            check("anova_of", stats::anova_of(y, &factors, kind, Effects::Main));
        }
        check("cell_means", stats::cell_means(y, &factors));
        check("cell_residuals", stats::cell_residuals(y, &factors));
        check("marginal_means", stats::marginal_means(y, &factors));
        check("cluster_means", stats::cluster_means(y, &clusters, &factors));
        check("drift", stats::drift(y, &factors, &order));
        let others = [factor("c", &[0, 0, 0, 0, 1, 1, 1], rows), b.clone()];
        check("screen", stats::screen(y, &factors, &others, None));
        if let Ok(cells) = Factor::crossed(&factors) {
            let within = stats::intraclass_correlation_within(y, &clusters, &cells.codes);
            check("intraclass_correlation_within", within);
        }
    }
    of_formulas(
        y,
        &[a.clone(), b, factor("s", &[0, 0, 0, 1, 1, 1, 2, 2, 2], rows)],
        &order,
        confidence,
    );
    check("intraclass_correlation", stats::intraclass_correlation(y, &clusters));
    check("tukey_hsd", stats::tukey_hsd(y, &a, confidence));
    check("games_howell", stats::games_howell(y, &a, confidence));
    check("dunn", stats::dunn(y, &a));
    let method = BootstrapMethod::Percentile;
    let bootstrap = Bootstrap { resamples: 100, confidence, seed: 1, method };
    check("compare_levels", stats::compare_levels(y, &a, &bootstrap));
    let key = factor("key", &[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6], rows);
    let alternating = factor("a", &[0, 1], rows);
    let found = stats::compare_levels_paired(y, &alternating, &key, &bootstrap);
    check("compare_levels_paired", found);
}

fn of_formulas(y: &[f64], factors: &[Factor], numbers: &[f64], confidence: f64) {
    let factors = factors.iter().cloned().map(Variable::Factor);
    let number = Variable::Covariate { name: "x".to_owned(), values: numbers.to_vec() };
    let variables: Vec<Variable> = factors.chain([number]).collect();
    let formula = |text: &str| text.parse::<Formula>().unwrap();
    for text in ["y ~ a", "y ~ a*x", "y ~ b/s", "y ~ a + b + a:b + x"] {
        let formula = formula(text);
        for kind in [SumsOfSquares::TypeI, SumsOfSquares::TypeII, SumsOfSquares::TypeIII] {
            let found = stats::anova_by_formula(&formula, y, &variables, kind);
            check("anova_by_formula", found);
        }
        check("fitted_rows", stats::fitted_rows(&formula, y, &variables));
        let found = stats::tukey_by_formula(&formula, y, &variables, &["a"], confidence);
        check("tukey_by_formula", found);
    }
    for text in ["y ~ b + (1|s)", "y ~ x + (x|b)", "y ~ 1 + (1|a) + (0 + x||b)"] {
        check("mixed_model", stats::mixed_model(&formula(text), y, &variables));
    }
    let repeated = formula("y ~ b + Error(s/b)");
    check("repeated_measures", stats::repeated_measures(&repeated, y, &variables));
}

fn of_numbers(x: f64, count: usize, share: f64) {
    check("studentized_range_sf", stats::studentized_range_sf(x, count, x.abs()));
    check("studentized_range_sf", stats::studentized_range_sf(share * 9.0, count, count as f64));
    let quantile = stats::studentized_range_quantile(share, count.min(6), 1.0 + count as f64);
    check("studentized_range_quantile", quantile);
    check("t_test_power", stats::t_test_power(x, count, share));
    check("t_test_power", stats::t_test_power(share * 3.0, count, 0.05));
    check("t_test_sample_size", stats::t_test_sample_size(0.1 + share, 0.8, share));
    check("t_test_sample_size", stats::t_test_sample_size(x, share, 0.05));
    check("proportion_interval", stats::proportion_interval(count, 7, share));
    check("proportion_interval", stats::proportion_interval(count, count * 1000, share));
}

/// The public functions of `stats`.
fn public() -> BTreeSet<&'static str> {
    let module = include_str!("../../src/stats/mod.rs");
    let names = module.split_once("pub use self::{").expect("the list").1;
    let names = names.split(['{', '}', ',', ';']).map(|name| {
        // An item with its module (`module::item`), or the module before a list.
        name.trim().rsplit_once("::").map_or(name.trim(), |parts| parts.1)
    });
    let function = |name: &&str| !name.is_empty() && !name.contains(char::is_uppercase);
    names.filter(function).collect()
}

/// Calls every function with random values, so many times.
fn call_all(cases: u32) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) };
    let codes = prop::collection::vec(0..3_usize, 1..14);
    let confidence = prop::sample::select(vec![0.01, 0.5, 0.95, 0.999_999]);
    let all = (column(), column(), codes, value(), confidence);
    let mut runner = proptest::test_runner::TestRunner::new(config);
    let ran = runner.run(&all, |(x, y, codes, number, confidence)| {
        of_one_sample(&x, confidence);
        of_two_samples(&x, &y, confidence);
        // Of equal length, so that paired tests are tried, too.
        let both = x.len().min(y.len());
        of_two_samples(&x[..both], &y[..both], confidence);
        of_pairs(&x[..both], &y[..both], confidence);
        of_factors(&y, &codes, confidence);
        of_numbers(number, codes.len(), confidence);
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error}");
    }
}

#[test]
fn no_function_returns_nan() {
    // On two processors, because the rest of this program's tests take no time.
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| call_all(80));
        }
    });
    let called = called();
    let (all, answered) = (called.all.clone(), called.answered.clone());
    let untried: Vec<_> = public().difference(&all).copied().collect();
    assert!(public().len() > 45 && untried.is_empty(), "not tried: {untried:?}");
    let silent: Vec<_> = all.difference(&answered).collect();
    assert!(silent.is_empty(), "never answered: {silent:?}");
}

#[test]
fn values_beyond_the_range_are_named() {
    let text = |error: StatsError| error.to_string();
    insta::assert_snapshot!(text(stats::mean(&[1.0, 1e200]).unwrap_err()), @"observation 1 of `values` is 1e200, expected 0 or a magnitude from 1e-60 to 1e60; use another unit");
    insta::assert_snapshot!(text(stats::welch_t(&[1.0, 2.0], &[1e-320, 1.0]).unwrap_err()), @"observation 0 of `b` is 1e-320, expected 0 or a magnitude from 1e-60 to 1e60; use another unit");
    insta::assert_snapshot!(text(stats::mean(&[1.0, f64::INFINITY]).unwrap_err()), @"observation 1 of `values` is inf, expected a finite number");
}
