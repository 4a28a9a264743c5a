//! Statistics and the report.

mod document;
mod export;
mod page;
mod plot;

pub use crate::{
    document::{Banner, Cell, Column, ColumnKind, Document, Figure, Number, Section, Table},
    export::{csv, markdown, write},
    page::html,
    plot::{
        Axis, CategoryPlot, Line, LinePlot, LinePoint, Mark, Plot, Point, PointPlot, PointSeries,
        Quantity, Reference, Scale, Shape, StripGroup, StripPlot, svg,
    },
};
