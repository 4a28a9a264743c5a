//! Same seed, same trials: with any number of workers, and after a kill anywhere.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use proptest::prelude::*;
use wattlab_hpo::{
    Frontier, Leg, Objectives, Parameter, Pruner, Rungs, Sampler, Scale, Space, Staged, Study,
};

/// What happened to a study, in the order of arrival: what a journal holds.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Asked(Leg),
    Told(u32),
}

/// The three kinds of studies.
#[derive(Clone, Debug)]
enum Any {
    One(Study),
    Many(Frontier),
    Staged(Staged),
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
fn outcome(x: &[f64]) -> Option<f64> {
    let rate = x.get(2).map_or(0.0, |it| (it.log10() + 2.5).powi(2));
    (x[0] < 2.0 || x[1] > 1.0).then(|| x[0] - (x[1] - 2.5).powi(2) - rate)
}

impl Any {
    fn all(space: &Space, seed: u64) -> Vec<Self> {
        let staged = |pruner| {
            let rungs = Rungs { least: 1, most: 4, factor: 2 };
            Self::Staged(Staged::new(space.clone(), Sampler::Gp, pruner, rungs, seed))
        };
        let samplers =
            [Sampler::Random, Sampler::Sobol, Sampler::PaperPi, Sampler::Tpe, Sampler::Gp];
        let mut all: Vec<Self> = samplers
            .map(|it| Self::One(Study::new(space.clone(), it, seed).with_budget(99.0)))
            .into();
        all.push(Self::Many(Frontier::new(space.clone(), Objectives::new(2), Sampler::Gp, seed)));
        all.extend([staged(Pruner::Posterior), staged(Pruner::Asha), staged(Pruner::Hyperband)]);
        all
    }

    fn ask(&mut self) -> Leg {
        let whole = |(number, parameters)| Leg { number, parameters, from: 0, until: 0 };
        match self {
            Self::One(it) => whole(it.ask().unwrap()),
            Self::Many(it) => whole(it.ask().unwrap()),
            Self::Staged(it) => it.ask().unwrap(),
        }
    }

    fn restore(&mut self, leg: Leg) {
        match self {
            Self::One(it) => it.restore(leg.number, leg.parameters).unwrap(),
            Self::Many(it) => it.restore(leg.number, leg.parameters).unwrap(),
            Self::Staged(it) => it.restore(leg).unwrap(),
        }
    }

    fn tell(&mut self, leg: &Leg) {
        let value = outcome(&leg.parameters);
        match self {
            Self::One(it) => it.tell_with_cost(leg.number, value, leg.parameters[1] + 1.0).unwrap(),
            Self::Many(it) => {
                it.tell(leg.number, value.map(|it| vec![it, -leg.parameters[1]])).unwrap();
            }
            Self::Staged(it) => {
                let at =
                    |epoch: u32| value.unwrap_or(f64::NAN) * (1.0 - 0.5_f64.powi(epoch as i32));
                let values: Vec<Vec<f64>> =
                    (leg.from + 1..=leg.until).map(|epoch| vec![at(epoch)]).collect();
                it.tell(leg.number, Some(&values)).unwrap();
            }
        }
    }

    /// Goes on from the legs under way with so many workers until so many legs were asked for; who is
    /// done next is for `order` to say.
    fn work(
        &mut self,
        mut busy: Vec<Leg>,
        workers: usize,
        legs: usize,
        order: &[usize],
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let mut asked = 0;
        while asked < legs || !busy.is_empty() {
            if busy.len() < workers && asked < legs {
                let leg = self.ask();
                events.push(Event::Asked(leg.clone()));
                busy.push(leg);
                asked += 1;
            } else {
                let next = order[events.len() % order.len()] % busy.len();
                let leg = busy.remove(next);
                self.tell(&leg);
                events.push(Event::Told(leg.number));
            }
        }
        events
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() })]

    /// The recorded order of completion, played again, gives the same trials; so does going on from
    /// what a journal holds after a kill at any event.
    #[test]
    fn a_journal_gives_the_same_trials_again(
        seed in any::<u64>(),
        order in prop::collection::vec(any::<usize>(), 9),
        kill in any::<prop::sample::Index>(),
    ) {
        for workers in [1, 2, 8] {
            for fresh in Any::all(&space(), seed) {
                let events = fresh.clone().work(Vec::new(), workers, 14, &order);
                prop_assert_eq!(&events, &fresh.clone().work(Vec::new(), workers, 14, &order));
                let kill = kill.index(events.len());
                // The journal up to there ...
                let mut again = fresh.clone();
                let mut busy: Vec<Leg> = Vec::new();
                for event in &events[..kill] {
                    match event {
                        Event::Asked(leg) => {
                            again.restore(leg.clone());
                            busy.push(leg.clone());
                        }
                        Event::Told(number) => {
                            let at = busy.iter().position(|it| it.number == *number).unwrap();
                            let leg = busy.remove(at);
                            again.tell(&leg);
                        }
                    }
                }
                // ... and the rest as it was, each trial asked for anew.
                for event in &events[kill..] {
                    match event {
                        Event::Asked(leg) => {
                            prop_assert_eq!(&again.ask(), leg, "{} workers, {:?}", workers, &fresh);
                            busy.push(leg.clone());
                        }
                        Event::Told(number) => {
                            let at = busy.iter().position(|it| it.number == *number).unwrap();
                            let leg = busy.remove(at);
                            again.tell(&leg);
                        }
                    }
                }
            }
        }
    }

    /// Whoever is done first: never a point twice before all 35 were tried.
    #[test]
    fn workers_never_try_the_same_point(
        seed in any::<u64>(),
        order in prop::collection::vec(any::<usize>(), 9),
    ) {
        for workers in [1, 2, 8] {
            for mut study in Any::all(&finite(), seed) {
                let events = study.work(Vec::new(), workers, 35, &order);
                let mut seen: Vec<Vec<f64>> = Vec::new();
                for event in events {
                    let Event::Asked(leg) = event else { continue };
                    if leg.from > 0 {
                        continue;
                    }
                    prop_assert!(!seen.contains(&leg.parameters), "{:?} twice", leg.parameters);
                    seen.push(leg.parameters);
                }
            }
        }
    }
}

/// The order of arrival does not matter where nobody asks in between: what counts is what was told.
#[test]
fn results_count_whatever_their_order() {
    for study in Any::all(&space(), 5) {
        if matches!(study, Any::Staged(_)) {
            continue;
        }
        let (mut a, mut b) = (study.clone(), study.clone());
        let legs: Vec<Leg> = (0..10).map(|_| a.ask()).collect();
        legs.iter().for_each(|it| b.restore(it.clone()));
        legs.iter().for_each(|it| a.tell(it));
        legs.iter().rev().for_each(|it| b.tell(it));
        assert_eq!(a.ask(), b.ask());
    }
}
