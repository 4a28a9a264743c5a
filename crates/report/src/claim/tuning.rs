//! RQ1: does Bayesian search dominate grid and random search?

use std::collections::HashMap;

use record::{ClaimId, Experiment, NetworkKind, SamplerKind, TuningSpace};

use super::{
    Answer, Claim, ClaimFigure, Effect, Estimate, Observations, Question, Test, distinct, interval,
    jackknife, mean, origin_of, rows::TrialRow, unique, verdict,
};
use crate::{document::Unit, number::fixed, stats};

/// A search by one strategy: its trials in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Search<'a> {
    /// Data set.
    pub data: &'a str,
    /// Network.
    pub network: NetworkKind,
    /// Search space.
    pub space: TuningSpace,
    /// Strategy.
    pub sampler: SamplerKind,
    /// Number of the repetition, from 0.
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

    /// The value of [`Search::best`] after each trial.
    #[must_use]
    pub fn best_so_far(&self) -> Vec<f64> {
        let mut best: Option<&TrialRow> = None;
        let mut so_far = Vec::new();
        for trial in &self.trials {
            if best.is_none_or(|best| trial.validation > best.validation) {
                best = Some(trial);
            }
            so_far.push(best.map_or(0.0, |best| best.test));
        }
        so_far
    }

    /// Joules spent up to and including each trial, with the energy of choosing its parameters; a trial
    /// without an energy reading adds nothing.
    #[must_use]
    pub fn joules_so_far(&self) -> Vec<f64> {
        let mut sum = 0.0;
        self.trials
            .iter()
            .map(|trial| {
                let parts = trial.energy.into_iter().chain(trial.plan);
                sum += parts.map(|energy| energy.joules.0).sum::<f64>();
                sum
            })
            .collect()
    }

    /// Mean test accuracy of a trial, in [0, 1]: low if most trainings are wasted.
    #[must_use]
    pub fn mean_accuracy(&self) -> f64 {
        mean(self.trials.iter().map(|trial| trial.test)).unwrap_or(0.0)
    }

    /// Share of the training energy that went into trials which did not improve on the best before
    /// them, in [0, 1]; `None` if a trial has no energy reading.
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
    let mut indices: HashMap<_, usize> = HashMap::new();
    let mut searches: Vec<Search<'_>> = Vec::new();
    for trial in trials {
        let key = (&*trial.data, trial.network, trial.space, trial.sampler, trial.repetition);
        let index = *indices.entry(key).or_insert_with(|| {
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
        searches[index].trials.push(trial);
    }
    for search in &mut searches {
        search.trials.sort_by_key(|trial| trial.number);
    }
    searches
}

pub(super) static BAYESIAN_DOMINATES: Claim = Claim {
    id: ClaimId::new("rq1-bayesian-dominates"),
    question: Question::Tuning,
    statement: "Bayesian optimization dominates random and grid search: it finds better \
        configurations and wastes fewer joules on bad ones.",
    source: "CAIN 2023, raw data: Fashion-MNIST, DensePolyNN, 3 parameters, 64 trials",
    criterion: "A block is a data set, a network and a repetition. In each block, the published \
        strategy is compared with the better of grid and random search. Supported if the 95 % \
        jackknife intervals (over blocks) of both differences are above 0: the accuracy of the best \
        configuration, and the mean accuracy of a trial. Contradicted if either interval is below 0; \
        otherwise inconclusive.",
    effect: Effect {
        name: "test accuracy of the best configuration: Bayesian search as published, minus the \
            better of grid and random search",
        unit: Unit::ShareDifference,
    },
    figures: FIGURES,
    test: bayesian_dominates,
};

const FIGURES: &[ClaimFigure] = &{
    use Unit::{Joules, Share};
    [
        ClaimFigure::published("best_accuracy_bayesian", "best accuracy, Bayesian", Share, 0.847),
        ClaimFigure::published("best_accuracy_random", "best accuracy, random", Share, 0.829),
        ClaimFigure::published("best_accuracy_grid", "best accuracy, grid", Share, 0.805),
        ClaimFigure::ours("best_accuracy_gp", "best accuracy, GP", Share),
        ClaimFigure::published(
            "mean_trial_accuracy_bayesian",
            "mean accuracy of a trial, Bayesian",
            Share,
            0.71,
        ),
        ClaimFigure::published(
            "mean_trial_accuracy_random",
            "mean accuracy of a trial, random",
            Share,
            0.31,
        ),
        ClaimFigure::published(
            "mean_trial_accuracy_grid",
            "mean accuracy of a trial, grid",
            Share,
            0.35,
        ),
        ClaimFigure::ours("mean_trial_accuracy_gp", "mean accuracy of a trial, GP", Share),
        ClaimFigure::ours("wasted_energy_share_bayesian", "wasted energy, Bayesian", Share),
        ClaimFigure::ours("wasted_energy_share_random", "wasted energy, random", Share),
        ClaimFigure::ours("wasted_energy_share_grid", "wasted energy, grid", Share),
        ClaimFigure::ours("wasted_energy_share_gp", "wasted energy, GP", Share),
        ClaimFigure::ours("search_energy_bayesian_j", "energy of a search, Bayesian", Joules),
        ClaimFigure::ours("search_energy_random_j", "energy of a search, random", Joules),
        ClaimFigure::ours("search_energy_grid_j", "energy of a search, grid", Joules),
        ClaimFigure::ours("search_energy_gp_j", "energy of a search, GP", Joules),
    ]
};

/// By how much Bayesian search beats the better of grid and random search in a block.
struct Gain {
    /// Accuracy of the best configuration, in [-1, 1].
    best: f64,
    /// Mean accuracy of a trial, in [-1, 1].
    mean: f64,
}

fn bayesian_dominates(observations: &Observations<'_>) -> Answer {
    let trials = &observations.rows.trials;
    let all = searches(trials);
    // The published space, if it was run.
    let spaces = distinct(all.iter().map(|search| search.space));
    let Some(space) = spaces.iter().min().copied() else {
        return Answer::too_little(0, "no searches were run");
    };
    let all: Vec<Search<'_>> = all.into_iter().filter(|search| search.space == space).collect();
    let gains = gains(&all);
    let error_rate = observations.error_rate(Experiment::Tuning);
    let over = |part: fn(&Gain) -> f64| {
        jackknife(gains.len(), error_rate, |units| {
            mean(units.iter().map(|index| part(&gains[*index])))
        })
    };
    let (Some(best), Some(mean_trial)) = (over(|gain| gain.best), over(|gain| gain.mean)) else {
        let why = "no block has complete searches by grid, random and the published strategy";
        return Answer::too_little(all.len(), why);
    };
    let best_gains: Vec<f64> = gains.iter().map(|gain| gain.best).collect();
    let test = stats::one_sample_t(&best_gains, 0.0).ok();
    let energies = trials.iter().filter_map(|trial| trial.energy);
    Answer {
        measured: measured(&all),
        verdict: verdict::all([best.above(0.0), mean_trial.above(0.0)]),
        reason: reason(best, mean_trial),
        test: Test {
            name: "t test over blocks (best configuration); jackknife interval",
            statistic: test.map(|test| test.t),
            p: test.map(|test| test.p),
            effect: Some(best.value),
            ci95: best.ci95,
            n: gains.len(),
        },
        origin: origin_of(energies.map(|energy| energy.origin)),
        data: data(&all),
        caveats: caveats(space, &all),
        margins: [best, mean_trial]
            .iter()
            .filter_map(|part| part.margin_above(0.0, gains.len()))
            .collect(),
    }
}

/// The gain in every block with complete searches by all three strategies.
fn gains(all: &[Search<'_>]) -> Vec<Gain> {
    let blocks = unique(all.iter().map(|search| (search.data, search.network, search.repetition)));
    let mut by_cell = HashMap::new();
    for search in all {
        let cell = (search.data, search.network, search.repetition, search.sampler);
        by_cell.entry(cell).or_insert(search);
    }
    let gain = |&(data, network, repetition): &_| {
        let of = |sampler| by_cell.get(&(data, network, repetition, sampler)).copied();
        let bayesian = of(SamplerKind::PaperPi)?;
        let (grid, random) = (of(SamplerKind::Grid)?, of(SamplerKind::Random)?);
        let trials = bayesian.trials.len();
        (grid.trials.len() == trials && random.trials.len() == trials).then(|| Gain {
            best: bayesian.best() - grid.best().max(random.best()),
            mean: bayesian.mean_accuracy() - grid.mean_accuracy().max(random.mean_accuracy()),
        })
    };
    blocks.iter().filter_map(gain).collect()
}

/// Means over searches of what a strategy finds, wastes and costs, by the keys of the figures.
pub(crate) fn measured(all: &[Search<'_>]) -> Vec<(&'static str, Option<f64>)> {
    let of = |sampler: SamplerKind, value: fn(&Search<'_>) -> Option<f64>| {
        mean(all.iter().filter(|search| search.sampler == sampler).filter_map(value))
    };
    let best = |sampler| of(sampler, |search| Some(search.best()));
    let trial = |sampler| of(sampler, |search| Some(search.mean_accuracy()));
    let wasted = |sampler| of(sampler, |search| search.wasted_share());
    let joules = |sampler| of(sampler, |search| search.joules_so_far().last().copied());
    use SamplerKind::{Gp, Grid, PaperPi, Random};
    vec![
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
    ]
}

fn reason(best: Estimate, mean_trial: Estimate) -> String {
    format!(
        "compared with the better of grid and random search, the best configuration gains {} points of \
         accuracy ({}) and the mean trial {} points ({})",
        points(best.value),
        points_interval(best),
        points(mean_trial.value),
        points_interval(mean_trial),
    )
}

fn points(share: f64) -> String {
    fixed(share * 100.0, 1)
}

fn points_interval(estimate: Estimate) -> String {
    let scaled = estimate.ci95.map(|ends| ends.map(|end| end * 100.0));
    interval(scaled, 1, "too few blocks for an interval")
}

fn data(all: &[Search<'_>]) -> String {
    let sets = distinct(all.iter().map(|search| search.data)).join(", ");
    let networks = distinct(all.iter().map(|search| search.network.paper_name())).join(", ");
    let trials = all.first().map_or(0, |search| search.trials.len());
    format!("{sets}; {networks}; {} searches of {trials} trials", all.len())
}

fn caveats(space: TuningSpace, all: &[Search<'_>]) -> Vec<String> {
    let mut caveats = vec![
        "Here a strategy chooses by validation accuracy and is judged by test accuracy; the study \
         used the test set for both."
            .to_owned(),
        "The energy of a search includes the energy of choosing the next trial; the study left it \
         out."
            .to_owned(),
    ];
    if space == TuningSpace::Three {
        caveats.push(
            "The learning rate is drawn from a linear scale over four decades, as published; the \
             result partly depends on how often a strategy tries small rates."
                .to_owned(),
        );
        caveats.push(
            "β2 is applied here, as the study describes it; the study's code never applied it and \
             always used 0.999 (space `three-as-run`)."
                .to_owned(),
        );
    }
    if all.iter().any(|search| search.trials.len() < 64) {
        caveats.push("The study ran 64 trials per search; these searches are shorter.".to_owned());
    }
    caveats
}
