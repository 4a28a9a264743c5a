//! The study's published analysis of 3,072 trainings, computed from its raw rows. These tests need the
//! shared reference folder, and say so if it is missing.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use wattlab_report::stats::{self, Caution, Factor};

use crate::{agreement::table, oracle::distance};

struct Study {
    factors: Vec<Factor>,
    /// The setting of the optimizer in each row.
    settings: Factor,
    published: Value,
    expected: Value,
    columns: csv::StringRecord,
    rows: Vec<csv::StringRecord>,
}

impl Study {
    fn open() -> Option<Self> {
        let shared = std::env::var_os("WATTLAB_SHARED").map_or_else(
            || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared")),
            PathBuf::from,
        );
        let folder = shared.join("reference");
        let Ok(mut reader) = csv::Reader::from_path(folder.join("rq2_fashion_mnist.csv")) else {
            println!("skipped: {} is not there", folder.display());
            return None;
        };
        let json = |name: &str| -> Value {
            serde_json::from_str(&fs::read_to_string(folder.join(name)).unwrap()).unwrap()
        };
        let columns = reader.headers().unwrap().clone();
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 3072);
        let factor =
            |at: usize| Factor::new(&columns[at], rows.iter().map(|row| row[at].to_owned()));
        let setting = rows.iter().map(|row| format!("{} {} {}", &row[3], &row[4], &row[5]));
        Some(Self {
            factors: (0..3).map(factor).collect(),
            settings: Factor::new("setting", setting),
            published: json("rq2_published.json"),
            expected: json("rq2_fashion_mnist_expected.json"),
            columns,
            rows,
        })
    }

    fn column(&self, name: &str) -> Vec<f64> {
        let at = self.columns.iter().position(|column| column == name).unwrap();
        self.rows.iter().map(|row| row[at].parse().unwrap()).collect()
    }
}

fn close(found: f64, expected: &Value, tolerance: f64, what: &str) {
    let error = distance(&json!(found), expected);
    assert!(error <= tolerance, "{what}: {found:e}, expected {expected}: error {error:e}");
}

const RESPONSES: [(&str, &str); 2] = [("energy_j", "energy"), ("accuracy", "accuracy")];

#[test]
fn analysis_of_variance() {
    let Some(study) = Study::open() else { return };
    for (column, _) in RESPONSES {
        let response = study.column(column);
        for kind in [stats::SumsOfSquares::TypeII, stats::SumsOfSquares::TypeIII] {
            let found = table(&stats::anova(&response, &study.factors, kind).unwrap());
            let published = &study.published[format!("fashion-mnist:{column}")]["terms"];
            let (terms, residual) = published.as_array().unwrap().split_at(7);
            // The smallest effects are differences of large sums, so they keep only some digits.
            let error = distance(&found["terms"], &json!(terms));
            assert!(error < 1e-7, "{column} {kind:?}: {error:e}");
            close(found["residual"]["ss"].as_f64().unwrap(), &residual[0]["ss"], 1e-10, column);
            println!("{column} {kind:?}: largest relative error {error:.1e}");
        }
    }
}

#[test]
fn cells_and_margins() {
    let Some(study) = Study::open() else { return };
    for (column, name) in RESPONSES {
        let response = study.column(column);
        let cells = stats::cell_means(&response, &study.factors).unwrap();
        let published = &study.published[format!("fashion-mnist:{column}")]["cells"];
        for (cell, published) in cells.iter().zip(published.as_array().unwrap()) {
            let levels = ["linear_layers", "conv_layers", "relu"]
                .map(|column| published[column].to_string());
            assert_eq!(cell.levels, levels);
            assert_eq!(json!(cell.n), published["count"]);
            close(cell.mean, &published["mean"], 1e-11, "mean");
            close(cell.sd.unwrap(), &published["std"], 1e-9, "sd");
        }
        let margins = stats::marginal_means(&response, &study.factors).unwrap();
        let expected = &study.expected[format!("main_effects_{name}")]["nr_conv_layers"];
        let conv: Vec<f64> =
            margins.iter().skip(2).take(2).map(|margin| margin.unweighted).collect();
        close(conv[0], &expected["mean_lo"], 1e-12, "one conv layer");
        close(conv[1], &expected["mean_hi"], 1e-12, "four conv layers");
    }
}

#[test]
fn tukeys_28_pairs() {
    let Some(study) = Study::open() else { return };
    let cells = Factor::crossed(&study.factors).unwrap();
    for (column, name) in RESPONSES {
        let found = stats::tukey_hsd(&study.column(column), &cells, 0.95).unwrap();
        let expected = study.expected[format!("tukey_cells_{name}")].as_array().unwrap();
        assert_eq!(found.len(), expected.len());
        let mut worst: f64 = 0.0;
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(json!([found.a, found.b]), json!([expected["a"], expected["b"]]));
            close(found.difference, &expected["diff"], 1e-9, "difference");
            close(found.se, &expected["se"], 1e-9, "se");
            close(found.statistic, &expected["t"], 1e-9, "t");
            // The published p-values are 0 below about 1e-13.
            let error = (found.p - expected["p_tukey"].as_f64().unwrap()).abs();
            worst = worst.max(error);
        }
        assert!(worst < 1e-9, "{column}: p differs by {worst:e}");
        println!("{column}: p of Tukey's test differs by at most {worst:.1e}");
    }
}

#[test]
fn rank_tests_and_effect_sizes() {
    let Some(study) = Study::open() else { return };
    for (column, name) in RESPONSES {
        let response = study.column(column);
        for (factor, expected) in
            study.factors.iter().zip(["nr_linear_layers", "nr_conv_layers", "relu_normalized"])
        {
            let groups = factor.split(&response).unwrap();
            let found = stats::kruskal_wallis(&[&groups[0], &groups[1]]).unwrap();
            let kruskal = &study.expected[format!("kruskal_{name}")][expected];
            close(found.h, &kruskal["H"], 1e-10, "H");
            close(found.p, &kruskal["p"], 1e-9, "p of H");
            if name != "energy" {
                continue;
            }
            let (low, high) = (&groups[0], &groups[1]);
            let sizes = &study.expected["effect_sizes_energy"][expected];
            let u = stats::mann_whitney(high, low).unwrap();
            close(u.statistic, &sizes["U_hi"], 0.0, "U");
            close(u.p, &sizes["p_mwu_asymptotic_cc"], 1e-9, "p of U");
            let size = |found: Result<stats::EffectSize, stats::StatsError>| found.unwrap().value;
            close(
                size(stats::cliffs_delta(high, low, 0.95)),
                &sizes["cliffs_delta"],
                1e-12,
                "delta",
            );
            close(size(stats::cohens_d(high, low, 0.95)), &sizes["cohen_d"], 1e-10, "d");
            // The published value uses the approximate correction 1 − 3 / (4 ν − 1).
            close(size(stats::hedges_g(high, low, 0.95)), &sizes["hedges_g"], 1e-7, "g");
            let welch = stats::welch_t(high, low).unwrap();
            close(welch.t, &sizes["welch_t"], 1e-10, "t");
            close(welch.df, &sizes["welch_df"], 1e-10, "df");
            close(welch.p, &sizes["welch_p"], 1e-9, "p of t");
        }
    }
}

#[test]
fn failed_assumptions_of_the_study_are_reported() {
    let Some(study) = Study::open() else { return };
    for (column, name) in RESPONSES {
        let response = study.column(column);
        let expected = &study.expected[format!("assumptions_{name}")];
        let cells = Factor::crossed(&study.factors).unwrap().split(&response).unwrap();
        let cells: Vec<&[f64]> = cells.iter().map(Vec::as_slice).collect();
        let mean = stats::levene(&cells, stats::Center::Mean).unwrap();
        close(mean.f, &expected["levene_W"], 1e-10, "Levene");
        let median = stats::levene(&cells, stats::Center::Median).unwrap();
        close(median.f, &expected["brown_forsythe_W"], 1e-10, "Brown-Forsythe");
        close(median.p, &expected["brown_forsythe_p"], 1e-9, "p of Brown-Forsythe");
        let residuals = stats::cell_residuals(&response, &study.factors).unwrap();
        let shapiro = stats::shapiro_wilk(&residuals).unwrap();
        close(shapiro.w, &expected["shapiro_resid_W"], 1e-8, "W");
        close(shapiro.p, &expected["shapiro_resid_p"], 1e-5, "p of W");
        assert!(Caution::of_normality(&shapiro).is_some() && Caution::of_spread(&median).is_some());
    }
}

#[test]
fn repeats_are_not_independent() {
    let Some(study) = Study::open() else { return };
    let energy = study.column("energy_j");
    let cells = Factor::crossed(&study.factors).unwrap();
    let settings = &study.settings.codes;
    let icc = stats::intraclass_correlation_within(&energy, settings, &cells.codes).unwrap();
    let note = &study.expected["cluster_note"];
    close(icc.icc, &note["icc_energy"], 1e-9, "icc");
    close(icc.effective_rows / 8.0, &note["n_eff_per_cell"], 1e-9, "effective rows a cell");
    assert_eq!((icc.clusters, icc.cluster_size.round()), (128, 24.0));
    let caution = Caution::of_dependence(&icc).unwrap().to_string();
    assert!(caution.contains("3072 rows carry as much information as about 191"), "{caution}");

    let (means, factors) = stats::cluster_means(&energy, settings, &study.factors).unwrap();
    assert_eq!(means.len(), 128);
    let found = stats::anova(&means, &factors, stats::SumsOfSquares::TypeIII).unwrap();
    for term in &found.terms {
        let named = |name: &str| match name {
            "linear_layers" => "C(nr_linear_layers, Sum)",
            "conv_layers" => "C(nr_conv_layers, Sum)",
            _ => "C(relu_normalized, Sum)",
        };
        let key: Vec<&str> = term.term.split(':').map(named).collect();
        let expected = &note["anova3_on_128_config_means"][key.join(":")];
        close(term.f, &expected["F"], 1e-6, &term.term);
        close(term.p, &expected["p"], 1e-5, &term.term);
    }
}

#[test]
fn energy_drifts_with_the_order_of_the_rows() {
    let Some(study) = Study::open() else { return };
    let order: Vec<f64> = (0..3072_u32).map(f64::from).collect();
    let found = stats::drift(&study.column("energy_j"), &study.factors, &order).unwrap();
    assert_eq!(found.len(), 8);
    let largest = found.iter().map(|caution| caution.correlation.rho.abs()).fold(0.0, f64::max);
    println!("largest drift: {largest:.3}");
    assert!(largest > 0.3, "{found:?}");
    assert!(Caution::of_drift(&found).is_some());
}

/// A bootstrap over settings gives a wider interval than one over rows, by about the square root of the
/// design effect.
#[test]
fn resampling_settings_widens_the_interval() {
    let Some(study) = Study::open() else { return };
    let energy = study.column("energy_j");
    let cells = Factor::crossed(&study.factors).unwrap();
    let conv = &study.factors[1].codes;
    let nested: Vec<usize> = cells
        .codes
        .iter()
        .zip(&study.settings.codes)
        .map(|(cell, setting)| cell * 1000 + setting)
        .collect();
    let difference = |rows: &[usize]| {
        let mean = |level: usize| {
            let of_level = rows.iter().filter(|row| conv[**row] == level).map(|row| energy[*row]);
            stats::mean(&of_level.collect::<Vec<f64>>()).ok()
        };
        Some(mean(1)? - mean(0)?)
    };
    let bootstrap = stats::Bootstrap {
        resamples: 400,
        confidence: 0.95,
        seed: 7,
        method: stats::BootstrapMethod::Percentile,
    };
    let interval = |units: stats::Units| {
        let units = units.stratified(&cells.codes).unwrap();
        bootstrap.interval(&units, difference).unwrap()
    };
    let rows = interval(stats::Units::rows(3072));
    let settings = interval(stats::Units::clusters(&nested));
    assert!((rows.estimate - 816.845_606).abs() < 1e-6, "{}", rows.estimate);
    assert!(settings.interval.contains(rows.estimate));
    let ratio = settings.standard_error / rows.standard_error;
    // √16.1 for settings that vary as much as the intra-class correlation says; 16 settings per cell
    // underestimate this a little.
    assert!(ratio > 3.0 && ratio < 4.5, "{ratio}");
}
