//! The gain of GPU power sensors, from boards that were compared with a power meter.
//!
//! A board's own gain is unknown until a meter in its supply lines shows it. What is known is how the
//! gains of other boards spread. The table holds every board that Yang, Adamek and Armour measured
//! with an ElmorLabs PMD in slot and cables: `Overall_Results.xlsx`, sheet "Local GPUs", column
//! "Steady State Error", driver 535, at github.com/JimZeyuYang/GPU_Power_Benchmark, commit 4b5c944
//! (MIT License, Copyright (c) 2023 Zeyu Yang; arXiv 2312.02741). It holds steady loads only, and no
//! recorded trace.

use super::{response::Response, series::median};

/// Kinds of power sensors that readings tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// Renewed every 10 to 20 ms, or an exponential: Kepler to Pascal.
    Fast,
    /// Renewed about every 100 ms: Turing and later.
    Slow,
}

/// A sensor that is renewed faster than this, in seconds, is of the first kind.
const FAST: f64 = 0.05;

/// A board: its name, its kind of sensor, and how far its readings are from the meter, in percent.
type Board = (&'static str, Family, f64);

/// Several boards of one model have numbers of their own. `rtx3090` is the EVGA board and the four
/// others are from Alienware; the two halves of the K80 count once.
const BOARDS: &[Board] = &[
    ("rtx3090", Family::Slow, -4.745),
    ("rtx3090-2", Family::Slow, -1.387),
    ("rtx3090-3", Family::Slow, -0.692),
    ("rtx3090-4", Family::Slow, -1.555),
    ("rtx3090-5", Family::Slow, -2.632),
    ("rtx3070ti", Family::Slow, -2.288),
    ("rtx2080ti", Family::Slow, -6.205),
    ("rtx2060super", Family::Slow, 10.883),
    ("a100", Family::Slow, -5.469),
    ("a5000", Family::Slow, -6.060),
    ("rtx4090", Family::Slow, -4.314),
    ("gtx1080ti", Family::Fast, -0.314),
    ("gtx1080", Family::Fast, 0.538),
    ("titanxp", Family::Fast, 0.653),
    ("titanx", Family::Fast, 1.878),
    ("p100", Family::Fast, 0.457),
    ("m40", Family::Fast, -1.635),
    ("k620", Family::Fast, -41.132),
    ("k80", Family::Fast, -8.902),
    ("k40m", Family::Fast, 3.376),
];

/// What a reading must be multiplied with, and half of its 95 % interval as a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gain {
    pub(crate) factor: f64,
    pub(crate) relative_error: f64,
}

/// The gain of a board that was in no comparison, or whose comparison must not be used: `without`
/// names it.
///
/// The center is the median of the other boards of this kind. The interval is a prediction for one
/// more board: Student's t × the median absolute deviation × 1.4826 × √(1 + 1/n). Medians keep one
/// odd board (a K620 that shows 41 % too little) from deciding about all others.
pub(crate) fn gain(response: Response, period: f64, without: &str) -> Gain {
    let fast = period < FAST || matches!(response, Response::Keeps(_));
    let family = if fast { Family::Fast } else { Family::Slow };
    let others = BOARDS.iter().filter(|(name, kind, _)| *kind == family && !is(name, without));
    let factors: Vec<f64> = others.map(|(_, _, percent)| 1.0 / (1.0 + percent / 100.0)).collect();
    let factor = median(factors.clone()).unwrap_or(1.0);
    let spread = median(factors.iter().map(|other| (other - factor).abs()).collect());
    let number = factors.len();
    let width = STUDENT[number.saturating_sub(2).min(STUDENT.len() - 1)]
        * 1.4826
        * spread.unwrap_or(1.0)
        * (1.0 + 1.0 / number as f64).sqrt();
    Gain { factor, relative_error: width / factor }
}

/// Whether a board has this name. A name that is not in the table leaves out every board whose model
/// it contains: `a100`, or the number of a GeForce board.
fn is(board: &str, name: &str) -> bool {
    if BOARDS.iter().any(|(board, ..)| *board == name) {
        return board == name;
    }
    let model = board.split('-').next().unwrap_or(board);
    let number: String = model.chars().filter(char::is_ascii_digit).collect();
    name.contains(if number.len() > 3 { number.as_str() } else { model })
}

/// The 97.5th percentile of Student's t with 1, 2, 3, … degrees of freedom.
const STUDENT: [f64; 12] =
    [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_does_not_decide_its_own_gain() {
        let of = |without| gain(Response::Share { share: 1.0, partial: 0.0 }, 0.1, without);
        let (all, without) = (of(""), of("rtx2080ti"));
        assert!(all != without);
        // Readings of Turing and later are 2.5 % low in the median, and another board within 7 %.
        assert!(
            (without.factor - 1.024).abs() < 0.003 && without.relative_error < 0.08,
            "{without:?}"
        );
        // A name of another form leaves out all five boards of that model.
        let number = |name: &str| BOARDS.iter().filter(|(board, ..)| is(board, name)).count();
        assert_eq!(
            (number("rtx3090"), number("geforce3090"), number("h100"), number("")),
            (1, 5, 0, 0)
        );
    }

    #[test]
    fn old_boards_have_gains_of_their_own() {
        let old = gain(Response::Keeps(0.75), 0.015, "k40m");
        assert!(
            (old.factor - 1.0).abs() < 0.01 && (0.03..0.06).contains(&old.relative_error),
            "{old:?}"
        );
    }
}
