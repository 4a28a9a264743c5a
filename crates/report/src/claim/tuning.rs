//! RQ1: does Bayesian search dominate grid and random search?

use std::collections::HashMap;

use record::{Evidence, NetworkKind, SamplerKind, TuningSpace};

use super::{
    Answer, Estimate, distinct, estimate, figures, mean, origin_of, percent, percent_interval,
    rows::TrialRow, unique, verdict,
};
use crate::stats;

/// One search: its trials in order.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    /// Data set.
    pub data: &'a str,
    /// Network.
    pub network: NetworkKind,
    /// Search space.
    pub space: TuningSpace,
    /// Strategy.
    pub sampler: SamplerKind,
    /// Which search.
    pub repetition: u32,
    /// Its trials, by number.
    pub trials: Vec<&'a TrialRow>,
}

impl Search<'_> {
    /// Test accuracy of the configuration with the best validation accuracy, in [0, 1].
    #[must_use]
    pub fn best(&self) -> f64 {
        self.best_so_far().last().copied().unwrap_or(0.0)
    }

    /// The same after each trial.
    #[must_use]
    pub fn best_so_far(&self) -> Vec<f64> {
        let mut best: Option<&TrialRow> = None;
        let mut so_far = Vec::new();
        for trial in &self.trials {
            if best.is_none_or(|it| trial.validation > it.validation) {
                best = Some(trial);
            }
            so_far.push(best.map_or(0.0, |it| it.test));
        }
        so_far
    }

    /// Joules spent up to each trial, choosing its parameters included; a trial without a reading
    /// adds nothing.
    #[must_use]
    pub fn joules_so_far(&self) -> Vec<f64> {
        let mut sum = 0.0;
        self.trials
            .iter()
            .map(|trial| {
                let parts = trial.energy.into_iter().chain(trial.plan);
                sum += parts.map(|it| it.joules.0).sum::<f64>();
                sum
            })
            .collect()
    }

    /// Mean test accuracy of a trial, in [0, 1]: low if most trainings are wasted.
    #[must_use]
    pub fn mean_accuracy(&self) -> f64 {
        mean(self.trials.iter().map(|it| it.test)).unwrap_or(0.0)
    }

    /// Share of the joules spent on trials that did not improve on the best so far, in [0, 1].
    #[must_use]
    pub fn wasted_share(&self) -> Option<f64> {
        let mut best = f64::NEG_INFINITY;
        let (mut wasted, mut all) = (0.0, 0.0);
        for trial in &self.trials {
            let joules = trial.energy?.joules.0;
            all += joules;
            if trial.validation > best {
                best = trial.validation;
            } else {
                wasted += joules;
            }
        }
        (all > 0.0).then(|| wasted / all)
    }
}

/// Groups trials into searches, in order of first appearance.
#[must_use]
pub fn searches(trials: &[TrialRow]) -> Vec<Search<'_>> {
    let mut places: HashMap<_, usize> = HashMap::new();
    let mut searches: Vec<Search<'_>> = Vec::new();
    for trial in trials {
        let key = (&*trial.data, trial.network, trial.space, trial.sampler, trial.repetition);
        let at = *places.entry(key).or_insert_with(|| {
            searches.push(Search {
                data: &trial.data,
                network: trial.network,
                space: trial.space,
                sampler: trial.sampler,
                repetition: trial.repetition,
                trials: Vec::new(),
            });
            searches.len() - 1
        });
        searches[at].trials.push(trial);
    }
    searches.iter_mut().for_each(|it| it.trials.sort_by_key(|trial| trial.number));
    searches
}

const CRITERION: &str = "Blocks are (data set, network, repetition). In each, the strategy as \
    published is compared with the better of grid and random search. Supported if the 95 % \
    bootstrap intervals over blocks of both differences, accuracy of the best configuration and \
    mean accuracy of a trial, lie above 0; contradicted if either lies below 0; otherwise \
    inconclusive.";
const EFFECT: &str = "test accuracy of the best configuration, Bayesian as published minus the \
    better of grid and random (share)";

/// The differences of one block.
struct Difference {
    best: f64,
    mean: f64,
}

pub(super) fn bayesian_dominates(trials: &[TrialRow]) -> Answer {
    let all = searches(trials);
    // The space as published, if it was run.
    let spaces = distinct(all.iter().map(|it| it.space));
    let Some(space) = spaces.iter().min().copied() else {
        return Answer::too_little(CRITERION, EFFECT, 0, "no searches were run");
    };
    let all: Vec<Search<'_>> = all.into_iter().filter(|it| it.space == space).collect();
    let blocks = unique(all.iter().map(|it| (it.data, it.network, it.repetition)));
    let mut by_cell = HashMap::new();
    for it in &all {
        by_cell.entry((it.data, it.network, it.repetition, it.sampler)).or_insert(it);
    }
    let differences: Vec<Difference> = blocks
        .iter()
        .filter_map(|&(data, network, repetition)| {
            let of = |sampler| by_cell.get(&(data, network, repetition, sampler));
            let (bayesian, grid, random) =
                (of(SamplerKind::PaperPi)?, of(SamplerKind::Grid)?, of(SamplerKind::Random)?);
            let length = bayesian.trials.len();
            (grid.trials.len() == length && random.trials.len() == length).then(|| Difference {
                best: bayesian.best() - grid.best().max(random.best()),
                mean: bayesian.mean_accuracy() - grid.mean_accuracy().max(random.mean_accuracy()),
            })
        })
        .collect();
    let over = |of: fn(&Difference) -> f64| {
        estimate(differences.len(), |units| mean(units.iter().map(|it| of(&differences[*it]))))
    };
    let (Some(best), Some(mean_trial)) = (over(|it| it.best), over(|it| it.mean)) else {
        let why = "no block has complete searches by grid, random and the published strategy";
        return Answer::too_little(CRITERION, EFFECT, 0, why);
    };
    let test: Vec<f64> = differences.iter().map(|it| it.best).collect();
    let wilcoxon = stats::wilcoxon_signed_rank(&test).ok();
    let verdict = verdict::all([best.above(0.0), mean_trial.above(0.0)]);
    Answer {
        criterion: CRITERION.to_owned(),
        measured: measured(&all),
        verdict,
        reason: reason(best, mean_trial),
        evidence: Evidence {
            test: "Wilcoxon signed-rank over blocks (best configuration); bootstrap interval"
                .into(),
            statistic: wilcoxon.as_ref().map(|it| it.statistic),
            p: wilcoxon.as_ref().map(|it| it.p),
            effect: Some(best.value),
            effect_name: EFFECT.to_owned(),
            ci95: best.ci95,
            n: differences.len(),
        },
        origin: origin_of(trials.iter().filter_map(|it| it.energy).map(|it| it.origin)),
        data: data(&all),
        caveats: caveats(space, &all),
    }
}

/// Means over searches of what a search finds, wastes and costs, by strategy.
pub(crate) fn measured(all: &[Search<'_>]) -> std::collections::BTreeMap<String, Option<f64>> {
    let of = |sampler: SamplerKind, value: fn(&Search<'_>) -> Option<f64>| {
        mean(all.iter().filter(|it| it.sampler == sampler).filter_map(value))
    };
    let best = |sampler| of(sampler, |it| Some(it.best()));
    let trial = |sampler| of(sampler, |it| Some(it.mean_accuracy()));
    let wasted = |sampler| of(sampler, |it| it.wasted_share());
    let joules = |sampler| of(sampler, |it| it.joules_so_far().last().copied());
    use SamplerKind::{Gp, Grid, PaperPi, Random};
    figures([
        ("best_accuracy_bayesian", best(PaperPi)),
        ("best_accuracy_gp", best(Gp)),
        ("best_accuracy_random", best(Random)),
        ("best_accuracy_grid", best(Grid)),
        ("mean_trial_accuracy_bayesian", trial(PaperPi)),
        ("mean_trial_accuracy_gp", trial(Gp)),
        ("mean_trial_accuracy_random", trial(Random)),
        ("mean_trial_accuracy_grid", trial(Grid)),
        ("wasted_energy_share_bayesian", wasted(PaperPi)),
        ("wasted_energy_share_gp", wasted(Gp)),
        ("wasted_energy_share_random", wasted(Random)),
        ("wasted_energy_share_grid", wasted(Grid)),
        ("search_energy_bayesian_j", joules(PaperPi)),
        ("search_energy_gp_j", joules(Gp)),
        ("search_energy_random_j", joules(Random)),
        ("search_energy_grid_j", joules(Grid)),
    ])
}

fn reason(best: Estimate, mean_trial: Estimate) -> String {
    format!(
        "against the better of grid and random: best configuration {} ({}), mean trial {} ({})",
        percent(best.value),
        percent_interval(best.ci95),
        percent(mean_trial.value),
        percent_interval(mean_trial.ci95),
    )
}

fn data(all: &[Search<'_>]) -> String {
    let sets = distinct(all.iter().map(|it| it.data)).join(", ");
    let networks = distinct(all.iter().map(|it| it.network.paper_name())).join(", ");
    let trials = all.first().map_or(0, |it| it.trials.len());
    format!("{sets}; {networks}; {} searches of {trials} trials", all.len())
}

fn caveats(space: TuningSpace, all: &[Search<'_>]) -> Vec<String> {
    let mut caveats = vec![
        "Strategies choose by validation accuracy and are judged by test accuracy; the study did \
         both on the test set."
            .to_owned(),
        "The energy of choosing the next trial is charged to the strategy; the study left it out."
            .to_owned(),
    ];
    if space == TuningSpace::Three {
        caveats.push(
            "The learning rate is drawn from a linear scale over four decades, as published; the \
             comparison measures in part how often a strategy touches small rates."
                .to_owned(),
        );
        caveats.push(
            "β2 is used, as the study describes; its code never applied it (always 0.999): the \
             space `three-as-run`."
                .to_owned(),
        );
    }
    if all.iter().any(|it| it.trials.len() < 64) {
        caveats.push("The study ran 64 trials a search.".to_owned());
    }
    caveats
}
