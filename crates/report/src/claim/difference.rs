//! Compares two folders of records: which quantities differ, and by how much.

use std::collections::BTreeMap;

use record::{ClaimId, Origin, Verdict};
use serde::Serialize;

use super::{Rows, findings, origin_of, policy_title, searches};
use crate::stats::{self, welch_t};

/// A quantity that both folders have, compared.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// Name and cell: `energy of a training, shapes-28, 4 conv, 3 linear, ReLU`.
    pub name: String,
    /// Unit of the means: `J`, `s`, `J/image`, or empty for a share.
    pub unit: &'static str,
    /// Mean in the first folder.
    pub a: f64,
    /// Mean in the second.
    pub b: f64,
    /// Number of values in each folder.
    pub n: [usize; 2],
    /// Relative change of the geometric mean, second over first minus 1; for a share, the difference of
    /// the means.
    pub change: f64,
    /// 95 % interval of the change; `None` if a folder has fewer than two values, or if they do not vary.
    pub ci95: Option<[f64; 2]>,
    /// p-value of no change, adjusted over all differences (Holm).
    pub p: Option<f64>,
    /// Origin of the joules in both folders; `None` if it is not an energy.
    pub origin: Option<Origin>,
}

impl Difference {
    /// Whether the change is significant (p < 0.05 after adjustment).
    #[must_use]
    pub fn differs(&self) -> bool {
        self.p.is_some_and(|p| p < 0.05)
    }
}

/// A claim with different verdicts in the two folders, which both ran it.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct VerdictChange {
    /// Id of the claim.
    pub claim: ClaimId,
    /// Verdict in the first folder.
    pub a: Verdict,
    /// Verdict in the second folder.
    pub b: Verdict,
}

/// The comparison of two folders.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct FolderComparison {
    /// Quantities that both have, in the order of the report.
    pub differences: Vec<Difference>,
    /// Claims with different verdicts.
    pub verdicts: Vec<VerdictChange>,
    /// Energies that both have, but that are measured in one folder and estimated in the other, at least in
    /// part. They are not compared, because their difference says nothing of the runs.
    pub not_comparable: Vec<String>,
}

impl FolderComparison {
    /// The significant differences that are larger than a threshold, a share such as 0.1.
    pub fn above(&self, threshold: f64) -> impl Iterator<Item = &Difference> {
        self.differences
            .iter()
            .filter(move |difference| difference.differs() && difference.change.abs() > threshold)
    }
}

/// Values of one cell, with the origins of its joules.
#[derive(Default)]
struct Values {
    unit: &'static str,
    values: Vec<f64>,
    origins: Vec<Origin>,
}

impl Values {
    fn origin(&self) -> Option<Origin> {
        origin_of(self.origins.iter().copied())
    }
}

/// Compares the rows of two folders, cell by cell: energies and times by the ratio of their
/// geometric means, accuracies by their difference; Welch's t test (on logarithms for ratios).
#[must_use]
pub fn compare_folders(a: &Rows, b: &Rows) -> FolderComparison {
    let cells_b: BTreeMap<String, Values> = cells(b).into_iter().collect();
    let (mut differences, mut not_comparable) = (Vec::new(), Vec::new());
    for (name, of_a) in cells(a) {
        let Some(of_b) = cells_b.get(&name) else { continue };
        let comparable = of_a.origin() == of_b.origin() && of_a.origin() != Some(Origin::Mixed);
        if comparable {
            differences.extend(difference(name, &of_a, of_b));
        } else {
            not_comparable.push(name);
        }
    }
    let p: Vec<f64> = differences.iter().filter_map(|difference| difference.p).collect();
    let mut adjusted = stats::holm(&p).unwrap_or_default().into_iter();
    for difference in differences.iter_mut().filter(|difference| difference.p.is_some()) {
        difference.p = adjusted.next();
    }
    let (of_a, of_b) = (findings(a), findings(b));
    let verdicts = of_a.into_iter().filter_map(|finding| {
        let other = of_b.iter().find(|other| other.id == finding.id)?;
        let (a, b) = (finding.verdict, other.verdict);
        let both = !finding.was_not_run() && !other.was_not_run();
        (both && a != b).then_some(VerdictChange { claim: finding.id, a, b })
    });
    let verdicts = verdicts.collect();
    FolderComparison { differences, verdicts, not_comparable }
}

/// The cells of all questions, in the order of the report, with their names.
fn cells(rows: &Rows) -> Vec<(String, Values)> {
    let mut found: Vec<(String, Values)> = Vec::new();
    let mut add = |name: String, unit: &'static str, value: f64, origin: Option<Origin>| {
        let at = found.iter().position(|cell| cell.0 == name).unwrap_or_else(|| {
            found.push((name, Values { unit, ..Values::default() }));
            found.len() - 1
        });
        found[at].1.values.push(value);
        found[at].1.origins.extend(origin);
    };
    for one in searches(&rows.trials) {
        let (network, sampler) = (one.network.paper_name(), one.sampler.title());
        let cell = format!("{}, {network}, {:?}, {sampler}", one.data, one.space);
        let energies = one.trials.iter().filter_map(|trial| trial.energy);
        let origin = origin_of(energies.map(|energy| energy.origin));
        if let (Some(joules), Some(_)) = (one.joules_so_far().last(), origin) {
            add(format!("energy of a search, {cell}"), "J", *joules, origin);
        }
        add(format!("best accuracy of a search, {cell}"), "", one.best(), None);
    }
    for row in &rows.layers {
        let relu = if row.network.relu { "ReLU" } else { "no ReLU" };
        let cell = format!(
            "{}, {} conv, {} linear, {relu}",
            row.data, row.network.conv, row.network.linear
        );
        let origin = Some(row.energy.origin);
        add(format!("energy of a training, {cell}"), "J", row.energy.joules.0, origin);
        add(format!("accuracy of a training, {cell}"), "", row.accuracy, None);
    }
    for row in &rows.own {
        let levels = row.levels.iter().map(|(path, level)| format!(", {path} = {level}"));
        let cell = format!("{}, {}{}", row.data, row.file, levels.collect::<String>());
        let origin = Some(row.energy.origin);
        add(format!("energy of a training, {cell}"), "J", row.energy.joules.0, origin);
        add(format!("accuracy of a training, {cell}"), "", row.accuracy, None);
    }
    for row in &rows.engines {
        let network = row.network;
        let cell = format!(
            "engine {}, {}, {}, {} conv, {} linear",
            row.engine.title(),
            row.data,
            network.kind.paper_name(),
            network.conv,
            network.linear
        );
        let origin = Some(row.energy.origin);
        add(format!("energy of a training, {cell}"), "J", row.energy.joules.0, origin);
        add(format!("time of a training, {cell}"), "s", row.seconds, None);
    }
    for row in &rows.queues {
        let cell = format!("{}, {}/s, {}", row.network, row.rate, policy_title(row.policy));
        let joules = row.energy.joules.0 / row.requests as f64;
        let origin = Some(row.energy.origin);
        add(format!("energy of a request, {cell}"), "J/request", joules, origin);
        add(format!("99th percentile of the response, {cell}"), "s", row.p99_response_s, None);
    }
    for row in &rows.infers {
        let cell = format!("{}, {} pixels, batch {}", row.network, row.image_side, row.batch);
        let name = format!("energy of an image, {cell}");
        add(name, "J/image", row.joules_per_image, Some(row.origin));
        add(format!("time of an image, {cell}"), "s", row.seconds_per_image, None);
    }
    found
}

fn difference(name: String, a: &Values, b: &Values) -> Option<Difference> {
    let mean = |values: &Values| stats::mean(&values.values).ok();
    let (mean_a, mean_b) = (mean(a)?, mean(b)?);
    let share = a.unit.is_empty();
    // Joules and seconds above 0 are compared by ratio.
    let scaled = |values: &Values| -> Option<Vec<f64>> {
        let log = |value: &f64| (*value > 0.0).then(|| value.ln());
        if share { Some(values.values.clone()) } else { values.values.iter().map(log).collect() }
    };
    let back = |value: f64| if share { value } else { value.exp_m1() };
    let (x, y) = (scaled(a)?, scaled(b)?);
    let shift = stats::mean(&y).ok()? - stats::mean(&x).ok()?;
    let test = welch_t(&y, &x).ok();
    Some(Difference {
        name,
        unit: a.unit,
        a: mean_a,
        b: mean_b,
        n: [x.len(), y.len()],
        change: back(shift),
        ci95: test
            .and_then(|test| test.interval(0.95).ok())
            .map(|interval| [back(interval.low), back(interval.high)]),
        p: test.map(|test| test.p),
        origin: a.origin(),
    })
}
