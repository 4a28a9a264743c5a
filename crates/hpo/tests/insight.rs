//! What a study has learned.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use wattlab_hpo::{
    Forest, Parameter, Random, Sampler, Scale, SearchState, Sobol, Space, Trial, importance,
    partial_dependence, progress, suggest,
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

fn point(sampler: &dyn Sampler, seed: u64, number: u32) -> Vec<f64> {
    let space = space();
    suggest(sampler, &SearchState::new(&space, seed, number, &[])).unwrap().parameters
}

fn points(count: u32) -> Vec<Vec<f64>> {
    (0..count).map(|number| point(&Sobol, 3, number)).collect()
}

/// A sum of parts with variances 4²/12 and, over the four decades, 0.5²·4²/12; the last parameter does
/// nothing.
fn sum(x: &[f64]) -> f64 {
    4.0 * x[0] + 0.5 * x[1].log10()
}

#[test]
fn importance_is_the_share_of_the_variance() {
    let points = points(400);
    let values: Vec<f64> = points.iter().map(|point| sum(point)).collect();
    let found = importance(&space(), &points, &values, 1).unwrap();
    // 16 to 4.
    assert!((found.alone[0].mean - 0.8).abs() < 0.05, "{found:?}");
    assert!((found.alone[1].mean - 0.2).abs() < 0.05, "{found:?}");
    assert!(found.alone[2].mean < 0.02 && found.alone[3].mean < 0.02, "{found:?}");
    assert!(found.pairs.iter().all(|(_, _, share)| share.mean < 0.03), "{found:?}");
    let all = found.alone.iter().chain(found.pairs.iter().map(|(_, _, share)| share));
    assert!(all.map(|share| share.mean).sum::<f64>() <= 1.0 + 1e-9);
}

#[test]
fn an_interaction_is_the_share_of_a_pair_and_of_neither_parameter_alone() {
    let points = points(400);
    let value = |x: &Vec<f64>| if (x[0] > 0.5) == (x[3] > 0.0) { 1.0 } else { 0.0 };
    let values: Vec<f64> = points.iter().map(value).collect();
    let found = importance(&space(), &points, &values, 1).unwrap();
    let pair = found.pairs.iter().find(|(a, b, _)| (*a, *b) == (0, 3)).unwrap();
    assert!(pair.2.mean > 0.7, "{found:?}");
}

#[test]
fn partial_dependence_follows_one_part_of_a_sum() {
    let points = points(60);
    let values: Vec<f64> = points.iter().map(|point| sum(point)).collect();
    let found = partial_dependence(&space(), &points, &values, 9).unwrap();
    let a = &found[0];
    assert_eq!((a.at.len(), a.at[0], a.at[8]), (9, 0.0, 1.0));
    for (at, mean) in a.at.iter().zip(&a.mean) {
        // The mean of half a logarithm over four decades is −1.
        assert!((mean - (4.0 * at - 1.0)).abs() < 0.2, "{at}: {mean}");
    }
    assert!(a.deviation.iter().all(|deviation| (0.0..1.0).contains(deviation)));
    assert_eq!(found[2].at, [0.0, 1.0, 2.0]);
    let flat = found[3].mean.iter().copied().fold(f64::NEG_INFINITY, f64::max)
        - found[3].mean.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(flat < 0.2, "{flat}");
}

#[test]
fn a_forest_predicts_points_that_were_not_tried() {
    let points = points(300);
    let values: Vec<f64> = points.iter().map(|point| sum(point) + point[2]).collect();
    let forest = Forest::fit(&space(), &points, &values, 2).unwrap();
    let error: f64 = (0..50)
        .map(|number| {
            let point = point(&Random, 9, number);
            (forest.predict(&point) - sum(&point) - point[2]).powi(2)
        })
        .sum();
    let error = (error / 50.0).sqrt();
    // The values' own deviation is 1.5.
    assert!(error < 0.5, "{error}");
}

#[test]
fn too_few_or_equal_values_give_no_importance() {
    let points = points(20);
    assert_eq!(importance(&space(), &points[..1], &[1.0], 1), None);
    assert_eq!(importance(&space(), &points, &[7.0; 20], 1), None);
    assert_eq!(partial_dependence(&space(), &points[..1], &[1.0], 5), None);
    assert!(partial_dependence(&space(), &points, &[7.0; 20], 5).is_some());
}

#[test]
fn progress_is_the_best_value_and_the_sum_of_costs_so_far() {
    let points = progress(&[
        Trial::failed(0, Vec::new()).with_cost(2.0),
        Trial::completed(1, Vec::new(), &[1.0]),
        Trial::completed(2, Vec::new(), &[0.5]).with_cost(3.0),
    ]);
    let best: Vec<Option<f64>> = points.iter().map(|point| point.best).collect();
    assert_eq!(best, [None, Some(1.0), Some(1.0)]);
    assert_eq!(points[2].cost, 5.0);
}
