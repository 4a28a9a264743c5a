//! What searches say about their parameters: a pure function of their trials, computed by `hpo` and
//! handed to `report` as plain data.

use std::collections::HashMap;

use hpo::{Parameter, Scale, Space, importance, partial_dependence};
use rayon::prelude::*;
use record::{NetworkKind, TuningSpace};
use report::{
    Axis, Dependence, Importance, Landscape, SearchInsight, SearchParameter, Share, Subject,
    TrialRow, Tried, origin_of,
};

use crate::{
    experiment::{point, space},
    seed::{derive, shuffle},
};

/// Trials of RQ1 that are looked at for one function, drawn by lot: more of them take seconds.
const SEEN: usize = 128;
/// Places that a dependence on a number is known at.
const PLACES: usize = 17;
/// Trials for each parameter, and at least, below which nothing is said: a leaf of the forest holds
/// three.
const PER_PARAMETER: usize = 4;
const LEAST: usize = 10;

/// What the searches say, a landscape for each data set and space, with a subject for each network.
///
/// Trials of all strategies and repetitions count together: they are values of one function.
#[must_use]
pub fn of_searches(trials: &[TrialRow]) -> Vec<SearchInsight> {
    type Function<'a> = (&'a str, TuningSpace, NetworkKind);
    let mut places: HashMap<Function<'_>, usize> = HashMap::new();
    let mut functions: Vec<(Function<'_>, Vec<&TrialRow>)> = Vec::new();
    for trial in trials {
        let key = (trial.data.as_str(), trial.space, trial.network);
        let at = *places.entry(key).or_insert_with(|| {
            functions.push((key, Vec::new()));
            functions.len() - 1
        });
        functions[at].1.push(trial);
    }
    let found: Vec<(Function<'_>, Subject)> =
        functions.into_par_iter().map(|(key, trials)| (key, of_function(key, trials))).collect();
    let mut insights: Vec<SearchInsight> = Vec::new();
    for ((data, space, _), subject) in found {
        match insights.iter_mut().find(|it| it.data == data && it.space == space) {
            Some(it) => it.landscape.subjects.push(subject),
            None => insights.push(SearchInsight {
                data: data.to_owned(),
                space,
                landscape: landscape(data, space, subject, trials),
            }),
        }
    }
    insights
}

fn landscape(data: &str, kind: TuningSpace, subject: Subject, trials: &[TrialRow]) -> Landscape {
    let of = trials.iter().filter(|it| it.data == data && it.space == kind);
    let origin = origin_of(of.filter_map(|it| it.energy).map(|it| it.origin));
    Landscape {
        id: format!("rq1-{data}-{kind:?}").to_lowercase(),
        name: format!("{data}, {}", kind.title()),
        parameters: space(kind)
            .parameters()
            .iter()
            .map(|it| {
                let name = it.name.replace('_', " ").replace("beta", "β").replace("epsilon", "ε");
                parameter(it, name, Vec::new())
            })
            .collect(),
        value: Axis::new("validation accuracy", "%"),
        bounds: Some([0.0, 100.0]),
        is_minimized: false,
        cost: origin.map(|it| Axis::energy("energy of a training", "J", it)),
        subjects: vec![subject],
    }
}

fn of_function(
    (_, kind, network): (&str, TuningSpace, NetworkKind),
    mut trials: Vec<&TrialRow>,
) -> Subject {
    let count = trials.len();
    // By chance, as any rule would meet the rhythm of the searches.
    shuffle(derive(0, "trials that insight looks at"), &mut trials);
    trials.truncate(SEEN);
    trials.sort_by_key(|it| (it.sampler, it.repetition, it.number));
    let space = space(kind);
    let (points, tried): (Vec<Vec<f64>>, Vec<Tried>) = trials
        .iter()
        .filter_map(|it| {
            let point = point(&it.optimizer?, space.dimensions());
            let tried = Tried {
                name: format!(
                    "{}, search {}, trial {}",
                    it.sampler.title(),
                    it.repetition + 1,
                    it.number + 1
                ),
                parameters: point.iter().copied().map(Some).collect(),
                cost: it.energy.map(|it| it.joules.0),
                value: 100.0 * it.validation,
            };
            Some((point, tried))
        })
        .unzip();
    let trials = Trials { count, points, tried };
    subject(network.paper_name(), trials, &space, 0, PLACES)
}

/// Trials of one function that gave a value.
pub(crate) struct Trials {
    /// How many there are.
    pub(crate) count: usize,
    /// Parameters of those that are looked at, as numbers also where they do not matter.
    pub(crate) points: Vec<Vec<f64>>,
    /// The same ones, as they are shown.
    pub(crate) tried: Vec<Tried>,
}

/// What trials say about one function; with too few of them, why nothing.
pub(crate) fn subject(
    name: &str,
    Trials { count, points, tried }: Trials,
    space: &Space,
    seed: u64,
    places: usize,
) -> Subject {
    let mut subject = Subject { name: name.to_owned(), count, trials: tried, ..Subject::default() };
    let least = LEAST.max(PER_PARAMETER * space.dimensions());
    let seen = subject.trials.len();
    if seen < least {
        subject.silence = Some(format!(
            "{seen} trials with a value and all parameters; {least} are the least for {} parameters",
            space.dimensions()
        ));
        return subject;
    }
    let values: Vec<f64> = subject.trials.iter().map(|it| it.value).collect();
    let Some(found) = importance(space, &points, &values, seed) else {
        subject.silence = Some(format!("all {seen} trials gave the same value"));
        return subject;
    };
    let share = |it: &hpo::Share| Share { mean: it.mean, deviation: it.deviation };
    subject.importance = Some(Importance {
        alone: found.alone.iter().map(share).collect(),
        pairs: found.pairs.iter().map(|(a, b, it)| (*a, *b, share(it))).collect(),
    });
    let dependence = partial_dependence(space, &points, &values, places).unwrap_or_default();
    let each = dependence.into_iter();
    subject.dependence =
        each.map(|it| Dependence { at: it.at, mean: it.mean, deviation: it.deviation }).collect();
    subject
}

/// A parameter as figures show it.
pub(crate) fn parameter(of: &Parameter, name: String, choices: Vec<String>) -> SearchParameter {
    SearchParameter {
        name,
        low: of.low,
        high: of.high,
        is_log: matches!(of.scale, Scale::Log),
        choices,
    }
}

#[cfg(test)]
mod tests {
    use record::{Adam, Energy, Joules, Origin, SamplerKind};

    use super::*;

    /// Trials of two searches of one network: the learning rate decides, in a curve, β1 does not.
    fn trials(network: NetworkKind, count: u32) -> Vec<TrialRow> {
        (0..count)
            .map(|number| {
                let share = |step: u32| f64::from(number * step % count) / f64::from(count);
                let rate = 1e-5 + 0.0999 * share(7);
                let accuracy = 0.9 - 60.0 * (rate - 0.04).powi(2);
                let energy = Energy {
                    joules: Joules(100.0),
                    uncertainty: Joules(5.0),
                    origin: Origin::Estimated,
                };
                TrialRow {
                    data: "shapes-28".to_owned(),
                    network,
                    space: TuningSpace::ThreeAsRun,
                    sampler: SamplerKind::Random,
                    repetition: number % 2,
                    number: number / 2,
                    optimizer: Some(Adam {
                        learning_rate: rate,
                        beta1: 0.1 + 0.89 * share(3),
                        ..Adam::default()
                    }),
                    energy: Some(energy),
                    plan: None,
                    validation: accuracy,
                    test: accuracy,
                    diverged: false,
                }
            })
            .collect()
    }

    #[test]
    fn what_decides_is_found_and_more_trials_than_needed_are_drawn_by_lot() {
        let mut rows = trials(NetworkKind::SimpleCnn, 50);
        rows.extend(trials(NetworkKind::DensePoly, 301));
        let found = of_searches(&rows);
        assert_eq!(found, of_searches(&rows), "a function of the trials alone");
        let [SearchInsight { landscape, .. }] = &found[..] else { panic!("one space") };
        let names: Vec<&str> = landscape.parameters.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["learning rate", "β1"]);
        let counts = landscape.subjects.iter().map(|it| (it.count, it.trials.len()));
        assert_eq!(counts.collect::<Vec<_>>(), [(50, 50), (301, SEEN)]);
        for subject in &landscape.subjects {
            let importance = subject.importance.as_ref().unwrap();
            assert!(importance.alone[0].mean > 0.8, "{importance:?}");
            assert!(importance.alone[1].mean < 0.1, "{importance:?}");
            let rate = &subject.dependence[0];
            assert_eq!(rate.at.len(), PLACES);
            let best = rate.mean.iter().copied().fold(0.0, f64::max);
            let at = rate.at[rate.mean.iter().position(|it| *it == best).unwrap()];
            assert!((0.03..0.05).contains(&at) && (85.0..95.0).contains(&best), "{at}: {best}");
        }
        assert_eq!(
            landscape.cost.as_ref().unwrap().heading(),
            "energy of a training (J, estimated)"
        );
    }

    #[test]
    fn too_little_is_said_to_be_too_little() {
        let why = |rows: &[TrialRow]| {
            let found = of_searches(rows);
            let subject = &found[0].landscape.subjects[0];
            assert!(subject.importance.is_none() && subject.dependence.is_empty());
            assert_eq!(found[0].landscape.figures(), []);
            subject.silence.clone().unwrap()
        };
        let few = trials(NetworkKind::SimpleCnn, 9);
        assert!(why(&few).contains("10 are the least for 2 parameters"), "{}", why(&few));
        let mut same = trials(NetworkKind::SimpleCnn, 40);
        same.iter_mut().for_each(|it| it.validation = 0.1);
        assert!(why(&same).contains("same value"), "{}", why(&same));
        let mut unsaid = trials(NetworkKind::SimpleCnn, 40);
        unsaid.iter_mut().for_each(|it| it.optimizer = None);
        assert!(why(&unsaid).contains("0 trials"), "{}", why(&unsaid));
        assert_eq!(of_searches(&[]), []);
    }
}
