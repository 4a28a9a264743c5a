//! Studies that stop trials early.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Arc;

use proptest::prelude::*;
use wattlab_hpo::{
    Gp, HpoError, Objectives, Parameter, Pruner, Random, Rungs, Sampler, Scale, Segment, Space,
    Study, Trial, TrialState,
};

use common::samplers_without_repeats;

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

/// An accuracy that rises towards its final value; ranks stay the same.
fn accuracy(x: &[f64], step: u32) -> f64 {
    let end = 0.9 - 0.1 * (x[0].log10() + 3.0).powi(2) - 0.02 * (x[1] - 3.0).powi(2);
    end * (1.0 - (-f64::from(step) / 3.0).exp())
}

/// The best after one step is the worst at the end.
fn crossing(x: &[f64], step: u32) -> f64 {
    let depth = x[0].log10() + 5.0;
    let part = f64::from(step) / 9.0;
    depth * (2.0 * part - 1.0)
}

fn new(sampler: impl Sampler + 'static, pruner: Pruner, objectives: usize, seed: u64) -> Study {
    Study::new(space(), sampler, seed)
        .with_objectives(Objectives::new(objectives))
        .with_pruner(pruner, RUNGS)
}

/// Reports every step of a segment; rates above 0.05 fail in their second step. The second objective
/// is the negative energy.
fn train(study: &mut Study, segment: &Segment, curve: fn(&[f64], u32) -> f64) {
    let Segment { number, parameters, from, until } = segment;
    for step in from + 1..=*until {
        if parameters[0] > 0.05 && step == 2 {
            study.fail(*number).unwrap();
            return;
        }
        let mut values = vec![curve(parameters, step)];
        if study.objectives().count() == 2 {
            values.push(-f64::from(step) * parameters[1]);
        }
        study.report(*number, step, &values).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    /// The segments of a trial follow one another, no trial that failed or ended comes back, and a
    /// study restored from its journal continues the same, with any number of workers.
    #[test]
    fn every_pruner_starts_and_resumes_trials_in_order(
        seed in any::<u64>(),
        workers in 1_usize..9,
        objectives in 1_usize..3,
    ) {
        for pruner in PRUNERS {
            // One sampler with a model of the trials and one without.
            let samplers: [Arc<dyn Sampler>; 2] = [Arc::new(Gp), Arc::new(Random)];
            for sampler in samplers {
                let mut study = new(sampler, pruner, objectives, seed);
                let mut again = study.clone();
                let mut running: Vec<Segment> = Vec::new();
                let mut last = 0;
                for _ in 0..24 {
                    let segment = study.ask().unwrap();
                    let Segment { number, from, until, .. } = segment;
                    prop_assert_eq!(&again.clone().ask().unwrap(), &segment, "{:?}", pruner);
                    prop_assert!(from < until && until <= RUNGS.most);
                    prop_assert!(running.iter().all(|other| other.number != number));
                    let trial = &study.trials()[number as usize];
                    prop_assert_eq!(trial.state, TrialState::Running { until });
                    prop_assert_eq!(trial.steps(), from);
                    prop_assert!(from > 0 || number == last);
                    last += u32::from(from == 0);
                    again.restore(segment.clone()).unwrap();
                    running.push(segment);
                    if running.len() == workers {
                        let segment = running.remove(last as usize * 5 % workers);
                        train(&mut study, &segment, accuracy);
                        train(&mut again, &segment, accuracy);
                    }
                }
            }
        }
    }
}

/// The steps of 40 trials, and the true final value of the best.
fn cost_and_best(pruner: Pruner, curve: fn(&[f64], u32) -> f64, seed: u64) -> (u64, f64) {
    let mut study = new(Random, pruner, 1, seed);
    while study.trials().len() < 40 {
        let segment = study.ask().unwrap();
        train(&mut study, &segment, curve);
    }
    (study.steps(), curve(&study.best().unwrap().parameters, RUNGS.most))
}

#[test]
fn pruners_save_steps_where_early_ranks_are_final() {
    for pruner in PRUNERS.into_iter().filter(|pruner| *pruner != Pruner::Never) {
        for seed in 0..3 {
            let (cost, best) = cost_and_best(pruner, accuracy, seed);
            let (whole, most) = cost_and_best(Pruner::Never, accuracy, seed);
            // The median rule lets half of the trials go on.
            let share = if pruner == Pruner::Median { 9 } else { 7 };
            assert!(10 * cost < share * whole, "{pruner:?}: {cost} of {whole}");
            // Both studies try the same 40 points.
            assert!(best > most - 0.03, "{pruner:?}: {best}, not {most}");
        }
    }
}

#[test]
fn pruners_that_go_by_ranks_stop_no_trial_where_curves_cross() {
    for pruner in [Pruner::Halving, Pruner::Hyperband, Pruner::Asha, Pruner::Median] {
        for seed in 0..5 {
            let (_, best) = cost_and_best(pruner, crossing, seed);
            let (_, most) = cost_and_best(Pruner::Never, crossing, seed);
            assert!(best >= 0.95 * most, "{pruner:?}, seed {seed}: {best}, not {most}");
        }
    }
}

#[test]
fn a_client_can_go_on_with_a_trial_while_its_pruner_allows() {
    for pruner in PRUNERS {
        let mut study = new(Random, pruner, 1, 3);
        for _ in 0..12 {
            let mut segment = study.ask().unwrap();
            loop {
                assert_eq!(study.next_segment(segment.number).unwrap().as_ref(), Some(&segment));
                train(&mut study, &segment, accuracy);
                let Some(next) = study.next_segment(segment.number).unwrap() else { break };
                assert_eq!(next.from, segment.until);
                segment = next;
            }
        }
        assert!(study.running().is_empty());
        assert!(study.best().is_some(), "{pruner:?}");
    }
}

/// Optuna has no pruning with several objectives.
#[test]
fn trials_with_two_objectives_are_stopped_early_too() {
    for pruner in PRUNERS {
        let mut study = new(Gp, pruner, 2, 5);
        while study.trials().len() < 18 {
            let segment = study.ask().unwrap();
            train(&mut study, &segment, accuracy);
        }
        let count = |is: fn(&&Trial) -> bool| study.trials().iter().filter(is).count();
        let completed = count(|trial| trial.is_completed());
        let stopped = count(|trial| trial.state == TrialState::Paused);
        assert!(
            (pruner == Pruner::Never) == (stopped == 0),
            "{pruner:?}: {completed} completed, {stopped} stopped"
        );
        let front = study.pareto();
        assert!(front.len() > 1, "{pruner:?}: {front:?}");
    }
}

#[test]
fn an_invalid_call_is_an_error_and_changes_nothing() {
    let mut study = new(Random, Pruner::Never, 1, 1);
    let segment = study.ask().unwrap();
    let before = study.trials().to_vec();
    let (number, from, until) = (segment.number, 0, 9);
    assert_eq!(study.report(7, 1, &[0.1]), Err(HpoError::NotRunning { number: 7 }));
    for step in [0, 10] {
        let expected = HpoError::Step { number, step, from, until };
        assert_eq!(study.report(number, step, &[0.1]), Err(expected));
    }
    let two = study.report(number, 1, &[0.1, 0.2]).unwrap_err();
    assert_eq!(two, HpoError::Objectives { number, given: 2, expected: 1 });
    assert_eq!(study.trials(), before);
    assert!(study.restore(Segment { number: 5, ..segment.clone() }).is_err());
    assert!(study.restore(Segment { until: 10, ..segment.clone() }).is_err());
    assert!(study.restore(Segment { parameters: vec![7.0, 1.0], ..segment }).is_err());
    assert_eq!(study.trials(), before);
    // A value that is not finite: the trial failed, and its steps count.
    study.report(number, 3, &[0.1]).unwrap();
    study.report(number, 4, &[f64::NAN]).unwrap();
    assert!(study.trials()[0].has_failed());
    assert_eq!(study.steps(), 3);
    assert_eq!(study.next_segment(number), Ok(None));
    assert_eq!(study.best(), None);
}

/// Trials that were stopped before they could be compared are not tried again either.
#[test]
fn no_point_of_a_finite_space_is_repeated_after_it_was_stopped() {
    let finite = Space::new(vec![
        Parameter::integer("layers", 1, 4, Scale::Linear),
        Parameter::integer("width", 1, 5, Scale::Linear),
    ]);
    for sampler in samplers_without_repeats() {
        for pruner in PRUNERS {
            let mut study =
                Study::new(finite.clone().unwrap(), sampler.clone(), 3).with_pruner(pruner, RUNGS);
            while study.trials().len() < 20 {
                let segment = study.ask().unwrap();
                let value = segment.parameters[0] * f64::from(segment.until);
                study.tell(segment.number, &[value]).unwrap();
            }
            let mut points: Vec<&[f64]> =
                study.trials().iter().map(|trial| trial.parameters.as_slice()).collect();
            points.sort_by(|a, b| a.partial_cmp(b).unwrap());
            points.dedup();
            assert_eq!(points.len(), 20, "{sampler:?}, {pruner:?}");
        }
    }
}

#[test]
fn a_study_without_resuming_never_goes_on_with_a_stopped_trial() {
    for pruner in [Pruner::Asha, Pruner::Median, Pruner::Posterior] {
        let mut study = new(Random, pruner, 1, 5).without_resuming();
        let mut stopped = 0;
        for number in 0..40 {
            assert!(study.would_start());
            let mut segment = study.ask().unwrap();
            assert_eq!((segment.number, segment.from), (number, 0), "{pruner:?}");
            loop {
                train(&mut study, &segment, accuracy);
                match study.next_segment(number).unwrap() {
                    Some(next) => segment = next,
                    None => break,
                }
            }
            stopped += u32::from(study.trials()[number as usize].state == TrialState::Paused);
        }
        assert!(stopped > 0 && stopped < 40, "{pruner:?}: {stopped}");
    }
}
