//! Least squares over coefficients of at least 0, against SciPy.

use wattlab_report::stats::{StatsError, non_negative_least_squares};

const COLUMNS: [[f64; 6]; 4] = [
    [1.0, 2.0, 0.5, 4.0, 1.0, 3.0],
    [2.0, 1.0, 3.0, 1.0, 1.0, 0.0],
    [0.5, 0.0, 1.0, 2.0, 1.0, 2.0],
    [3.0, 1.0, 2.0, 0.0, 5.0, 1.0],
];

/// `scipy.optimize.nnls(numpy.array(COLUMNS).T, y)[0]`, SciPy 1.16.
#[test]
fn coefficients_agree_with_scipy() {
    let cases: [([f64; 6], [f64; 4]); 3] = [
        (
            [3.0, 1.0, 2.0, 5.0, 0.0, 4.0],
            [0.729_483_282_674_772_5, 0.323_404_255_319_148_9, 0.737_993_920_972_644, 0.0],
        ),
        (
            [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            [0.338_672_611_901_903_7, 0.0, 1.774_927_113_702_624_3, 0.465_546_218_487_394_86],
        ),
        ([-1.0, -2.0, 1.0, -1.0, 0.0, -3.0], [0.0; 4]),
    ];
    let columns: Vec<&[f64]> = COLUMNS.iter().map(|column| &column[..]).collect();
    for (y, expected) in cases {
        let found = non_negative_least_squares(&columns, &y).unwrap();
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-10, "{found} {expected}");
        }
    }
}

#[test]
fn units_do_not_matter_and_dependent_columns_are_not_an_error() {
    let [a, b, ..] = COLUMNS;
    let small = a.map(|value| value * 1e-40);
    let twice = a.map(|value| value * 2.0);
    let y: Vec<f64> = (0..6).map(|row| 2.0 * a[row] + 3.0 * b[row]).collect();
    let found = non_negative_least_squares(&[&small, &b, &[0.0; 6]], &y).unwrap();
    assert!((found[0] / 2e40 - 1.0).abs() < 1e-10 && (found[1] - 3.0).abs() < 1e-10, "{found:?}");
    assert_eq!(found[2], 0.0, "a column of zeros");
    let found = non_negative_least_squares(&[&a, &b, &twice], &y).unwrap();
    assert!((found[0] + 2.0 * found[2] - 2.0).abs() < 1e-9, "{found:?}");
    // More columns than rows.
    let found = non_negative_least_squares(&[&[1.0], &[2.0]], &[4.0]).unwrap();
    assert!((found[0] + 2.0 * found[1] - 4.0).abs() < 1e-12, "{found:?}");
}

#[test]
fn unfit_data_are_an_error() {
    assert!(matches!(non_negative_least_squares(&[], &[1.0]), Err(StatsError::TooFew { .. })));
    assert!(matches!(
        non_negative_least_squares(&[&[1.0, 2.0]], &[1.0]),
        Err(StatsError::Length { .. })
    ));
    assert!(matches!(
        non_negative_least_squares(&[&[f64::NAN]], &[1.0]),
        Err(StatsError::NotFinite { .. })
    ));
}
