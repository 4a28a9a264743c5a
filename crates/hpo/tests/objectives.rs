//! Studies of several objectives.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use wattlab_hpo::{
    Frontier, HpoError, Objectives, Parameter, Sampler, Scale, Space, dominated, hypervolume,
    pareto_front,
};

fn space() -> Space {
    Space::new(vec![
        Parameter::new("rate", 1e-5, 1e-1, Scale::Log),
        Parameter::integer("width", 1, 64, Scale::Log),
        Parameter::categorical("activation", 3),
    ])
    .unwrap()
}

/// Accuracy, and joules with their sign turned; the third activation fails at large rates.
fn outcome(x: &[f64]) -> Option<Vec<f64>> {
    let accuracy = (x[1] / 64.0).sqrt()
        - 0.1 * (x[0].log10() + 3.0).powi(2)
        - if x[2] == 1.0 { 0.1 } else { 0.0 };
    (x[2] < 2.0 || x[0] < 1e-2).then(|| vec![accuracy, -x[1]])
}

fn run(study: &mut Frontier, trials: u32) -> Vec<Vec<f64>> {
    (0..trials)
        .map(|_| {
            let (number, point) = study.ask().unwrap();
            study.tell(number, outcome(&point)).unwrap();
            point
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
    fn nobody_beats_the_front_and_it_beats_all_others(points in points(3)) {
        let front = pareto_front(&points);
        for (index, point) in points.iter().enumerate() {
            let beaten = points.iter().any(|it| dominated(point, it));
            if front.contains(&index) {
                prop_assert!(!beaten);
            } else {
                prop_assert!(front.iter().any(|it| &points[*it] == point || dominated(point, &points[*it])));
            }
        }
    }

    /// Counted in unit cubes.
    #[test]
    fn a_hypervolume_is_the_number_of_cubes(points in points(3)) {
        let cells = (0..8 * 8 * 8_u16).filter(|cell| {
            let corner = [cell / 64, cell / 8 % 8, cell % 8].map(f64::from);
            points.iter().any(|it| it.iter().zip(corner).all(|(it, corner)| *it >= corner + 1.0))
        });
        prop_assert_eq!(hypervolume(&points, &[0.0; 3]), cells.count() as f64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 5, failure_persistence: None, ..ProptestConfig::default() })]

    /// Also when it was killed anywhere: what was asked and told is all the state there is.
    #[test]
    fn the_same_seed_gives_the_same_trials(seed in any::<u64>(), stop in 0_usize..13) {
        for sampler in [Sampler::Gp, Sampler::Random, Sampler::Tpe] {
            let new = || Frontier::new(space(), Objectives::new(2), sampler, seed);
            let whole = run(&mut new(), 13);
            let mut again = new();
            for (number, point) in (0..).zip(&whole[..stop]) {
                again.restore(number, point.clone()).unwrap();
                again.tell(number, outcome(point)).unwrap();
            }
            prop_assert_eq!(run(&mut again, 13 - stop as u32), &whole[stop..]);
        }
    }

    /// Workers that finish in any order never try the same point of a finite space.
    #[test]
    fn no_point_comes_twice(seed in any::<u64>(), workers in 1_usize..9) {
        let space = Space::new(vec![
            Parameter::integer("layers", 1, 6, Scale::Linear),
            Parameter::categorical("activation", 4),
        ]).unwrap();
        let mut study = Frontier::new(space, Objectives::new(2), Sampler::Gp, seed);
        let (mut seen, mut under_way) = (Vec::new(), Vec::new());
        while seen.len() < 24 {
            let (number, point) = study.ask().unwrap();
            prop_assert!(!seen.contains(&point), "{:?} twice", point);
            seen.push(point.clone());
            under_way.push((number, point));
            if under_way.len() == workers {
                let (number, point) = under_way.remove(number as usize * 7 % workers);
                study.tell(number, (point[1] < 3.0).then(|| vec![point[0], point[1] - point[0]])).unwrap();
            }
        }
    }
}

#[test]
fn three_objectives_and_one_have_fronts_too() {
    for objectives in [1, 3] {
        let mut study = Frontier::new(space(), Objectives::new(objectives), Sampler::Gp, 1);
        for _ in 0..16 {
            let (number, point) = study.ask().unwrap();
            let values =
                outcome(&point).map(|it| vec![it[0], it[1], -point[2]][..objectives].to_vec());
            study.tell(number, values).unwrap();
        }
        assert!(!study.pareto().is_empty() && study.hypervolume() > 0.0);
    }
}

#[test]
fn it_covers_more_than_chance() {
    let volume = |sampler| -> f64 {
        (0..5)
            .map(|seed| {
                let objectives = Objectives { at_least: vec![Some(0.0), Some(-64.0)] };
                let mut study = Frontier::new(space(), objectives, sampler, seed);
                run(&mut study, 30);
                study.hypervolume()
            })
            .sum()
    };
    let (gp, random) = (volume(Sampler::Gp), volume(Sampler::Random));
    assert!(gp > 1.02 * random, "gp {gp}, random {random}");
}

/// Accuracy at least a half: the front holds nothing else, and the search goes there.
#[test]
fn limits_are_kept() {
    let objectives = Objectives { at_least: vec![Some(0.5), None] };
    let mut study = Frontier::new(space(), objectives, Sampler::Gp, 4);
    let points = run(&mut study, 40);
    let front = study.pareto();
    assert!(!front.is_empty());
    for it in &front {
        assert!(it.values.as_ref().unwrap()[0] >= 0.5);
    }
    // The least width that reaches it is 16.
    let least = front.iter().map(|it| it.parameters[1]).fold(f64::INFINITY, f64::min);
    assert!((16.0..=18.0).contains(&least), "{least}");
    let allowed = |it: &&Vec<f64>| outcome(it).is_some_and(|it| it[0] >= 0.5);
    let share = |some: &[Vec<f64>]| some.iter().filter(allowed).count() as f64 / some.len() as f64;
    assert!(share(&points[20..]) > share(&points[..8]), "{points:?}");
}

#[test]
fn misuse_is_an_error_and_changes_nothing() {
    let mut study = Frontier::new(space(), Objectives::new(2), Sampler::Gp, 1);
    let (number, _) = study.ask().unwrap();
    let error = study.tell(number, Some(vec![1.0])).unwrap_err();
    assert_eq!(error, HpoError::Objectives { number, given: 1, expected: 2 });
    assert_eq!(study.tell(9, None), Err(HpoError::NotPending { number: 9 }));
    // A value that is not a number: the trial failed.
    study.tell(number, Some(vec![1.0, f64::NAN])).unwrap();
    assert_eq!(study.tell(number, None), Err(HpoError::NotPending { number }));
    assert!(study.pareto().is_empty());
    assert_eq!(study.hypervolume(), 0.0);
    // Equal and failed trials: singular covariances.
    for index in 0..20 {
        let (number, _) = study.ask().unwrap();
        study.tell(number, (index % 3 > 0).then(|| vec![1.0, 1.0])).unwrap();
    }
    assert_eq!(study.pareto().len(), 1);
}
