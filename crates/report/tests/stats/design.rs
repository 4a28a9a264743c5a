//! Means, clusters and cautions on small designs that can be checked by hand.

use insta::assert_snapshot;
use wattlab_report::stats::{self, Caution, Factor, SumsOfSquares};

fn factor(name: &str, levels: &str) -> Factor {
    Factor::new(name, levels.chars().map(String::from))
}

#[test]
fn marginal_means_of_unbalanced_cells() {
    // Cells a=0: b=x 1, 3 and b=y 8; a=1: b=x 5 and b=y 10, 12, 14.
    let y = [1.0, 3.0, 8.0, 5.0, 10.0, 12.0, 14.0];
    let factors = [factor("a", "0001111"), factor("b", "xxyxyyy")];
    let cells = stats::cell_means(&y, &factors).unwrap();
    let shown: Vec<String> = cells
        .iter()
        .map(|cell| {
            format!("{} n {} mean {} sd {:?}", cell.levels.join(" "), cell.n, cell.mean, cell.sd)
        })
        .collect();
    assert_snapshot!(shown.join("\n"), @"
    0 x n 2 mean 2 sd Some(1.4142135623730951)
    0 y n 1 mean 8 sd None
    1 x n 1 mean 5 sd None
    1 y n 3 mean 12 sd Some(2.0)
    ");
    let margins = stats::marginal_means(&y, &factors).unwrap();
    let shown: Vec<String> = margins
        .iter()
        .map(|margin| {
            format!(
                "{}={} n {} mean {:.3} unweighted {}",
                margin.factor, margin.level, margin.n, margin.mean, margin.unweighted
            )
        })
        .collect();
    assert_snapshot!(shown.join("\n"), @"
    a=0 n 3 mean 4.000 unweighted 5
    a=1 n 4 mean 10.250 unweighted 8.5
    b=x n 3 mean 3.000 unweighted 3.5
    b=y n 4 mean 11.000 unweighted 10
    ");
    let residuals = stats::cell_residuals(&y, &factors).unwrap();
    assert_eq!(residuals, [-1.0, 1.0, 0.0, 0.0, -2.0, 0.0, 2.0]);
}

/// Repeats that are copies: an analysis of rows finds an effect that the means do not have.
#[test]
fn copied_rows_do_not_count_as_independent() {
    let settings = [3.0, 4.2, 5.0, 6.2, 4.0, 5.2, 4.5, 6.5];
    let y: Vec<f64> =
        settings.iter().flat_map(|setting| [setting - 0.01, *setting, setting + 0.01]).collect();
    let clusters: Vec<usize> = (0..24).map(|row| row / 3).collect();
    let conv = Factor::new("conv", (0..24).map(|row| (row / 3 % 2).to_string()));
    let size = Factor::new("size", (0..24).map(|row| (row / 12).to_string()));
    let factors = [conv, size];
    let (means, of_means) = stats::cluster_means(&y, &clusters, &factors).unwrap();
    assert_eq!((means.len(), of_means[0].codes.len()), (8, 8));
    let p = |y: &[f64], factors: &[Factor]| {
        stats::anova(y, factors, SumsOfSquares::TypeIII).unwrap().terms[0].p
    };
    assert!(p(&y, &factors) < 0.01 && p(&means, &of_means) > 0.05);

    let cells = Factor::crossed(&factors).unwrap();
    let icc = stats::intraclass_correlation_within(&y, &clusters, &cells.codes).unwrap();
    assert!(icc.icc > 0.99 && icc.clusters == 8 && icc.cluster_size == 3.0, "{icc:?}");
    assert_snapshot!(Caution::of_dependence(&icc).unwrap(), @"Repeats of one setting are correlated (intra-class correlation 1.00): 24 rows carry as much information as about 8 independent rows. Analyze the means of the settings, or resample settings instead of rows.");

    // The ordinary and the cluster-robust standard error of one slope.
    let x: Vec<f64> = factors[0].codes.iter().map(|code| *code as f64).collect();
    let fit = stats::linear_regression(&[&x], &y).unwrap();
    let robust = fit.cluster_robust(&clusters).unwrap();
    assert_eq!(robust[1].estimate, fit.coefficients[1].estimate);
    assert!(robust[1].se > 1.5 * fit.coefficients[1].se);
}

#[test]
fn drift_over_the_runs_is_reported_with_the_worst_cell() {
    let order: Vec<f64> = (0..40).map(f64::from).collect();
    let cell = Factor::new("conv", (0..40).map(|row| ["1", "4"][row % 2].to_owned()));
    let noise = |row: usize| (row * 7919 % 13) as f64;
    let drifting: Vec<f64> =
        (0..40).map(|row| 100.0 * (row % 2) as f64 + 1.5 * row as f64 + noise(row)).collect();
    let found = stats::drift(&drifting, std::slice::from_ref(&cell), &order).unwrap();
    assert_eq!(found.len(), 2);
    assert_snapshot!(Caution::of_drift(&found).unwrap(), @"The response drifts with the order of the runs in 2 cells (most in `1`, rank correlation 0.99). Randomize the order, or compare within blocks of runs made together.");
    let steady: Vec<f64> = (0..40).map(|row| 100.0 * (row % 2) as f64 + noise(row)).collect();
    let found = stats::drift(&steady, &[cell], &order).unwrap();
    assert_eq!(Caution::of_drift(&found), None, "{found:?}");
}

#[test]
fn failed_assumptions_are_named() {
    let skewed: Vec<f64> = (0..30).map(|index| (f64::from(index) / 5.0).exp()).collect();
    let even: Vec<f64> = (0..30).map(f64::from).collect();
    let normality = stats::shapiro_wilk(&skewed).unwrap();
    assert_snapshot!(Caution::of_normality(&normality).unwrap(), @"The residuals are not normal (Shapiro-Wilk W = 0.718, p = 2.9e-6). With few rows, also read a rank test.");
    assert_eq!(Caution::of_normality(&stats::shapiro_wilk(&even).unwrap()), None);
    let spread = stats::levene(&[&skewed, &even], stats::Center::Median).unwrap();
    assert_snapshot!(Caution::of_spread(&spread).unwrap(), @"The groups have unequal variances (Brown-Forsythe F = 10.5, p = 1.9e-3). Use Welch's test or the Games-Howell test, which do not pool the variances.");
    let alike = stats::levene(&[&even, &even], stats::Center::Median).unwrap();
    assert_eq!(Caution::of_spread(&alike), None);
}
