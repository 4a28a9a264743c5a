//! Accuracy (or speed) against joules: the frontier, its knee, and the price of the next point.

use record::Origin;

use crate::{
    document::{Cell, Column, Figure, Table},
    pareto::{Frontier, Trade},
    plot::{Axis, Line, LinePoint, Plot, Point, PointPlot, PointSeries, Shape},
};

/// What is traded for joules.
pub(super) struct Gain {
    /// Axis of the figure.
    pub(super) axis: Axis,
    /// Heading of the table's column, with its unit.
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// Unit of the price: joules for a unit of the gain.
    pub(super) price: &'static str,
    /// Whether less of it is better, as of a response time.
    pub(super) falling: bool,
}

/// A figure and a table of points, whose `x` are joules.
pub(super) fn frontier(
    id: &str,
    title: &str,
    caption: &str,
    energy: (Axis, &'static str, Origin),
    gain: &Gain,
    points: Vec<Point>,
) -> (Figure, Table) {
    let (x, unit, origin) = energy;
    let sign = if gain.falling { -1.0 } else { 1.0 };
    let trades: Vec<Trade> =
        points.iter().map(|it| Trade { cost: it.x, gain: sign * it.y }).collect();
    let found = Frontier::of(&trades);
    let knee = found.knee.map(|it| points[it].label.clone());
    let mut table = Table::new(
        id,
        format!(
            "The frontier of “{title}”: no other choice has less energy and is as good.{} Dominated: {}.",
            found.hypervolume.map_or_else(String::new, |it| format!(
                " It dominates {:.0} % of the rectangle between the worst and the best (hypervolume).",
                it * 100.0
            )),
            points.len() - found.members.len()
        ),
        [
            Column::text("on the frontier"),
            Column::energy("energy", unit),
            Column::number(gain.name, gain.unit),
            Column::energy("price of the step", gain.price),
            Column::text("knee"),
        ],
    );
    let prices = found.prices(&trades);
    for (at, member) in found.members.iter().enumerate() {
        let point = &points[*member];
        let price = at.checked_sub(1).and_then(|it| prices.get(it));
        table.push([
            Cell::text(&point.label),
            Cell::energy(point.x, point.x_interval, 3, origin),
            Cell::interval(point.y, point.y_interval, 3),
            Cell::or_missing(price.map(|it| Cell::energy(*it, None, 3, origin))),
            Cell::text(if found.knee == Some(*member) { "knee" } else { "" }),
        ]);
    }
    let line =
        found.members.iter().map(|it| LinePoint { x: points[*it].x, y: points[*it].y, band: None });
    let trends =
        vec![Line { name: "frontier".to_owned(), shape: Shape::Straight, points: line.collect() }];
    let names: Vec<String> = found.members.iter().map(|it| points[*it].label.clone()).collect();
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for (at, point) in points.into_iter().enumerate() {
        if found.members.contains(&at) { on.push(point) } else { off.push(point) }
    }
    let mut series =
        vec![PointSeries { name: "on the frontier".to_owned(), points: on, faded: false }];
    if !off.is_empty() {
        series.push(PointSeries { name: "dominated".to_owned(), points: off, faded: true });
    }
    let knee = knee.map_or_else(String::new, |it| format!(" The knee is {it}."));
    let figure = Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: format!("{caption} Points that another one beats in both are faded.{knee}"),
        alt: format!("Points; on the frontier, by rising energy: {}.{knee}", names.join(", ")),
        plot: Plot::Points(PointPlot { x, y: gain.axis.clone(), series, trends }),
    };
    (figure, table)
}
