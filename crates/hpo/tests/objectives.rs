//! Studies with several objectives.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Arc;

use proptest::prelude::*;
use wattlab_hpo::{
    Gp, HpoError, Objectives, Parameter, Random, Sampler, Scale, Segment, Space, Study, dominated,
    hypervolume, pareto_front,
};

use common::samplers;

fn space() -> Space {
    Space::new(vec![
        Parameter::new("rate", 1e-5, 1e-1, Scale::Log),
        Parameter::integer("width", 1, 64, Scale::Log),
        Parameter::categorical("activation", 3),
    ])
    .unwrap()
}

/// Accuracy and negative energy; the third activation fails at large rates.
fn values(x: &[f64]) -> Option<Vec<f64>> {
    let accuracy = (x[1] / 64.0).sqrt()
        - 0.1 * (x[0].log10() + 3.0).powi(2)
        - if x[2] == 1.0 { 0.1 } else { 0.0 };
    (x[2] < 2.0 || x[0] < 1e-2).then(|| vec![accuracy, -x[1]])
}

fn new(sampler: Arc<dyn Sampler>, objectives: Objectives, seed: u64) -> Study {
    Study::new(space(), sampler, seed).with_objectives(objectives)
}

fn tell(study: &mut Study, number: u32, values: Option<Vec<f64>>) {
    match values {
        Some(values) => study.tell(number, &values).unwrap(),
        None => study.fail(number).unwrap(),
    }
}

fn run(study: &mut Study, trials: u32) -> Vec<Vec<f64>> {
    (0..trials)
        .map(|_| {
            let Segment { number, parameters, .. } = study.ask().unwrap();
            tell(study, number, values(&parameters));
            parameters
        })
        .collect()
}

fn points(objectives: usize) -> impl Strategy<Value = Vec<Vec<f64>>> {
    // Whole numbers, so that there are ties.
    let value = (0_u8..8).prop_map(f64::from);
    prop::collection::vec(prop::collection::vec(value, objectives), 0..14)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_point_dominates_the_front_and_the_front_dominates_all_others(points in points(3)) {
        let front = pareto_front(&points);
        for (index, point) in points.iter().enumerate() {
            let is_dominated = points.iter().any(|other| dominated(point, other));
            if front.contains(&index) {
                prop_assert!(!is_dominated);
            } else {
                let covers = |other: &Vec<f64>| other == point || dominated(point, other);
                prop_assert!(front.iter().any(|index| covers(&points[*index])));
            }
        }
    }

    #[test]
    fn the_hypervolume_of_whole_numbers_is_the_number_of_unit_cubes(points in points(3)) {
        let cells = (0..8 * 8 * 8_u16).filter(|cell| {
            let corner = [cell / 64, cell / 8 % 8, cell % 8].map(f64::from);
            points.iter().any(|point| {
                point.iter().zip(corner).all(|(value, corner)| *value >= corner + 1.0)
            })
        });
        prop_assert_eq!(hypervolume(&points, &[0.0; 3]), cells.count() as f64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_study_restored_at_any_trial_continues_as_before(seed in any::<u64>(), stop in 0_usize..13) {
        for sampler in samplers() {
            let new = || new(sampler.clone(), Objectives::new(2), seed);
            let whole = run(&mut new(), 13);
            let mut again = new();
            for (number, point) in (0..).zip(&whole[..stop]) {
                let parameters = point.clone();
                again.restore(Segment { number, parameters, from: 0, until: 1 }).unwrap();
                tell(&mut again, number, values(point));
            }
            prop_assert_eq!(run(&mut again, 13 - stop as u32), &whole[stop..]);
        }
    }

    #[test]
    fn parallel_workers_never_try_the_same_point_of_a_finite_space(seed in any::<u64>(), workers in 1_usize..9) {
        let space = Space::new(vec![
            Parameter::integer("layers", 1, 6, Scale::Linear),
            Parameter::categorical("activation", 4),
        ]).unwrap();
        let mut study = Study::new(space, Gp, seed).with_objectives(Objectives::new(2));
        let (mut seen, mut running) = (Vec::new(), Vec::new());
        while seen.len() < 24 {
            let Segment { number, parameters: point, .. } = study.ask().unwrap();
            prop_assert!(!seen.contains(&point), "{:?} twice", point);
            seen.push(point.clone());
            running.push((number, point));
            if running.len() == workers {
                let (number, point) = running.remove(number as usize * 7 % workers);
                let values = vec![point[0], point[1] - point[0]];
                tell(&mut study, number, (point[1] < 3.0).then_some(values));
            }
        }
    }
}

#[test]
fn studies_with_one_and_three_objectives_have_pareto_fronts() {
    for objectives in [1, 3] {
        let mut study = new(Arc::new(Gp), Objectives::new(objectives), 1);
        for _ in 0..16 {
            let Segment { number, parameters: point, .. } = study.ask().unwrap();
            let values = values(&point)
                .map(|values| vec![values[0], values[1], -point[2]][..objectives].to_vec());
            tell(&mut study, number, values);
        }
        assert!(!study.pareto().is_empty() && study.hypervolume() > 0.0);
    }
}

#[test]
fn the_gaussian_process_covers_more_hypervolume_than_random_search() {
    let volume = |sampler: Arc<dyn Sampler>| -> f64 {
        (0..5)
            .map(|seed| {
                let objectives = Objectives { at_least: vec![Some(0.0), Some(-64.0)] };
                let mut study = new(sampler.clone(), objectives, seed);
                run(&mut study, 30);
                study.hypervolume()
            })
            .sum()
    };
    let (gp, random) = (volume(Arc::new(Gp)), volume(Arc::new(Random)));
    assert!(gp > 1.02 * random, "gp {gp}, random {random}");
}

#[test]
fn the_front_and_the_search_keep_to_the_bounds() {
    let objectives = Objectives { at_least: vec![Some(0.5), None] };
    let mut study = new(Arc::new(Gp), objectives, 4);
    let points = run(&mut study, 40);
    let front = study.pareto();
    assert!(!front.is_empty());
    for trial in &front {
        assert!(trial.value().unwrap() >= 0.5);
    }
    // The least width that reaches it is 16.
    let least = front.iter().map(|trial| trial.parameters[1]).fold(f64::INFINITY, f64::min);
    assert!((16.0..=18.0).contains(&least), "{least}");
    let allowed = |point: &&Vec<f64>| values(point).is_some_and(|values| values[0] >= 0.5);
    let share = |some: &[Vec<f64>]| some.iter().filter(allowed).count() as f64 / some.len() as f64;
    assert!(share(&points[20..]) > share(&points[..8]), "{points:?}");
}

#[test]
fn an_invalid_call_is_an_error_and_changes_nothing() {
    let mut study = new(Arc::new(Gp), Objectives::new(2), 1);
    let number = study.ask().unwrap().number;
    let error = study.tell(number, &[1.0]).unwrap_err();
    assert_eq!(error, HpoError::Objectives { number, given: 1, expected: 2 });
    assert_eq!(study.fail(9), Err(HpoError::NotRunning { number: 9 }));
    // A value that is not finite: the trial failed.
    study.tell(number, &[1.0, f64::NAN]).unwrap();
    assert_eq!(study.fail(number), Err(HpoError::NotRunning { number }));
    assert!(study.pareto().is_empty());
    assert_eq!(study.hypervolume(), 0.0);
    // Equal and failed trials: singular covariances.
    for index in 0..20 {
        let number = study.ask().unwrap().number;
        tell(&mut study, number, (index % 3 > 0).then(|| vec![1.0, 1.0]));
    }
    assert_eq!(study.pareto().len(), 1);
}
