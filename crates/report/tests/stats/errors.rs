//! Unsuitable data give an error that names the problem and the remedy, never a NaN.

use insta::assert_snapshot;
use wattlab_report::stats::{
    self, Bootstrap, BootstrapMethod, Effects, Factor, PValue, StatsError, SumsOfSquares, Units,
};

const BOOTSTRAP: Bootstrap =
    Bootstrap { resamples: 200, confidence: 0.95, seed: 1, method: BootstrapMethod::Bca };

fn factor(name: &str, levels: &str) -> Factor {
    Factor::new(name, levels.chars().map(String::from))
}

fn anova(y: &[f64], factors: &[Factor]) -> Result<stats::Anova, StatsError> {
    stats::anova(y, factors, SumsOfSquares::TypeIII)
}

fn text<T: std::fmt::Debug>(found: Result<T, StatsError>) -> String {
    found.unwrap_err().to_string()
}

#[test]
fn an_empty_cell_is_named() {
    let y = [1.0, 2.0, 4.0, 3.0, 5.0, 6.0];
    let factors = [factor("conv", "114411"), factor("relu", "nyyynn")];
    assert_snapshot!(text(anova(&y, &factors)), @"cell `conv=4, relu=n` has no observations; fill it, leave out a level, or fit main effects only");
    let main = stats::anova_of(&y, &factors, SumsOfSquares::TypeII, Effects::Main).unwrap();
    assert_eq!(main.terms.len(), 2);
    // Two factors that always change together cannot be told apart.
    let twice = [factor("a", "112233"), factor("b", "xxyyzz")];
    let main = stats::anova_of(&y, &twice, SumsOfSquares::TypeII, Effects::Main);
    assert_snapshot!(text(main), @"the columns of the model determine one another; leave out a factor or a predictor");
}

#[test]
fn one_observation_per_cell_has_no_residual() {
    let y = [1.0, 2.0, 3.0, 5.0];
    let factors = [factor("a", "0011"), factor("b", "0101")];
    assert_snapshot!(text(anova(&y, &factors)), @"4 observations for 4 parameters leave no degrees of freedom for the residual; repeat the cells or leave out interactions");
    assert!(stats::anova_of(&y, &factors, SumsOfSquares::TypeIII, Effects::Main).is_ok());
}

#[test]
fn unfit_columns_are_refused() {
    let y = [1.0, 2.0, 3.0, 5.0];
    let a = factor("a", "0011");
    assert_snapshot!(text(anova(&y, &[factor("a", "0000")])), @"factor `a` has 1 levels, expected at least 2");
    assert_snapshot!(text(anova(&y[..3], std::slice::from_ref(&a))), @"`a` has 4 rows, expected 3");
    assert_snapshot!(text(anova(&[1.0, f64::NAN, 3.0, 5.0], std::slice::from_ref(&a))), @"observation 1 of `response` is NaN, expected a finite number");
    assert_snapshot!(text(anova(&[2.0; 4], std::slice::from_ref(&a))), @"`response` does not vary");
    assert_snapshot!(text(anova(&y, &[])), @"0 factors, expected at least 1");
    let lost = Factor { levels: vec!["x".into(), "y".into(), "z".into()], ..a.clone() };
    assert_snapshot!(text(anova(&y, &[lost])), @"level `z` of factor `a` has no observations; leave the level out");
    let wild = Factor { codes: vec![0, 1, 2, 1], ..a };
    assert_snapshot!(text(anova(&y, &[wild])), @"observation 2 of factor `a` has code 2, but there are 2 levels");
}

/// Data without noise, as a simulation gives them: the effect is certain, and nothing is NaN.
#[test]
fn a_response_explained_by_the_cells_has_a_residual_of_zero() {
    let y = [0.1, 0.1, 0.3, 0.3];
    let both = [factor("a", "0011"), factor("b", "0101")];
    let found = stats::anova(&y, &both[..1], SumsOfSquares::TypeIII).unwrap();
    let term = &found.terms[0];
    assert_eq!((term.f, term.p, term.eta_sq), (f64::INFINITY, 0.0, 1.0));
    let found = stats::anova_of(&y, &both, SumsOfSquares::TypeIII, Effects::Main).unwrap();
    assert_eq!((found.terms[1].f, found.terms[1].p, found.terms[1].ss), (0.0, 1.0, 0.0));
}

#[test]
fn samples_without_a_test_are_refused() {
    let same = [3.0; 5];
    assert_snapshot!(text(stats::mann_whitney(&same, &same)), @"`a and b` does not vary");
    assert_snapshot!(text(stats::mann_whitney(&[], &same)), @"0 values in `a`, expected at least 1");
    let many: Vec<f64> = (0..110).map(f64::from).collect();
    assert_snapshot!(text(stats::mann_whitney_by(&many, &many, PValue::Exact)), @"220 values in `a` and `b`, expected at most 200");
    assert_snapshot!(text(stats::wilcoxon_signed_rank(&[0.0; 4])), @"`differences` does not vary");
    assert_snapshot!(text(stats::welch_t(&same, &same)), @"`a and b` does not vary");
    assert_snapshot!(text(stats::paired_t(&[1.0, 2.0], &[1.0, 2.0, 3.0])), @"`b` has 3 rows, expected 2");
    assert_snapshot!(text(stats::kruskal_wallis(&[&same])), @"1 groups, expected at least 2");
    assert_snapshot!(text(stats::friedman(&[&same, &same, &same])), @"`treatments` does not vary");
    assert_snapshot!(text(stats::spearman(&[1.0, 2.0, 3.0], &same[..3])), @"`y` does not vary");
    assert_snapshot!(text(stats::theil_sen(&same, &[1.0, 2.0, 3.0, 4.0, 5.0])), @"`x` does not vary");
    assert_snapshot!(text(stats::shapiro_wilk(&[1.0, 2.0])), @"2 values in `values`, expected at least 3");
    assert_snapshot!(text(stats::shapiro_wilk(&vec![1.0; 5001])), @"5001 values in `values`, expected at most 5000");
    assert_snapshot!(text(stats::levene(&[&same, &same], stats::Center::Median)), @"`deviations within groups` does not vary");
    assert_snapshot!(text(stats::cohens_d(&same, &same, 0.95)), @"`a and b` does not vary");
    assert_snapshot!(text(stats::cliffs_delta(&same, &same, 95.0)), @"`confidence` is 95, expected a share between 0 and 1, such as 0.95");
    assert_snapshot!(text(stats::holm(&[0.1, 1.5])), @"`p` is 1.5, expected a probability");
    assert_snapshot!(text(stats::quantile(&same, 50.0)), @"`share` is 50, expected a share from 0 to 1");
    assert_snapshot!(text(stats::variance(&[1.0])), @"1 values in `values`, expected at least 2");
}

#[test]
fn groups_that_cannot_be_compared_are_refused() {
    let y = [1.0, 1.0, 2.0, 2.0];
    let a = factor("a", "0011");
    assert_snapshot!(text(stats::tukey_hsd(&y, &a, 0.95)), @"`response within groups` does not vary");
    assert_snapshot!(text(stats::tukey_hsd(&y, &factor("a", "0123"), 0.95)), @"4 observations for 4 parameters leave no degrees of freedom for the residual; repeat the cells or leave out interactions");
    assert_snapshot!(text(stats::games_howell(&y, &factor("a", "0112"), 0.95)), @"1 values in level `0`, expected at least 2");
    assert_snapshot!(text(stats::dunn(&[1.0; 4], &a)), @"`response` does not vary");
    let twice = stats::compare_levels_paired(&y, &a, &factor("seed", "7778"), &BOOTSTRAP);
    assert_snapshot!(text(twice), @"level `0` has key `7` more than once, expected once; average its rows first");
    let apart = stats::compare_levels_paired(&y, &a, &factor("seed", "1234"), &BOOTSTRAP);
    assert_snapshot!(text(apart), @"0 shared keys, expected at least 2");
}

#[test]
fn lines_that_cannot_be_fitted_are_refused() {
    let x = [1.0, 2.0, 3.0, 4.0];
    let y = [1.0, 3.0, 2.0, 5.0];
    let twice: Vec<f64> = x.iter().map(|value| 2.0 * value).collect();
    assert_snapshot!(text(stats::linear_regression(&[&x, &twice], &y)), @"the columns of the model determine one another; leave out a factor or a predictor");
    assert_snapshot!(text(stats::linear_regression(&[&x], &y[..2])), @"`predictor 1` has 4 rows, expected 2");
}

#[test]
fn unfit_arguments_of_the_bootstrap_are_refused() {
    let run = |bootstrap: Bootstrap, statistic: fn(&[usize]) -> Option<f64>| {
        text(bootstrap.interval(&Units::rows(5), statistic))
    };
    assert_snapshot!(run(BOOTSTRAP, |_| None), @"the statistic is not defined on 1 of 1 resamples, expected at most a tenth");
    assert_snapshot!(run(Bootstrap { confidence: 95.0, ..BOOTSTRAP }, |_| Some(1.0)), @"`confidence` is 95, expected a share between 0 and 1, such as 0.95");
    assert_snapshot!(run(Bootstrap { resamples: 10, ..BOOTSTRAP }, |_| Some(1.0)), @"10 resamples, expected at least 100");
    let undefined: fn(&[usize]) -> Option<f64> = |rows| rows.contains(&0).then_some(1.0);
    let percentile = Bootstrap { method: BootstrapMethod::Percentile, ..BOOTSTRAP };
    let found = percentile.interval(&Units::rows(5), undefined);
    assert!(matches!(found, Err(StatsError::Undefined { resamples: 200, .. })), "{found:?}");
}
