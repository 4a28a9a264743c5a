//! Spaces with steps, conditions and constraints.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{collections::BTreeSet, sync::Arc};

use proptest::prelude::*;
use wattlab_hpo::{
    Constraint, Gp, Grid, PaperPi, Parameter, Random, Sampler, Scale, Segment, Sobol, Space, Study,
    Tpe,
};

const GRID: Grid = Grid { values: 4, upper_bound: true };

fn samplers() -> Vec<Arc<dyn Sampler>> {
    vec![
        Arc::new(GRID),
        Arc::new(Random),
        Arc::new(Sobol),
        Arc::new(PaperPi),
        Arc::new(Tpe),
        Arc::new(Gp),
    ]
}

fn tell(study: &mut Study, number: u32, value: Option<f64>) {
    match value {
        Some(value) => study.tell(number, &[value]).unwrap(),
        None => study.fail(number).unwrap(),
    }
}

/// Momentum is active with the second optimizer alone, and Nesterov's only with momentum above 0.
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
    texts.iter().map(|text| Constraint::parse(text).unwrap()).collect()
}

fn space() -> Space {
    let space = Space::new(parameters()).unwrap();
    space
        .constrained(constraints(&["layers * width <= 1024", "momentum + log10(rate) < -1.5"]))
        .unwrap()
}

#[test]
fn a_value_is_a_multiple_of_the_step_in_spite_of_rounding() {
    let dropout = Parameter::new("dropout", 0.1, 0.75, Scale::Linear).stepped(0.1);
    assert_eq!(dropout.cells(), Some(7));
    let values: BTreeSet<String> =
        (0..=100).map(|at| format!("{:.3}", dropout.at(f64::from(at) / 100.0))).collect();
    let expected = ["0.100", "0.200", "0.300", "0.400", "0.500", "0.600", "0.700"];
    assert_eq!(values, expected.map(str::to_owned).into());
    for at in 0..=100 {
        let value = dropout.at(f64::from(at) / 100.0);
        assert_eq!(dropout.at(dropout.place(value)), value);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_sampler_keeps_steps_conditions_and_constraints(seed in any::<u64>()) {
        for sampler in samplers() {
            let mut study = Study::new(space(), sampler.clone(), seed);
            let mut again = study.clone();
            for _ in 0..14 {
                let segment = study.ask().unwrap();
                let Segment { number, parameters: point, .. } = segment.clone();
                prop_assert!(point[4] * point[5] <= 1024.0, "{sampler:?}: {point:?}");
                prop_assert_eq!(point[5] % 16.0, 0.0);
                let active = space().active(&point);
                prop_assert_eq!(active[1], point[0] == 1.0);
                prop_assert_eq!(active[2], active[1] && point[1] > 0.0);
                let momentum = if active[1] { point[1] } else { -9.0 };
                prop_assert!(momentum + point[3].log10() < -1.5);
                for (axis, active) in [(1, active[1]), (2, active[2])] {
                    let middle = space().parameters()[axis].at(0.5);
                    prop_assert!(active || point[axis] == middle);
                }
                again.restore(segment).unwrap();
                let value = (point[0] < 1.0 || point[4] > 2.0).then(|| point[3].log10() - momentum);
                tell(&mut study, number, value);
                tell(&mut again, number, value);
            }
        }
    }

    /// 2 + 3 · 2 + 1 points, the last without Nesterov's: times three layers, less those not allowed.
    #[test]
    fn points_that_differ_only_in_inactive_parameters_are_tried_once(seed in any::<u64>(), workers in 1_usize..9) {
        let mut parameters = parameters();
        parameters.truncate(3);
        parameters.push(Parameter::integer("layers", 1, 3, Scale::Linear));
        let finite = Space::new(parameters).unwrap();
        let finite = finite.constrained(constraints(&["layers <= 3 - 2 * momentum"])).unwrap();
        // Adam 3; momentum 0: 3; 0.3: 2 · 2; 0.6: 2 · 1; 0.9: 2 · 1.
        let count = 3 + 3 + 4 + 2 + 2;
        for sampler in samplers() {
            let mut study = Study::new(finite.clone(), sampler.clone(), seed);
            let mut running = Vec::new();
            let mut seen = Vec::new();
            for _ in 0..count {
                let Segment { number, parameters: point, .. } = study.ask().unwrap();
                prop_assert!(!seen.contains(&point), "{:?}: {:?} twice", sampler, point);
                seen.push(point.clone());
                running.push((number, point));
                if running.len() == workers {
                    let (number, point) = running.remove(number as usize * 7 % workers);
                    study.tell(number, &[point[1] - point[3]]).unwrap();
                }
            }
            if sampler.may_repeat() {
                prop_assert_eq!(GRID.cells(&finite), count);
                prop_assert!(study.ask().is_err());
            } else {
                // All points were tried: one is repeated.
                prop_assert!(seen.contains(&study.ask().unwrap().parameters));
            }
        }
    }
}

/// Too many cells for a permutation, few of them allowed.
#[test]
fn a_large_grid_keeps_constraints() {
    let many = (0..9).map(|axis| Parameter::new(&format!("x{axis}"), 0.0, 1.0, Scale::Linear));
    let space = Space::new(many.collect()).unwrap();
    let space = space.constrained(constraints(&["x0 + x1 + x2 <= 0.6"])).unwrap();
    let mut study = Study::new(space, Grid::paper(), 2);
    let mut cells = BTreeSet::new();
    for _ in 0..100 {
        let point = study.ask().unwrap().parameters;
        assert!(point[0] + point[1] + point[2] <= 0.6);
        assert!(cells.insert(format!("{point:?}")));
    }
}

/// Five evenly spaced logarithms from 1 to 8, rounded, repeat some whole numbers.
#[test]
fn the_cells_of_a_logarithmic_grid_differ() {
    let space = Space::new(vec![Parameter::integer("layers", 1, 8, Scale::Log)]).unwrap();
    let grid = Grid { values: 5, upper_bound: true };
    let mut study = Study::new(space.clone(), grid, 2);
    let cells: BTreeSet<u64> =
        (0..grid.cells(&space)).map(|_| study.ask().unwrap().parameters[0] as u64).collect();
    assert_eq!(cells.len() as u64, grid.cells(&space));
    assert!(cells.contains(&1) && cells.contains(&8));
}

#[test]
fn the_gaussian_process_finds_the_better_branch_of_a_conditional_space() {
    let best = |sampler: Arc<dyn Sampler>| -> f64 {
        (0..5)
            .map(|seed| {
                let mut study = Study::new(space(), sampler.clone(), seed);
                for _ in 0..40 {
                    let Segment { number, parameters: x, .. } = study.ask().unwrap();
                    let active = space().active(&x);
                    let speed = if active[1] {
                        x[1] + 0.2 * x[2] * f64::from(u8::from(active[2]))
                    } else {
                        0.3
                    };
                    let size = (x[4] * x[5]).ln() / 1024_f64.ln();
                    let value = speed + size - 0.2 * (x[3].log10() + 3.0).powi(2);
                    study.tell(number, &[value]).unwrap();
                }
                study.best().unwrap().value().unwrap()
            })
            .sum()
    };
    let (gp, tpe, random) = (best(Arc::new(Gp)), best(Arc::new(Tpe)), best(Arc::new(Random)));
    assert!(gp > tpe && tpe > random, "gp {gp}, tpe {tpe}, random {random}");
    assert!(gp > 5.0 * 2.05, "{gp}");
}

#[test]
fn an_invalid_space_is_an_error_that_says_why() {
    let rate = || Parameter::new("rate", 0.0, 1.0, Scale::Linear);
    let refused = |parameters: Vec<Parameter>| Space::new(parameters).unwrap_err().to_string();
    for (parameters, part) in [
        (vec![Parameter::new("", 0.0, 1.0, Scale::Linear)], "must have a name"),
        (
            vec![Parameter::new("x", -1e308, 1e308, Scale::Linear)],
            "too wide for floating-point numbers",
        ),
        (vec![rate().stepped(0.0)], "must have a finite step above 0"),
        (vec![rate().stepped(f64::NAN)], "must have a finite step above 0"),
        (vec![Parameter::new("rate", 0.1, 1.0, Scale::Log).stepped(0.1)], "leave out one"),
        (
            vec![Parameter::integer("layers", 1, 5, Scale::Linear).stepped(0.5)],
            "its step must be a whole number",
        ),
        (vec![Parameter::categorical("kind", 3).stepped(2.0)], "cannot have a step"),
        (vec![rate().only_if("kind", &[1.0])], "not a parameter before it"),
        (
            vec![rate(), Parameter::categorical("kind", 2).only_if("rate", &[0.5])],
            "give that parameter a step",
        ),
        (vec![Parameter::categorical("kind", 2), rate().only_if("kind", &[])], "lists no values"),
        (
            vec![Parameter::categorical("kind", 2), rate().only_if("kind", &[2.0])],
            "never has the value 2",
        ),
        (vec![rate(), rate()], "defined twice"),
    ] {
        let error = refused(parameters);
        assert!(error.contains(part), "{error}");
    }
    let with = |texts: &[&str]| {
        let space = Space::new(vec![Parameter::categorical("kind", 3), rate()]).unwrap();
        space.constrained(constraints(texts)).unwrap_err().to_string()
    };
    assert!(
        with(&["rates < 1"])
            .contains("unknown parameter `rates`; available parameters: kind, rate")
    );
    assert!(with(&["kind < 1"]).contains("categorical"));
    assert!(with(&["rate > 0.5", "rate < 0.5"]).contains("`rate > 0.5` and `rate < 0.5`"));
}
