//! Costs: budgets, EI-cool, and when to stop.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use wattlab_hpo::{
    Frontier, HpoError, Objectives, Parameter, Pruner, Rungs, Sampler, Scale, Space, Staged, Study,
};

fn space() -> Space {
    Space::new(vec![
        Parameter::new("rate", 1e-5, 1e-1, Scale::Log),
        Parameter::integer("width", 8, 512, Scale::Log),
    ])
    .unwrap()
}

/// Accuracy: the width says little beyond 32, and joules are its multiple.
fn outcome(x: &[f64]) -> (Option<f64>, f64) {
    let accuracy = 0.9 - 0.05 * (x[0].log10() + 3.0).powi(2) - 0.1 / x[1];
    ((x[0] < 0.05).then_some(accuracy), 10.0 * x[1])
}

fn run(study: &mut Study, trials: u32) -> Vec<Vec<f64>> {
    (0..trials)
        .map(|_| {
            let (number, point) = study.ask().unwrap();
            let (value, cost) = outcome(&point);
            study.tell_with_cost(number, value, cost).unwrap();
            point
        })
        .collect()
}

#[test]
fn with_a_budget_cheap_trials_come_first() {
    let (mut cheap, mut all) = (0.0, 0.0);
    for seed in 0..20 {
        let mut study = Study::new(space(), Sampler::Gp, seed).with_budget(200_000.0);
        run(&mut study, 24);
        let mut plain = Study::new(space(), Sampler::Gp, seed);
        run(&mut plain, 24);
        cheap += study.ledger().spent();
        all += plain.ledger().spent();
        let (best, other) = (study.best().unwrap().value, plain.best().unwrap().value);
        assert!(best > other - 0.005, "{seed}: {best}, not {other}");
    }
    assert!(cheap < 0.9 * all, "{cheap} of {all} J");
}

#[test]
fn everything_is_charged() {
    let mut study = Study::new(space(), Sampler::Gp, 3).with_budget(5000.0);
    let mut sum = 0.0;
    for _ in 0..12 {
        let (number, point) = study.ask().unwrap();
        let (_, cost) = outcome(&point);
        // Half of them fail.
        study.tell_with_cost(number, (number % 2 == 0).then_some(1.0), cost).unwrap();
        study.charge(0.5).unwrap();
        sum += cost;
    }
    let it = study.ledger();
    assert!((it.spent_on_trials() - sum).abs() < 1e-9);
    assert!((it.spent_on_search() - 6.0).abs() < 1e-9);
    assert_eq!(it.left(), Some((5000.0 - sum - 6.0).max(0.0)));
    let (number, _) = study.ask().unwrap();
    for cost in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            study.tell_with_cost(number, Some(1.0), cost),
            Err(HpoError::Cost { .. })
        ));
        assert!(study.charge(cost).is_err());
    }
    study.tell(number, Some(1.0)).unwrap();
    assert!((study.ledger().spent() - sum - 6.0).abs() < 1e-9);
}

/// The expected gain for a joule falls by decades as a search comes to its end, and says so in the
/// values' unit.
#[test]
fn what_is_not_worth_its_joules_is_seen() {
    for unit in [1.0, 100.0] {
        let mut study = Study::new(space(), Sampler::Gp, 1);
        let mut gains = Vec::new();
        for _ in 0..40 {
            let next = study.prospect().unwrap();
            gains.push(next.gain_per_cost());
            let (number, point) = study.ask().unwrap();
            assert_eq!(point, next.parameters);
            let (value, cost) = outcome(&point);
            study.tell_with_cost(number, value.map(|it| it * unit), cost).unwrap();
        }
        assert_eq!(gains[0], None);
        let early = gains[8].unwrap() / unit;
        let late = gains[39].unwrap() / unit;
        assert!((1e-9..1e-2).contains(&early), "{early}");
        assert!(late < 1e-2 * early, "{late} after {early}");
    }
}

/// Costs are learned: the prediction of an untried width.
#[test]
fn costs_are_predicted() {
    let mut study = Study::new(space(), Sampler::Gp, 4);
    run(&mut study, 20);
    let next = study.prospect().unwrap();
    let (_, truth) = outcome(&next.parameters);
    let ratio = next.cost.unwrap() / truth;
    assert!((0.8..1.25).contains(&ratio), "{ratio}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// Costs and charges are part of the history that determines what comes next.
    #[test]
    fn the_same_costs_give_the_same_trials(seed in any::<u64>(), stop in 0_usize..12) {
        let new = || Study::new(space(), Sampler::Gp, seed).with_budget(20_000.0);
        let mut study = new();
        let whole = run(&mut study, 12);
        let mut again = new();
        for (number, point) in (0..).zip(&whole[..stop]) {
            again.restore(number, point.clone()).unwrap();
            let (value, cost) = outcome(point);
            again.tell_with_cost(number, value, cost).unwrap();
        }
        prop_assert_eq!(run(&mut again, 12 - stop as u32), &whole[stop..]);
    }
}

/// Legs of stopped trials cost per epoch.
#[test]
fn stopped_trials_and_fronts_have_budgets_too() {
    let rungs = Rungs { least: 1, most: 9, factor: 3 };
    let spent = |budget: Option<f64>| -> f64 {
        let mut study = Staged::new(space(), Sampler::Gp, Pruner::Posterior, rungs, 2);
        if let Some(budget) = budget {
            study = study.with_budget(budget);
        }
        let mut cost = 0.0;
        for _ in 0..40 {
            let leg = study.ask().unwrap();
            let (value, joules) = outcome(&leg.parameters);
            for epoch in leg.from + 1..=leg.until {
                let learned = 1.0 - (-f64::from(epoch) / 2.0).exp();
                study.report(leg.number, epoch, vec![value.unwrap_or(0.0) * learned]).unwrap();
            }
            let joules = joules * f64::from(leg.until - leg.from);
            study.paid(leg.number, joules).unwrap();
            cost += joules;
        }
        assert!((study.ledger().spent() - cost).abs() < 1e-6);
        cost / study.epochs() as f64
    };
    let (cheap, plain) = (spent(Some(1e6)), spent(None));
    assert!(cheap < 0.7 * plain, "{cheap} and {plain} J an epoch");

    let mut study = Frontier::new(space(), Objectives::new(2), Sampler::Gp, 2).with_budget(1e6);
    let mut plain = Frontier::new(space(), Objectives::new(2), Sampler::Gp, 2);
    for study in [&mut study, &mut plain] {
        for _ in 0..24 {
            let (number, point) = study.ask().unwrap();
            let (value, cost) = outcome(&point);
            study.tell_with_cost(number, value.map(|it| vec![it, -point[0]]), cost).unwrap();
        }
    }
    let (cheap, plain) = (study.ledger().spent(), plain.ledger().spent());
    assert!(cheap < 0.7 * plain, "{cheap} and {plain} J");
}
