//! Numbers in the sentences of findings.

use crate::number::fixed;

/// `12.3 %`, `−4.0 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", fixed(share * 100.0, 1))
}

/// `+1.25`, `−0.30`; a dash for an unknown value.
pub(super) fn signed(value: Option<f64>) -> String {
    let text = fixed(value.unwrap_or(f64::NAN), 2);
    if value.is_some_and(|value| value > 0.0) { format!("+{text}") } else { text }
}

/// `95 % interval 1.0 % to 2.0 %`, or that there is none.
pub(super) fn percent_interval(ci95: Option<[f64; 2]>) -> String {
    match ci95 {
        Some([low, high]) => format!("95 % interval {} to {}", percent(low), percent(high)),
        None => "too few repetitions for an interval".to_owned(),
    }
}

/// `95 % interval 0.10 to 0.25`; `none` says why there is none.
pub(super) fn interval(ci95: Option<[f64; 2]>, decimals: usize, none: &str) -> String {
    match ci95 {
        Some([low, high]) => {
            format!("95 % interval {} to {}", fixed(low, decimals), fixed(high, decimals))
        }
        None => none.to_owned(),
    }
}
