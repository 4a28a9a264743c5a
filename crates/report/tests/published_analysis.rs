//! The study's own raw data through our ANOVA: its published table, to 6 digits.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{fs, path::PathBuf};

use wattlab_report::stats::{Factor, SumsOfSquares, anova};

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn the_published_table_is_reproduced() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared");
    let folder = std::env::var_os("WATTLAB_SHARED").map_or_else(|| default.into(), PathBuf::from);
    let folder = folder.join("reference");
    let Ok(text) = fs::read_to_string(folder.join("rq2_fashion_mnist.csv")) else {
        eprintln!("skipped: no `{}` (set WATTLAB_SHARED)", folder.display());
        return;
    };
    let published = fs::read(folder.join("rq2_published.json")).unwrap();
    let published: serde_json::Value = serde_json::from_slice(&published).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|it| it.split(',').collect()).collect();
    assert_eq!(rows.len(), 3072);
    let column = |at: usize| rows.iter().map(move |row| row[at].to_owned());
    let factors = [
        Factor::new("linear_layers", column(0)),
        Factor::new("conv_layers", column(1)),
        Factor::new("relu", column(2)),
    ];
    for (response, at) in [("energy_j", 6), ("accuracy", 7)] {
        let values: Vec<f64> = column(at).map(|it| it.parse().unwrap()).collect();
        let table = anova(&values, &factors, SumsOfSquares::TypeIII).unwrap();
        let expected = &published[format!("fashion-mnist:{response}")]["terms"];
        for term in &table.terms {
            let row =
                expected.as_array().unwrap().iter().find(|it| it["term"] == *term.term).unwrap();
            for (name, found) in [
                ("ss", term.ss),
                ("df", term.df),
                ("f", term.f),
                ("eta_sq", term.eta_sq),
                ("omega_sq", term.omega_sq),
            ] {
                let expected = row[name].as_f64().unwrap();
                let difference = (found - expected).abs();
                assert!(
                    difference <= 1e-6 * expected.abs().max(1e-6),
                    "{response}, {}, {name}: {found} instead of {expected}",
                    term.term
                );
            }
            let p = row["p"].as_f64().unwrap();
            assert!((term.p - p).abs() <= 1e-6 * p.max(1e-300), "{}: p {} {p}", term.term, term.p);
        }
        assert_eq!(table.residual.df, 3064.0);
    }
}
