//! Times of the statistics on as many rows as the layer study has: `cargo bench -p wattlab-report`.
//! With `WATTLAB_PEERS=PYTHON`, a Python that has statsmodels and SciPy, a table beside theirs first.
#![expect(clippy::unwrap_used, reason = "a benchmark")]
#![expect(clippy::print_stdout, reason = "writes its table")]

use std::{
    ffi::OsStr,
    io::Write,
    process::{Command, Stdio},
    time::Instant,
};

use divan::{Bencher, black_box};
use serde_json::{Value, json};
use wattlab_report::stats::{self, Bootstrap, BootstrapMethod, Factor, SumsOfSquares, Units};

fn main() {
    if let Some(python) = std::env::var_os("WATTLAB_PEERS") {
        beside_peers(&python);
    }
    divan::main();
}

/// The table of `BENCHMARKS.md`: medians on the same data in the same run.
fn beside_peers(python: &OsStr) {
    let (response, factors) = study();
    let [conv, linear, relu] = [0, 1, 2].map(|index: usize| levels(&factors[index]));
    let input = json!({
        "response": response, "factors": { "conv": conv, "linear": linear, "relu": relu },
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers.py");
    let mut peer = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`WATTLAB_PEERS` is a Python");
    peer.stdin.take().unwrap().write_all(input.to_string().as_bytes()).unwrap();
    let output = peer.wait_with_output().unwrap();
    assert!(output.status.success(), "{script} failed; it needs statsmodels");
    let theirs: Value = serde_json::from_slice(&output.stdout).unwrap();

    let cells = Factor::crossed(&factors).unwrap();
    let residuals = stats::cell_residuals(&response, &factors).unwrap();
    let anova = |kind| stats::anova(black_box(&response), black_box(&factors), kind).map(drop);
    let ours: [(&str, &str, &dyn Fn()); 5] = [
        ("anova_II", "ANOVA, type II, 2 × 2 × 2, 3,072 rows", &|| {
            anova(SumsOfSquares::TypeII).unwrap();
        }),
        ("anova_III", "ANOVA, type III, the same", &|| anova(SumsOfSquares::TypeIII).unwrap()),
        ("tukey", "Tukey HSD of the 8 cells, with intervals", &|| {
            drop(stats::tukey_hsd(black_box(&response), &cells, 0.95).unwrap());
        }),
        ("shapiro", "Shapiro-Wilk of 3,072 residuals", &|| {
            black_box(stats::shapiro_wilk(black_box(&residuals)).unwrap());
        }),
        ("bca", "BCa interval of a mean of 384, 2,000 resamples", &|| {
            black_box(bca_of_a_mean(black_box(&response)));
        }),
    ];
    println!("| what | ours (ms) | peer (ms) | ratio | peer |");
    println!("|---|--:|--:|--:|---|");
    for (case, title, run) in ours {
        let (ours, theirs) = (median_seconds(run), &theirs[case]);
        let seconds = theirs["seconds"].as_f64().unwrap();
        println!(
            "| {title} | {:.3} | {:.3} | {:.0} | {} |",
            ours * 1e3,
            seconds * 1e3,
            seconds / ours,
            theirs["call"].as_str().unwrap()
        );
    }
}

fn levels(factor: &Factor) -> Vec<&str> {
    factor.codes.iter().map(|code| factor.levels[*code].as_str()).collect()
}

/// Of as many calls as `peers.py` makes.
fn median_seconds(run: &dyn Fn()) -> f64 {
    run();
    let mut seconds = Vec::new();
    let begin = Instant::now();
    while seconds.len() < 5 || (begin.elapsed().as_secs_f64() < 2.0 && seconds.len() < 200) {
        let start = Instant::now();
        run();
        seconds.push(start.elapsed().as_secs_f64());
    }
    stats::median(&seconds).unwrap()
}

fn bca_of_a_mean(response: &[f64]) -> f64 {
    let bootstrap =
        Bootstrap { resamples: 2000, confidence: 0.95, seed: 1, method: BootstrapMethod::Bca };
    let mean = |rows: &[usize]| {
        Some(rows.iter().map(|row| response[*row]).sum::<f64>() / rows.len() as f64)
    };
    bootstrap.interval(&Units::rows(384), mean).unwrap().interval.low
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
    bencher.bench(|| bca_of_a_mean(black_box(&response)));
}
