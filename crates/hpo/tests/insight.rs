//! What a study has learned.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use wattlab_hpo::{
    Forest, History, Parameter, Sampler, Scale, Space, Trial, importance, partial_dependence,
    progress, suggest,
};

fn space() -> Space {
    Space::new(vec![
        Parameter::new("a", 0.0, 1.0, Scale::Linear),
        Parameter::new("b", 1e-4, 1.0, Scale::Log),
        Parameter::categorical("c", 3),
        Parameter::new("idle", -5.0, 5.0, Scale::Linear),
    ])
    .unwrap()
}

fn points(count: u32) -> Vec<Vec<f64>> {
    (0..count)
        .map(|it| suggest(&space(), Sampler::Sobol, 3, it, &History::default()).unwrap())
        .collect()
}

/// Parts with variances 4²/12, 0.5²·4²/12 over the four decades, and none of the last.
fn sum(x: &[f64]) -> f64 {
    4.0 * x[0] + 0.5 * x[1].log10()
}

#[test]
fn shares_are_those_of_the_variance() {
    let points = points(400);
    let values: Vec<f64> = points.iter().map(|it| sum(it)).collect();
    let found = importance(&space(), &points, &values, 1).unwrap();
    // 16 to 4.
    assert!((found.alone[0].mean - 0.8).abs() < 0.05, "{found:?}");
    assert!((found.alone[1].mean - 0.2).abs() < 0.05, "{found:?}");
    assert!(found.alone[2].mean < 0.02 && found.alone[3].mean < 0.02, "{found:?}");
    assert!(found.pairs.iter().all(|it| it.2.mean < 0.03), "{found:?}");
    let all = found.alone.iter().chain(found.pairs.iter().map(|it| &it.2));
    assert!(all.map(|it| it.mean).sum::<f64>() <= 1.0 + 1e-9);
}

/// What two parameters do only together is neither's alone.
#[test]
fn an_interaction_is_found() {
    let points = points(400);
    let value = |x: &Vec<f64>| if (x[0] > 0.5) == (x[3] > 0.0) { 1.0 } else { 0.0 };
    let values: Vec<f64> = points.iter().map(value).collect();
    let found = importance(&space(), &points, &values, 1).unwrap();
    let pair = found.pairs.iter().find(|it| (it.0, it.1) == (0, 3)).unwrap();
    assert!(pair.2.mean > 0.7, "{found:?}");
}

#[test]
fn dependence_is_the_part_with_its_uncertainty() {
    let points = points(60);
    let values: Vec<f64> = points.iter().map(|it| sum(it)).collect();
    let found = partial_dependence(&space(), &points, &values, 9).unwrap();
    let a = &found[0];
    assert_eq!((a.at.len(), a.at[0], a.at[8]), (9, 0.0, 1.0));
    for (at, mean) in a.at.iter().zip(&a.mean) {
        // The mean of half a logarithm over four decades is −1.
        assert!((mean - (4.0 * at - 1.0)).abs() < 0.2, "{at}: {mean}");
    }
    assert!(a.deviation.iter().all(|it| (0.0..1.0).contains(it)));
    assert_eq!(found[2].at, [0.0, 1.0, 2.0]);
    let flat = found[3].mean.iter().copied().fold(f64::NEG_INFINITY, f64::max)
        - found[3].mean.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(flat < 0.2, "{flat}");
}

#[test]
fn a_forest_predicts() {
    let points = points(300);
    let values: Vec<f64> = points.iter().map(|it| sum(it) + it[2]).collect();
    let forest = Forest::fit(&space(), &points, &values, 2).unwrap();
    let error: f64 = (0..50)
        .map(|it| {
            let point = suggest(&space(), Sampler::Random, 9, it, &History::default()).unwrap();
            (forest.predict(&point) - sum(&point) - point[2]).powi(2)
        })
        .sum();
    let error = (error / 50.0).sqrt();
    // The values' own deviation is 1.5.
    assert!(error < 0.5, "{error}");
}

#[test]
fn too_little_says_nothing() {
    let points = points(20);
    assert_eq!(importance(&space(), &points[..1], &[1.0], 1), None);
    assert_eq!(importance(&space(), &points, &[7.0; 20], 1), None);
    assert_eq!(partial_dependence(&space(), &points[..1], &[1.0], 5), None);
    assert!(partial_dependence(&space(), &points, &[7.0; 20], 5).is_some());
    let trial = |number, value, cost| Trial { number, parameters: Vec::new(), value, cost };
    let went = progress(&[
        trial(0, None, Some(2.0)),
        trial(1, Some(1.0), None),
        trial(2, Some(0.5), Some(3.0)),
    ]);
    let best: Vec<Option<f64>> = went.iter().map(|it| it.best).collect();
    assert_eq!(best, [None, Some(1.0), Some(1.0)]);
    assert_eq!(went[2].cost, 5.0);
}
