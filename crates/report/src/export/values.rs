//! A figure's values as a table, for other programs.

use crate::{
    document::{Cell, Column, Table},
    plot::{
        Axis, AxisUnit, CategoryPlot, Coordinate, CoordinatePlot, Figure, LinePlot, MatrixPlot,
        Plot, PointPlot, StripPlot, clean,
    },
};

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
        Plot::Matrix(it) => matrix(&it, empty),
    }
}

fn column(axis: &Axis) -> Column {
    match &axis.unit {
        AxisUnit::Energy { unit, .. } => Column::energy(axis.title.as_str(), unit.as_str()),
        // Joules that nobody vouches for are no energy; their unit is a part of the name.
        AxisUnit::Plain { .. } => Column::number(axis.heading(), ""),
    }
}

fn cell(axis: &Axis, value: f64, interval: Option<[f64; 2]>) -> Cell {
    match &axis.unit {
        AxisUnit::Energy { origin, .. } => Cell::energy(value, interval, DIGITS, *origin),
        AxisUnit::Plain { .. } => Cell::interval(value, interval, DIGITS),
    }
}

fn lines(plot: &LinePlot, empty: impl Fn(Vec<Column>) -> Table) -> Table {
    let mut table = empty(vec![Column::text("line"), column(&plot.x), column(&plot.y)]);
    for line in &plot.lines {
        for point in &line.points {
            let (x, y) = (cell(&plot.x, point.x, None), cell(&plot.y, point.y, point.band));
            table.push([Cell::text(&line.name), x, y]);
        }
    }
    table
}

fn points(plot: &PointPlot, empty: impl Fn(Vec<Column>) -> Table) -> Table {
    let heads = [Column::text("series"), Column::text("point"), column(&plot.x), column(&plot.y)];
    let mut table = empty(heads.to_vec());
    for series in &plot.series {
        for point in &series.points {
            let x = cell(&plot.x, point.x, point.x_interval);
            let y = cell(&plot.y, point.y, point.y_interval);
            table.push([Cell::text(&series.name), Cell::text(&point.label), x, y]);
        }
    }
    table
}

fn categories(plot: &CategoryPlot, empty: impl Fn(Vec<Column>) -> Table) -> Table {
    let heads = vec![Column::text("category"), Column::text("series"), column(&plot.value)];
    let mut table = empty(heads);
    for (name, marks) in &plot.series {
        for (category, mark) in plot.categories.iter().zip(marks) {
            let value = mark.map(|mark| cell(&plot.value, mark.value, mark.interval));
            table.push([Cell::text(category), Cell::text(name), Cell::or_missing(value)]);
        }
    }
    table
}

fn strip(plot: &StripPlot, empty: impl Fn(Vec<Column>) -> Table) -> Table {
    let mut table = empty(vec![Column::text("group"), column(&plot.value)]);
    for group in &plot.groups {
        for each in &group.values {
            table.push([Cell::text(&group.name), cell(&plot.value, *each, None)]);
        }
    }
    table
}

fn coordinates(plot: &CoordinatePlot, empty: impl Fn(Vec<Column>) -> Table) -> Table {
    let head = |coordinate: &Coordinate| {
        if coordinate.choices.is_empty() {
            column(&coordinate.axis)
        } else {
            Column::text(coordinate.axis.heading())
        }
    };
    let mut heads = vec![Column::text("line")];
    heads.extend(plot.axes.iter().map(head));
    let mut table = empty(heads);
    for trace in &plot.traces {
        let values = plot.axes.iter().enumerate().map(|(at, coordinate)| {
            let Some(value) = trace.values.get(at).copied().flatten() else { return Cell::Missing };
            match coordinate.choices.get(value as usize) {
                Some(name) if value >= 0.0 => Cell::text(name),
                _ if coordinate.choices.is_empty() => cell(&coordinate.axis, value, None),
                _ => Cell::Missing,
            }
        });
        let mut row = vec![Cell::text(&trace.name)];
        row.extend(values);
        table.push(row);
    }
    table
}

fn matrix(plot: &MatrixPlot, empty: impl Fn(Vec<Column>) -> Table) -> Table {
    let mut table = empty(["row", "column", "mark"].map(Column::text).to_vec());
    for (name, marks) in plot.rows.iter().zip(&plot.marks) {
        for (title, mark) in plot.columns.iter().zip(marks) {
            let words = mark.as_ref().map(|mark| Cell::text(&mark.words));
            let title = title.replace('\n', " ");
            table.push([Cell::text(name), Cell::text(title), Cell::or_missing(words)]);
        }
    }
    table
}
