//! Hidden flaws of data are found, on designs that were made to have them.

use wattlab_report::stats::{Caution, Factor, screen};

fn factor(name: &str, level: impl Fn(usize) -> usize) -> Factor {
    Factor::new(name, (0..48).map(|row| level(row).to_string()))
}

/// Values that look random, in [-0.5, 0.5].
fn noise(row: usize) -> f64 {
    (row as f64 * 12.9898).sin().mul_add(43_758.545_3, 0.0).rem_euclid(1.0) - 0.5
}

fn kinds(cautions: &[Caution]) -> Vec<&'static str> {
    cautions.iter().map(Caution::kind).collect()
}

#[test]
fn a_sound_design_has_no_cautions() {
    let a = factor("a", |row| row % 2);
    let y: Vec<f64> = (0..48).map(|row| noise(row) + (row % 2) as f64).collect();
    let run = factor("run", |row| row);
    assert_eq!(kinds(&screen(&y, &[a], &[run], None).unwrap()), Vec::<&str>::new());
}

#[test]
fn correlated_settings_of_a_single_level_are_reported() {
    // Eight settings, four for each level of a, with six repeats each.
    let a = factor("a", |row| row / 6 % 2);
    let lr = factor("lr", |row| row / 6);
    let beta = factor("beta", |row| 100 - row / 6);
    let y: Vec<f64> = (0..48).map(|row| noise(row) + 5.0 * noise(100 + row / 6)).collect();
    let found = screen(&y, &[a], &[lr, beta], None).unwrap();
    let found = kinds(&found);
    assert!(found.contains(&"dependent") && found.contains(&"confounded"), "{found:?}");
}

#[test]
fn a_factor_that_was_left_out_is_reported_and_not_taken_as_a_cluster() {
    let a = factor("a", |row| row % 2);
    let b = factor("b", |row| row / 2 % 2);
    let y: Vec<f64> =
        (0..48).map(|row| noise(row) + (row % 2) as f64 + 50.0 * (row / 2 % 2) as f64).collect();
    let found = screen(&y, &[a], &[b], None).unwrap();
    assert_eq!(kinds(&found), ["marginal"]);
    assert!(
        found[0].to_string().contains("`b` has a larger effect on the response than `a`"),
        "{}",
        found[0]
    );
}

#[test]
fn associated_factors_are_reported() {
    let a = factor("a", |row| row % 2);
    let b = factor("b", |row| if row % 12 < 2 { 1 - row % 2 } else { row % 2 });
    let y: Vec<f64> = (0..48).map(noise).collect();
    let found = screen(&y, &[a, b], &[], None).unwrap();
    let v = 2.0 / 3.0; // 40 of 48 rows agree
    assert!(
        matches!(&found[0], Caution::Correlated { v: found, .. } if (found - v).abs() < 1e-12),
        "{found:?}"
    );
}

#[test]
fn drift_with_a_given_order() {
    let a = factor("a", |row| row % 2);
    let order: Vec<f64> = (0..48).map(noise).collect();
    let y: Vec<f64> = order.iter().map(|position| position * 3.0).collect();
    let found = screen(&y, std::slice::from_ref(&a), &[], Some(&order)).unwrap();
    assert!(kinds(&found).contains(&"drift"), "{found:?}");
    assert!(!kinds(&screen(&y, &[a], &[], None).unwrap()).contains(&"drift"));
}
