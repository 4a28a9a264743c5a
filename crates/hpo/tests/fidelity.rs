//! Studies whose trials are stopped early.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use wattlab_hpo::{
    HpoError, Leg, Objectives, Parameter, Pruner, Rungs, Sampler, Scale, Space, Staged,
};

const PRUNERS: [Pruner; 6] = [
    Pruner::Never,
    Pruner::Halving,
    Pruner::Hyperband,
    Pruner::Asha,
    Pruner::Median,
    Pruner::Posterior,
];
const RUNGS: Rungs = Rungs { least: 1, most: 9, factor: 3 };

fn space() -> Space {
    Space::new(vec![
        Parameter::new("rate", 1e-5, 1e-1, Scale::Log),
        Parameter::integer("layers", 1, 5, Scale::Linear),
    ])
    .unwrap()
}

/// Rises towards its end; the ranks stay.
fn accuracy(x: &[f64], epoch: u32) -> f64 {
    let end = 0.9 - 0.1 * (x[0].log10() + 3.0).powi(2) - 0.02 * (x[1] - 3.0).powi(2);
    end * (1.0 - (-f64::from(epoch) / 3.0).exp())
}

/// What is best after an epoch is worst at the end.
fn crossing(x: &[f64], epoch: u32) -> f64 {
    let depth = x[0].log10() + 5.0;
    let part = f64::from(epoch) / 9.0;
    depth * (2.0 * part - 1.0)
}

fn new(sampler: Sampler, pruner: Pruner, objectives: usize, seed: u64) -> Staged {
    Staged::new(space(), sampler, pruner, RUNGS, seed).with_objectives(Objectives::new(objectives))
}

/// Trains a leg; rates above 0.05 fail in their second epoch. The second objective is joules.
fn train(study: &mut Staged, leg: &Leg, curve: fn(&[f64], u32) -> f64) {
    for epoch in leg.from + 1..=leg.until {
        if leg.parameters[0] > 0.05 && epoch == 2 {
            study.tell(leg.number, None).unwrap();
            return;
        }
        let mut values = vec![curve(&leg.parameters, epoch)];
        if study.objectives() == 2 {
            values.push(-f64::from(epoch) * leg.parameters[1]);
        }
        study.report(leg.number, epoch, values).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// Legs follow one another; what failed or ended does not come back; and a study that is rebuilt
    /// from its journal at any event goes on the same, with any number of workers.
    #[test]
    fn every_pruner_keeps_the_rules(seed in any::<u64>(), workers in 1_usize..9, objectives in 1_usize..3) {
        for pruner in PRUNERS {
            for sampler in [Sampler::Gp, Sampler::Random] {
                let mut study = new(sampler, pruner, objectives, seed);
                let mut again = study.clone();
                let mut under_way: Vec<Leg> = Vec::new();
                let mut last = 0;
                for _ in 0..24 {
                    let leg = study.ask().unwrap();
                    prop_assert_eq!(&again.clone().ask().unwrap(), &leg, "{:?}", pruner);
                    prop_assert!(leg.from < leg.until && leg.until <= RUNGS.most);
                    prop_assert!(under_way.iter().all(|it| it.number != leg.number));
                    let curve = study.curves().iter().find(|it| it.number == leg.number).unwrap();
                    prop_assert!(!curve.failed && curve.epochs() == leg.from);
                    prop_assert!(leg.from > 0 || leg.number == last);
                    last += u32::from(leg.from == 0);
                    again.restore(leg.clone()).unwrap();
                    under_way.push(leg);
                    if under_way.len() == workers {
                        let leg = under_way.remove(last as usize * 5 % workers);
                        train(&mut study, &leg, accuracy);
                        train(&mut again, &leg, accuracy);
                    }
                }
            }
        }
    }
}

/// Epochs of 40 trials, and the truth at the end of the best.
fn cost_and_best(pruner: Pruner, curve: fn(&[f64], u32) -> f64, seed: u64) -> (u64, f64) {
    let mut study = new(Sampler::Random, pruner, 1, seed);
    while study.curves().len() < 40 {
        let leg = study.ask().unwrap();
        train(&mut study, &leg, curve);
    }
    (study.epochs(), curve(&study.best().unwrap().parameters, RUNGS.most))
}

#[test]
fn pruners_save_epochs_where_ranks_stay() {
    for pruner in PRUNERS.into_iter().filter(|it| *it != Pruner::Never) {
        for seed in 0..3 {
            let (cost, best) = cost_and_best(pruner, accuracy, seed);
            let (whole, most) = cost_and_best(Pruner::Never, accuracy, seed);
            // The median alone spares the better half.
            let share = if pruner == Pruner::Median { 9 } else { 7 };
            assert!(10 * cost < share * whole, "{pruner:?}: {cost} of {whole}");
            // The same 40 points.
            assert!(best > most - 0.03, "{pruner:?}: {best}, not {most}");
        }
    }
}

/// Where early ranks are wrong, those that go by ranks notice it and stop nobody.
#[test]
fn pruners_lose_nothing_where_curves_cross() {
    for pruner in [Pruner::Halving, Pruner::Hyperband, Pruner::Asha, Pruner::Median] {
        for seed in 0..5 {
            let (_, best) = cost_and_best(pruner, crossing, seed);
            let (_, most) = cost_and_best(Pruner::Never, crossing, seed);
            assert!(best >= 0.95 * most, "{pruner:?}, seed {seed}: {best}, not {most}");
        }
    }
}

/// A client that trains on while it may sees the same trials as one that asks for each leg.
#[test]
fn going_on_is_a_leg_too() {
    for pruner in PRUNERS {
        let mut study = new(Sampler::Random, pruner, 1, 3);
        for _ in 0..12 {
            let mut leg = study.ask().unwrap();
            loop {
                assert_eq!(study.go_on(leg.number).unwrap().as_ref(), Some(&leg));
                train(&mut study, &leg, accuracy);
                let Some(next) = study.go_on(leg.number).unwrap() else { break };
                assert_eq!(next.from, leg.until);
                leg = next;
            }
        }
        assert!(study.under_way().is_empty());
        assert!(study.best().is_some(), "{pruner:?}");
    }
}

/// Which Optuna refuses: more accuracy for fewer joules, and pruned.
#[test]
fn two_objectives_are_pruned() {
    for pruner in PRUNERS {
        let mut study = new(Sampler::Gp, pruner, 2, 5);
        while study.curves().len() < 25 {
            let leg = study.ask().unwrap();
            train(&mut study, &leg, accuracy);
        }
        let whole = study.curves().iter().filter(|it| it.epochs() == RUNGS.most).count();
        let stopped =
            study.curves().iter().filter(|it| !it.failed && it.epochs() < RUNGS.most).count();
        assert!(
            (pruner == Pruner::Never) == (stopped == 0),
            "{pruner:?}: {whole} whole, {stopped} stopped"
        );
        let front = study.pareto();
        assert!(front.len() > 1, "{pruner:?}: {front:?}");
    }
}

#[test]
fn misuse_is_an_error_and_changes_nothing() {
    let mut study = new(Sampler::Random, Pruner::Never, 1, 1);
    let leg = study.ask().unwrap();
    let before = study.curves().to_vec();
    let (number, from, until) = (leg.number, 0, 9);
    assert_eq!(study.report(7, 1, vec![0.1]), Err(HpoError::NotPending { number: 7 }));
    for epoch in [0, 10] {
        let expected = HpoError::Epoch { number, epoch, from, until };
        assert_eq!(study.report(number, epoch, vec![0.1]), Err(expected));
    }
    let two = study.report(number, 1, vec![0.1, 0.2]).unwrap_err();
    assert_eq!(two, HpoError::Objectives { number, given: 2, expected: 1 });
    let many = vec![vec![0.1]; 10];
    let error = study.tell(number, Some(&many)).unwrap_err();
    assert_eq!(error, HpoError::Epochs { number, given: 10, expected: 9 });
    assert_eq!(study.curves(), before);
    assert!(study.restore(Leg { number: 5, ..leg.clone() }).is_err());
    assert!(study.restore(Leg { parameters: vec![7.0, 1.0], ..leg }).is_err());
    // A value that is not a number: the trial failed, and its epochs count.
    study.report(number, 3, vec![0.1]).unwrap();
    study.report(number, 4, vec![f64::NAN]).unwrap();
    assert!(study.curves()[0].failed);
    assert_eq!(study.epochs(), 3);
    assert_eq!(study.go_on(number), Ok(None));
    assert_eq!(study.best(), None);
}
