//! How a study proceeds: it does every run, or it ends when its verdicts are decided or its budget is used.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use record::{Experiment, RunSummary};
use report::{Outlook, outlooks};
use serde::Serialize;

use crate::{
    budget::StudyBudget,
    config::Profile,
    experiment::{Plan, RecordDigest, Records, Sequence, Staged, Standing, sequence, title},
    output::{self, line},
};

/// How a study proceeds.
pub(super) enum Course {
    /// Every run is done.
    Whole,
    /// Experiments grow in stages until their verdicts are decided or the budget is used.
    Staged {
        budget: StudyBudget,
        sequence: Arc<Sequence>,
        plans: Vec<Staged>,
        /// The numbers of repetitions after which each experiment looks at its verdicts.
        looks: BTreeMap<Experiment, Vec<u32>>,
    },
}

/// How likely each claim is to be decided.
#[derive(Serialize)]
pub(super) struct ClaimOutlook {
    claim: String,
    is_decided: bool,
    /// Whether repetitions can decide it; `None` before the first look.
    depends_on_repetitions: Option<bool>,
    /// For each later look: the number of repetitions, and the probability that the claim is decided then.
    looks: Vec<(u32, Option<f64>)>,
}

impl Course {
    pub(super) fn of(profile: &Profile, selected: &[&dyn Plan]) -> Self {
        let Some(budget) = profile.budget else { return Self::Whole };
        let experiments: Vec<Experiment> = selected.iter().map(|plan| plan.experiment()).collect();
        let sequence = Arc::new(sequence(profile, &experiments, budget));
        let looks = experiments.iter().map(|experiment| (*experiment, profile.looks(*experiment)));
        let looks = looks.filter(|(_, looks)| !looks.is_empty()).collect();
        Self::Staged { budget, plans: Staged::of(&sequence), sequence, looks }
    }

    /// The plans that the driver asks, in place of those of the whole study.
    pub(super) fn plans<'a>(&'a self, whole: Vec<&'a dyn Plan>) -> Vec<&'a dyn Plan> {
        match self {
            Self::Whole => whole,
            Self::Staged { plans, .. } => plans.iter().map(|plan| plan as &dyn Plan).collect(),
        }
    }

    /// What is kept of each record.
    pub(super) fn digest(&self) -> fn(RunSummary) -> RecordDigest {
        match self {
            Self::Whole => RecordDigest::from,
            Self::Staged { .. } => RecordDigest::observed,
        }
    }

    pub(super) fn records(&self, list: Vec<RecordDigest>) -> Records {
        match self {
            Self::Whole => Records::new(list),
            Self::Staged { looks, .. } => Records::observing(list, looks.clone()),
        }
    }

    /// The time that the budget leaves; `None` without a budget of time.
    pub(super) fn time_left(&self, records: &Records) -> Option<Duration> {
        let Self::Staged { budget: StudyBudget::Seconds(limit), .. } = self else { return None };
        let used: f64 = records.all().iter().map(|record| record.seconds).sum();
        Duration::try_from_secs_f64((limit - used).max(0.0)).ok()
    }

    /// The budget in words; `None` without one.
    pub(super) fn budget(&self) -> Option<String> {
        match self {
            Self::Whole => None,
            Self::Staged { budget, .. } => Some(budget.to_string()),
        }
    }

    /// Says why each experiment ended.
    pub(super) fn say_end(&self, records: &Records) {
        let Self::Staged { sequence, .. } = self else { return };
        for (experiment, standing) in sequence.standings(records) {
            let why = match standing {
                Standing::Open => continue,
                Standing::Decided => "every verdict that more repetitions can change is decided",
                Standing::Spent => {
                    "a verdict is open; the budget or the profile's repetitions do not suffice for another look \
                     (the same command with a larger `--budget` continues)"
                }
            };
            line(&format!("{}: {why}", title(experiment)));
        }
    }

    /// How likely each claim is to be decided; `None` without a budget.
    pub(super) fn outlook(&self, records: &Records) -> Option<Vec<ClaimOutlook>> {
        let Self::Staged { looks, .. } = self else { return None };
        let runs = records.runs()?;
        let of = |outlook: Outlook| {
            let looks = looks.get(&outlook.experiment)?;
            let is_known = !runs.rows.looks.is_empty();
            Some(ClaimOutlook {
                is_decided: outlook.is_decided,
                depends_on_repetitions: is_known.then(|| outlook.depends_on_repetitions()),
                looks: looks.iter().map(|look| (*look, outlook.probability(*look))).collect(),
                claim: outlook.claim.to_string(),
            })
        };
        Some(outlooks(&runs.rows).into_iter().filter_map(of).collect())
    }
}

/// Prints how likely each claim is to be decided.
pub(super) fn show(outlook: &[ClaimOutlook]) {
    output::print("");
    output::print("probability that a claim is decided, by the number of repetitions:");
    for claim in outlook {
        let of = |(look, probability): &(u32, Option<f64>)| {
            Some(format!("{look}: {}", output::percent((*probability)?)))
        };
        let known: Vec<String> = claim.looks.iter().filter_map(of).collect();
        let words = match claim {
            ClaimOutlook { is_decided: true, .. } => "decided".to_owned(),
            ClaimOutlook { depends_on_repetitions: Some(false), .. } => {
                "repetitions do not change it".to_owned()
            }
            _ if known.is_empty() => {
                let first = claim.looks.first().map_or(0, |(look, _)| *look);
                format!("unknown before the first look, after {first} repetitions")
            }
            _ => known.join(", "),
        };
        output::print(&format!("  {:<32} {words}", claim.claim));
    }
}
