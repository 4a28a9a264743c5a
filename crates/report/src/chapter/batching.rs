//! RQ4: energy and response time of a queue by batching policy.

use record::BatchPolicy;

use super::{
    frontier::{Gain, frontier},
    not_run,
};
use crate::{
    claim::id as claim_id,
    claim::{QueueRow, distinct, estimate, mean, origin_of, policy_title},
    document::{Cell, Column, Figure, Section, Table},
    plot::{Axis, CategoryPlot, Mark, Plot, Point},
};

pub(super) fn section(rows: &[QueueRow]) -> Section {
    let mut section = not_run(
        "rq4",
        "RQ4: batching",
        "What does it do to energy and response time when a queue of requests is served in batches?",
        vec![claim_id::RQ4_BATCHING_MATTERS, claim_id::RQ4_MODEL_DEPENDENT],
    );
    let Some(origin) = origin_of(rows.iter().map(|it| it.energy.origin)) else { return section };
    let mut policies = distinct(rows.iter().map(|it| it.policy));
    policies.sort_unstable();
    let networks = distinct(rows.iter().map(|it| it.network.as_str()));
    for rate in distinct(rows.iter().map(|it| it.rate)) {
        let at: Vec<&QueueRow> = rows.iter().filter(|it| it.rate == rate).collect();
        let figures = [
            (
                "energy",
                format!("Energy of a request at {rate} requests a second"),
                Axis::energy("energy of a request", "J", origin).log(),
                (|it: &QueueRow| it.energy.joules.0 / it.requests as f64) as fn(&QueueRow) -> f64,
            ),
            (
                "response",
                format!("Response time at {rate} requests a second"),
                Axis::new("mean response time", "s").log(),
                |it: &QueueRow| it.mean_response_s,
            ),
        ];
        for (kind, title, value, of) in figures {
            let series = networks.iter().map(|network| {
                let marks = policies.iter().map(|policy| cell(&at, network, *policy, of));
                ((*network).to_owned(), marks.collect())
            });
            section.figures.push(Figure {
                id: format!("rq4-{kind}-{rate}"),
                title,
                caption:
                    "Mean over runs with its 95 % bootstrap interval, where there are at least \
                          five. A response is the time from a request's intended arrival to its \
                          answer."
                        .to_owned(),
                alt: format!("Dots of {kind} by policy and network."),
                plot: Plot::Dots(CategoryPlot {
                    value,
                    categories: policies.iter().map(|it| policy_title(*it)).collect(),
                    series: series.collect(),
                    references: Vec::new(),
                }),
            });
        }
    }
    section.tables.push(table(rows, &networks, &policies));
    for network in networks {
        for rate in distinct(rows.iter().map(|it| it.rate)) {
            let at: Vec<&QueueRow> = rows.iter().filter(|it| it.rate == rate).collect();
            let points: Vec<Point> = policies
                .iter()
                .filter_map(|policy| {
                    let per_request = |it: &QueueRow| it.energy.joules.0 / it.requests as f64;
                    let energy = cell(&at, network, *policy, per_request)?;
                    let p99 = cell(&at, network, *policy, |it| it.p99_response_s)?;
                    Some(Point {
                        x: energy.value,
                        y: p99.value,
                        x_interval: energy.interval,
                        y_interval: p99.interval,
                        label: policy_title(*policy),
                    })
                })
                .collect();
            if points.len() < 2 {
                continue;
            }
            let gain = Gain {
                axis: Axis::new("99th percentile of the response", "s"),
                name: "99th percentile",
                unit: "s",
                price: "J/request per s saved",
                falling: true,
            };
            let (figure, prices) = frontier(
                &format!("rq4-frontier-{network}-{rate}"),
                &format!("Response against energy: {network} at {rate} requests a second"),
                "A point is a policy: mean over runs with 95 % bootstrap intervals, where there are \
                 at least five. Down and to the left is better.",
                (Axis::energy("energy of a request", "J", origin), "J/request", origin),
                &gain,
                points,
            );
            section.figures.push(figure);
            section.tables.push(prices);
        }
    }
    section
}

fn cell(
    rows: &[&QueueRow],
    network: &str,
    policy: BatchPolicy,
    value: impl Fn(&QueueRow) -> f64,
) -> Option<Mark> {
    let values: Vec<f64> = rows
        .iter()
        .filter(|it| it.network == network && it.policy == policy)
        .map(|it| value(it))
        .collect();
    let found = estimate(values.len(), |units| mean(units.iter().map(|it| values[*it])))?;
    Some(Mark { value: found.value, interval: found.ci95 })
}

fn table(rows: &[QueueRow], networks: &[&str], policies: &[BatchPolicy]) -> Table {
    let photographs = rows.iter().any(|it| it.preparing_share.is_some());
    let mut columns = vec![
        Column::text("network"),
        Column::number("rate", "1/s"),
        Column::text("policy"),
        Column::number("runs", ""),
        Column::energy("energy of a request", "J/request"),
        Column::number("mean wait", "s"),
        Column::number("mean response", "s"),
        Column::number("99th percentile", "s"),
        Column::number("mean batch", ""),
        Column::number("server busy", "%"),
    ];
    let mut caption =
        "Means over runs. Wait: intended arrival to start of service; response: to its end."
            .to_owned();
    if photographs {
        columns.push(Column::number("preparing", "% of service"));
        caption +=
            " Preparing: reading, decoding and preprocessing photographs, a part of the service.";
    }
    let mut table = Table::new("rq4-policies", caption, columns);
    for network in networks {
        for rate in distinct(rows.iter().map(|it| it.rate)) {
            for policy in policies {
                let runs: Vec<&QueueRow> = rows
                    .iter()
                    .filter(|it| it.network == *network && it.rate == rate && it.policy == *policy)
                    .collect();
                let Some(origin) = origin_of(runs.iter().map(|it| it.energy.origin)) else {
                    continue;
                };
                let number = |value: fn(&QueueRow) -> f64| {
                    Cell::or_missing(
                        cell(&runs, network, *policy, value)
                            .map(|it| Cell::interval(it.value, it.interval, 3)),
                    )
                };
                let energy =
                    cell(&runs, network, *policy, |it| it.energy.joules.0 / it.requests as f64);
                let mut cells = vec![
                    Cell::text(*network),
                    Cell::number(rate, 3),
                    Cell::text(policy_title(*policy)),
                    Cell::Integer(runs.len() as i64),
                    Cell::or_missing(
                        energy.map(|it| Cell::energy(it.value, it.interval, 3, origin)),
                    ),
                    number(|it| it.mean_wait_s),
                    number(|it| it.mean_response_s),
                    number(|it| it.p99_response_s),
                    number(|it| it.mean_batch),
                    number(|it| it.utilization * 100.0),
                ];
                if photographs {
                    let prepared: Vec<&QueueRow> =
                        runs.iter().copied().filter(|it| it.preparing_share.is_some()).collect();
                    let share = cell(&prepared, network, *policy, |it| {
                        it.preparing_share.unwrap_or_default() * 100.0
                    });
                    cells.push(Cell::or_missing(
                        share.map(|it| Cell::interval(it.value, it.interval, 3)),
                    ));
                }
                table.push(cells);
            }
        }
    }
    table
}
