//! Experiments: pure functions from the records so far to the next runs.
//!
//! A plan holds its configuration and no state. What has been done it sees in the records. That is why
//! an interrupted study continues from its journal alone, and why parallel workers and clusters need
//! no protocol for it.

mod accuracy;
mod batching;
mod engines;
mod fixed;
mod layers;
mod own;
mod plan;
mod records;
mod sequential;
mod timeline;
mod tuning;

use record::Experiment;

use self::sequential::Part;
pub(crate) use self::sequential::{Sequence, Staged, Standing};
pub(crate) use self::tuning::{point, space};
use self::{fixed::FixedPlan, tuning::Tuning};
pub use self::{
    plan::{Plan, PlanError},
    records::{RecordDigest, Records},
};
use crate::{budget::StudyBudget, config::Profile, seed::derive};

/// What the program needs to know of an experiment.
struct Entry {
    experiment: Experiment,
    /// A short name for the terminal.
    title: &'static str,
    /// The research questions of the studies that it answers, for `--rq`.
    questions: &'static [u8],
    /// Its plan, if the profile has its table.
    plan: fn(&Profile) -> Option<Box<dyn Plan>>,
}

/// Every experiment, in the order in which they run. To add one, add a line here and a file beside
/// this one.
const EXPERIMENTS: [Entry; 6] = [
    Entry {
        experiment: Experiment::Tuning,
        title: "RQ1 tuning",
        questions: &[1],
        plan: |profile| {
            let config = profile.tuning.clone()?;
            let seed = derive(profile.seed, "tuning");
            Some(Box::new(Tuning::new(config, profile.engine, seed)))
        },
    },
    Entry {
        experiment: Experiment::Layers,
        title: "RQ2, RQ3 layers",
        questions: &[2, 3],
        plan: |profile| {
            let (seed, engine) = (derive(profile.seed, "layers"), profile.engine);
            let study = profile.layers.as_ref().map(|config| layers::specs(config, engine, seed));
            let own = profile.own.as_ref().map(|config| own::specs(config, engine, seed));
            let specs: Vec<_> = match (study, own) {
                (None, None) => return None,
                (study, own) => study.into_iter().chain(own).flatten().collect(),
            };
            Some(Box::new(FixedPlan::new(Experiment::Layers, specs, layers::cost_key)))
        },
    },
    Entry {
        experiment: Experiment::Batching,
        title: "RQ4 batching",
        questions: &[4],
        plan: |profile| {
            let config = profile.batching.as_ref()?;
            Some(Box::new(batching::plan(config, derive(profile.seed, "batching"))))
        },
    },
    Entry {
        experiment: Experiment::Timeline,
        title: "RQ5 timeline",
        questions: &[5],
        plan: |profile| {
            let config = profile.timeline.as_ref()?;
            Some(Box::new(timeline::plan(config, derive(profile.seed, "timeline"))))
        },
    },
    Entry {
        experiment: Experiment::Accuracy,
        title: "RQ5 accuracy",
        questions: &[5],
        plan: |profile| {
            let config = profile.accuracy.as_ref()?;
            Some(Box::new(accuracy::plan(config, derive(profile.seed, "accuracy"))))
        },
    },
    Entry {
        experiment: Experiment::Engines,
        title: "engines",
        questions: &[],
        plan: |profile| {
            let config = profile.engines.as_ref()?;
            Some(Box::new(engines::plan(config, derive(profile.seed, "engines"))))
        },
    },
];

fn entry(experiment: Experiment) -> Option<&'static Entry> {
    EXPERIMENTS.iter().find(|entry| entry.experiment == experiment)
}

/// Every experiment, in the order in which they run.
pub(crate) fn all() -> impl Iterator<Item = Experiment> {
    EXPERIMENTS.iter().map(|entry| entry.experiment)
}

/// The plans of a profile's experiments, in the order in which they run.
#[must_use]
pub fn plans(profile: &Profile) -> Vec<Box<dyn Plan>> {
    EXPERIMENTS.iter().filter_map(|entry| (entry.plan)(profile)).collect()
}

/// The stages of a study with a budget: of each of these experiments, with the repetitions of each of its looks.
pub(crate) fn sequence(
    profile: &Profile,
    experiments: &[Experiment],
    budget: StudyBudget,
) -> Sequence {
    let part = |experiment: &Experiment| {
        let entry = entry(*experiment)?;
        let looks = profile.looks(*experiment);
        let plan =
            |repetitions: &u32| (entry.plan)(&profile.with_repetitions(*experiment, *repetitions));
        let stages: Option<Vec<_>> = looks.iter().map(plan).collect();
        let whole = || Some(vec![(entry.plan)(profile)?]);
        let stages = stages.filter(|stages| !stages.is_empty()).or_else(whole)?;
        Some(Part { stages, looks })
    };
    Sequence::new(experiments.iter().filter_map(part).collect(), budget)
}

/// A short name of an experiment for the terminal.
pub(crate) fn title(experiment: Experiment) -> &'static str {
    entry(experiment).map_or("experiment", |entry| entry.title)
}

/// The research questions of the studies that an experiment answers.
pub(crate) fn questions(experiment: Experiment) -> &'static [u8] {
    entry(experiment).map_or(&[], |entry| entry.questions)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::record_of;
