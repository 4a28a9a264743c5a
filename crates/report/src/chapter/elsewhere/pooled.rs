//! What follows from several sets or searches: means over sets, replayed searches.

use record::Origin;

use crate::{
    document::{Cell, Column, Table},
    evidence::Elsewhere,
    number::fixed,
};

pub(super) fn syntheses(elsewhere: &Elsewhere) -> Option<Table> {
    if elsewhere.syntheses.is_empty() {
        return None;
    }
    let columns = [
        Column::text("claim"),
        Column::text("sets"),
        Column::text("mean effect"),
        Column::text("95 % of new sets"),
        Column::number("p", ""),
        Column::number("between sets, I²", "%"),
        Column::number("τ²", ""),
        Column::number("p of equal sets", ""),
    ];
    let mut table = Table::new(
        "elsewhere-synthesis",
        "Random-effects meta-analysis of three or more comparable sets (REML; intervals by Hartung and \
         Knapp). Changes of joules are pooled as logarithms. Sets of one data set share its workloads, so \
         they say more about devices than about networks.",
        columns,
    );
    for synthesis in &elsewhere.syntheses {
        let (mean, ci95, prediction) = synthesis.effect();
        let unit = synthesis.unit;
        table.push([
            Cell::text(synthesis.claim.as_str()),
            Cell::text(synthesis.sets.join("; ")),
            Cell::text(unit.show_interval(mean, Some(ci95))),
            Cell::text(format!(
                "{} to {}",
                unit.show(prediction[0], 3),
                unit.show(prediction[1], 3)
            )),
            Cell::PValue(synthesis.mean.p),
            Cell::number(synthesis.mean.i_squared * 100.0, 2),
            Cell::number(synthesis.mean.tau_squared, 3),
            Cell::PValue(synthesis.mean.q_p),
        ]);
    }
    Some(table)
}

/// Joules to the target and the best network, by strategy of the replayed searches.
pub(super) fn searches(elsewhere: &Elsewhere) -> Option<Table> {
    let replay = elsewhere.replay.as_ref().filter(|replay| !replay.searches.is_empty())?;
    let columns = [
        Column::text("strategy"),
        Column::energy("median to the target", "kJ"),
        Column::number("reached it", "%"),
        Column::number("mean accuracy of the best network", "%"),
        Column::number("mean accuracy of a trial", "%"),
        Column::number("searches", ""),
    ];
    let mut table = Table::new(
        "elsewhere-searches",
        format!(
            "Searches replayed on the measured trainings of `{}`: GPU joules spent until a network reached \
             {} of validation accuracy ({}). A search that did not reach it counts with more than all its \
             joules; the median is missing if half of them did not.",
            replay.data,
            fixed(replay.target * 100.0, 1) + " %",
            replay.target_words,
        ),
        columns,
    );
    let strategies: Vec<&str> =
        crate::claim::distinct(replay.searches.iter().map(|search| search.strategy.as_str()));
    for strategy in strategies {
        let of: Vec<_> =
            replay.searches.iter().filter(|search| search.strategy == strategy).collect();
        let mut joules: Vec<f64> = of
            .iter()
            .map(|search| match search.joules_to(replay.target) {
                (joules, true) => joules,
                (_, false) => f64::INFINITY,
            })
            .collect();
        joules.sort_by(f64::total_cmp);
        let reached = joules.iter().filter(|joules| joules.is_finite()).count();
        let median = joules.get(joules.len() / 2).copied().filter(|joules| joules.is_finite());
        let mean = |values: Vec<f64>| crate::claim::mean(values).map(|mean| mean * 100.0);
        let best = mean(of.iter().filter_map(|search| search.best()).collect());
        let average = mean(of.iter().filter_map(|search| search.mean_accuracy()).collect());
        let number = |value: Option<f64>| Cell::or_missing(value.map(|it| Cell::number(it, 3)));
        table.push([
            Cell::text(strategy),
            Cell::or_missing(
                median.map(|joules| Cell::energy(joules / 1e3, None, 3, Origin::Measured)),
            ),
            Cell::number(reached as f64 / of.len() as f64 * 100.0, 3),
            number(best),
            number(average),
            Cell::Integer(i64::try_from(of.len()).unwrap_or(i64::MAX)),
        ]);
    }
    Some(table)
}
