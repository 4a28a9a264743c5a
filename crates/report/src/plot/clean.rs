//! Removes values that cannot be drawn on the axes, and counts them.

use super::{
    Axis, AxisScale, CategoryPlot, CoordinatePlot, Line, LinePlot, Mark, Plot, PointPlot,
    StripPlot, ticks,
};

impl Plot {
    /// Number of values that cannot be drawn: not finite, or not positive on a logarithmic axis.
    #[must_use]
    pub fn omitted(&self) -> usize {
        clean(self).1
    }
}

/// The plot without values that cannot be drawn, and the number of values removed.
pub(crate) fn clean(plot: &Plot) -> (Plot, usize) {
    let mut plot = plot.clone();
    let mut omitted = 0;
    match &mut plot {
        Plot::Lines(it) => lines(it, &mut omitted),
        Plot::Points(it) => points(it, &mut omitted),
        Plot::Dots(it) | Plot::Bars(it) => categories(it, &mut omitted),
        Plot::Strip(it) => strip(it, &mut omitted),
        Plot::Coordinates(it) => coordinates(it, &mut omitted),
        // Its marks have no values.
        Plot::Matrix(_) => {}
    }
    (plot, omitted)
}

fn drawable(axis: &Axis, value: f64) -> bool {
    value.abs() <= ticks::LARGEST && (axis.scale == AxisScale::Linear || value > 0.0)
}

/// Removes an interval with an end that is not finite. On a logarithmic axis only the upper end must be
/// positive; a lower end that is not positive is drawn to the edge.
fn interval(axis: &Axis, interval: &mut Option<[f64; 2]>, omitted: &mut usize) {
    if let Some([low, high]) = interval {
        if low > high {
            std::mem::swap(low, high);
        }
        if !(low.abs() <= ticks::LARGEST && drawable(axis, *high)) {
            *interval = None;
            *omitted += 1;
        }
    }
}

fn retain<T>(items: &mut Vec<T>, omitted: &mut usize, keep: impl Fn(&T) -> bool) {
    let before = items.len();
    items.retain(keep);
    *omitted += before - items.len();
}

fn vertices(line: &mut Line, x: &Axis, y: &Axis, omitted: &mut usize) {
    retain(&mut line.points, omitted, |point| drawable(x, point.x) && drawable(y, point.y));
    for point in &mut line.points {
        interval(y, &mut point.band, omitted);
    }
}

fn lines(plot: &mut LinePlot, omitted: &mut usize) {
    for line in &mut plot.lines {
        vertices(line, &plot.x, &plot.y, omitted);
    }
    retain(&mut plot.references, omitted, |reference| drawable(&plot.y, reference.value));
}

fn points(plot: &mut PointPlot, omitted: &mut usize) {
    for series in &mut plot.series {
        retain(&mut series.points, omitted, |point| {
            drawable(&plot.x, point.x) && drawable(&plot.y, point.y)
        });
        for point in &mut series.points {
            interval(&plot.x, &mut point.x_interval, omitted);
            interval(&plot.y, &mut point.y_interval, omitted);
        }
    }
    for line in &mut plot.trends {
        vertices(line, &plot.x, &plot.y, omitted);
    }
}

fn categories(plot: &mut CategoryPlot, omitted: &mut usize) {
    for (_, marks) in &mut plot.series {
        for slot in marks {
            if let Some(Mark { value, interval: bounds }) = slot {
                if drawable(&plot.value, *value) {
                    interval(&plot.value, bounds, omitted);
                } else {
                    *slot = None;
                    *omitted += 1;
                }
            }
        }
    }
    retain(&mut plot.references, omitted, |reference| drawable(&plot.value, reference.value));
}

fn strip(plot: &mut StripPlot, omitted: &mut usize) {
    for group in &mut plot.groups {
        retain(&mut group.values, omitted, |value| drawable(&plot.value, *value));
    }
    retain(&mut plot.references, omitted, |reference| drawable(&plot.value, reference.value));
}

fn coordinates(plot: &mut CoordinatePlot, omitted: &mut usize) {
    for axis in &mut plot.axes {
        axis.ends = axis.ends.filter(|ends| ends.iter().all(|end| drawable(&axis.axis, *end)));
    }
    for trace in &mut plot.traces {
        trace.values.truncate(plot.axes.len());
        for (slot, coordinate) in trace.values.iter_mut().zip(&plot.axes) {
            if slot.is_some_and(|value| !drawable(&coordinate.axis, value)) {
                *slot = None;
                *omitted += 1;
            }
        }
        trace.weight = if trace.weight.is_nan() { 0.0 } else { trace.weight.clamp(0.0, 1.0) };
    }
}
