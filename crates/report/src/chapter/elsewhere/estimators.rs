//! How good estimators are: their joules compared with a meter's, and which data sets allow no comparison.

use super::matrix::named;
use crate::{
    claim::distinct,
    document::{Cell, Column, Table},
    evidence::{Elsewhere, EstimatorRatio},
    number::fixed,
};

/// Estimators beside meters.
pub(super) fn compared(elsewhere: &Elsewhere) -> Option<Table> {
    if elsewhere.estimators.is_empty() {
        return None;
    }
    let columns = [
        Column::text("estimator"),
        Column::text("set"),
        Column::text("joules of the estimator"),
        Column::number("estimator over meter", ""),
        Column::text("95 % of runs"),
        Column::number("ratio of sums", ""),
        Column::number("stated interval, ±", "%"),
        Column::number("meter inside it", "%"),
        Column::number("spread of runs (log sd)", ""),
        Column::number("of that, the meter's resolution", ""),
        Column::text("runs"),
    ];
    let mut table = Table::new(
        "elsewhere-estimators",
        "What an estimator is worth: its joules over those of a meter in the same runs. The ratio is the \
         geometric mean over networks, loads, or seconds of recordings, its interval from the differences \
         between them. An interval that an estimator states should contain the meter's joules in 95 % of the \
         runs.",
        columns,
    );
    let percent =
        |share: Option<f64>| Cell::or_missing(share.map(|share| Cell::number(share * 100.0, 3)));
    for ratio in &elsewhere.estimators {
        let EstimatorRatio { name, .. } = ratio;
        table.push([
            Cell::text(&name.estimator),
            Cell::text(named(&name.data, &name.device)),
            Cell::text(name.origin.word()),
            Cell::interval(ratio.ratio, Some(ratio.ci95), 3),
            Cell::text(format!("{} to {}", fixed(ratio.range95[0], 2), fixed(ratio.range95[1], 2))),
            Cell::number(ratio.ratio_of_sums, 3),
            percent(ratio.stated_half_width),
            percent(ratio.coverage95),
            Cell::number(ratio.log_sd, 2),
            Cell::number(ratio.reading_log_sd, 2),
            Cell::text(format!(
                "{} {}, {} {}",
                ratio.runs, name.runs_are, ratio.groups, name.groups_are
            )),
        ]);
    }
    Some(table)
}

/// Why our own estimators have no value for some data sets.
pub(super) fn not_estimated(elsewhere: &Elsewhere) -> Option<Table> {
    let mut table = Table::new(
        "elsewhere-not-estimated",
        "Where our own estimators have no value to compare, and why.",
        [Column::text("data set"), Column::text("why")],
    );
    for (name, reason) in reasons(elsewhere) {
        table.push([Cell::text(name), Cell::text(reason)]);
    }
    (!table.rows().is_empty()).then_some(table)
}

/// The reasons that data sets give, once for each.
fn reasons(elsewhere: &Elsewhere) -> Vec<(&str, &str)> {
    let adapters = elsewhere.sources.iter().map(|source| source.adapter.as_ref());
    let adapters = adapters.chain(elsewhere.absent.iter().map(AsRef::as_ref));
    let given: Vec<_> = adapters
        .filter_map(|adapter| Some((adapter.name.as_str(), adapter.missing.estimate.as_deref()?)))
        .collect();
    let names = distinct(given.iter().map(|(name, _)| *name)).into_iter();
    names.filter_map(|name| given.iter().find(|(known, _)| *known == name).copied()).collect()
}

/// What the table of estimators says, in sentences.
pub(super) fn words(elsewhere: &Elsewhere) -> Option<String> {
    let stated: Vec<(&EstimatorRatio, f64)> =
        elsewhere.estimators.iter().filter_map(|ratio| Some((ratio, ratio.coverage95?))).collect();
    if stated.is_empty() {
        return None;
    }
    let names = distinct(stated.iter().map(|(ratio, _)| ratio.name.estimator.as_str()));
    let each = names.iter().map(|estimator| {
        let of = || stated.iter().filter(|(ratio, _)| ratio.name.estimator == *estimator);
        let covers: Vec<f64> = of().map(|(_, coverage)| coverage * 100.0).collect();
        let least = covers.iter().copied().fold(f64::INFINITY, f64::min);
        let most = covers.iter().copied().fold(0.0, f64::max);
        let enough = covers.iter().filter(|share| **share >= 95.0).count();
        format!(
            "{estimator}: {} % to {} % of the runs, at least 95 % on {enough} of {} devices",
            fixed(least, 0),
            fixed(most, 0),
            covers.len()
        )
    });
    Some(format!(
        "How often the interval that an estimator states for 95 % contains the meter's joules: {}.",
        each.collect::<Vec<_>>().join("; ")
    ))
}
