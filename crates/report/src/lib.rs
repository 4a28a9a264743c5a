//! Statistics and the report.

mod document;
mod plot;

pub use crate::{
    document::{Banner, Cell, Column, ColumnKind, Document, Figure, Number, Section, Table},
    plot::{
        Axis, CategoryPlot, Line, LinePlot, LinePoint, Mark, Plot, Point, PointPlot, PointSeries,
        Quantity, Reference, Scale, Shape, StripGroup, StripPlot,
    },
};
