//! Laws of every strategy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use wattlab_hpo::{
    Grid, History, HpoError, Kind, Parameter, Sampler, Scale, Space, Study, Trial, suggest,
};

fn space() -> Space {
    Space::new(vec![
        Parameter::new("learning_rate", 1e-5, 1e-1, Scale::Log),
        Parameter::new("beta1", 0.1, 1.0, Scale::Linear),
        Parameter::new("beta2", 0.8, 1.0, Scale::Linear),
    ])
    .unwrap()
}

const SAMPLERS: [Sampler; 6] = [
    Sampler::Grid(Grid { values: 5, upper_bound: false }),
    Sampler::Random,
    Sampler::Sobol,
    Sampler::PaperPi,
    Sampler::Tpe,
    Sampler::Gp,
];

/// Good around 1e-3; fails at large rates.
fn objective(parameters: &[f64]) -> Option<f64> {
    let value = 1.0 - 0.1 * (parameters[0].log10() + 3.0).powi(2) - (parameters[1] - 0.9).powi(2);
    (parameters[0] < 0.08).then_some(value)
}

fn run(sampler: Sampler, seed: u64, trials: u32) -> Vec<Vec<f64>> {
    let mut study = Study::new(space(), sampler, seed);
    (0..trials)
        .map(|_| {
            let (number, parameters) = study.ask().unwrap();
            study.tell(number, objective(&parameters)).unwrap();
            parameters
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn suggestions_lie_in_the_space_and_repeat(seed in any::<u64>()) {
        for sampler in SAMPLERS {
            let first = run(sampler, seed, 10);
            for parameters in &first {
                for (value, it) in parameters.iter().zip(space().parameters()) {
                    prop_assert!((it.low..=it.high).contains(value), "{sampler:?}: {value}");
                }
            }
            prop_assert_eq!(&first, &run(sampler, seed, 10));
        }
    }

    /// A study that was stopped anywhere goes on as if nothing had happened, also if its trials
    /// come back in another order.
    #[test]
    fn a_history_is_all_the_state_there_is(seed in any::<u64>(), stop in 1_u32..9) {
        for sampler in SAMPLERS {
            let whole = run(sampler, seed, 10);
            let mut trials: Vec<Trial> = (0..stop)
                .map(|number| {
                    let parameters = whole[number as usize].clone();
                    Trial { number, value: objective(&parameters), parameters, cost: None }
                })
                .collect();
            trials.reverse();
            let history = History::new(trials, Vec::new());
            let next = suggest(&space(), sampler, seed, stop, &history).unwrap();
            prop_assert_eq!(&next, &whole[stop as usize], "{:?}", sampler);
        }
    }
}

#[test]
fn the_grid_covers_each_cell_once_without_its_upper_bound() {
    let grid = Sampler::Grid(Grid::paper());
    let mut cells = run(grid, 3, 125);
    assert!(cells.iter().all(|it| it[1] < 1.0 && it[2] < 1.0));
    cells.sort_by(|a, b| a.partial_cmp(b).unwrap());
    cells.dedup();
    assert_eq!(cells.len(), 125);
    let one_more = suggest(&space(), grid, 3, 125, &History::default());
    assert!(matches!(one_more, Err(HpoError::GridExhausted { cells: 125, number: 125 })));
}

#[test]
fn the_gaussian_process_beats_chance() {
    let best = |sampler| -> f64 {
        (0..10)
            .map(|seed| {
                let values = run(sampler, seed, 25).into_iter().filter_map(|it| objective(&it));
                values.fold(f64::NEG_INFINITY, f64::max)
            })
            .sum::<f64>()
            / 10.0
    };
    let (gp, random) = (best(Sampler::Gp), best(Sampler::Random));
    assert!(gp > 0.999 && gp > random, "gp {gp}, random {random}");
}

#[test]
fn misuse_is_an_error_and_changes_nothing() {
    let mut study = Study::new(space(), Sampler::Random, 1);
    let (number, _) = study.ask().unwrap();
    assert_eq!(study.tell(7, Some(1.0)), Err(HpoError::NotPending { number: 7 }));
    study.tell(number, Some(f64::NAN)).unwrap();
    assert_eq!(study.tell(number, Some(1.0)), Err(HpoError::NotPending { number }));
    assert_eq!(study.best(), None);
    let bad = |it| Space::new(vec![it]).unwrap_err().to_string();
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

    /// Each point once before any comes twice, also with trials under way and failed ones.
    #[test]
    fn a_finite_space_is_walked_without_repetition(seed in any::<u64>(), workers in 1_usize..9) {
        for sampler in SAMPLERS.into_iter().filter(|it| !matches!(it, Sampler::Grid(_))) {
            let mut study = Study::new(finite(), sampler, seed);
            let (mut seen, mut under_way) = (Vec::new(), Vec::new());
            while seen.len() < 24 {
                let (number, point) = study.ask().unwrap();
                for (value, it) in point.iter().zip(finite().parameters()) {
                    prop_assert!((it.low..=it.high).contains(value) && value.fract() == 0.0);
                }
                prop_assert!(!seen.contains(&point), "{sampler:?}: {point:?} twice");
                seen.push(point.clone());
                under_way.push((number, point));
                if under_way.len() == workers {
                    let (number, point) = under_way.remove(number as usize % workers);
                    let value = point[0] - (point[1] - 2.0).abs();
                    study.tell(number, (point[2] < 1.0 || point[0] < 3.0).then_some(value)).unwrap();
                }
            }
            // All are taken: a repetition is asked for, not refused.
            study.ask().unwrap();
        }
    }
}

/// All cells once, whether the grid is small, mixed or too large to be written down.
#[test]
fn grids_of_whole_numbers_and_choices() {
    let grid = Sampler::Grid(Grid { values: 3, upper_bound: true });
    let mut study = Study::new(finite(), grid, 5);
    let mut cells: Vec<Vec<f64>> = (0..18).map(|_| study.ask().unwrap().1).collect();
    assert!(matches!(study.ask(), Err(HpoError::GridExhausted { cells: 18, number: 18 })));
    cells.sort_by(|a, b| a.partial_cmp(b).unwrap());
    cells.dedup();
    assert_eq!(cells.len(), 18);
    let many = (0..12).map(|it| Parameter::new(&format!("x{it}"), 0.0, 1.0, Scale::Linear));
    let mut study = Study::new(Space::new(many.collect()).unwrap(), grid, 5);
    let mut cells: Vec<Vec<f64>> = (0..200).map(|_| study.ask().unwrap().1).collect();
    cells.sort_by(|a, b| a.partial_cmp(b).unwrap());
    cells.dedup();
    assert_eq!(cells.len(), 200);
}

/// A study that is rebuilt from what was asked and told goes on as the first one, stopped anywhere.
#[test]
fn a_study_is_restored_from_its_journal() {
    for stop in 0..14 {
        let mut study = Study::new(space(), Sampler::Gp, 9);
        let mut again = study.clone();
        for _ in 0..stop {
            let (number, point) = study.ask().unwrap();
            study.tell(number, objective(&point)).unwrap();
            again.restore(number, point.clone()).unwrap();
            again.tell(number, objective(&point)).unwrap();
        }
        assert_eq!(study.ask(), again.ask());
    }
    let mut study = Study::new(space(), Sampler::Gp, 9);
    let foreign = study.restore(0, vec![7.0, 0.5, 0.9]);
    assert_eq!(foreign, Err(HpoError::Foreign { number: 0, next: 0 }));
    assert!(study.restore(1, vec![1e-3, 0.5, 0.9]).is_err());
    assert_eq!(study.ask().unwrap().0, 0);
}

#[test]
fn places_and_whole_numbers_belong_together() {
    let width = Parameter::integer("width", 1, 1000, Scale::Log);
    for value in [1.0, 2.0, 3.0, 10.0, 999.0, 1000.0] {
        assert_eq!(width.at(width.place(value)), value);
    }
    assert_eq!((width.at(0.0), width.at(1.0), width.kind), (1.0, 1000.0, Kind::Integer));
    let choice = Parameter::categorical("optimizer", 1_000_000);
    assert_eq!(choice.at(choice.place(123_456.0)), 123_456.0);
    let mut study = Study::new(Space::new(vec![choice]).unwrap(), Sampler::Gp, 3);
    for _ in 0..12 {
        let (number, point) = study.ask().unwrap();
        study.tell(number, Some(-point[0])).unwrap();
    }
    let bad = |it| Space::new(vec![it]).unwrap_err().to_string();
    assert!(bad(Parameter::categorical("optimizer", 0)).contains("at least one choice"));
}

/// Whatever was told, the next trial is asked for.
#[test]
fn equal_and_failed_trials_leave_the_study_intact() {
    for sampler in [Sampler::Gp, Sampler::Tpe, Sampler::PaperPi] {
        for value in [None, Some(1.0), Some(f64::INFINITY), Some(1e300)] {
            let mut study = Study::new(space(), sampler, 1);
            for _ in 0..14 {
                let (number, _) = study.ask().unwrap();
                study.tell(number, value).unwrap();
            }
            let best = study.best().map(|it| it.value);
            assert_eq!(best, value.filter(|it| it.is_finite()));
        }
    }
}

/// Trials of a study of one number between 0 and 1.
fn along(seed: u64, value: fn(f64) -> f64) -> Vec<f64> {
    let space = Space::new(vec![Parameter::new("x", 0.0, 1.0, Scale::Linear)]).unwrap();
    let mut study = Study::new(space, Sampler::Gp, seed);
    (0..24)
        .map(|_| {
            let (number, parameters) = study.ask().unwrap();
            study.tell(number, Some(value(parameters[0]))).unwrap();
            parameters[0]
        })
        .collect()
}

/// Edges are tried where the best is near them, and not again and again where they break down.
#[test]
fn edges_are_tried_where_they_are_good() {
    for seed in 0..5 {
        let rising = along(seed, |x| x * x);
        assert!(rising.contains(&1.0), "{seed}: {rising:?}");
        let breaking = along(seed, |x| if x < 0.99 { 1.0 - (x - 0.7).powi(2) } else { -9.0 });
        let broken = breaking.iter().filter(|it| **it >= 0.99).count();
        assert!(broken <= 1, "{seed}: {breaking:?}");
        assert!(breaking.iter().any(|it| (it - 0.7).abs() < 0.02), "{seed}: {breaking:?}");
    }
}
