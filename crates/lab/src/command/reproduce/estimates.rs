//! What a study is expected to cost, said beforehand.

use std::time::Duration;

use record::Energy;

use super::spread::Spread;
use crate::{
    Failure,
    config::Profile,
    drive::title,
    estimate::{Estimate, estimate},
    experiment::{Plan, Records},
    output,
    progress::{self, Start},
    work::{RunError, Worker},
};

/// Of all plans.
pub(super) fn of(
    plans: &[&dyn Plan],
    records: &Records,
    worker: &mut Worker,
) -> Result<Vec<Estimate>, Failure> {
    plans
        .iter()
        .map(|plan| estimate(*plan, records, worker))
        .collect::<Result<_, RunError>>()
        .map_err(super::run_failure)
}

/// Says it before the first run.
pub(super) fn say(profile: &Profile, estimates: &[Estimate], spread: &Spread) {
    let left: usize = estimates.iter().map(|it| it.left).sum();
    if left == 0 {
        progress::line(&format!("profile {}: every run is done", profile.name));
        return;
    }
    progress::line(&format!(
        "profile {}: {left} runs to do, about {} {} (Ctrl-C is safe: the next call goes on)",
        profile.name,
        progress::human(in_all(estimates, spread)),
        spread.place(),
    ));
}

/// The answer to `--plan`.
pub(super) fn show(
    profile: &Profile,
    estimates: &[Estimate],
    spread: &Spread,
    json: bool,
) -> Result<(), Failure> {
    if json {
        return output::print_json(&serde_json::json!({
            "schema": "wattlab.plan/1",
            "profile": profile.name,
            "experiments": estimates,
            "total": {
                "duration_s": in_all(estimates, spread).as_secs_f64(),
                "energy": Energy::total(estimates.iter().filter_map(|it| it.energy)),
            },
        }));
    }
    output::print(&format!(
        "{:<16} {:>7} {:>7} {:>14} {:>12}",
        "experiment", "runs", "to do", "time", "energy"
    ));
    for it in estimates {
        let energy = it.energy.map_or_else(
            || "unknown".to_owned(),
            |it| format!("{:.1} kJ {}", it.joules.0 / 1e3, it.origin.word()),
        );
        output::print(&format!(
            "{:<16} {:>7} {:>7} {:>14} {energy:>12}",
            title(it.experiment),
            it.runs,
            it.left,
            progress::human(it.duration),
        ));
    }
    output::print(&format!(
        "in all, about {} {}",
        progress::human(in_all(estimates, spread)),
        spread.place()
    ));
    Ok(())
}

/// Time of everything that is left.
fn in_all(estimates: &[Estimate], spread: &Spread) -> Duration {
    let alone: Duration = estimates.iter().map(|it| it.duration).sum();
    alone / u32::try_from(spread.speedup()).unwrap_or(u32::MAX)
}

/// Where each experiment stands, for the progress.
pub(super) fn starts(plans: &[&dyn Plan], records: &Records, estimates: &[Estimate]) -> Vec<Start> {
    let start = |(plan, estimate): (&&dyn Plan, &Estimate)| Start {
        experiment: plan.experiment(),
        total: estimate.runs,
        done: estimate.runs - estimate.left,
        joules: Energy::total(
            records.all().iter().filter(|it| plan.owns_record(it)).filter_map(|it| it.energy),
        ),
        each: estimate.duration / u32::try_from(estimate.left.max(1)).unwrap_or(u32::MAX),
    };
    plans.iter().zip(estimates).map(start).collect()
}
