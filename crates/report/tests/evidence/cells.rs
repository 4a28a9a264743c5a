//! The cells of the matrix, against values that `expected.py` computed with NumPy and SciPy.

use serde_json::Value;
use wattlab_report::{Elsewhere, EvidenceAnswer, EvidenceBundle, Scope, Verdict};

use super::published;

fn expected() -> Value {
    serde_json::from_str(include_str!("expected.json")).unwrap()
}

/// Equal to four digits.
fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 5e-5 * expected.abs() + 1e-12
}

/// Compares every expected cell of the sets with the found one; returns their number.
fn compare(elsewhere: &Elsewhere) -> usize {
    let mut compared = 0;
    for (set, claims) in expected().as_object().unwrap() {
        for (claim, expected) in claims.as_object().unwrap() {
            let cell = elsewhere.cells.iter().find(|cell| {
                format!("{}, {}", cell.data, cell.device) == *set && cell.claim.as_str() == claim
            });
            let Some(test) = cell.and_then(|cell| cell.tested()) else { continue };
            let place = format!("{set}, {claim}: {test:?}");
            assert!(close(test.effect, expected["effect"].as_f64().unwrap()), "{place}");
            if let Some(ends) = expected["ci95"].as_array() {
                let found = test.ci95.unwrap();
                for (found, end) in found.iter().zip(ends) {
                    assert!(close(*found, end.as_f64().unwrap()), "{place}");
                }
            }
            if let Some(p) = expected["p"].as_f64() {
                // Far tails differ between libraries.
                assert!(
                    close(test.p.unwrap(), p) || (p < 1e-9 && test.p.unwrap() < 1e-8),
                    "{place}"
                );
            }
            compared += 1;
        }
    }
    compared
}

#[test]
fn the_copies_in_this_program_fill_at_least_twelve_cells_as_python_computes_them() {
    let elsewhere = Elsewhere::of(EvidenceBundle::embedded().unwrap(), None);
    assert!(elsewhere.filled() >= 12, "{} cells", elsewhere.filled());
    assert_eq!(compare(&elsewhere), 16);
    for cell in &elsewhere.cells {
        match &cell.answer {
            EvidenceAnswer::Empty { reason } => assert!(reason.len() > 10, "{cell:?}"),
            EvidenceAnswer::Tested(test) => {
                let [low, high] = test.ci95.unwrap();
                assert!(low <= test.effect && test.effect <= high, "{cell:?}");
                assert!(test.p_holm.unwrap() >= test.p.unwrap(), "{cell:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    // Nothing of a data set without a licence is in the program.
    let absent: Vec<&str> = elsewhere.absent.iter().map(|adapter| adapter.name.as_str()).collect();
    assert_eq!(absent, ["turbostress-2021", "wall-meter-2025"]);
}

#[test]
fn with_the_published_files_at_least_twenty_cells_of_four_data_sets_are_filled() {
    let Some(folder) = published() else { return };
    let elsewhere = Elsewhere::of(EvidenceBundle::with(&[&folder]).unwrap(), None);
    assert!(elsewhere.sets.iter().all(|set| !set.is_copy));
    assert!(elsewhere.filled() >= 20, "{} cells", elsewhere.filled());
    assert_eq!(compare(&elsewhere), 24);
    let mut data: Vec<&str> = elsewhere
        .cells
        .iter()
        .filter(|cell| cell.tested().is_some())
        .map(|cell| cell.data.as_str())
        .collect();
    data.dedup();
    assert_eq!(data, ["ec-nas", "training-2023", "wall-meter-2025", "zeus-traces"]);

    // The copies have the same rows.
    let of_copies = Elsewhere::of(EvidenceBundle::embedded().unwrap(), None);
    for set in &of_copies.sets {
        let whole = elsewhere.sets.iter().find(|other| other.name() == set.name()).unwrap();
        assert_eq!(whole.rows, set.rows, "{}", set.name());
        assert_eq!(whole.excluded, set.excluded);
    }

    // Batching: 1.48 and 1.23 times the joules per image with batches of 4 instead of 16.
    for (device, ratio) in [("RTX 4090", 1.480), ("i9-13900K", 1.225)] {
        let cell = elsewhere.cells.iter().find(|cell| {
            cell.claim.as_str() == "rq4-batching-matters" && cell.device.contains(device)
        });
        let test = cell.unwrap().tested().unwrap();
        assert_eq!(test.verdict, Verdict::Supported);
        assert!(((1.0 + test.effect).powi(-2) - ratio).abs() < 1e-3, "{test:?}");
    }

    // CodeCarbon saw 0.73 and 0.67 of the joules at the plug.
    assert_eq!(elsewhere.estimators.len(), 2, "ours are added by the program");
    let sums: Vec<f64> = elsewhere.estimators.iter().map(|ratio| ratio.ratio_of_sums).collect();
    assert!((sums[0] - 0.73).abs() < 0.005 && (sums[1] - 0.67).abs() < 0.005, "{sums:?}");
    for ratio in &elsewhere.estimators {
        let name = format!("{}, {}", ratio.name.data, ratio.name.device);
        let python = expected()[&name]["estimator"]["ratio"].as_f64().unwrap();
        assert!(close(ratio.ratio, python), "{ratio:?}");
    }
}

#[test]
fn joules_of_different_scopes_are_not_pooled() {
    let Some(folder) = published() else { return };
    let elsewhere = Elsewhere::of(EvidenceBundle::with(&[&folder]).unwrap(), None);
    for synthesis in &elsewhere.syntheses {
        assert!(synthesis.sets.len() >= 3);
        assert_eq!(synthesis.scope, Scope::Gpu);
        assert!(synthesis.sets.iter().all(|set| !set.contains("wall-meter")), "{synthesis:?}");
    }
    let pooled = elsewhere
        .syntheses
        .iter()
        .find(|synthesis| synthesis.claim.as_str() == "rq3-diminishing-returns");
    let (mean, ci95, _) = pooled.unwrap().effect();
    let python = &expected()["synthesis"]["rq3-diminishing-returns"];
    assert!((mean - python["mean"].as_f64().unwrap()).abs() < 1e-6, "{mean} {python}");
    for (end, python) in ci95.iter().zip(python["ci95"].as_array().unwrap()) {
        assert!((end - python.as_f64().unwrap()).abs() < 1e-6, "{ci95:?}");
    }
}
