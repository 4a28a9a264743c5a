//! Two folders of records beside each other: which effects differ, and by how much.

use std::collections::BTreeMap;

use record::{ClaimId, Finding, Origin, Verdict};
use serde::Serialize;

use super::{Published, Rows, findings, origin_of, policy_title, searches};
use crate::stats::{self, welch_t};

/// A quantity that both folders have.
#[derive(Clone, Debug, Serialize)]
pub struct Difference {
    /// What: `energy of a training, shapes-28, 4 conv, 3 linear, ReLU`.
    pub name: String,
    /// Unit of the means: `J`, `s`, `J/image`, or empty for a share.
    pub unit: &'static str,
    /// Mean in the first folder.
    pub a: f64,
    /// Mean in the second.
    pub b: f64,
    /// Values behind them.
    pub n: [usize; 2],
    /// Second over first, less 1, of geometric means; the plain difference for a share.
    pub change: f64,
    /// 95 % interval of the change; `None` for fewer than two values a folder, or none that vary.
    pub ci95: Option<[f64; 2]>,
    /// Of no change, adjusted over all differences (Holm).
    pub p: Option<f64>,
    /// Of the joules on both sides, if it is an energy.
    pub origin: Option<Origin>,
}

impl Difference {
    /// Whether it is told apart from no change (p < 0.05 after adjustment).
    #[must_use]
    pub fn differs(&self) -> bool {
        self.p.is_some_and(|it| it < 0.05)
    }
}

/// A claim whose verdict is not the same.
#[derive(Clone, Debug, Serialize)]
pub struct VerdictChange {
    /// Which claim.
    pub claim: ClaimId,
    /// In the first folder.
    pub a: Verdict,
    /// In the second.
    pub b: Verdict,
}

/// The comparison of two folders.
#[derive(Clone, Debug, Serialize)]
pub struct FolderComparison {
    /// Quantities that both have, in the order of the report.
    pub differences: Vec<Difference>,
    /// Claims with another verdict.
    pub verdicts: Vec<VerdictChange>,
}

impl FolderComparison {
    /// The differences that are told apart from no change and larger than a threshold, a share such
    /// as 0.1.
    pub fn above(&self, threshold: f64) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(move |it| it.differs() && it.change.abs() > threshold)
    }
}

/// Values of one cell, with the origin of its joules.
#[derive(Default)]
struct Values {
    unit: &'static str,
    values: Vec<f64>,
    origins: Vec<Origin>,
}

/// Compares the rows of two folders, cell by cell: energies and times by the ratio of their
/// geometric means, accuracies by their difference; Welch's t test (on logarithms for ratios).
#[must_use]
pub fn compare_folders(a: &Rows, b: &Rows, published: &Published) -> FolderComparison {
    let cells_b: BTreeMap<String, Values> = cells(b).into_iter().collect();
    let mut differences: Vec<Difference> = cells(a)
        .into_iter()
        .filter_map(|(name, of_a)| difference(name.clone(), &of_a, cells_b.get(&name)?))
        .collect();
    let p: Vec<f64> = differences.iter().filter_map(|it| it.p).collect();
    let mut adjusted = stats::holm(&p).unwrap_or_default().into_iter();
    for it in differences.iter_mut().filter(|it| it.p.is_some()) {
        it.p = adjusted.next();
    }
    let verdicts: [Vec<Finding>; 2] = [findings(a, published), findings(b, published)];
    let changed = verdicts[0].iter().zip(&verdicts[1]).filter(|(a, b)| a.verdict != b.verdict);
    let verdicts = changed
        .map(|(a, b)| VerdictChange { claim: a.id.clone(), a: a.verdict, b: b.verdict })
        .collect();
    FolderComparison { differences, verdicts }
}

/// The cells of all questions, in the order of the report.
fn cells(rows: &Rows) -> Vec<(String, Values)> {
    let mut found: Vec<(String, Values)> = Vec::new();
    let mut add = |name: String, unit: &'static str, value: f64, origin: Option<Origin>| {
        let at = found.iter().position(|it| it.0 == name).unwrap_or_else(|| {
            found.push((name, Values { unit, ..Values::default() }));
            found.len() - 1
        });
        found[at].1.values.push(value);
        found[at].1.origins.extend(origin);
    };
    for it in searches(&rows.trials) {
        let (network, sampler) = (it.network.paper_name(), it.sampler.title());
        let cell = format!("{}, {network}, {:?}, {sampler}", it.data, it.space);
        let energies = it.trials.iter().filter_map(|it| it.energy);
        let origin = origin_of(energies.map(|it| it.origin));
        if let (Some(joules), Some(_)) = (it.joules_so_far().last(), origin) {
            add(format!("energy of a search, {cell}"), "J", *joules, origin);
        }
        add(format!("best accuracy of a search, {cell}"), "", it.best(), None);
    }
    for it in &rows.layers {
        let relu = if it.network.relu { "ReLU" } else { "no ReLU" };
        let cell =
            format!("{}, {} conv, {} linear, {relu}", it.data, it.network.conv, it.network.linear);
        let origin = Some(it.energy.origin);
        add(format!("energy of a training, {cell}"), "J", it.energy.joules.0, origin);
        add(format!("accuracy of a training, {cell}"), "", it.accuracy, None);
    }
    for it in &rows.queues {
        let cell = format!("{}, {}/s, {}", it.network, it.rate, policy_title(it.policy));
        let joules = it.energy.joules.0 / it.requests as f64;
        let origin = Some(it.energy.origin);
        add(format!("energy of a request, {cell}"), "J/request", joules, origin);
        add(format!("99th percentile of the response, {cell}"), "s", it.p99_response_s, None);
    }
    for it in &rows.infers {
        let cell = format!("{}, {} pixels, batch {}", it.network, it.image_side, it.batch);
        let name = format!("energy of an image, {cell}");
        add(name, "J/image", it.joules_per_image, Some(it.origin));
        add(format!("time of an image, {cell}"), "s", it.seconds_per_image, None);
    }
    found
}

fn difference(name: String, a: &Values, b: &Values) -> Option<Difference> {
    let mean = |it: &Values| stats::mean(&it.values).ok();
    let (mean_a, mean_b) = (mean(a)?, mean(b)?);
    let share = a.unit.is_empty();
    // Joules and seconds above 0 are compared by ratio.
    let scaled = |it: &Values| -> Option<Vec<f64>> {
        let log = |it: &f64| (*it > 0.0).then(|| it.ln());
        if share { Some(it.values.clone()) } else { it.values.iter().map(log).collect() }
    };
    let back = |it: f64| if share { it } else { it.exp_m1() };
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
        ci95: test.and_then(|it| it.interval(0.95).ok()).map(|it| [back(it.low), back(it.high)]),
        p: test.map(|it| it.p),
        origin: origin_of(a.origins.iter().chain(&b.origins).copied()),
    })
}
