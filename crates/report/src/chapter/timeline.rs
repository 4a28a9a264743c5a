//! RQ5: energy of an image against published accuracy, and both over the years.

use super::{
    frontier::{Gain, frontier},
    not_run,
};
use crate::{
    claim::id as claim_id,
    claim::{InferRow, Published, estimate, mean, network_means, origin_of},
    document::{Cell, Column, Figure, Section, Table},
    plot::{Axis, Plot, Point, PointPlot, PointSeries},
};

pub(super) fn section(rows: &[InferRow], published: &Published) -> Section {
    let mut section = not_run(
        "rq5",
        "RQ5: timeline",
        "How did the energy and the accuracy of vision networks develop over a decade?",
        vec![
            claim_id::RQ5_ENERGY_RISES,
            claim_id::RQ5_ACCURACY_SLOWS,
            claim_id::RQ5_SHUFFLENET_EXCEPTION,
        ],
    );
    let means = network_means(rows, published);
    let Some(origin) = origin_of(means.iter().map(|it| it.origin)) else { return section };
    let mut table = Table::new(
        "rq5-networks",
        "Accuracy and multiply-adds as torchvision publishes them (IMAGENET1K_V1, at the network's own \
         resolution); energy from our runs.",
        [
            Column::text("network"),
            Column::text("year"),
            Column::number("ImageNet top-1", "%"),
            Column::number("multiply-adds", "10⁹"),
            Column::number("runs", ""),
            Column::energy("energy of an image", "J/image"),
        ],
    );
    let (mut by_year, mut accuracy, mut by_accuracy) = (Vec::new(), Vec::new(), Vec::new());
    for it in &means {
        let energy = estimate(it.runs.len(), |units| mean(units.iter().map(|at| it.runs[*at])));
        let interval = energy.and_then(|it| it.ci95);
        let (year, label) = (f64::from(it.published.year), it.published.name.clone());
        let point = |x, y| Point { x, y, label: label.clone(), ..Point::default() };
        by_year.push(Point { y_interval: interval, ..point(year, it.joules_per_image) });
        accuracy.push(point(year, it.published.top1));
        by_accuracy
            .push(Point { x_interval: interval, ..point(it.joules_per_image, it.published.top1) });
        table.push([
            Cell::text(&it.published.name),
            Cell::text(it.published.year.to_string()),
            Cell::number(it.published.top1, 4),
            Cell::number(it.published.gflops, 3),
            Cell::Integer(it.runs.len() as i64),
            Cell::energy(it.joules_per_image, interval, 3, it.origin),
        ]);
    }
    let caption = "A point is a network: mean over runs, 95 % bootstrap interval over runs where there \
                   are at least five.";
    let energy = || Axis::energy("energy of an image", "J", origin).log();
    let mut add = |id: &str, title: &str, alt: &str, x: Axis, y: Axis, points: Vec<Point>| {
        let series = vec![PointSeries { name: "networks".to_owned(), points, faded: false }];
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
        "Energy of an image over the years",
        "Energy by year.",
        year(),
        energy(),
        by_year,
    );
    add(
        "rq5-accuracy",
        "Published accuracy over the years",
        "Accuracy by year.",
        year(),
        top1(),
        accuracy,
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
        "Published accuracy against energy of an image",
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
