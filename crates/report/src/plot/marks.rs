//! The content of plots: lines, points, categories, traces.

use super::Axis;

/// How the points of a line are connected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Shape {
    /// By straight lines.
    #[default]
    Straight,
    /// By steps: level until the next point, for best-so-far.
    Step,
}

/// A vertex of a line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinePoint {
    /// Along the horizontal axis.
    pub x: f64,
    /// Along the vertical axis.
    pub y: f64,
    /// Interval of `y`, low then high, drawn as a band.
    pub band: Option<[f64; 2]>,
}

/// A named line; its points in the order drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Shown at its end, or in the legend.
    pub name: String,
    /// Straight or in steps.
    pub shape: Shape,
    /// Vertices by rising `x`.
    pub points: Vec<LinePoint>,
}

/// A dashed line across the plot at a value, such as a published figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// In the units of the value axis.
    pub value: f64,
    /// Shown beside it.
    pub label: String,
}

/// Lines with bands.
#[derive(Clone, Debug, PartialEq)]
pub struct LinePlot {
    /// Horizontal.
    pub x: Axis,
    /// Vertical.
    pub y: Axis,
    /// The lines, each in a color and a dash of its own.
    pub lines: Vec<Line>,
    /// Horizontal references.
    pub references: Vec<Reference>,
}

/// A point with its intervals.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// Along the horizontal axis.
    pub x: f64,
    /// Along the vertical axis.
    pub y: f64,
    /// Interval of `x`, low then high.
    pub x_interval: Option<[f64; 2]>,
    /// Interval of `y`, low then high.
    pub y_interval: Option<[f64; 2]>,
    /// Shown beside it where there is room, and on hovering; empty for none.
    pub label: String,
}

/// Points of one color and marker.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointSeries {
    /// In the legend, if there is more than one series.
    pub name: String,
    /// In any order.
    pub points: Vec<Point>,
    /// Whether the points are drawn fainter, such as dominated ones.
    pub faded: bool,
}

/// Points with names, and lines through them.
#[derive(Clone, Debug, PartialEq)]
pub struct PointPlot {
    /// Horizontal.
    pub x: Axis,
    /// Vertical.
    pub y: Axis,
    /// The points.
    pub series: Vec<PointSeries>,
    /// Fitted trends with bands, drawn behind the points.
    pub trends: Vec<Line>,
}

/// A value with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mark {
    /// In the units of the value axis.
    pub value: f64,
    /// 95 % interval, low then high.
    pub interval: Option<[f64; 2]>,
}

/// Values by category and series, in rows.
#[derive(Clone, Debug, PartialEq)]
pub struct CategoryPlot {
    /// Horizontal.
    pub value: Axis,
    /// Names of the rows, from top to bottom.
    pub categories: Vec<String>,
    /// Name of each series with a mark for each category; `None`, or too few marks, for no value.
    pub series: Vec<(String, Vec<Option<Mark>>)>,
    /// Vertical references.
    pub references: Vec<Reference>,
}

/// An axis of parallel coordinates.
#[derive(Clone, Debug, PartialEq)]
pub struct Coordinate {
    /// Title, unit and scale.
    pub axis: Axis,
    /// Names of the values 0, 1, 2, …; empty if its values are numbers.
    pub choices: Vec<String>,
    /// Values that the axis must include, such as the bounds of a parameter.
    pub ends: Option<[f64; 2]>,
}

/// A line through parallel coordinates: one observation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trace {
    /// Shown on hovering.
    pub name: String,
    /// Value on each axis; the line has a gap at `None`.
    pub values: Vec<Option<f64>>,
    /// Prominence, from 0 (faint) to 1.
    pub weight: f64,
}

/// Parallel coordinates: axes side by side, a line for each observation.
#[derive(Clone, Debug, PartialEq)]
pub struct CoordinatePlot {
    /// From left to right, or from top to bottom where there is little room.
    pub axes: Vec<Coordinate>,
    /// In the order drawn.
    pub traces: Vec<Trace>,
}

/// The observations of one group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StripGroup {
    /// Name of the row.
    pub name: String,
    /// In any order.
    pub values: Vec<f64>,
}

/// Every observation by group.
#[derive(Clone, Debug, PartialEq)]
pub struct StripPlot {
    /// Horizontal.
    pub value: Axis,
    /// From top to bottom.
    pub groups: Vec<StripGroup>,
    /// Vertical references.
    pub references: Vec<Reference>,
}

/// What stands at a row and a column of a matrix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatrixMark {
    /// Number of its color and marker, as in the plot's kinds.
    pub look: usize,
    /// A few letters below the mark; empty for none.
    pub text: String,
    /// In words, shown on hovering.
    pub words: String,
}

/// A mark for each pair of a row and a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MatrixPlot {
    /// Titles from left to right; a line break starts a second line.
    pub columns: Vec<String>,
    /// Names from top to bottom.
    pub rows: Vec<String>,
    /// By row and column; `None`, or too few marks, for none.
    pub marks: Vec<Vec<Option<MatrixMark>>>,
    /// Names of the looks, for the legend.
    pub kinds: Vec<(String, usize)>,
}
