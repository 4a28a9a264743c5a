//! RQ5: energy per image against published accuracy, and both over the years.

use record::InferencePrecision;

use super::{
    frontier::{Gain, frontier},
    not_run,
};
use crate::{
    claim::{
        InferRow, PublishedNetwork, Question, distinct, estimate, mean, means_in, network_means,
        origin_of,
    },
    document::{Cell, Column, Section, Table},
    plot::{Axis, Figure, Plot, Point, PointPlot, PointSeries},
};

pub(super) fn section(rows: &[InferRow]) -> Section {
    let mut section = not_run(
        "rq5",
        "RQ5: timeline",
        "How did the energy and the accuracy of vision networks change over a decade?",
        Question::Timeline,
    );
    let means = network_means(rows);
    section.tables.extend(own_networks(rows));
    let Some(origin) = origin_of(means.iter().map(|network| network.origin)) else {
        return section;
    };
    let mut table = Table::new(
        "rq5-networks",
        "Accuracy and multiply-adds as torchvision publishes them (weights IMAGENET1K_V1, at the \
         network's own resolution), or as the network's file quotes them; energy from our runs.",
        [
            Column::text("network"),
            Column::text("year"),
            Column::number("ImageNet top-1", "%"),
            Column::number("multiply-adds", "10⁹"),
            Column::number("runs", ""),
            Column::energy("energy per image", "J/image"),
        ],
    );
    let (mut by_year, mut accuracy, mut by_accuracy) = (Vec::new(), Vec::new(), Vec::new());
    for network in &means {
        let energy =
            estimate(network.runs.len(), |units| mean(units.iter().map(|run| network.runs[*run])));
        let interval = energy.and_then(|energy| energy.ci95);
        let (year, label) = (f64::from(network.published.year), network.published.name.clone());
        let point = |x, y| Point { x, y, label: label.clone(), ..Point::default() };
        by_year.push(Point { y_interval: interval, ..point(year, network.joules_per_image) });
        accuracy.push(point(year, network.published.top1));
        by_accuracy.push(Point {
            x_interval: interval,
            ..point(network.joules_per_image, network.published.top1)
        });
        table.push([
            Cell::text(&network.published.name),
            Cell::text(network.published.year.to_string()),
            Cell::number(network.published.top1, 4),
            Cell::number(network.published.giga_multiply_adds, 3),
            Cell::Integer(network.runs.len() as i64),
            Cell::energy(network.joules_per_image, interval, 3, network.origin),
        ]);
    }
    // The published accuracy is that of single precision, so that int8 has none here.
    let int8 = means_in(rows, InferencePrecision::Int8);
    let mut by_year_int8 = Vec::new();
    for network in &int8 {
        let energy =
            estimate(network.runs.len(), |units| mean(units.iter().map(|run| network.runs[*run])));
        let interval = energy.and_then(|energy| energy.ci95);
        let label = InferencePrecision::Int8.of_network(&network.published.name);
        table.push([
            Cell::text(&label),
            Cell::text(network.published.year.to_string()),
            Cell::or_missing(None),
            Cell::number(network.published.giga_multiply_adds, 3),
            Cell::Integer(network.runs.len() as i64),
            Cell::energy(network.joules_per_image, interval, 3, network.origin),
        ]);
        by_year_int8.push(Point {
            x: f64::from(network.published.year),
            y: network.joules_per_image,
            y_interval: interval,
            label,
            ..Point::default()
        });
    }
    let caption = "A point is a network: the mean over runs, with a 95 % bootstrap interval if there are \
                   at least five runs.";
    let energy = || Axis::energy("energy per image", "J", origin).log();
    let mut add = |id: &str,
                   title: &str,
                   caption: &str,
                   alt: &str,
                   x: Axis,
                   y: Axis,
                   points: [Vec<Point>; 2]| {
        let named = ["networks", "networks, int8"].into_iter().zip(points);
        let series = named
            .filter(|(_, points)| !points.is_empty())
            .map(|(name, points)| PointSeries { name: name.to_owned(), points, faded: false })
            .collect();
        section.figures.push(Figure {
            id: id.to_owned(),
            title: title.to_owned(),
            caption: caption.to_owned(),
            alt: alt.to_owned(),
            plot: Plot::Points(PointPlot { x, y, series, trends: Vec::new() }),
        });
    };
    let year = || Axis::new("year of the network", "");
    let top1 = || Axis::new("published ImageNet top-1 accuracy", "%");
    add(
        "rq5-energy",
        "Energy per image over the years",
        caption,
        "Points: energy per image by year of the network.",
        year(),
        energy(),
        [by_year, by_year_int8],
    );
    add(
        "rq5-accuracy",
        "Published accuracy over the years",
        "A point is a network: the accuracy that torchvision publishes for its first set of weights.",
        "Points: published accuracy by year of the network.",
        year(),
        top1(),
        [accuracy, Vec::new()],
    );
    let gain = Gain {
        axis: top1(),
        name: "ImageNet top-1",
        unit: "%",
        price: "J/image per point",
        falling: false,
    };
    let (figure, prices) = frontier(
        "rq5-tradeoff",
        "Published accuracy against energy per image",
        caption,
        (energy(), "J/image", origin),
        &gain,
        by_accuracy,
    );
    section.figures.push(figure);
    section.tables.push(table);
    section.tables.push(prices);
    section
}

/// The energy of networks without a published accuracy, such as users' own. `None` if every network has one.
fn own_networks(rows: &[InferRow]) -> Option<Table> {
    let own: Vec<InferRow> = rows
        .iter()
        .filter(|row| PublishedNetwork::of(row).is_none())
        .map(|row| {
            let network = row.precision.of_network(&row.network);
            InferRow { network, ..row.clone() }
        })
        .collect();
    let names = distinct(own.iter().map(|row| row.network.as_str()));
    if names.is_empty() {
        return None;
    }
    let mut table = Table::new(
        "rq5-own-networks",
        "Networks without published accuracy: energy and time of an image from our runs, with 95 % bootstrap \
         intervals if there are at least five runs.",
        [
            Column::text("network"),
            Column::number("side of the images", "pixels"),
            Column::number("runs", ""),
            Column::energy("energy per image", "J/image"),
            Column::number("time per image", "s"),
        ],
    );
    for name in names {
        let of: Vec<&InferRow> = own.iter().filter(|row| row.network == name).collect();
        let over_runs = |value: fn(&InferRow) -> f64| {
            estimate(of.len(), |units| mean(units.iter().map(|run| value(of[*run]))))
        };
        let energy = over_runs(|row| row.joules_per_image);
        let origin = origin_of(of.iter().map(|row| row.origin));
        let time = over_runs(|row| row.seconds_per_image);
        table.push([
            Cell::text(name),
            Cell::Integer(of[0].image_side as i64),
            Cell::Integer(of.len() as i64),
            Cell::or_missing(
                energy
                    .zip(origin)
                    .map(|(energy, origin)| Cell::energy(energy.value, energy.ci95, 3, origin)),
            ),
            Cell::or_missing(time.map(|time| Cell::interval(time.value, time.ci95, 3))),
        ]);
    }
    Some(table)
}
