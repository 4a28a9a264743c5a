//! Properties of every sampler.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Arc;

use proptest::prelude::*;
use wattlab_hpo::{
    CmaEs, Gp, Grid, HpoError, NsgaTwo, Objectives, Parameter, ParameterKind, Random, Sampler,
    Scale, SearchState, Segment, Space, Study, Suggestion, Tpe, Trial, suggest,
};

use common::{samplers, samplers_without_repeats};

fn space() -> Space {
    Space::new(vec![
        Parameter::new("learning_rate", 1e-5, 1e-1, Scale::Log),
        Parameter::new("beta1", 0.1, 1.0, Scale::Linear),
        Parameter::new("beta2", 0.8, 1.0, Scale::Linear),
    ])
    .unwrap()
}

/// Good around 1e-3; fails at large rates.
fn objective(parameters: &[f64]) -> Option<f64> {
    let value = 1.0 - 0.1 * (parameters[0].log10() + 3.0).powi(2) - (parameters[1] - 0.9).powi(2);
    (parameters[0] < 0.08).then_some(value)
}

fn tell(study: &mut Study, number: u32, value: Option<f64>) {
    match value {
        Some(value) => study.tell(number, &[value]).unwrap(),
        None => study.fail(number).unwrap(),
    }
}

fn run(sampler: impl Sampler + 'static, seed: u64, trials: u32) -> Vec<Vec<f64>> {
    let mut study = Study::new(space(), sampler, seed);
    (0..trials)
        .map(|_| {
            let Segment { number, parameters, .. } = study.ask().unwrap();
            tell(&mut study, number, objective(&parameters));
            parameters
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn suggestions_are_in_the_space_and_the_same_for_the_same_seed(seed in any::<u64>()) {
        for sampler in samplers() {
            let first = run(sampler.clone(), seed, 10);
            for parameters in &first {
                for (value, parameter) in parameters.iter().zip(space().parameters()) {
                    let range = parameter.low..=parameter.high;
                    prop_assert!(range.contains(value), "{sampler:?}: {value}");
                }
            }
            prop_assert_eq!(&first, &run(sampler, seed, 10));
        }
    }

    #[test]
    fn a_suggestion_depends_on_the_trials_so_far_and_nothing_else(
        seed in any::<u64>(),
        stop in 1_u32..9,
    ) {
        for sampler in samplers() {
            let whole = run(sampler.clone(), seed, 10);
            let trials: Vec<Trial> = (0..stop)
                .map(|number| {
                    let parameters = whole[number as usize].clone();
                    match objective(&parameters) {
                        Some(value) => Trial::completed(number, parameters, &[value]),
                        None => Trial::failed(number, parameters),
                    }
                })
                .collect();
            let space = space();
            let next = suggest(&sampler, &SearchState::new(&space, seed, stop, &trials)).unwrap();
            prop_assert_eq!(&next.parameters, &whole[stop as usize], "{:?}", sampler);
        }
    }
}

#[test]
fn the_published_grid_has_each_cell_once_and_no_upper_bound() {
    let mut cells = run(Grid::paper(), 3, 125);
    assert!(cells.iter().all(|cell| cell[1] < 1.0 && cell[2] < 1.0));
    cells.sort_by(|a, b| a.partial_cmp(b).unwrap());
    cells.dedup();
    assert_eq!(cells.len(), 125);
    let space = space();
    let one_more = suggest(&Grid::paper(), &SearchState::new(&space, 3, 125, &[]));
    assert_eq!(one_more, Err(HpoError::GridExhausted { cells: 125, number: 125 }));
}

#[test]
fn the_gaussian_process_beats_random_search() {
    let best = |sampler: Arc<dyn Sampler>| -> f64 {
        (0..10)
            .map(|seed| {
                let points = run(sampler.clone(), seed, 25);
                let values = points.into_iter().filter_map(|point| objective(&point));
                values.fold(f64::NEG_INFINITY, f64::max)
            })
            .sum::<f64>()
            / 10.0
    };
    let (gp, random) = (best(Arc::new(Gp)), best(Arc::new(Random)));
    assert!(gp > 0.999 && gp > random, "gp {gp}, random {random}");
}

#[test]
fn an_invalid_call_is_an_error_and_changes_nothing() {
    let mut study = Study::new(space(), Random, 1);
    let number = study.ask().unwrap().number;
    assert_eq!(study.tell(7, &[1.0]), Err(HpoError::NotRunning { number: 7 }));
    study.tell(number, &[f64::NAN]).unwrap();
    assert_eq!(study.tell(number, &[1.0]), Err(HpoError::NotRunning { number }));
    assert_eq!(study.fail(number), Err(HpoError::NotRunning { number }));
    assert_eq!(study.best(), None);
    let bad = |parameter| Space::new(vec![parameter]).unwrap_err().to_string();
    assert!(bad(Parameter::new("rate", 0.0, 1.0, Scale::Log)).contains("above 0"));
    assert!(bad(Parameter::new("rate", 1.0, 1.0, Scale::Linear)).contains("`rate`"));
    assert_eq!(Space::new(Vec::new()), Err(HpoError::EmptySpace));
}

/// Whole numbers and choices: 3 · 4 · 2 points.
fn finite() -> Space {
    Space::new(vec![
        Parameter::integer("layers", 1, 3, Scale::Linear),
        Parameter::integer("width", 1, 4, Scale::Log),
        Parameter::categorical("activation", 2),
    ])
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    /// Also with running and failed trials.
    #[test]
    fn no_point_of_a_finite_space_is_repeated_before_all_were_tried(
        seed in any::<u64>(),
        workers in 1_usize..9,
    ) {
        for sampler in samplers_without_repeats() {
            let mut study = Study::new(finite(), sampler.clone(), seed);
            let (mut seen, mut running) = (Vec::new(), Vec::new());
            while seen.len() < 24 {
                let Segment { number, parameters: point, .. } = study.ask().unwrap();
                for (value, parameter) in point.iter().zip(finite().parameters()) {
                    let range = parameter.low..=parameter.high;
                    prop_assert!(range.contains(value) && value.fract() == 0.0);
                }
                prop_assert!(!seen.contains(&point), "{sampler:?}: {point:?} twice");
                seen.push(point.clone());
                running.push((number, point));
                if running.len() == workers {
                    let (number, point) = running.remove(number as usize % workers);
                    let value = point[0] - (point[1] - 2.0).abs();
                    let succeeds = point[2] < 1.0 || point[0] < 3.0;
                    tell(&mut study, number, succeeds.then_some(value));
                }
            }
            // All points were tried: one is repeated instead of an error.
            study.ask().unwrap();
        }
    }
}

/// Whether the grid is small, mixed, or too large for a permutation of its cells.
#[test]
fn a_grid_of_whole_numbers_and_choices_has_each_cell_once() {
    let grid = Grid { values: 3, upper_bound: true };
    let mut study = Study::new(finite(), grid, 5);
    let mut cells: Vec<Vec<f64>> = (0..18).map(|_| study.ask().unwrap().parameters).collect();
    assert_eq!(study.ask(), Err(HpoError::GridExhausted { cells: 18, number: 18 }));
    cells.sort_by(|a, b| a.partial_cmp(b).unwrap());
    cells.dedup();
    assert_eq!(cells.len(), 18);
    let many = (0..12).map(|axis| Parameter::new(&format!("x{axis}"), 0.0, 1.0, Scale::Linear));
    let mut study = Study::new(Space::new(many.collect()).unwrap(), grid, 5);
    let mut cells: Vec<Vec<f64>> = (0..200).map(|_| study.ask().unwrap().parameters).collect();
    cells.sort_by(|a, b| a.partial_cmp(b).unwrap());
    cells.dedup();
    assert_eq!(cells.len(), 200);
}

#[test]
fn a_study_restored_from_a_journal_continues_as_before() {
    for stop in 0..14 {
        let mut study = Study::new(space(), Gp, 9);
        let mut again = study.clone();
        for _ in 0..stop {
            let segment = study.ask().unwrap();
            again.restore(segment.clone()).unwrap();
            for study in [&mut study, &mut again] {
                tell(study, segment.number, objective(&segment.parameters));
            }
        }
        assert_eq!(study.ask(), again.ask());
    }
    let mut study = Study::new(space(), Gp, 9);
    let segment =
        |number, rate| Segment { number, parameters: vec![rate, 0.5, 0.9], from: 0, until: 1 };
    let foreign = study.restore(segment(0, 7.0));
    assert_eq!(foreign, Err(HpoError::ForeignTrial { number: 0, next: 0 }));
    assert!(study.restore(segment(1, 1e-3)).is_err());
    assert_eq!(study.ask().unwrap().number, 0);
}

#[test]
fn every_whole_number_and_choice_has_its_place() {
    let width = Parameter::integer("width", 1, 1000, Scale::Log);
    for value in [1.0, 2.0, 3.0, 10.0, 999.0, 1000.0] {
        assert_eq!(width.at(width.place(value)), value);
    }
    assert_eq!((width.at(0.0), width.at(1.0), width.kind), (1.0, 1000.0, ParameterKind::Integer));
    let choice = Parameter::categorical("optimizer", 1_000_000);
    assert_eq!(choice.at(choice.place(123_456.0)), 123_456.0);
    let mut study = Study::new(Space::new(vec![choice]).unwrap(), Gp, 3);
    for _ in 0..12 {
        let segment = study.ask().unwrap();
        study.tell(segment.number, &[-segment.parameters[0]]).unwrap();
    }
    let bad = |parameter| Space::new(vec![parameter]).unwrap_err().to_string();
    assert!(bad(Parameter::categorical("optimizer", 0)).contains("at least one choice"));
}

#[test]
fn a_study_goes_on_after_equal_huge_and_failed_results() {
    for sampler in samplers() {
        for value in [None, Some(1.0), Some(f64::INFINITY), Some(1e300)] {
            let mut study = Study::new(space(), sampler.clone(), 1);
            for _ in 0..14 {
                let number = study.ask().unwrap().number;
                tell(&mut study, number, value);
            }
            let best = study.best().and_then(Trial::value);
            assert_eq!(best, value.filter(|value| value.is_finite()));
        }
    }
}

/// Trials of a study of one number between 0 and 1.
fn along(seed: u64, value: fn(f64) -> f64) -> Vec<f64> {
    let space = Space::new(vec![Parameter::new("x", 0.0, 1.0, Scale::Linear)]).unwrap();
    let mut study = Study::new(space, Gp, seed);
    (0..24)
        .map(|_| {
            let Segment { number, parameters, .. } = study.ask().unwrap();
            study.tell(number, &[value(parameters[0])]).unwrap();
            parameters[0]
        })
        .collect()
}

#[test]
fn an_edge_is_tried_only_if_the_best_point_is_near_it() {
    for seed in 0..5 {
        let rising = along(seed, |x| x * x);
        assert!(rising.contains(&1.0), "{seed}: {rising:?}");
        let breaking = along(seed, |x| if x < 0.99 { 1.0 - (x - 0.7).powi(2) } else { -9.0 });
        let broken = breaking.iter().filter(|x| **x >= 0.99).count();
        assert!(broken <= 1, "{seed}: {breaking:?}");
        assert!(breaking.iter().any(|x| (x - 0.7).abs() < 0.02), "{seed}: {breaking:?}");
    }
}

/// A sampler written outside of the crate: it repeats the best point.
#[derive(Debug)]
struct Greedy;

impl Sampler for Greedy {
    fn suggest(&self, search: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        let best = search.history().values().max_by(|a, b| a.1.total_cmp(&b.1));
        Ok(best.map_or_else(|| search.uniform(), |(point, _)| point.to_vec()).into())
    }
}

/// A sampler that leaves the space.
#[derive(Debug)]
struct Stray;

impl Sampler for Stray {
    fn suggest(&self, _: &SearchState<'_>) -> Result<Suggestion, HpoError> {
        Ok(vec![7.0].into())
    }
}

#[test]
fn a_sampler_from_outside_drives_a_study_and_its_suggestions_are_checked() {
    let mut study = Study::new(finite(), Greedy, 1);
    let mut seen = Vec::new();
    for _ in 0..24 {
        let Segment { number, parameters, .. } = study.ask().unwrap();
        study.tell(number, &[parameters[0]]).unwrap();
        assert!(!seen.contains(&parameters), "the study replaces what was tried");
        seen.push(parameters);
    }
    let mut study = Study::new(finite(), Stray, 1);
    let error = study.ask().unwrap_err();
    assert_eq!(error, HpoError::OutsideSpace { number: 0, parameters: vec![7.0] });
    assert!(study.trials().is_empty());
}

/// Values at random points, some of which failed, are what a sampler may meet in a journal.
fn journal(space: &Space, seed: u64, count: u32, objectives: usize) -> Vec<Trial> {
    let trial = |number: u32| {
        let search = SearchState::new(space, seed, number, &[]);
        let parameters = suggest(&Random, &search).unwrap().parameters;
        let value = parameters.iter().sum::<f64>().sin();
        match number % 5 {
            0 => Trial::failed(number, parameters),
            1 => Trial::running(number, parameters, 1),
            _ => Trial::completed(number, parameters, &[value, 1.0 - value * value][..objectives]),
        }
    };
    (0..count).map(trial).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    /// Also among trials that others suggested, that run or that failed, in mixed spaces.
    #[test]
    fn evolution_suggests_new_points_of_the_space_among_any_trials(
        seed in any::<u64>(),
        count in 0_u32..150,
    ) {
        let space = Space::new(vec![
            Parameter::categorical("optimizer", 3),
            Parameter::integer("width", 8, 512, Scale::Log),
            Parameter::new("rate", 1e-5, 1e-1, Scale::Log).only_if("optimizer", &[0.0, 2.0]),
        ])
        .unwrap();
        for (sampler, objectives) in [
            (Arc::new(CmaEs) as Arc<dyn Sampler>, 1),
            (Arc::new(NsgaTwo::default()), 2),
            (Arc::new(Tpe), 2),
        ] {
            let trials = journal(&space, seed, count, objectives);
            let mut search = SearchState::new(&space, seed, count, &trials);
            search.objectives = Objectives::new(objectives);
            let next = suggest(&sampler, &search).unwrap();
            prop_assert!(space.has(&next.parameters));
            prop_assert!(!search.tried(&next.parameters));
            prop_assert_eq!(next, suggest(&sampler, &search).unwrap());
        }
    }
}

/// The median value of five seeds on a sphere after 200 trials; a quarter of the space fails.
#[test]
fn samplers_for_hundreds_of_trials_converge_and_leave_a_failing_region() {
    let names = ["x", "y", "z"].map(|name| Parameter::new(name, -1.0, 1.5, Scale::Linear));
    let space = Space::new(names.to_vec()).unwrap();
    let run = |sampler: Arc<dyn Sampler>| {
        let mut failed = 0;
        let mut found: Vec<f64> = (0..5)
            .map(|seed| {
                let mut study = Study::new(space.clone(), sampler.clone(), seed);
                for _ in 0..200 {
                    let Segment { number, parameters, .. } = study.ask().unwrap();
                    let squares: f64 = parameters.iter().map(|x| x * x).sum();
                    tell(&mut study, number, (parameters[0] < 0.9).then_some(-squares));
                }
                let late = &study.trials()[100..];
                failed = failed.max(late.iter().filter(|trial| trial.has_failed()).count());
                -study.best().unwrap().value().unwrap()
            })
            .collect();
        found.sort_by(f64::total_cmp);
        (found[2], failed)
    };
    let (random, _) = run(Arc::new(Random));
    for (sampler, share) in [(Arc::new(Tpe) as Arc<dyn Sampler>, 0.1), (Arc::new(CmaEs), 0.001)] {
        let (best, failed) = run(sampler.clone());
        assert!(best < share * random, "{sampler:?}: {best}, random {random}");
        assert!(failed < 10, "{sampler:?}: {failed} late failures");
    }
}

#[test]
fn a_population_that_is_too_small_is_an_error() {
    let error = NsgaTwo::new(3).unwrap_err().to_string();
    assert!(error.contains("`population` is 3, expected a whole number from 4"), "{error}");
}

/// Choices that are good only in pairs, beside the middle of a range of whole numbers.
#[test]
fn the_gaussian_process_finds_the_best_of_a_finite_space() {
    let parameters = (0..4).map(|axis| Parameter::categorical(&format!("c{axis}"), 5));
    let parameters = parameters.chain([Parameter::integer("n", 1, 40, Scale::Linear)]);
    let space = Space::new(parameters.collect()).unwrap();
    let pair =
        |a: f64, b: f64| if (a, b) == (2.0, 3.0) { 2.0 } else { f64::from(u8::from(a == 2.0)) };
    let value = |x: &[f64]| pair(x[0], x[1]) + pair(x[2], x[3]) - ((x[4] - 17.0) / 20.0).powi(2);
    let found = (0..8).filter(|seed| {
        let mut study = Study::new(space.clone(), Gp, *seed);
        for _ in 0..60 {
            let Segment { number, parameters, .. } = study.ask().unwrap();
            study.tell(number, &[value(&parameters)]).unwrap();
        }
        study.best().unwrap().value() > Some(3.98)
    });
    assert!(found.count() >= 6);
}
