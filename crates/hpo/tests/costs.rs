//! Costs: budgets, cost-aware search, and whether a trial is worth its cost.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use wattlab_hpo::{
    Gp, HpoError, Objectives, Parameter, Pruner, Rungs, Scale, Segment, Space, Study,
};

fn space() -> Space {
    Space::new(vec![
        Parameter::new("rate", 1e-5, 1e-1, Scale::Log),
        Parameter::integer("width", 8, 512, Scale::Log),
    ])
    .unwrap()
}

/// Accuracy, which hardly depends on the width beyond 32, and joules, a multiple of the width.
fn accuracy_and_cost(x: &[f64]) -> (Option<f64>, f64) {
    let accuracy = 0.9 - 0.05 * (x[0].log10() + 3.0).powi(2) - 0.1 / x[1];
    ((x[0] < 0.05).then_some(accuracy), 10.0 * x[1])
}

fn tell(study: &mut Study, number: u32, values: Option<Vec<f64>>, cost: f64) {
    match values {
        Some(values) => study.tell(number, &values).unwrap(),
        None => study.fail(number).unwrap(),
    }
    study.pay(number, cost).unwrap();
}

fn run(study: &mut Study, trials: u32) -> Vec<Vec<f64>> {
    (0..trials)
        .map(|_| {
            let Segment { number, parameters, .. } = study.ask().unwrap();
            let (value, cost) = accuracy_and_cost(&parameters);
            tell(study, number, value.map(|value| vec![value]), cost);
            parameters
        })
        .collect()
}

#[test]
fn with_a_budget_the_search_prefers_cheap_trials() {
    let (mut cheap, mut all) = (0.0, 0.0);
    for seed in 0..20 {
        let mut study = Study::new(space(), Gp, seed).with_budget(200_000.0);
        run(&mut study, 24);
        let mut plain = Study::new(space(), Gp, seed);
        run(&mut plain, 24);
        cheap += study.ledger().spent();
        all += plain.ledger().spent();
        let value = |study: &Study| study.best().unwrap().value().unwrap();
        let (best, other) = (value(&study), value(&plain));
        assert!(best > other - 0.005, "{seed}: {best}, not {other}");
    }
    assert!(cheap < 0.9 * all, "{cheap} of {all} J");
}

#[test]
fn failed_trials_and_the_search_are_charged_to_the_ledger() {
    let mut study = Study::new(space(), Gp, 3).with_budget(5000.0);
    let mut sum = 0.0;
    for _ in 0..12 {
        let Segment { number, parameters, .. } = study.ask().unwrap();
        let (_, cost) = accuracy_and_cost(&parameters);
        // Half of them fail.
        tell(&mut study, number, (number % 2 == 0).then(|| vec![1.0]), cost);
        study.charge(0.5).unwrap();
        sum += cost;
    }
    let ledger = study.ledger();
    assert!((ledger.spent_on_trials() - sum).abs() < 1e-9);
    assert!((ledger.spent_on_search() - 6.0).abs() < 1e-9);
    assert_eq!(ledger.left(), Some((5000.0 - sum - 6.0).max(0.0)));
    let number = study.ask().unwrap().number;
    for cost in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(study.pay(number, cost), Err(HpoError::Cost { .. })));
        assert!(study.charge(cost).is_err());
    }
    study.tell(number, &[1.0]).unwrap();
    assert!((study.ledger().spent() - sum - 6.0).abs() < 1e-9);
}

/// In the unit of the values.
#[test]
fn the_expected_gain_per_cost_falls_by_decades_during_a_search() {
    for unit in [1.0, 100.0] {
        let mut study = Study::new(space(), Gp, 1);
        let mut gains = Vec::new();
        for _ in 0..40 {
            let next = study.prospect().unwrap();
            gains.push(next.gain_per_cost());
            let Segment { number, parameters, .. } = study.ask().unwrap();
            assert_eq!(parameters, next.parameters);
            let (value, cost) = accuracy_and_cost(&parameters);
            tell(&mut study, number, value.map(|value| vec![value * unit]), cost);
        }
        assert_eq!(gains[0], None);
        let early = gains[8].unwrap() / unit;
        let late = gains[39].unwrap() / unit;
        assert!((1e-9..1e-2).contains(&early), "{early}");
        assert!(late < 1e-2 * early, "{late} after {early}");
    }
}

#[test]
fn the_cost_of_an_untried_point_is_predicted() {
    let mut study = Study::new(space(), Gp, 4);
    run(&mut study, 20);
    let next = study.prospect().unwrap();
    let (_, truth) = accuracy_and_cost(&next.parameters);
    let ratio = next.cost.unwrap() / truth;
    assert!((0.8..1.25).contains(&ratio), "{ratio}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_study_restored_with_its_costs_continues_as_before(seed in any::<u64>(), stop in 0_usize..12) {
        let new = || Study::new(space(), Gp, seed).with_budget(20_000.0);
        let mut study = new();
        let whole = run(&mut study, 12);
        let mut again = new();
        for (number, point) in (0..).zip(&whole[..stop]) {
            let parameters = point.clone();
            again.restore(Segment { number, parameters, from: 0, until: 1 }).unwrap();
            let (value, cost) = accuracy_and_cost(point);
            tell(&mut again, number, value.map(|value| vec![value]), cost);
        }
        prop_assert_eq!(run(&mut again, 12 - stop as u32), &whole[stop..]);
    }
}

#[test]
fn a_budget_makes_pruned_and_multi_objective_studies_cheaper() {
    let rungs = Rungs { least: 1, most: 9, factor: 3 };
    let spent = |budget: Option<f64>| -> f64 {
        let mut study = Study::new(space(), Gp, 2).with_pruner(Pruner::Posterior, rungs);
        if let Some(budget) = budget {
            study = study.with_budget(budget);
        }
        let mut cost = 0.0;
        for _ in 0..40 {
            let segment = study.ask().unwrap();
            let (value, joules) = accuracy_and_cost(&segment.parameters);
            for step in segment.from + 1..=segment.until {
                let learned = 1.0 - (-f64::from(step) / 2.0).exp();
                study.report(segment.number, step, &[value.unwrap_or(0.0) * learned]).unwrap();
            }
            let joules = joules * f64::from(segment.until - segment.from);
            study.pay(segment.number, joules).unwrap();
            cost += joules;
        }
        assert!((study.ledger().spent() - cost).abs() < 1e-6);
        cost / study.steps() as f64
    };
    let (cheap, plain) = (spent(Some(1e6)), spent(None));
    assert!(cheap < 0.7 * plain, "{cheap} and {plain} J per step");

    let mut plain = Study::new(space(), Gp, 2).with_objectives(Objectives::new(2));
    let mut study = plain.clone().with_budget(1e6);
    for study in [&mut study, &mut plain] {
        for _ in 0..24 {
            let Segment { number, parameters, .. } = study.ask().unwrap();
            let (value, cost) = accuracy_and_cost(&parameters);
            tell(study, number, value.map(|value| vec![value, -parameters[0]]), cost);
        }
    }
    let (cheap, plain) = (study.ledger().spent(), plain.ledger().spent());
    assert!(cheap < 0.7 * plain, "{cheap} and {plain} J");
}
