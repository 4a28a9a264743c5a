//! Spaces whose parameters have steps, depend on one another and keep constraints.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use wattlab_hpo::{Constraint, Grid, Parameter, Sampler, Scale, Space, Study};

const SAMPLERS: [Sampler; 6] = [
    Sampler::Grid(Grid { values: 4, upper_bound: true }),
    Sampler::Random,
    Sampler::Sobol,
    Sampler::PaperPi,
    Sampler::Tpe,
    Sampler::Gp,
];

/// Momentum matters with the second optimizer alone, and Nesterov's with momentum above 0.
fn parameters() -> Vec<Parameter> {
    vec![
        Parameter::categorical("optimizer", 2),
        Parameter::new("momentum", 0.0, 0.9, Scale::Linear)
            .stepped(0.3)
            .only_if("optimizer", &[1.0]),
        Parameter::categorical("nesterov", 2).only_if("momentum", &[0.3, 0.6, 0.9]),
        Parameter::new("rate", 1e-5, 1e-1, Scale::Log),
        Parameter::integer("layers", 1, 8, Scale::Linear),
        Parameter::integer("width", 16, 512, Scale::Linear).stepped(16.0),
    ]
}

fn constraints(texts: &[&str]) -> Vec<Constraint> {
    texts.iter().map(|it| Constraint::parse(it).unwrap()).collect()
}

fn space() -> Space {
    let space = Space::new(parameters()).unwrap();
    space
        .constrained(constraints(&["layers * width <= 1024", "momentum + log10(rate) < -1.5"]))
        .unwrap()
}

/// Sums that are not exact are the parameter's values all the same.
#[test]
fn steps_are_values() {
    let it = Parameter::new("dropout", 0.1, 0.75, Scale::Linear).stepped(0.1);
    assert_eq!(it.cells(), Some(7));
    let values: BTreeSet<String> =
        (0..=100).map(|at| format!("{:.3}", it.at(f64::from(at) / 100.0))).collect();
    let expected = ["0.100", "0.200", "0.300", "0.400", "0.500", "0.600", "0.700"];
    assert_eq!(values, expected.map(str::to_owned).into());
    for at in 0..=100 {
        let value = it.at(f64::from(at) / 100.0);
        assert_eq!(it.at(it.place(value)), value);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever suggests them: values of the space that keep its constraints, and what does not matter
    /// does not vary.
    #[test]
    fn every_strategy_keeps_to_the_space(seed in any::<u64>()) {
        for sampler in SAMPLERS {
            let mut study = Study::new(space(), sampler, seed);
            let mut again = study.clone();
            for _ in 0..14 {
                let (number, point) = study.ask().unwrap();
                prop_assert!(point[4] * point[5] <= 1024.0, "{sampler:?}: {point:?}");
                prop_assert_eq!(point[5] % 16.0, 0.0);
                let active = space().active(&point);
                prop_assert_eq!(active[1], point[0] == 1.0);
                prop_assert_eq!(active[2], active[1] && point[1] > 0.0);
                let momentum = if active[1] { point[1] } else { -9.0 };
                prop_assert!(momentum + point[3].log10() < -1.5);
                for (it, active) in [(1, active[1]), (2, active[2])] {
                    let middle = space().parameters()[it].at(0.5);
                    prop_assert!(active || point[it] == middle);
                }
                // What a journal holds is taken again.
                again.restore(number, point.clone()).unwrap();
                let value = (point[0] < 1.0 || point[4] > 2.0).then(|| point[3].log10() - momentum);
                study.tell(number, value).unwrap();
                again.tell(number, value).unwrap();
            }
        }
    }

    /// 2 + 3 · 2 + 1 points, the last without Nesterov's: times three layers, less those not allowed.
    #[test]
    fn each_point_that_matters_comes_once(seed in any::<u64>(), workers in 1_usize..9) {
        let mut parameters = parameters();
        parameters.truncate(3);
        parameters.push(Parameter::integer("layers", 1, 3, Scale::Linear));
        let finite = Space::new(parameters).unwrap();
        let finite = finite.constrained(constraints(&["layers <= 3 - 2 * momentum"])).unwrap();
        // Adam 3; momentum 0: 3; 0.3: 2 · 2; 0.6: 2 · 1; 0.9: 2 · 1.
        let count = 3 + 3 + 4 + 2 + 2;
        for sampler in SAMPLERS {
            let mut study = Study::new(finite.clone(), sampler, seed);
            let mut under_way = Vec::new();
            let mut seen = Vec::new();
            for _ in 0..count {
                let (number, point) = study.ask().unwrap();
                prop_assert!(!seen.contains(&point), "{:?}: {:?} twice", sampler, point);
                seen.push(point.clone());
                under_way.push((number, point));
                if under_way.len() == workers {
                    let (number, point) = under_way.remove(number as usize * 7 % workers);
                    study.tell(number, Some(point[1] - point[3])).unwrap();
                }
            }
            if let Sampler::Grid(grid) = sampler {
                prop_assert_eq!(grid.cells(&finite), count);
                prop_assert!(study.ask().is_err());
            } else {
                // All are taken: one comes again.
                prop_assert!(seen.contains(&study.ask().unwrap().1));
            }
        }
    }
}

/// Too many cells to be written down, few of them allowed.
#[test]
fn large_grids_keep_constraints() {
    let many = (0..9).map(|it| Parameter::new(&format!("x{it}"), 0.0, 1.0, Scale::Linear));
    let space = Space::new(many.collect()).unwrap();
    let space = space.constrained(constraints(&["x0 + x1 + x2 <= 0.6"])).unwrap();
    let mut study = Study::new(space, Sampler::Grid(Grid::paper()), 2);
    let mut cells = BTreeSet::new();
    for _ in 0..100 {
        let (_, point) = study.ask().unwrap();
        assert!(point[0] + point[1] + point[2] <= 0.6);
        assert!(cells.insert(format!("{point:?}")));
    }
}

/// Evenly spaced logarithms of 1 to 8 are some numbers twice.
#[test]
fn a_grid_s_cells_differ() {
    let space = Space::new(vec![Parameter::integer("layers", 1, 8, Scale::Log)]).unwrap();
    let grid = Grid { values: 5, upper_bound: true };
    let mut study = Study::new(space.clone(), Sampler::Grid(grid), 2);
    let cells: BTreeSet<u64> =
        (0..grid.cells(&space)).map(|_| study.ask().unwrap().1[0] as u64).collect();
    assert_eq!(cells.len() as u64, grid.cells(&space));
    assert!(cells.contains(&1) && cells.contains(&8));
}

#[test]
fn a_search_finds_its_branch() {
    let best = |sampler| -> f64 {
        (0..5)
            .map(|seed| {
                let mut study = Study::new(space(), sampler, seed);
                for _ in 0..40 {
                    let (number, x) = study.ask().unwrap();
                    let active = space().active(&x);
                    let speed = if active[1] {
                        x[1] + 0.2 * x[2] * f64::from(u8::from(active[2]))
                    } else {
                        0.3
                    };
                    let size = (x[4] * x[5]).ln() / 1024_f64.ln();
                    let value = speed + size - 0.2 * (x[3].log10() + 3.0).powi(2);
                    study.tell(number, Some(value)).unwrap();
                }
                study.best().unwrap().value
            })
            .sum()
    };
    let (gp, tpe, random) = (best(Sampler::Gp), best(Sampler::Tpe), best(Sampler::Random));
    assert!(gp > tpe && tpe > random, "gp {gp}, tpe {tpe}, random {random}");
    assert!(gp > 5.0 * 2.05, "{gp}");
}

#[test]
fn what_makes_no_sense_is_said() {
    let rate = || Parameter::new("rate", 0.0, 1.0, Scale::Linear);
    let refused = |parameters: Vec<Parameter>| Space::new(parameters).unwrap_err().to_string();
    for (parameters, part) in [
        (vec![Parameter::new("", 0.0, 1.0, Scale::Linear)], "must have a name"),
        (vec![Parameter::new("x", -1e308, 1e308, Scale::Linear)], "wider than numbers go"),
        (vec![rate().stepped(0.0)], "step that is not above 0"),
        (vec![rate().stepped(f64::NAN)], "step that is not above 0"),
        (vec![Parameter::new("rate", 0.1, 1.0, Scale::Log).stepped(0.1)], "leave out one"),
        (vec![Parameter::integer("layers", 1, 5, Scale::Linear).stepped(0.5)], "step must be one"),
        (vec![Parameter::categorical("kind", 3).stepped(2.0)], "no steps"),
        (vec![rate().only_if("kind", &[1.0])], "none of the parameters before it"),
        (vec![rate(), Parameter::categorical("kind", 2).only_if("rate", &[0.5])], "give it steps"),
        (
            vec![Parameter::categorical("kind", 2), rate().only_if("kind", &[])],
            "none of its values",
        ),
        (vec![Parameter::categorical("kind", 2), rate().only_if("kind", &[2.0])], "never is 2"),
        (vec![rate(), rate()], "there twice"),
    ] {
        let error = refused(parameters);
        assert!(error.contains(part), "{error}");
    }
    let with = |texts: &[&str]| {
        let space = Space::new(vec![Parameter::categorical("kind", 3), rate()]).unwrap();
        space.constrained(constraints(texts)).unwrap_err().to_string()
    };
    assert!(with(&["rates < 1"]).contains("`rates` is no parameter; there are kind, rate"));
    assert!(with(&["kind < 1"]).contains("categorical"));
    assert!(with(&["rate > 0.5", "rate < 0.5"]).contains("`rate > 0.5` and `rate < 0.5`"));
}
