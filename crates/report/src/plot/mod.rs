//! A small grammar of figures, drawn as SVG.
//!
//! A plot is plain data: axes, and marks in the units of the axes. Non-finite values are not drawn
//! but counted, and the caption says how many.

mod axis;
mod clean;
mod draw;
mod figure;
mod frame;
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
    marks::{
        CategoryPlot, Coordinate, CoordinatePlot, Line, LinePlot, LinePoint, Mark, Point,
        PointPlot, PointSeries, Reference, Shape, StripGroup, StripPlot, Trace,
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

/// What a figure draws.
#[derive(Clone, Debug, PartialEq)]
pub enum Plot {
    /// Lines with bands over a numeric axis; steps for best-so-far.
    Lines(LinePlot),
    /// Points with intervals in both directions, and names beside them.
    Points(PointPlot),
    /// Dots with intervals, a row for each category, a color for each series.
    Dots(CategoryPlot),
    /// Bars from zero with intervals, grouped by category.
    Bars(CategoryPlot),
    /// Every observation, with a box of quartiles, a row for each group.
    Strip(StripPlot),
    /// An axis for each quantity, a line for each observation.
    Coordinates(CoordinatePlot),
}

impl Plot {
    /// How many values have no place on the axes: not finite, or not positive on a log axis.
    #[must_use]
    pub fn omitted(&self) -> usize {
        clean::clean(self).1
    }
}
