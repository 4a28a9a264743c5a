//! A small grammar of figures, drawn as SVG.
//!
//! A plot is plain data: axes, and marks in the units of the axes. Non-finite values are not drawn
//! but counted, and the caption says how many.

mod axis;
mod clean;
mod draw;
mod figure;
mod frame;
mod kinds;
mod labels;
mod legend;
mod marks;
mod style;
mod svg;
mod ticks;
mod words;

pub use self::{
    axis::{Axis, AxisScale, AxisUnit},
    figure::Figure,
    kinds::Plot,
    marks::{
        CategoryPlot, Coordinate, CoordinatePlot, Line, LinePlot, LinePoint, Mark, MatrixMark,
        MatrixPlot, Point, PointPlot, PointSeries, Reference, Shape, StripGroup, StripPlot, Trace,
    },
    svg::svg,
};
pub(crate) use self::{
    clean::clean,
    frame::Width,
    style::{DARK, LIGHT, css},
    svg::inline,
    words::in_words,
};
