//! Formulas: what they mean, and what is refused.

use insta::assert_snapshot;
use proptest::prelude::*;
use wattlab_report::stats::{
    self, Factor, Formula, StatsError, SumsOfSquares, Variable, anova_by_formula, mixed_model,
    repeated_measures,
};

fn terms(text: &str) -> String {
    text.parse::<Formula>().unwrap().to_string()
}

fn error(text: &str) -> String {
    text.parse::<Formula>().unwrap_err().to_string()
}

/// The expansions are those of R's `terms.formula`.
#[test]
fn formulas_expand_as_in_r() {
    for (text, expected) in [
        ("y ~ a*b", "y ~ a + b + a:b"),
        ("y ~ a/b", "y ~ a + a:b"),
        ("y ~ a/b/c", "y ~ a + a:b + a:b:c"),
        ("y ~ (a + b)/c", "y ~ a + b + a:b:c"),
        ("y ~ a/(b + c)", "y ~ a + a:b + a:c"),
        ("y ~ (a + b + c)^2", "y ~ a + b + c + a:b + a:c + b:c"),
        ("y ~ a*b*c - a:b:c", "y ~ a + b + c + a:b + a:c + b:c"),
        ("y ~ a:b + a", "y ~ a + a:b"),
        ("y ~ a + a + 1", "y ~ a"),
        ("y ~ a:a", "y ~ a"),
        (
            "`joules (J)` ~ `learning rate`*factor(depth)",
            "`joules (J)` ~ `learning rate` + factor(depth) + `learning rate`:factor(depth)",
        ),
        ("y ~ x + (x|g)", "y ~ x + (1 + x | g)"),
        ("y ~ x + (0 + x||g)", "y ~ x + (0 + x || g)"),
        ("y ~ (1|a/b)", "y ~ (1 | a) + (1 | a:b)"),
        ("y ~ group*time + Error(id/time)", "y ~ group + time + group:time + Error(id/(time))"),
        ("y ~ 1", "y ~ 1"),
    ] {
        assert_eq!(terms(text), expected, "{text}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    assert_snapshot!(error("y a"), @"formula `y a`: found `a`, expected `~`");
    assert_snapshot!(error("y ~ a +"), @"formula `y ~ a +`: found its end, expected a column");
    assert_snapshot!(error("y ~ log(a)"), @"formula `y ~ log(a)`: `log(…)` is not supported; add a column with these values to the file");
    assert_snapshot!(error("y ~ 0 + a"), @"formula `y ~ 0 + a`: a model without an intercept is not supported; remove `0 +` or `- 1`");
    assert_snapshot!(error("y ~ a + y"), @"formula `y ~ a + y`: `y` is the response and also on the right, expected it on one side");
    assert_snapshot!(error("y ~ a @ b"), @"formula `y ~ a @ b`: `@` has no meaning in a formula; put names with such characters between backticks");
    assert_snapshot!(error("y ~ a + (1|2)"), @"formula `y ~ a + (1|2)`: `2` has no meaning in a formula, expected a column, 0 or 1");
    assert_snapshot!(error("y ~ a*((1|g))"), @"formula `y ~ a*((1|g))`: random effects stand between `+`, outside of other parentheses: `y ~ a + (1|group)`");
    assert_snapshot!(error("y ~ a + Error(id)"), @"formula `y ~ a + Error(id)`: expected `Error(subject/(a*b))` with the columns that vary within a subject; for blocks write `block + …` or `(1|block)`");
    assert_snapshot!(error("y ~ a^b"), @"formula `y ~ a^b`: found `b`, expected a whole number after `^`, as in `(a + b)^2`");
    assert_snapshot!(error("y ~ factor(a) + covariate(a)"), @"formula `y ~ factor(a) + covariate(a)`: `a` is both a factor and a covariate");
    assert_snapshot!(error(&format!("y ~ {}", "(".repeat(100))), @"formula `y ~ ((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((`: more than 32 parentheses are open");
    assert_snapshot!(error("y ~ (a+b+c+d+e+f+g+h+i+j+k+l)^12"), @"formula `y ~ (a+b+c+d+e+f+g+h+i+j+k+l)^12`: it has more than 512 terms; leave out interactions");
}

fn data() -> (Vec<f64>, Vec<Variable>) {
    let response: Vec<f64> = (0..24_u32).map(|row| f64::from(row * row % 7)).collect();
    let factor = |name: &str, level: fn(usize) -> usize| {
        Variable::Factor(Factor::new(name, (0..24).map(|row| level(row).to_string())))
    };
    let x = (0..24).map(|row| f64::from(row % 5)).collect();
    let variables = vec![
        factor("a", |row| row % 2),
        factor("b", |row| row % 3),
        factor("row", |row| row),
        factor("same", |row| row % 2 + 5),
        factor("s", |row| row / 6),
        factor("group", |row| row / 12),
        Variable::Covariate { name: "x".to_owned(), values: x },
    ];
    (response, variables)
}

#[test]
fn models_that_do_not_fit_the_data_are_refused() {
    let (response, variables) = data();
    let refused = |text: &str| -> String {
        let formula: Formula = text.parse().unwrap();
        let found: Result<(), StatsError> = if formula.repeated.is_some() {
            repeated_measures(&formula, &response, &variables).map(|_| ())
        } else if formula.random.is_empty() {
            anova_by_formula(&formula, &response, &variables, SumsOfSquares::TypeIII).map(|_| ())
        } else {
            mixed_model(&formula, &response, &variables).map(|_| ())
        };
        found.unwrap_err().to_string()
    };
    assert_snapshot!(refused("y ~ a + none"), @"formula `y ~ a + none`: there is no column `none`");
    assert_snapshot!(refused("y ~ a*row"), @"24 observations for 24 parameters leave no degrees of freedom for the residual; repeat the cells or leave out interactions");
    assert_snapshot!(refused("y ~ 1"), @"formula `y ~ 1`: it has no term to test, expected at least one column on the right");
    assert_snapshot!(refused("y ~ a + (1|row)"), @"24 random effects of all levels of the groups `row`, expected at most 23");
    assert_snapshot!(refused("y ~ a + (1|x)"), @"formula `y ~ a + (1 | x)`: column `x` names groups, expected a factor, not a covariate");
    assert_snapshot!(refused("y ~ x + (1|s) + (x|s)"), @"formula `y ~ x + (1 | s) + (1 + x | s)`: the groups `s` have an intercept in random effects 2 and another before; write `(0 + x | s)` for a slope of its own");
    assert_snapshot!(refused("y ~ a + Error(s/b)"), @"formula `y ~ a + Error(s/(b))`: `a` varies within subject `0`; add it to `Error(…)`");
    assert_snapshot!(refused("y ~ b + x + Error(s/b)"), @"formula `y ~ b + x + Error(s/(b))`: column `x` names groups, expected a factor, not a covariate");
    assert_snapshot!(refused("y ~ group:b + Error(s/b)"), @"formula `y ~ group:b + Error(s/(b))`: it has `group:b` without `b`, expected both");
    assert_snapshot!(refused("y ~ b + Error(row/b)"), @"0 subjects with every combination of the factors within them, expected at least 2");
}

#[test]
fn a_term_that_the_terms_before_it_determine_is_left_out() {
    let (response, variables) = data();
    let plain: Formula = "y ~ a".parse().unwrap();
    let twice: Formula = "y ~ a + same".parse().unwrap();
    for kind in [SumsOfSquares::TypeI, SumsOfSquares::TypeII, SumsOfSquares::TypeIII] {
        let expected = anova_by_formula(&plain, &response, &variables, kind).unwrap();
        let found = anova_by_formula(&twice, &response, &variables, kind).unwrap();
        assert_eq!(found.aliased, ["same"]);
        assert_eq!(found.terms, expected.terms);
    }
    let mixed: Formula = "y ~ a + same + (1|s)".parse().unwrap();
    let found = mixed_model(&mixed, &response, &variables).unwrap();
    assert_eq!((found.terms.len(), found.aliased.as_slice()), (1, &["same".to_owned()][..]));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "[ab y~+*/:^()|1Error0.,`-]{0,40}") {
        if let Ok(formula) = text.parse::<Formula>() {
            let shown = formula.to_string();
            prop_assert_eq!(shown.parse::<Formula>().map(|again| again.to_string()), Ok(shown));
        }
    }

    /// Two ways to the same table.
    #[test]
    fn a_crossed_formula_is_the_factorial_analysis(
        cells in prop::collection::vec((0..3_usize, 0..2_usize, -9.0..9.0_f64), 14..40),
    ) {
        let response: Vec<f64> = cells.iter().map(|cell| cell.2).collect();
        let a = Factor::new("a", cells.iter().map(|cell| cell.0.to_string())).sorted();
        let b = Factor::new("b", cells.iter().map(|cell| cell.1.to_string())).sorted();
        let variables = [a.clone(), b.clone()].map(Variable::Factor);
        let formula: Formula = "y ~ a*b".parse().unwrap();
        for kind in [SumsOfSquares::TypeI, SumsOfSquares::TypeII, SumsOfSquares::TypeIII] {
            let Ok(expected) = stats::anova(&response, &[a.clone(), b.clone()], kind) else { continue };
            let found = anova_by_formula(&formula, &response, &variables, kind).unwrap();
            prop_assert!((found.residual.ss / expected.residual.ss - 1.0).abs() < 1e-9);
            for (found, expected) in found.terms.iter().zip(&expected.terms) {
                prop_assert_eq!(&found.term, &expected.term);
                prop_assert_eq!(found.df, expected.df);
                prop_assert!((found.ss - expected.ss).abs() < 1e-9 * (1.0 + expected.ss));
            }
        }
    }
}

/// In 400 studies without an effect of the treatment, with four runs of six rows each, the mixed model finds one in
/// 5 % (2.5 to 8 % allow for chance); the analysis that takes the rows for independent finds one in most.
#[test]
fn mixed_models_keep_their_error_rate_where_rows_are_correlated() {
    use rand::{RngExt, SeedableRng};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(26);
    let mut normal = || -> f64 { (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0 };
    let run = |row: usize| row / 6;
    let variables = [
        Variable::Factor(Factor::new("treatment", (0..48).map(|row| (run(row) % 2).to_string()))),
        Variable::Factor(Factor::new("run", (0..48).map(|row| run(row).to_string()))),
    ];
    let mixed: Formula = "y ~ treatment + (1|run)".parse().unwrap();
    let plain: Formula = "y ~ treatment".parse().unwrap();
    let (mut found, mut wrongly) = (0, 0);
    for _ in 0..400 {
        let of_run: Vec<f64> = (0..8).map(|_| 2.0 * normal()).collect();
        let response: Vec<f64> = (0..48).map(|row| of_run[run(row)] + normal()).collect();
        let model = mixed_model(&mixed, &response, &variables).unwrap();
        found += u32::from(model.terms[0].p < 0.05);
        let table =
            anova_by_formula(&plain, &response, &variables, SumsOfSquares::TypeIII).unwrap();
        wrongly += u32::from(table.terms[0].p < 0.05);
    }
    assert!((10..=32).contains(&found), "{found} of 400");
    assert!(wrongly > 160, "{wrongly} of 400");
}
