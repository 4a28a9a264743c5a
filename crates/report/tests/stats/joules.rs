//! All analyses of one data set: the joules of 115 inferences over three crossed factors with 2 to 7
//! repeats per cell. The results agree with statsmodels, SciPy, pingouin and scikit-posthocs to six
//! digits; `joules.json` contains the calls.

use std::sync::LazyLock;

use serde_json::{Value, json};
use wattlab_report::stats::{self, Factor, PairComparison, SumsOfSquares};

use crate::{
    agreement::table,
    oracle::{distance, numbers, slices, strings},
};

static DATA: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("joules.json")).unwrap());

fn joules() -> Vec<f64> {
    numbers(&DATA["rows"]["joules"])
}

fn factor(name: &str) -> Factor {
    Factor::new(name, strings(&DATA["rows"][name])).sorted()
}

fn factors() -> [Factor; 3] {
    ["network", "precision", "batch"].map(factor)
}

/// Compares numbers to six digits. The other programs compute 1 − P, which is inexact where p is tiny:
/// below 1e-9, both need only be that small.
fn agrees(part: &str, found: &Value) {
    let mut expected = DATA[part].clone();
    let call = expected.as_object_mut().unwrap().remove("call").unwrap();
    let lists = (
        expected.get_mut("p").and_then(Value::as_array_mut),
        found.get("p").and_then(Value::as_array),
    );
    if let (Some(theirs), Some(ours)) = lists {
        for (theirs, ours) in theirs.iter_mut().zip(ours) {
            if theirs.as_f64().unwrap() < 1e-9 && ours.as_f64().unwrap() < 1e-9 {
                *theirs = ours.clone();
            }
        }
    }
    let error = distance(found, &expected);
    assert!(error <= 1e-6, "{part}, {call}: {error:e}\n   found {found}\nexpected {expected}");
    println!("{part}: largest relative error {error:.1e}");
}

fn of<T>(rows: &[PairComparison], get: impl Fn(&PairComparison) -> T) -> Vec<T> {
    rows.iter().map(get).collect()
}

#[test]
fn analysis_of_variance() {
    for (kind, part) in [(SumsOfSquares::TypeII, "anova_2"), (SumsOfSquares::TypeIII, "anova_3")] {
        agrees(part, &table(&stats::anova(&joules(), &factors(), kind).unwrap()));
    }
}

#[test]
fn which_networks_differ() {
    let (y, network) = (joules(), factor("network"));
    let tukey = stats::tukey_hsd(&y, &network, 0.95).unwrap();
    let found = json!({
        "difference": of(&tukey, |row| row.difference), "p": of(&tukey, |row| row.p),
        "low": of(&tukey, |row| row.interval.unwrap().low),
        "high": of(&tukey, |row| row.interval.unwrap().high),
    });
    agrees("tukey_network", &found);
    let howell = stats::games_howell(&y, &network, 0.95).unwrap();
    let found = json!({
        "t": of(&howell, |row| row.statistic), "df": of(&howell, |row| row.df.unwrap()),
        "p": of(&howell, |row| row.p),
    });
    agrees("games_howell_network", &found);
    let dunn = stats::dunn(&y, &network).unwrap();
    agrees("dunn_network", &json!({ "p": of(&dunn, |row| row.p) }));
    let groups = network.split(&y).unwrap();
    let found = stats::kruskal_wallis(&slices(&groups)).unwrap();
    agrees("kruskal_network", &json!({ "h": found.h, "p": found.p }));
}

#[test]
fn assumptions() {
    let (y, factors) = (joules(), factors());
    let residuals = stats::cell_residuals(&y, &factors).unwrap();
    let found = stats::shapiro_wilk(&residuals).unwrap();
    agrees("shapiro_residuals", &json!({ "w": found.w, "p": found.p }));
    let cells = Factor::crossed(&factors).unwrap().split(&y).unwrap();
    let found = stats::levene(&slices(&cells), stats::Center::Median).unwrap();
    agrees("levene_cells", &json!({ "f": found.f, "p": found.p }));
    let cautions = stats::screen(&y, &factors, &[], None).unwrap();
    let kinds: Vec<&str> = cautions.iter().map(stats::Caution::kind).collect();
    // Both tests above fail and the cells have different sizes, so there is a warning.
    assert_eq!(kinds, ["correlated", "not-normal", "unequal-spread"]);
}

#[test]
fn two_precisions() {
    let groups = factor("precision").split(&joules()).unwrap();
    let found = stats::welch_t(&groups[0], &groups[1]).unwrap();
    let interval = found.interval(0.95).unwrap();
    let found = json!({
        "t": found.t, "df": found.df, "p": found.p, "low": interval.low, "high": interval.high,
    });
    agrees("welch_precision", &found);
    let found = stats::mann_whitney(&groups[0], &groups[1]).unwrap();
    agrees("mann_whitney_precision", &json!({ "u": found.statistic, "p": found.p }));
}

#[test]
fn trend_over_the_batch() {
    let (y, factors) = (joules(), factors());
    let of_batch = strings(&DATA["rows"]["batch"]);
    let batch: Vec<f64> = of_batch.iter().map(|size| size.parse().unwrap()).collect();
    let rho = stats::spearman(&batch, &y).unwrap();
    let slope = stats::theil_sen(&batch, &y).unwrap();
    let found = json!({
        "rho": rho.rho, "rho_p": rho.p,
        "slope": slope.slope, "low": slope.interval.low, "high": slope.interval.high,
    });
    agrees("trend_batch", &found);
    let logs: Vec<f64> = batch.iter().map(|size| size.log2()).collect();
    let fit = stats::linear_regression(&[&logs], &y).unwrap();
    let cells = Factor::crossed(&factors).unwrap().codes;
    let robust = fit.cluster_robust(&cells).unwrap();
    let each = |rows: &[stats::Coefficient], get: fn(&stats::Coefficient) -> f64| -> Vec<f64> {
        rows.iter().map(get).collect()
    };
    let found = json!({
        "estimate": each(&fit.coefficients, |row| row.estimate),
        "se": each(&fit.coefficients, |row| row.se), "p": each(&fit.coefficients, |row| row.p),
        "robust_se": each(&robust, |row| row.se), "robust_p": each(&robust, |row| row.p),
        "r_squared": fit.r_squared,
    });
    agrees("regression_log2_batch", &found);
}
