//! Accuracy (or response time) against joules: the Pareto front, its knee, and the price of each step
//! along it.

use record::Origin;

use crate::{
    document::{Cell, Column, Table},
    pareto::{ParetoFront, TradeOff},
    plot::{Axis, Figure, Line, LinePoint, Plot, Point, PointPlot, PointSeries, Shape},
};

/// What is traded for joules.
pub(super) struct Gain {
    /// Axis of the figure.
    pub(super) axis: Axis,
    /// Heading and unit of the table's column.
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    /// Unit of the price, joules per unit of gain.
    pub(super) price: &'static str,
    /// Whether smaller values are better, as for a response time.
    pub(super) falling: bool,
}

/// A figure and a table of points; `x` of a point is its energy in joules.
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
    let trades: Vec<TradeOff> =
        points.iter().map(|point| TradeOff { cost: point.x, gain: sign * point.y }).collect();
    let found = ParetoFront::of(&trades);
    let knee = found.knee.map(|knee| points[knee].label.clone());
    let mut table = Table::new(
        id,
        format!(
            "The Pareto front of “{title}”: no other point is at least as good for less energy.{} {} points are \
             dominated.",
            found.hypervolume.map_or_else(String::new, |share| format!(
                " It dominates {:.0} % of the rectangle between the worst and the best values (hypervolume).",
                share * 100.0
            )),
            points.len() - found.members.len()
        ),
        [
            Column::text("on the front"),
            Column::energy("energy", unit),
            Column::number(gain.name, gain.unit),
            Column::energy("price of this step", gain.price),
            Column::text("knee"),
        ],
    );
    let prices = found.prices(&trades);
    for (at, member) in found.members.iter().enumerate() {
        let point = &points[*member];
        let price = at.checked_sub(1).and_then(|step| prices.get(step));
        table.push([
            Cell::text(&point.label),
            Cell::energy(point.x, point.x_interval, 3, origin),
            Cell::interval(point.y, point.y_interval, 4),
            Cell::or_missing(price.map(|price| Cell::energy(*price, None, 3, origin))),
            Cell::text(if found.knee == Some(*member) { "knee" } else { "" }),
        ]);
    }
    let line = found.members.iter().map(|member| LinePoint {
        x: points[*member].x,
        y: points[*member].y,
        band: None,
    });
    let trends = vec![Line {
        name: "Pareto front".to_owned(),
        shape: Shape::Straight,
        points: line.collect(),
    }];
    let names: Vec<String> =
        found.members.iter().map(|member| points[*member].label.clone()).collect();
    let (mut on, mut off) = (Vec::new(), Vec::new());
    for (at, point) in points.into_iter().enumerate() {
        if found.members.contains(&at) { on.push(point) } else { off.push(point) }
    }
    let mut series =
        vec![PointSeries { name: "on the front".to_owned(), points: on, faded: false }];
    if !off.is_empty() {
        series.push(PointSeries { name: "dominated".to_owned(), points: off, faded: true });
    }
    let knee = knee.map_or_else(String::new, |knee| format!(" The knee is {knee}."));
    let figure = Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: format!(
            "{caption} Points that another point beats in both respects are faded.{knee}"
        ),
        alt: format!("Points; on the Pareto front, by rising energy: {}.{knee}", names.join(", ")),
        plot: Plot::Points(PointPlot { x, y: gain.axis.clone(), series, trends }),
    };
    (figure, table)
}
