//! What a study is expected to cost, printed before its first run.

use std::time::Duration;

use record::Energy;

use super::{
    course::{self, ClaimOutlook},
    failure,
    placement::Placement,
    predicted::Predicted,
};
use crate::{
    Failure,
    config::Profile,
    estimate::{Estimate, Kinds, estimate, stand_ins},
    experiment::{Plan, Records, title},
    output::{self, human, line},
    progress::Start,
    work::Worker,
};

/// Estimates the cost of plans whose data has been checked.
pub(super) fn of(
    plans: &[&dyn Plan],
    records: &Records,
    worker: &mut Worker,
) -> Result<Vec<Estimate>, Failure> {
    let one = |plan: &&dyn Plan| {
        announce(*plan);
        estimate(*plan, &plan.kinds(), records, worker).map_err(failure::of_run)
    };
    plans.iter().map(one).collect()
}

/// The same for `--plan`, which needs no data: what is missing is replaced by random images.
pub(super) fn without_data(
    plans: &[&dyn Plan],
    records: &Records,
    worker: &mut Worker,
) -> Result<Vec<Estimate>, Failure> {
    let mut kinds: Vec<Kinds> = Vec::new();
    let mut notes: Vec<String> = Vec::new();
    // Bad input is found before time is spent on the first estimate.
    for plan in plans {
        let (replaced, more) = stand_ins(plan.kinds(), worker).map_err(Failure::bad_input)?;
        kinds.push(replaced);
        notes.extend(more);
    }
    notes.sort();
    notes.dedup();
    notes.iter().for_each(|note| line(note));
    let one = |(plan, kinds): (&&dyn Plan, &Kinds)| {
        announce(*plan);
        estimate(*plan, kinds, records, worker).map_err(failure::of_run)
    };
    plans.iter().zip(&kinds).map(one).collect()
}

/// Says what takes a few seconds.
fn announce(plan: &dyn Plan) {
    line(&format!(
        "estimating {}: a short version of each of its {} kinds of run",
        title(plan.experiment()),
        plan.kinds().len()
    ));
}

/// Says what will happen, before the first run.
pub(super) fn say(
    profile: &Profile,
    estimates: &[Estimate],
    placement: &Placement,
    budget: Option<&str>,
) {
    let left: usize = estimates.iter().map(|estimate| estimate.left).sum();
    if let Some(budget) = budget {
        line(&format!(
            "profile {}: the repetitions up to the first look at the verdicts take about {} {}; more follow where a \
             verdict is open, until the runs have used {budget} (Ctrl-C is safe: the same command continues)",
            profile.name,
            human(in_all(estimates, placement)),
            placement.place(),
        ));
        return;
    }
    line(&format!(
        "profile {}: {left} runs to do, about {} {} (Ctrl-C is safe: the same command continues)",
        profile.name,
        human(in_all(estimates, placement)),
        placement.place(),
    ));
}

/// The answer to `--plan`.
pub(super) fn show(
    profile: &Profile,
    estimates: &[Estimate],
    placement: &Placement,
    predicted: Option<&Predicted>,
    outlook: Option<&Vec<ClaimOutlook>>,
    json: bool,
) -> Result<(), Failure> {
    if json {
        let mut plan = serde_json::json!({
            "schema": "wattlab.plan/1",
            "profile": profile.name,
            "experiments": estimates,
            "total": {
                "duration_s": in_all(estimates, placement).as_secs_f64(),
                "energy": Energy::total(estimates.iter().filter_map(|estimate| estimate.energy)),
            },
        });
        if let Some(predicted) = predicted {
            plan["predicted"] = serde_json::to_value(predicted).map_err(Failure::run_time)?;
        }
        if let Some(outlook) = outlook {
            plan["claims"] = serde_json::to_value(outlook).map_err(Failure::run_time)?;
            plan["budget"] = serde_json::to_value(profile.budget).map_err(Failure::run_time)?;
        }
        return output::print_json(&plan);
    }
    output::print(&format!(
        "{:<16} {:>7} {:>7} {:>14} {:>12}",
        "experiment", "runs", "to do", "time", "energy"
    ));
    for estimate in estimates {
        let energy = estimate.energy.map_or_else(|| "unknown".to_owned(), output::energy);
        output::print(&format!(
            "{:<16} {:>7} {:>7} {:>14} {energy:>12}",
            title(estimate.experiment),
            estimate.runs,
            estimate.left,
            human(estimate.duration),
        ));
    }
    if let Some(budget) = profile.budget {
        output::print(&format!(
            "up to the first look at the verdicts; more repetitions follow where a verdict is open, until the runs \
             have used {budget}"
        ));
    }
    output::print(&format!(
        "in all, about {} {}",
        human(in_all(estimates, placement)),
        placement.place()
    ));
    if let Some(predicted) = predicted {
        predicted.show();
    }
    if let Some(outlook) = outlook {
        course::show(outlook);
    }
    Ok(())
}

/// The time for everything that is left.
fn in_all(estimates: &[Estimate], placement: &Placement) -> Duration {
    let alone: Duration = estimates.iter().map(|estimate| estimate.duration).sum();
    alone / u32::try_from(placement.speedup()).unwrap_or(u32::MAX)
}

/// How far each experiment is when the program starts; the time of a run is not known yet.
pub(super) fn starts(plans: &[&dyn Plan], records: &Records) -> Vec<Start> {
    let start = |plan: &&dyn Plan| Start {
        experiment: plan.experiment(),
        total: plan.total(),
        done: plan.done(records).min(plan.total()),
        joules: Energy::total(
            records
                .all()
                .iter()
                .filter(|record| plan.owns_record(record))
                .filter_map(|record| record.energy),
        ),
        each: Duration::ZERO,
    };
    plans.iter().map(start).collect()
}

/// Completes [`starts`] with the expected time of each run that is left.
pub(super) fn with_times(mut starts: Vec<Start>, estimates: &[Estimate]) -> Vec<Start> {
    for start in &mut starts {
        let found = estimates.iter().find(|estimate| estimate.experiment == start.experiment);
        if let Some(estimate) = found {
            let left = u32::try_from(estimate.left.max(1)).unwrap_or(u32::MAX);
            start.each = estimate.duration / left;
        }
    }
    starts
}
