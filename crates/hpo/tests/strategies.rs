//! Laws of every strategy.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use wattlab_hpo::{
    Grid, History, HpoError, Parameter, Sampler, Scale, Space, Study, Trial, suggest,
};

fn space() -> Space {
    Space::new(vec![
        Parameter::new("learning_rate", 1e-5, 1e-1, Scale::Log),
        Parameter::new("beta1", 0.1, 1.0, Scale::Linear),
        Parameter::new("beta2", 0.8, 1.0, Scale::Linear),
    ])
    .unwrap()
}

const SAMPLERS: [Sampler; 4] = [
    Sampler::Grid(Grid { values: 5, upper_bound: false }),
    Sampler::Random,
    Sampler::PaperPi,
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
                    Trial { number, value: objective(&parameters), parameters }
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
