//! The same seed gives the same trials: with any number of workers, and after a kill at any point.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use proptest::prelude::*;
use wattlab_hpo::{Gp, Objectives, Parameter, Pruner, Rungs, Scale, Segment, Space, Study};

use common::samplers_without_repeats;

/// What happened to a study, in the order of arrival, as a journal holds it.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Asked(Segment),
    Told(u32),
}

fn space() -> Space {
    Space::new(vec![
        Parameter::categorical("optimizer", 3),
        Parameter::integer("layers", 1, 4, Scale::Linear),
        Parameter::new("rate", 1e-4, 1e-1, Scale::Log).only_if("optimizer", &[0.0, 1.0]),
    ])
    .unwrap()
}

/// 5 · 7 points.
fn finite() -> Space {
    Space::new(vec![
        Parameter::integer("layers", 1, 5, Scale::Linear),
        Parameter::new("dropout", 0.0, 0.6, Scale::Linear).stepped(0.1),
    ])
    .unwrap()
}

/// The third optimizer fails with one layer.
fn value(x: &[f64]) -> Option<f64> {
    let rate = x.get(2).map_or(0.0, |rate| (rate.log10() + 2.5).powi(2));
    (x[0] < 2.0 || x[1] > 1.0).then(|| x[0] - (x[1] - 2.5).powi(2) - rate)
}

/// Studies with one objective, several, and with pruners.
fn studies(space: &Space, seed: u64) -> Vec<Study> {
    let rungs = Rungs { least: 1, most: 4, factor: 2 };
    let gp = Study::new(space.clone(), Gp, seed);
    let mut all: Vec<Study> = samplers_without_repeats()
        .into_iter()
        .map(|sampler| Study::new(space.clone(), sampler, seed).with_budget(99.0))
        .collect();
    all.push(gp.clone().with_objectives(Objectives::new(2)));
    for pruner in [Pruner::Posterior, Pruner::Asha, Pruner::Hyperband] {
        all.push(gp.clone().with_pruner(pruner, rungs));
    }
    all
}

fn tell(study: &mut Study, segment: &Segment) {
    let Segment { number, parameters, from, until } = segment;
    let Some(value) = value(parameters) else {
        study.fail(*number).unwrap();
        return study.pay(*number, parameters[1] + 1.0).unwrap();
    };
    for step in from + 1..=*until {
        let learned = if study.pruner().is_some() { 1.0 - 0.5_f64.powi(step as i32) } else { 1.0 };
        let values = [value * learned, -parameters[1]];
        study.report(*number, step, &values[..study.objectives().count()]).unwrap();
    }
    study.pay(*number, parameters[1] + 1.0).unwrap();
}

/// Goes on from the running segments with some workers until `count` segments were asked for; `order`
/// says which worker finishes next.
fn work(
    study: &mut Study,
    mut running: Vec<Segment>,
    workers: usize,
    count: usize,
    order: &[usize],
) -> Vec<Event> {
    let mut events = Vec::new();
    let mut asked = 0;
    while asked < count || !running.is_empty() {
        if running.len() < workers && asked < count {
            let segment = study.ask().unwrap();
            events.push(Event::Asked(segment.clone()));
            running.push(segment);
            asked += 1;
        } else {
            let next = order[events.len() % order.len()] % running.len();
            let segment = running.remove(next);
            tell(study, &segment);
            events.push(Event::Told(segment.number));
        }
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() })]

    /// Playing the recorded order of completion again gives the same trials, and so does going on from
    /// what a journal holds after a kill at any event.
    #[test]
    fn a_journal_gives_the_same_trials_again(
        seed in any::<u64>(),
        order in prop::collection::vec(any::<usize>(), 9),
        kill in any::<prop::sample::Index>(),
    ) {
        for workers in [1, 2, 8] {
            for fresh in studies(&space(), seed) {
                let events = work(&mut fresh.clone(), Vec::new(), workers, 14, &order);
                let repeated = work(&mut fresh.clone(), Vec::new(), workers, 14, &order);
                prop_assert_eq!(&events, &repeated);
                let kill = kill.index(events.len());
                let mut again = fresh.clone();
                let mut running: Vec<Segment> = Vec::new();
                for (index, event) in events.iter().enumerate() {
                    match event {
                        // The journal up to the kill, then each trial asked for anew.
                        Event::Asked(segment) if index < kill => {
                            again.restore(segment.clone()).unwrap();
                            running.push(segment.clone());
                        }
                        Event::Asked(segment) => {
                            let asked = again.ask().unwrap();
                            prop_assert_eq!(&asked, segment, "{} workers, {:?}", workers, &fresh);
                            running.push(asked);
                        }
                        Event::Told(number) => {
                            let is_it = |segment: &Segment| segment.number == *number;
                            let segment = running.remove(running.iter().position(is_it).unwrap());
                            tell(&mut again, &segment);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn workers_that_finish_in_any_order_never_try_the_same_point(
        seed in any::<u64>(),
        order in prop::collection::vec(any::<usize>(), 9),
    ) {
        for workers in [1, 2, 8] {
            for mut study in studies(&finite(), seed) {
                let events = work(&mut study, Vec::new(), workers, 35, &order);
                let mut seen: Vec<Vec<f64>> = Vec::new();
                for event in events {
                    let Event::Asked(segment) = event else { continue };
                    if segment.from > 0 {
                        continue;
                    }
                    let point = segment.parameters;
                    prop_assert!(!seen.contains(&point), "{:?} twice", point);
                    seen.push(point);
                }
            }
        }
    }
}

#[test]
fn the_order_in_which_results_arrive_does_not_matter() {
    for study in studies(&space(), 5).into_iter().filter(|study| study.pruner().is_none()) {
        let (mut a, mut b) = (study.clone(), study.clone());
        let segments: Vec<Segment> = (0..10).map(|_| a.ask().unwrap()).collect();
        for segment in &segments {
            b.restore(segment.clone()).unwrap();
            tell(&mut a, segment);
        }
        segments.iter().rev().for_each(|segment| tell(&mut b, segment));
        assert_eq!(a.ask(), b.ask());
    }
}

/// Eight trials that run at once are different points, and those of the process are apart, also when
/// other trials already lie close around the best one.
#[test]
fn trials_that_run_at_once_are_apart_in_a_continuous_space() {
    let axis = |name| Parameter::new(name, 0.0, 1.0, Scale::Linear);
    let space = Space::new(vec![axis("x"), axis("y")]).unwrap();
    let value = |point: &[f64]| -(point[0] - 0.3).powi(2) - (point[1] - 0.7).powi(2);
    for sampler in samplers_without_repeats() {
        let name = format!("{sampler:?}");
        let mut study = Study::new(space.clone(), sampler, 3);
        // Grids end before.
        while let Some(segment) = study.ask().ok().filter(|segment| segment.number < 30) {
            study.tell(segment.number, &[value(&segment.parameters)]).unwrap();
        }
        let running: Vec<Vec<f64>> =
            (0..8).map_while(|_| study.ask().ok()).map(|segment| segment.parameters).collect();
        let least = if name == "Gp" { 1e-4 } else { f64::MIN_POSITIVE };
        for (index, a) in running.iter().enumerate() {
            for b in &running[..index] {
                let apart = (a[0] - b[0]).hypot(a[1] - b[1]);
                assert!(apart >= least, "{name}: {a:?} and {b:?}");
            }
        }
    }
}

/// Workers of a smooth function refine the best point together.
#[test]
fn eight_workers_come_close_to_an_optimum() {
    let axis = |name| Parameter::new(name, 0.0, 1.0, Scale::Linear);
    let space = Space::new(vec![axis("x"), axis("y")]).unwrap();
    let value = |x: f64, y: f64| -(x - 0.31).powi(2) - (y - 0.72).powi(2) + 0.1 * (9.0 * x).sin();
    let along = (0..=1_000_000).map(|step| value(f64::from(step) * 1e-6, 0.72));
    let most = along.fold(f64::NEG_INFINITY, f64::max);
    let mut regrets: Vec<f64> = (0..5)
        .map(|seed| {
            let mut study = Study::new(space.clone(), Gp, seed);
            let mut running = std::collections::VecDeque::new();
            for _ in 0..64 {
                if running.len() == 8 {
                    let Some(Segment { number, parameters, .. }) = running.pop_front() else {
                        continue;
                    };
                    study.tell(number, &[value(parameters[0], parameters[1])]).unwrap();
                }
                running.push_back(study.ask().unwrap());
            }
            most - study.best().unwrap().value().unwrap()
        })
        .collect();
    regrets.sort_by(f64::total_cmp);
    assert!(regrets[2] < 1e-6, "{regrets:?}");
}
