//! RQ4: energy and response time of a queue by batching policy.

use record::BatchPolicy;

use super::{
    frontier::{Gain, frontier},
    not_run,
};
use crate::{
    claim::{Question, QueueRow, distinct, estimate, mean, origin_of, policy_title},
    document::{Cell, Column, Section, Table},
    plot::{Axis, CategoryPlot, Figure, Mark, Plot, Point},
};

pub(super) fn section(rows: &[QueueRow]) -> Section {
    let mut section = not_run(
        "rq4",
        "RQ4: batching",
        "How does serving requests in batches change energy and response time?",
        Question::Batching,
    );
    let Some(origin) = origin_of(rows.iter().map(|row| row.energy.origin)) else { return section };
    // A network in another precision has its own rows and figures.
    let labeled = |row: &QueueRow| {
        let network = row.precision.of_network(&row.network);
        QueueRow { network, ..row.clone() }
    };
    let rows = &rows.iter().map(labeled).collect::<Vec<QueueRow>>()[..];
    let mut policies = distinct(rows.iter().map(|row| row.policy));
    policies.sort_unstable();
    let networks = distinct(rows.iter().map(|row| row.network.as_str()));
    for rate in distinct(rows.iter().map(|row| row.rate)) {
        let at: Vec<&QueueRow> = rows.iter().filter(|row| row.rate == rate).collect();
        let figures = [
            (
                "energy",
                format!("Energy per request at {rate} requests per second"),
                Axis::energy("energy per request", "J", origin).log(),
                (|row: &QueueRow| row.energy.joules.0 / row.requests as f64)
                    as fn(&QueueRow) -> f64,
            ),
            (
                "response",
                format!("Response time at {rate} requests per second"),
                Axis::new("mean response time", "s").log(),
                |row: &QueueRow| row.mean_response_s,
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
                    "Mean over runs, with a 95 % bootstrap interval if there are at least five runs. \
                     The response time is the time from a request's intended arrival to its answer."
                        .to_owned(),
                alt: format!("Dots: {kind} by policy and network."),
                plot: Plot::Dots(CategoryPlot {
                    value,
                    categories: policies.iter().map(|policy| policy_title(*policy)).collect(),
                    series: series.collect(),
                    references: Vec::new(),
                }),
            });
        }
    }
    section.tables.push(table(rows, &networks, &policies));
    for network in networks {
        for rate in distinct(rows.iter().map(|row| row.rate)) {
            let at: Vec<&QueueRow> = rows.iter().filter(|row| row.rate == rate).collect();
            let points: Vec<Point> = policies
                .iter()
                .filter_map(|policy| {
                    let per_request = |row: &QueueRow| row.energy.joules.0 / row.requests as f64;
                    let energy = cell(&at, network, *policy, per_request)?;
                    let p99 = cell(&at, network, *policy, |row| row.p99_response_s)?;
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
                axis: Axis::new("99th percentile of the response time", "s"),
                name: "99th percentile",
                unit: "s",
                price: "J/request per s saved",
                falling: true,
            };
            let (figure, prices) = frontier(
                &format!("rq4-frontier-{}-{rate}", network.replace(", ", "-")),
                &format!("Response time against energy: {network} at {rate} requests per second"),
                "A point is a policy: the mean over runs, with 95 % bootstrap intervals if there are at \
                 least five runs. Points further down and to the left are better.",
                (Axis::energy("energy per request", "J", origin), "J/request", origin),
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
        .filter(|row| row.network == network && row.policy == policy)
        .map(|row| value(row))
        .collect();
    let found = estimate(values.len(), |units| mean(units.iter().map(|unit| values[*unit])))?;
    Some(Mark { value: found.value, interval: found.ci95 })
}

fn table(rows: &[QueueRow], networks: &[&str], policies: &[BatchPolicy]) -> Table {
    let photographs = rows.iter().any(|row| row.preparing_share.is_some());
    let mut columns = vec![
        Column::text("network"),
        Column::number("rate", "1/s"),
        Column::text("policy"),
        Column::number("runs", ""),
        Column::energy("energy per request", "J/request"),
        Column::number("mean wait", "s"),
        Column::number("mean response time", "s"),
        Column::number("99th percentile", "s"),
        Column::number("mean batch", ""),
        Column::number("server busy", "%"),
    ];
    let mut caption =
        "Means over runs. The wait is the time from intended arrival to start of service, the \
         response time that to the end of service."
            .to_owned();
    if photographs {
        columns.push(Column::number("preparing", "% of service"));
        caption += " Preparing is the part of the service spent reading, decoding and resizing photographs.";
    }
    let mut table = Table::new("rq4-policies", caption, columns);
    for network in networks {
        for rate in distinct(rows.iter().map(|row| row.rate)) {
            for policy in policies {
                let runs: Vec<&QueueRow> = rows
                    .iter()
                    .filter(|row| {
                        row.network == *network && row.rate == rate && row.policy == *policy
                    })
                    .collect();
                let Some(origin) = origin_of(runs.iter().map(|row| row.energy.origin)) else {
                    continue;
                };
                let number = |value: fn(&QueueRow) -> f64| {
                    Cell::or_missing(
                        cell(&runs, network, *policy, value)
                            .map(|mark| Cell::interval(mark.value, mark.interval, 3)),
                    )
                };
                let energy =
                    cell(&runs, network, *policy, |row| row.energy.joules.0 / row.requests as f64);
                let mut cells = vec![
                    Cell::text(*network),
                    Cell::number(rate, 3),
                    Cell::text(policy_title(*policy)),
                    Cell::Integer(runs.len() as i64),
                    Cell::or_missing(
                        energy.map(|energy| Cell::energy(energy.value, energy.interval, 3, origin)),
                    ),
                    number(|row| row.mean_wait_s),
                    number(|row| row.mean_response_s),
                    number(|row| row.p99_response_s),
                    number(|row| row.mean_batch),
                    number(|row| row.utilization * 100.0),
                ];
                if photographs {
                    let prepared: Vec<&QueueRow> =
                        runs.iter().copied().filter(|row| row.preparing_share.is_some()).collect();
                    let share = cell(&prepared, network, *policy, |row| {
                        row.preparing_share.unwrap_or_default() * 100.0
                    });
                    cells.push(Cell::or_missing(
                        share.map(|share| Cell::interval(share.value, share.interval, 3)),
                    ));
                }
                table.push(cells);
            }
        }
    }
    table
}
