//! Times of the statistics on as many rows as the layer study has: `cargo bench -p wattlab-report`.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use divan::{Bencher, black_box};
use wattlab_report::stats::{self, Bootstrap, BootstrapMethod, Factor, SumsOfSquares, Units};

fn main() {
    divan::main();
}

/// 3,072 rows of 2 × 2 × 2 cells; no draw, but no simple pattern either.
fn study() -> (Vec<f64>, Vec<Factor>) {
    let rows = 0..3072_usize;
    let factor =
        |name, bit: usize| Factor::new(name, rows.clone().map(|row| (row >> bit & 1).to_string()));
    let factors = vec![factor("conv", 0), factor("linear", 1), factor("relu", 2)];
    let noise = |row: usize| (row.wrapping_mul(2_654_435_761) % 1000) as f64 / 100.0;
    let response = rows.clone().map(|row| 850.0 + 800.0 * (row & 1) as f64 + noise(row)).collect();
    (response, factors)
}

#[divan::bench(args = [SumsOfSquares::TypeII, SumsOfSquares::TypeIII])]
fn anova_3072_rows(bencher: Bencher, kind: SumsOfSquares) {
    let (response, factors) = study();
    bencher.bench(|| stats::anova(black_box(&response), black_box(&factors), kind));
}

#[divan::bench]
fn tukey_28_pairs(bencher: Bencher) {
    let (response, factors) = study();
    let cells = Factor::crossed(&factors).unwrap();
    bencher.bench(|| stats::tukey_hsd(black_box(&response), black_box(&cells), 0.95));
}

#[divan::bench]
fn shapiro_wilk_3072_values(bencher: Bencher) {
    let (response, factors) = study();
    let residuals = stats::cell_residuals(&response, &factors).unwrap();
    bencher.bench(|| stats::shapiro_wilk(black_box(&residuals)));
}

#[divan::bench]
fn bca_interval_of_a_mean_of_384(bencher: Bencher) {
    let (response, _) = study();
    let bootstrap =
        Bootstrap { resamples: 2000, confidence: 0.95, seed: 1, method: BootstrapMethod::Bca };
    let mean =
        |rows: &[usize]| Some(rows.iter().map(|it| response[*it]).sum::<f64>() / rows.len() as f64);
    bencher.bench(|| bootstrap.interval(black_box(&Units::rows(384)), mean));
}
