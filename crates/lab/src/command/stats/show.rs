//! What the subcommands show: aligned columns and short numbers for readers, finite numbers for JSON.

use crate::output::{self, minus};

/// Prints rows under a header; the first `texts` columns are aligned left, the others right.
pub(super) fn table(header: &[&str], texts: usize, rows: &[Vec<String>]) {
    let header: Vec<String> = header.iter().map(|head| (*head).to_owned()).collect();
    let width = |at: usize| {
        let cells = rows.iter().chain([&header]).filter_map(|row| row.get(at));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..header.len()).map(width).collect();
    for row in [&header].into_iter().chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(
                |(at, (cell, width))| {
                    if at < texts { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                },
            )
            .collect();
        output::print(cells.join("  ").trim_end());
    }
}

/// A number with six significant digits.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "∞" } else { "−∞" }.to_owned()
    } else if !(1e-4..1e9).contains(&size) {
        minus(&format!("{value:.5e}"))
    } else {
        let decimals = (5 - size.log10().floor() as i32).max(0);
        minus(&format!("{value:.*}", decimals as usize))
    }
}

/// An effect size, with fixed decimals.
pub(super) fn share(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.chars().all(|letter| matches!(letter, '-' | '0' | '.'));
    if is_zero { text.trim_start_matches('-').to_owned() } else { minus(&text) }
}

/// Degrees of freedom: a whole number, or one decimal.
pub(super) fn df(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// A p-value: `0.0123`, `4.2e-9`, `< 1e-300`.
pub(super) fn p(value: f64) -> String {
    if value == 0.0 {
        "< 1e-300".to_owned()
    } else if value < 1e-4 {
        format!("{value:.1e}")
    } else {
        format!("{value:.4}")
    }
}

/// A text, or a dash for a missing value.
pub(super) fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "–".to_owned())
}

/// A number for JSON; `None` (`null`) if it is infinite.
pub(super) fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}
