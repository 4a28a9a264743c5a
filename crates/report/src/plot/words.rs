//! A drawing in words, for readers who cannot see it.

use super::{
    Axis, CategoryPlot, CoordinatePlot, LinePlot, MatrixPlot, Plot, PointPlot, StripPlot, Trace,
    clean::clean, ticks,
};

/// Largest number of values that are listed; the others are counted.
const MOST: usize = 12;

/// The values of a plot, series by series, with the units of its axes.
pub(crate) fn in_words(plot: &Plot) -> String {
    match clean(plot).0 {
        Plot::Lines(it) => lines(&it),
        Plot::Points(it) => points(&it),
        Plot::Dots(it) | Plot::Bars(it) => categories(&it),
        Plot::Strip(it) => strip(&it),
        Plot::Coordinates(it) => coordinates(&it),
        Plot::Matrix(it) => matrix(&it),
    }
}

fn lines(plot: &LinePlot) -> String {
    let at = |point: &super::LinePoint| {
        let y = ticks::exact(&plot.y, point.y, point.band);
        format!("{y} at {} {}", plot.x.title, ticks::exact(&plot.x, point.x, None))
    };
    let lines = plot.lines.iter().filter_map(|line| {
        let (first, last) = (line.points.first()?, line.points.last()?);
        Some(format!("{}: from {} to {}", line.name, at(first), at(last)))
    });
    sentence(&plot.y, lines.collect())
}

fn points(plot: &PointPlot) -> String {
    let series = plot.series.iter().filter(|series| !series.points.is_empty()).map(|series| {
        let told = series.points.iter().take(MOST).map(|point| {
            let x = ticks::exact(&plot.x, point.x, point.x_interval);
            let y = ticks::exact(&plot.y, point.y, point.y_interval);
            let name = if point.label.is_empty() { "" } else { " " };
            format!("{}{name}{y} at {x}", point.label)
        });
        format!("{}: {}", series.name, list(told.collect(), series.points.len()))
    });
    sentence(&plot.y, series.collect())
}

fn categories(plot: &CategoryPlot) -> String {
    let series = plot.series.iter().map(|(name, marks)| {
        let marks = plot.categories.iter().zip(marks);
        let there: Vec<_> = marks.filter_map(|(name, mark)| Some((name, (*mark)?))).collect();
        let told = there.iter().take(MOST).map(|(category, mark)| {
            format!("{category} {}", ticks::exact(&plot.value, mark.value, mark.interval))
        });
        format!("{name}: {}", list(told.collect(), there.len()))
    });
    sentence(&plot.value, series.collect())
}

fn strip(plot: &StripPlot) -> String {
    let groups = plot.groups.iter().filter_map(|group| {
        let low = group.values.iter().copied().reduce(f64::min)?;
        let high = group.values.iter().copied().reduce(f64::max)?;
        let count = group.values.len();
        let range = ticks::exact(&plot.value, low, None);
        let range = format!("{range} to {}", ticks::exact(&plot.value, high, None));
        Some(format!("{}: {count} values from {range}", group.name))
    });
    sentence(&plot.value, groups.collect())
}

/// The most prominent lines, with their values on each axis.
fn coordinates(plot: &CoordinatePlot) -> String {
    /// Largest number of lines that are listed; the others are counted.
    const MOST: usize = 3;
    let mut order: Vec<&Trace> = plot.traces.iter().collect();
    order.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let told = order.iter().take(MOST).map(|trace| {
        let values = trace.values.iter().zip(&plot.axes).filter_map(|(value, coordinate)| {
            Some(format!(
                "{} {}",
                coordinate.axis.title,
                ticks::of_coordinate(coordinate, (*value)?)
            ))
        });
        format!("{}: {}", trace.name, values.collect::<Vec<_>>().join(", "))
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() || plot.axes.is_empty() {
        return sentence(&Axis::new("", ""), Vec::new());
    }
    let titles: Vec<&str> =
        plot.axes.iter().map(|coordinate| coordinate.axis.title.as_str()).collect();
    let left = order.len() - told.len();
    let more = if left > 0 { format!("; and {left} more lines") } else { String::new() };
    format!("The figure shows lines through {}. {}{more}.", titles.join(", "), told.join("; "))
}

/// How many marks of each kind there are.
fn matrix(plot: &MatrixPlot) -> String {
    let count = |look: usize| {
        plot.marks.iter().flatten().flatten().filter(|mark| mark.look == look).count()
    };
    let kinds = plot.kinds.iter().map(|(name, look)| format!("{name}: {}", count(*look)));
    format!(
        "The figure shows {} rows and {} columns. {}.",
        plot.rows.len(),
        plot.columns.len(),
        kinds.collect::<Vec<_>>().join("; ")
    )
}

fn list(told: Vec<String>, all: usize) -> String {
    let left = all - told.len();
    let more = if left > 0 { format!(", and {left} more") } else { String::new() };
    told.join(", ") + &more
}

fn sentence(axis: &Axis, parts: Vec<String>) -> String {
    if parts.is_empty() {
        return "The figure has no values.".to_owned();
    }
    let title = &axis.title;
    format!("The figure shows {title}. {}.", parts.join("; "))
}
