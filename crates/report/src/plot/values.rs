//! A figure's values as a table, for other programs.

use super::{
    Axis, CategoryPlot, Coordinate, CoordinatePlot, LinePlot, Plot, PointPlot, Quantity, StripPlot,
    clean::clean,
};
use crate::document::{Cell, Column, Figure, Table};

/// Digits do not matter: a program reads the full value.
const DIGITS: usize = 6;

/// What a figure draws, a row a mark.
pub(crate) fn values(figure: &Figure) -> Table {
    let empty = |columns: Vec<Column>| Table::new(figure.id.as_str(), "", columns);
    match clean(&figure.plot).0 {
        Plot::Lines(it) => lines(&it, empty),
        Plot::Points(it) => points(&it, empty),
        Plot::Dots(it) | Plot::Bars(it) => categories(&it, empty),
        Plot::Strip(it) => strip(&it, empty),
        Plot::Coordinates(it) => coordinates(&it, empty),
    }
}

fn column(axis: &Axis) -> Column {
    match &axis.quantity {
        Quantity::Energy { unit, .. } => Column::energy(axis.title.as_str(), unit.as_str()),
        // Joules that nobody vouches for are no energy; their unit is a part of the name.
        Quantity::Plain { .. } => Column::number(axis.heading(), ""),
    }
}

fn cell(axis: &Axis, value: f64, interval: Option<[f64; 2]>) -> Cell {
    match &axis.quantity {
        Quantity::Energy { origin, .. } => Cell::energy(value, interval, DIGITS, *origin),
        Quantity::Plain { .. } => Cell::interval(value, interval, DIGITS),
    }
}

fn lines(plot: &LinePlot, empty: impl Fn(Vec<Column>) -> Table) -> Table {
    let mut table = empty(vec![Column::text("line"), column(&plot.x), column(&plot.y)]);
    for line in &plot.lines {
        for it in &line.points {
            let (x, y) = (cell(&plot.x, it.x, None), cell(&plot.y, it.y, it.band));
            table.push([Cell::text(&line.name), x, y]);
        }
    }
    table
}

fn points(plot: &PointPlot, empty: impl Fn(Vec<Column>) -> Table) -> Table {
    let heads = [Column::text("series"), Column::text("point"), column(&plot.x), column(&plot.y)];
    let mut table = empty(heads.to_vec());
    for series in &plot.series {
        for it in &series.points {
            let x = cell(&plot.x, it.x, it.x_interval);
            let y = cell(&plot.y, it.y, it.y_interval);
            table.push([Cell::text(&series.name), Cell::text(&it.label), x, y]);
        }
    }
    table
}

fn categories(plot: &CategoryPlot, empty: impl Fn(Vec<Column>) -> Table) -> Table {
    let heads = vec![Column::text("category"), Column::text("series"), column(&plot.value)];
    let mut table = empty(heads);
    for (name, marks) in &plot.series {
        for (category, mark) in plot.categories.iter().zip(marks) {
            let value = mark.map(|it| cell(&plot.value, it.value, it.interval));
            table.push([Cell::text(category), Cell::text(name), Cell::or_missing(value)]);
        }
    }
    table
}

fn strip(plot: &StripPlot, empty: impl Fn(Vec<Column>) -> Table) -> Table {
    let mut table = empty(vec![Column::text("group"), column(&plot.value)]);
    for group in &plot.groups {
        for it in &group.values {
            table.push([Cell::text(&group.name), cell(&plot.value, *it, None)]);
        }
    }
    table
}

fn coordinates(plot: &CoordinatePlot, empty: impl Fn(Vec<Column>) -> Table) -> Table {
    let head = |it: &Coordinate| {
        if it.choices.is_empty() { column(&it.axis) } else { Column::text(it.axis.heading()) }
    };
    let mut heads = vec![Column::text("line")];
    heads.extend(plot.axes.iter().map(head));
    let mut table = empty(heads);
    for trace in &plot.traces {
        let values = plot.axes.iter().enumerate().map(|(at, it)| {
            let Some(value) = trace.values.get(at).copied().flatten() else { return Cell::Missing };
            match it.choices.get(value as usize) {
                Some(name) if value >= 0.0 => Cell::text(name),
                _ if it.choices.is_empty() => cell(&it.axis, value, None),
                _ => Cell::Missing,
            }
        });
        let mut row = vec![Cell::text(&trace.name)];
        row.extend(values);
        table.push(row);
    }
    table
}
