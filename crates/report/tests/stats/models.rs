//! Models by formula, compared with R: `models.R` names the call behind each value of `models.json`.

use std::collections::BTreeMap;

use serde_json::Value;
use wattlab_report::stats::{
    Factor, Formula, MixedModel, SumsOfSquares, Variable, anova_by_formula, mixed_model,
    repeated_measures, tukey_by_formula,
};

fn cases(kind: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("models.json")).unwrap();
    all[kind].as_array().unwrap().clone()
}

/// A case's formula, response and other columns.
fn data(case: &Value) -> (Formula, Vec<f64>, Vec<Variable>) {
    let formula: Formula = case["formula"].as_str().unwrap().parse().unwrap();
    let numbers = |column: &Value| -> Vec<f64> {
        column.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    let is_factor = |name: &str| {
        let factors = &case["factors"];
        factors == name
            || factors.as_array().is_some_and(|names| names.iter().any(|other| other == name))
    };
    let variables = formula
        .columns
        .iter()
        .map(|column| {
            let name = column.name.as_str();
            let values = &case["data"][name];
            if !is_factor(name) && values[0].is_number() {
                return Variable::Covariate { name: name.to_owned(), values: numbers(values) };
            }
            let levels = values.as_array().unwrap().iter();
            let levels = levels.map(|level| level.as_str().unwrap().to_owned());
            Variable::Factor(Factor::new(name, levels).sorted())
        })
        .collect();
    let response = numbers(&case["data"][formula.response.as_str()]);
    (formula, response, variables)
}

/// The largest relative errors of a comparison, printed at its end.
#[derive(Default)]
struct Errors(BTreeMap<&'static str, f64>);

impl Errors {
    /// Checks a value, and remembers its error under the name of the quantity.
    fn check(
        &mut self,
        quantity: &'static str,
        found: f64,
        expected: &Value,
        share: f64,
        what: &str,
    ) {
        let expected = expected.as_f64().unwrap_or_else(|| panic!("{what}: {expected}"));
        let error = (found - expected).abs() / expected.abs().max(1e-12);
        assert!(error <= share, "{what}, {quantity}: {found}, expected {expected}");
        let largest = self.0.entry(quantity).or_default();
        *largest = largest.max(error);
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        for (quantity, error) in &self.0 {
            println!("{quantity}: largest relative error {error:.1e}");
        }
    }
}

#[test]
fn fixed_effects_agree_with_aov_and_car() {
    let mut errors = Errors::default();
    for case in cases("fixed") {
        let (formula, response, variables) = data(&case);
        for (kind, name) in [
            (SumsOfSquares::TypeI, "1"),
            (SumsOfSquares::TypeII, "2"),
            (SumsOfSquares::TypeIII, "3"),
        ] {
            let Some(expected) = case["types"][name].as_array() else { continue };
            let found = anova_by_formula(&formula, &response, &variables, kind).unwrap();
            assert_eq!(found.terms.len(), expected.len(), "{}", case["name"]);
            for expected in expected {
                let name = expected["term"].as_str().unwrap();
                let what = format!("{}, type {kind:?}, {name}", case["name"]);
                let same = |term: &str| {
                    let sorted = |text: &str| {
                        let mut parts: Vec<String> = text.split(':').map(str::to_owned).collect();
                        parts.sort();
                        parts
                    };
                    sorted(term) == sorted(name)
                };
                let term = found.terms.iter().find(|term| same(&term.term)).expect(&what);
                errors.check("sum of squares", term.ss, &expected["ss"], 1e-8, &what);
                errors.check("df", term.df, &expected["df"], 0.0, &what);
                errors.check("F", term.f, &expected["f"], 1e-8, &what);
                errors.check("p", term.p, &expected["p"], 1e-7, &what);
            }
            errors.check("residual", found.residual.ss, &case["residual"]["ss"], 1e-9, "residual");
            errors.check("df", found.residual.df, &case["residual"]["df"], 0.0, "residual");
        }
    }
}

#[test]
fn mixed_models_agree_with_lme4_and_lmertest() {
    let mut errors = Errors::default();
    for case in cases("mixed") {
        let (formula, response, variables) = data(&case);
        let found = mixed_model(&formula, &response, &variables).unwrap();
        let what = case["name"].as_str().unwrap();
        errors.check("criterion", found.criterion, &case["criterion"], 1e-8, what);
        errors.check("residual sd", found.residual_sd, &case["residual_sd"], 1e-5, what);
        for expected in case["terms"].as_array().unwrap() {
            let name = expected["term"].as_str().unwrap();
            let term = found.terms.iter().find(|term| term.term == name).unwrap();
            let what = format!("{what}: {name}");
            errors.check("df", term.df, &expected["df"], 0.0, &what);
            errors.check("F", term.f, &expected["f"], 1e-4, &what);
            errors.check("df of the error", term.den_df, &expected["den_df"], 1e-3, &what);
            errors.check("p", term.p, &expected["p"], 1e-3, &what);
        }
        let coefficients = case["coefficients"].as_array().unwrap();
        assert_eq!(found.coefficients.len(), coefficients.len());
        for (coefficient, expected) in found.coefficients.iter().zip(coefficients) {
            let what = format!("{what}: {}", coefficient.name);
            errors.check("estimate", coefficient.estimate, &expected["estimate"], 1e-5, &what);
            errors.check("standard error", coefficient.se, &expected["se"], 1e-4, &what);
            errors.check("df of the error", coefficient.df, &expected["df"], 1e-3, &what);
        }
        for expected in case["sds"].as_array().unwrap() {
            let (group, effect) = (&expected["group"], &expected["effect"]);
            let sd = expected["sd"].as_f64().unwrap();
            let error = nearest(&found, group.as_str().unwrap(), sd);
            assert!(error < 1e-3 * sd.max(0.01), "{what}: {group} {effect}: {error} from {sd}");
        }
    }
}

/// The smallest difference to a standard deviation of a group. R writes `a:b` in another order than the formula and
/// `Subject.1` for a second block of the same groups.
fn nearest(found: &MixedModel, group: &str, sd: f64) -> f64 {
    let sorted = |text: &str| {
        let mut parts: Vec<String> =
            text.split(':').map(|part| part.trim_end_matches(".1").to_owned()).collect();
        parts.sort();
        parts
    };
    let of_group = found.random.iter().filter(|random| sorted(&random.group) == sorted(group));
    of_group
        .flat_map(|random| &random.sd)
        .map(|found| (found - sd).abs())
        .fold(f64::INFINITY, f64::min)
}

#[test]
fn published_analyses_are_reproduced() {
    // Bates et al. (2015), table of `fm1`: 1743.6, 24.74, 5.922, 25.592; lmerTest: F(1, 17.0) = 45.853.
    let case = &cases("mixed")[0];
    let (formula, response, variables) = data(case);
    let found = mixed_model(&formula, &response, &variables).unwrap();
    let rounded = |value: f64, digits: f64| (value * digits).round() / digits;
    assert_eq!(rounded(found.criterion, 10.0), 1743.6);
    let [intercepts, slopes] = found.random[0].sd[..] else { panic!("{found:?}") };
    assert_eq!((rounded(intercepts, 100.0), rounded(slopes, 1000.0)), (24.74, 5.922));
    assert_eq!(rounded(found.random[0].correlations[0][1], 100.0), 0.07);
    assert_eq!(rounded(found.residual_sd, 100.0), 25.59);
    assert_eq!(
        (rounded(found.terms[0].f, 100.0), rounded(found.terms[0].den_df, 10.0)),
        (45.85, 17.0)
    );
    // R's help page of `npk`: F(N) = 12.259.
    let case = &cases("fixed")[0];
    let (formula, response, variables) = data(case);
    let found = anova_by_formula(&formula, &response, &variables, SumsOfSquares::TypeI).unwrap();
    assert_eq!(rounded(found.terms[1].f, 1000.0), 12.259);
}

#[test]
fn repeated_measures_agree_with_car() {
    let mut errors = Errors::default();
    for case in cases("repeated") {
        let (formula, response, variables) = data(&case);
        let found = repeated_measures(&formula, &response, &variables).unwrap();
        let expected = case["terms"].as_array().unwrap();
        assert_eq!(found.terms.len(), expected.len());
        for expected in expected {
            let name = expected["term"].as_str().unwrap();
            let term = found.terms.iter().find(|term| term.term == name).expect(name);
            let what = format!("{}: {name}", case["name"]);
            for (found, key) in [
                (term.ss, "ss"),
                (term.df, "df"),
                (term.error_ss, "error_ss"),
                (term.error_df, "error_df"),
                (term.f, "f"),
                (term.p, "p"),
            ] {
                errors.check("table", found, &expected[key], 1e-8, &format!("{what}, {key}"));
            }
            assert_eq!(term.sphericity.is_some(), expected["gg"].is_number(), "{what}");
            if let Some(sphericity) = term.sphericity {
                let (w, p) = sphericity.mauchly.unwrap();
                errors.check(
                    "Greenhouse-Geisser",
                    sphericity.greenhouse_geisser,
                    &expected["gg"],
                    1e-8,
                    &what,
                );
                errors.check(
                    "p corrected",
                    sphericity.greenhouse_geisser_p,
                    &expected["gg_p"],
                    1e-8,
                    &what,
                );
                errors.check("Huynh-Feldt", sphericity.huynh_feldt, &expected["hf"], 1e-8, &what);
                errors.check("W", w, &expected["w"], 1e-8, &what);
                // R has the number of untransformed columns in a place where the source has that of the contrasts.
                errors.check("p of W", p, &expected["w_p"], 0.03, &what);
            }
        }
    }
}

#[test]
fn comparisons_of_means_agree_with_emmeans() {
    let mut errors = Errors::default();
    for case in cases("pairs") {
        let (formula, response, variables) = data(&case);
        let of: Vec<&str> = case["of"].as_str().unwrap().split(':').collect();
        let found = tukey_by_formula(&formula, &response, &variables, &of, 0.95).unwrap();
        for expected in case["pairs"].as_array().unwrap() {
            // emmeans has other orders of levels.
            let estimate = expected["estimate"].as_f64().unwrap();
            let pair = found
                .iter()
                .find(|pair| (pair.difference.abs() - estimate.abs()).abs() < 1e-5 * estimate.abs())
                .unwrap_or_else(|| panic!("{}: {expected} not in {found:?}", case["name"]));
            let what = format!("{}: {} and {}", case["name"], pair.a, pair.b);
            errors.check("standard error", pair.se, &expected["SE"], 1e-5, &what);
            errors.check("df of the error", pair.df.unwrap(), &expected["df"], 1e-3, &what);
            errors.check("p", pair.p, &expected["p.value"], 2e-3, &what);
        }
        assert_eq!(found.len(), case["pairs"].as_array().unwrap().len());
    }
}
