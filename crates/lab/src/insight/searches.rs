//! What the searches of RQ1 say about their parameters.

use std::collections::HashMap;

use rayon::prelude::*;
use record::{NetworkKind, TuningSpace};
use report::{Axis, Function, SearchInsight, TrialPoint, TrialRow, TuningInsight, origin_of};

use super::{Trials, function, parameter};
use crate::{
    experiment::{point, space},
    seed::{derive, shuffle},
};

/// At most this many trials of RQ1 are used for one function, chosen at random; more take seconds.
const SEEN: usize = 128;
/// Number of values at which the dependence on a parameter is computed.
const PLACES: usize = 17;

/// What the searches say: an insight for each data set and space, with a function for each network.
///
/// Trials of all strategies and repetitions are used together, since they are values of one function.
#[must_use]
pub fn of_searches(trials: &[TrialRow]) -> Vec<TuningInsight> {
    type Key<'a> = (&'a str, TuningSpace, NetworkKind);
    let mut places: HashMap<Key<'_>, usize> = HashMap::new();
    let mut functions: Vec<(Key<'_>, Vec<&TrialRow>)> = Vec::new();
    for trial in trials {
        let key = (trial.data.as_str(), trial.space, trial.network);
        let at = *places.entry(key).or_insert_with(|| {
            functions.push((key, Vec::new()));
            functions.len() - 1
        });
        functions[at].1.push(trial);
    }
    let found: Vec<(Key<'_>, Function)> =
        functions.into_par_iter().map(|(key, trials)| (key, of_function(key, trials))).collect();
    let mut insights: Vec<TuningInsight> = Vec::new();
    for ((data, space, _), function) in found {
        let is_same = |other: &&mut TuningInsight| other.data == data && other.space == space;
        match insights.iter_mut().find(is_same) {
            Some(same) => same.insight.functions.push(function),
            None => insights.push(TuningInsight {
                data: data.to_owned(),
                space,
                insight: insight(data, space, function, trials),
            }),
        }
    }
    insights
}

fn insight(
    data: &str,
    kind: TuningSpace,
    function: Function,
    trials: &[TrialRow],
) -> SearchInsight {
    let own = trials.iter().filter(|trial| trial.data == data && trial.space == kind);
    let origin = origin_of(own.filter_map(|trial| trial.energy).map(|energy| energy.origin));
    SearchInsight {
        id: format!("rq1-{data}-{kind:?}").to_lowercase(),
        name: format!("{data}, {}", kind.title()),
        parameters: space(kind)
            .parameters()
            .iter()
            .map(|of| {
                let name = of.name.replace('_', " ").replace("beta", "β").replace("epsilon", "ε");
                parameter(of, name, Vec::new())
            })
            .collect(),
        value: Axis::new("validation accuracy", "%"),
        bounds: Some([0.0, 100.0]),
        is_minimized: false,
        cost: origin.map(|origin| Axis::energy("energy of a training", "J", origin)),
        functions: vec![function],
    }
}

fn of_function(
    (_, kind, network): (&str, TuningSpace, NetworkKind),
    mut trials: Vec<&TrialRow>,
) -> Function {
    let count = trials.len();
    // At random, because any regular choice could follow a pattern of the searches.
    shuffle(derive(0, "trials that insight looks at"), &mut trials);
    trials.truncate(SEEN);
    trials.sort_by_key(|trial| (trial.sampler, trial.repetition, trial.number));
    let space = space(kind);
    let (points, shown): (Vec<Vec<f64>>, Vec<TrialPoint>) = trials
        .iter()
        .filter_map(|trial| {
            let point = point(&trial.optimizer?, space.dimensions());
            let shown = TrialPoint {
                name: format!(
                    "{}, search {}, trial {}",
                    trial.sampler.title(),
                    trial.repetition + 1,
                    trial.number + 1
                ),
                parameters: point.iter().copied().map(Some).collect(),
                cost: trial.energy.map(|energy| energy.joules.0),
                value: 100.0 * trial.validation,
            };
            Some((point, shown))
        })
        .unzip();
    let trials = Trials { count, points, shown };
    function(network.paper_name(), trials, &space, 0, PLACES)
}

#[cfg(test)]
mod tests {
    use record::{Adam, Energy, Joules, Origin, SamplerKind};

    use super::*;

    /// Trials of two searches with one network: the learning rate decides, along a parabola, β1 does
    /// not.
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
                let (space, sampler) = (TuningSpace::ThreeAsRun, SamplerKind::Random);
                let place = [number % 2, number / 2];
                let mut row = TrialRow::new("shapes-28", network, space, sampler, place, accuracy);
                let beta1 = 0.1 + 0.89 * share(3);
                row.optimizer = Some(Adam { learning_rate: rate, beta1, ..Adam::default() });
                row.energy = Some(energy);
                row
            })
            .collect()
    }

    #[test]
    fn the_decisive_parameter_is_found_from_a_random_part_of_many_trials() {
        let mut rows = trials(NetworkKind::SimpleCnn, 50);
        rows.extend(trials(NetworkKind::DensePoly, 301));
        let found = of_searches(&rows);
        assert_eq!(found, of_searches(&rows), "a function of the trials alone");
        let [TuningInsight { insight, .. }] = &found[..] else { panic!("one space") };
        let names: Vec<&str> =
            insight.parameters.iter().map(|parameter| parameter.name.as_str()).collect();
        assert_eq!(names, ["learning rate", "β1"]);
        let counts =
            insight.functions.iter().map(|function| (function.count, function.trials.len()));
        assert_eq!(counts.collect::<Vec<_>>(), [(50, 50), (301, SEEN)]);
        for function in &insight.functions {
            let importance = function.importance.as_ref().unwrap();
            assert!(importance.alone[0].mean > 0.8, "{importance:?}");
            assert!(importance.alone[1].mean < 0.1, "{importance:?}");
            let rate = &function.dependence[0];
            assert_eq!(rate.at.len(), PLACES);
            let best = rate.mean.iter().copied().fold(0.0, f64::max);
            let at = rate.at[rate.mean.iter().position(|mean| *mean == best).unwrap()];
            assert!((0.03..0.05).contains(&at) && (85.0..95.0).contains(&best), "{at}: {best}");
        }
        assert_eq!(insight.cost.as_ref().unwrap().heading(), "energy of a training (J, estimated)");
    }

    #[test]
    fn too_few_or_equal_trials_give_a_reason_instead_of_an_importance() {
        let why = |rows: &[TrialRow]| {
            let found = of_searches(rows);
            let function = &found[0].insight.functions[0];
            assert!(function.importance.is_none() && function.dependence.is_empty());
            assert_eq!(found[0].insight.figures(), []);
            function.silence.clone().unwrap()
        };
        let few = trials(NetworkKind::SimpleCnn, 9);
        assert!(why(&few).contains("2 parameters need at least 10"), "{}", why(&few));
        let mut same = trials(NetworkKind::SimpleCnn, 40);
        same.iter_mut().for_each(|trial| trial.validation = 0.1);
        assert!(why(&same).contains("same value"), "{}", why(&same));
        let mut unknown = trials(NetworkKind::SimpleCnn, 40);
        unknown.iter_mut().for_each(|trial| trial.optimizer = None);
        assert!(why(&unknown).contains("0 trials"), "{}", why(&unknown));
        assert_eq!(of_searches(&[]), []);
    }
}
