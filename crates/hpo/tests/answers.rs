//! Suggestions of every sampler and every pruner, compared with those on record: the same seed gives
//! the same answers from one version to the next.
//!
//! `WATTLAB_BLESS=1 cargo test -p wattlab-hpo --test answers` writes them down anew, which a new sampler needs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    num::NonZero,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use wattlab_hpo::{
    Constraint, Grid, Objectives, Parameter, Pruner, Rungs, SAMPLERS, Sampler, Scale, Segment,
    SettingValue, SettingValues, Space, Study,
};

/// A study, and how much of it is written down.
struct Case {
    name: String,
    study: Study,
    workers: usize,
    segments: usize,
}

/// Every built-in sampler, a grid of four values among them, and the published grid.
fn samplers() -> Vec<(&'static str, Arc<dyn Sampler>)> {
    let four = SettingValues::from([("values".to_owned(), SettingValue::Count(4))]);
    let built_in = SAMPLERS.iter().map(|entry| {
        let settings = if entry.name == "grid" { four.clone() } else { SettingValues::new() };
        (entry.name, entry.build(&settings).unwrap())
    });
    let published: Arc<dyn Sampler> = Arc::new(Grid::paper());
    built_in.chain([("grid-paper", published)]).collect()
}

fn sampler(name: &str) -> Arc<dyn Sampler> {
    samplers().into_iter().find(|(other, _)| *other == name).unwrap().1
}

fn single(space: Space, sampler: Arc<dyn Sampler>, seed: u64, budget: Option<f64>) -> Study {
    let study = Study::new(space, sampler, seed);
    match budget {
        Some(budget) => study.with_budget(budget),
        None => study,
    }
}

fn several(
    space: Space,
    at_least: Vec<Option<f64>>,
    sampler: Arc<dyn Sampler>,
    seed: u64,
    budget: Option<f64>,
) -> Study {
    single(space, sampler, seed, budget).with_objectives(Objectives { at_least })
}

fn pruned(
    space: Space,
    objectives: usize,
    sampler: Arc<dyn Sampler>,
    pruner: Pruner,
    seed: u64,
    budget: Option<f64>,
) -> Study {
    single(space, sampler, seed, budget)
        .with_objectives(Objectives::new(objectives))
        .with_pruner(pruner, RUNGS)
}

/// What is expected of the next trial, if anything is.
fn prospect(study: &Study) -> String {
    let next = study.prospect().unwrap();
    format!("{:?} {:?}", next.gain, next.cost)
}

fn tell(study: &mut Study, segment: &Segment) {
    let number = segment.number;
    match values(&segment.parameters) {
        Some(values) => {
            for step in segment.from + 1..=segment.until {
                let values = after(&values[..study.objectives().count()], step, segment.until);
                study.report(number, step, &values).unwrap();
                if !values.iter().all(|value| value.is_finite()) {
                    break; // The trial has failed.
                }
            }
        }
        None => study.fail(number).unwrap(),
    }
    study.pay(number, cost(&segment.parameters, segment.until - segment.from)).unwrap();
}

/// The best trial and the Pareto front, by number.
fn best(study: &Study) -> String {
    let best = study.best().map(|trial| trial.number);
    let front: Vec<u32> = study.pareto().iter().map(|trial| trial.number).collect();
    match study.objectives().count() {
        1 if study.objectives().is_single() => format!("{best:?}"),
        _ if study.pruner().is_some() => format!("{best:?} {front:?}"),
        _ => format!("{front:?} {:?}", study.hypervolume()),
    }
}

const RUNGS: Rungs = Rungs { least: 1, most: 9, factor: 3 };

fn plain() -> Space {
    Space::new(vec![
        Parameter::new("rate", 1e-5, 1e-1, Scale::Log),
        Parameter::new("momentum", 0.1, 1.0, Scale::Linear),
        Parameter::new("decay", 0.8, 1.0, Scale::Linear),
    ])
    .unwrap()
}

/// With choices, conditions, steps and a constraint.
fn mixed() -> Space {
    let space = Space::new(vec![
        Parameter::categorical("optimizer", 3),
        Parameter::integer("layers", 1, 6, Scale::Linear),
        Parameter::new("rate", 1e-4, 1e-1, Scale::Log).only_if("optimizer", &[0.0, 1.0]),
        Parameter::integer("width", 16, 512, Scale::Log),
    ])
    .unwrap();
    space.constrained(vec![Constraint::parse("layers * width <= 1024").unwrap()]).unwrap()
}

/// 5 · 7 points.
fn finite() -> Space {
    Space::new(vec![
        Parameter::integer("layers", 1, 5, Scale::Linear),
        Parameter::new("dropout", 0.0, 0.6, Scale::Linear).stepped(0.1),
    ])
    .unwrap()
}

/// Three values of a point; some points fail.
fn values(x: &[f64]) -> Option<Vec<f64>> {
    let first = if x[0] < 0.2 { x[0].log10() + 3.0 } else { x[0] - 1.3 };
    let rest: f64 = x[1..].iter().map(|value| (value.ln_1p() - 0.8).powi(2)).sum();
    let accuracy = 0.9 - 0.1 * first * first - 0.05 * rest;
    let fails = x[0] > 0.05 && x[0] < 0.1 || x[0] == 2.0 && x[1] == 1.0;
    (!fails).then(|| vec![accuracy, -x[1] - 0.1 * x[0], (7.0 * accuracy + x[1]).sin()])
}

/// The values rise towards the end of a trial, in an order that is not quite the final one.
fn after(values: &[f64], step: u32, until: u32) -> Vec<f64> {
    if until == 1 {
        return values.to_vec();
    }
    let slow = 2.0 + 3.0 * values[0].abs();
    values.iter().map(|value| value * (1.0 - (-f64::from(step) / slow).exp())).collect()
}

fn cost(x: &[f64], steps: u32) -> f64 {
    f64::from(steps) * (3.0 + 10.0 * x[1].abs())
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: String, study, workers, segments| {
        cases.push(Case { name, study, workers, segments });
    };
    for (space_name, space) in [("plain", plain()), ("mixed", mixed()), ("finite", finite())] {
        for (name, sampler) in samplers() {
            for (workers, budget) in [(1, Some(400.0)), (3, None)] {
                let study = single(space.clone(), sampler.clone(), 7, budget);
                add(format!("{name} in {space_name}, {workers} workers"), study, workers, 16);
            }
        }
        for (name, at_least) in [
            ("two objectives", vec![None, None]),
            ("two bounded objectives", vec![Some(0.5), Some(-4.0)]),
            ("three objectives", vec![None, None, None]),
            ("a bounded objective", vec![Some(0.5)]),
        ] {
            for sampler_name in ["gp", "tpe"] {
                let budget = (sampler_name == "gp").then_some(400.0);
                let study =
                    several(space.clone(), at_least.clone(), sampler(sampler_name), 8, budget);
                add(format!("{sampler_name} in {space_name}, {name}"), study, 2, 16);
            }
        }
    }
    for (space_name, space) in [("plain", plain()), ("mixed", mixed())] {
        for pruner in [
            Pruner::Never,
            Pruner::Halving,
            Pruner::Hyperband,
            Pruner::Asha,
            Pruner::Median,
            Pruner::Posterior,
        ] {
            for sampler_name in ["gp", "random", "tpe"] {
                for objectives in [1, 2] {
                    let budget = (sampler_name == "gp").then_some(2000.0);
                    let study =
                        pruned(space.clone(), objectives, sampler(sampler_name), pruner, 9, budget);
                    let name = format!(
                        "{sampler_name} in {space_name}, {pruner:?}, {objectives} objectives"
                    );
                    let segments = if pruner == Pruner::Median { 60 } else { 36 };
                    add(name, study, 2, segments);
                }
            }
        }
    }
    cases
}

/// Everything that a study asks for, and its best trials.
fn answer(case: Case) -> String {
    let Case { name, mut study, workers, segments } = case;
    let mut text = format!("# {name}\n");
    let mut running: Vec<Segment> = Vec::new();
    for asked in 0..segments {
        if asked % 5 == 4 {
            writeln!(text, "expected: {}", prospect(&study)).unwrap();
        }
        let segment = study.ask().unwrap();
        let Segment { number, from, until, parameters } = &segment;
        writeln!(text, "{number} {from}..{until}: {parameters:?}").unwrap();
        running.push(segment);
        if running.len() == workers {
            let segment = running.remove(asked * 5 % workers);
            tell(&mut study, &segment);
        }
    }
    writeln!(text, "best: {}", best(&study)).unwrap();
    text
}

/// The answers of all studies, computed on all processors.
fn answers() -> String {
    let cases = Mutex::new(cases().into_iter().enumerate());
    let next = || cases.lock().unwrap().next();
    let work = || {
        let mut found = Vec::new();
        while let Some((index, case)) = next() {
            found.push((index, answer(case)));
        }
        found
    };
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let mut all: Vec<(usize, String)> = thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        handles.into_iter().flat_map(|handle| handle.join().unwrap()).collect()
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, text)| text).collect()
}

/// Whether two lines are equal but for the last digits of their numbers, which depend on the
/// processor's mathematical functions.
fn alike(a: &str, b: &str) -> bool {
    let words = |line: &str| -> Vec<String> {
        let is_separator = |character: char| " ()[]:,".contains(character);
        line.split(is_separator).map(str::to_owned).collect()
    };
    let (a, b) = (words(a), words(b));
    a.len() == b.len()
        && a.iter().zip(&b).all(|(a, b)| match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() <= 1e-6 * a.abs().max(b.abs()) + 1e-12,
            _ => a == b,
        })
}

#[test]
fn the_same_seed_gives_the_answers_on_record() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/answers.txt");
    let found = answers();
    if std::env::var_os("WATTLAB_BLESS").is_some() {
        std::fs::write(&path, &found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    let (found, expected) = (by_case(&found), by_case(&expected));
    let names = |cases: &BTreeMap<String, Vec<String>>| cases.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected), "write the answers of new cases down");
    for (case, found) in &found {
        let expected = &expected[case];
        assert_eq!(found.len(), expected.len(), "{case}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(alike(found, expected), "{case}: found {found}, expected {expected}");
        }
    }
}

/// The lines of each case by its name, which the line before them gives after a `#`.
fn by_case(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut cases: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut lines = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("# ") {
            let case = cases.entry(name.to_owned()).or_default();
            assert!(case.is_empty(), "two cases are named `{name}`");
            lines = Some(case);
        } else {
            lines.as_mut().unwrap().push(line.to_owned());
        }
    }
    cases
}
