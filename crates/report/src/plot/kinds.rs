//! The kinds of plots.

use super::{CategoryPlot, CoordinatePlot, LinePlot, MatrixPlot, PointPlot, StripPlot};

/// What a figure draws.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
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
    /// Parallel coordinates: an axis for each quantity, a line for each observation.
    Coordinates(CoordinatePlot),
    /// A mark for each pair of a row and a column.
    Matrix(MatrixPlot),
}
