//! Lines with bands, named at their ends where there is room.

use maud::{Markup, html};

use super::shapes::{band, heights, path};
use crate::plot::{
    Line, LinePlot,
    frame::{self, Drawing, LINE, Map, Panel, Width, px, text_width},
    labels,
    legend::{Entry, Sample, legend},
    style, ticks,
};

/// Vertices of a line up to which each has a marker.
const MARKED: usize = 14;
/// Places along a longer line where hovering shows values.
const HOVERED: usize = 24;

pub(super) fn draw(plot: &LinePlot, width: Width) -> Drawing {
    let total = width.pixels();
    let longest = plot.lines.iter().map(|line| text_width(&line.name)).fold(0.0, f64::max);
    let direct = width == Width::Wide && longest < 0.3 * total && plot.lines.len() <= 8;
    let mut entries: Vec<Entry<'_>> = Vec::new();
    if !direct && plot.lines.len() > 1 {
        let lines = plot.lines.iter().enumerate();
        entries.extend(lines.map(|(index, line)| (Sample::Line, index, line.name.as_str())));
    }
    entries.extend(
        plot.references.iter().map(|reference| (Sample::Reference, 0, reference.label.as_str())),
    );
    let (legend, legend_height) = legend(&entries, total);

    let top = legend_height + LINE + 14.0;
    let bottom = top + if width == Width::Wide { 280.0 } else { 220.0 };
    let ys = plot
        .lines
        .iter()
        .flat_map(|line| heights(&line.points))
        .chain(plot.references.iter().map(|reference| reference.value));
    let y = Map::new(&plot.y, ys, (bottom, top), 5);
    let left = frame::left_of(&y.range);
    let right = if direct { total - longest - 22.0 } else { total - 12.0 };
    let panel = Panel { left, top, right, bottom };
    let xs = plot.lines.iter().flat_map(|line| &line.points).map(|point| point.x);
    let x = Map::new(&plot.x, xs, (left, right), width.ticks());

    let ends: Vec<(usize, f64, f64)> = plot
        .lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| line.points.last().map(|end| (index, x.at(end.x), y.at(end.y))))
        .collect();
    let places: Vec<f64> = ends.iter().map(|end| end.2).collect();
    let places = labels::spread(&places, LINE - 1.0, (top + 4.0, bottom - 4.0));

    let content = html! {
        (legend)
        (frame::vertical_axis(&plot.y, &y, panel))
        (frame::horizontal_axis(&plot.x, &x, panel))
        (references(plot, &y, panel))
        @for (index, line) in plot.lines.iter().enumerate() {
            g class=(style::class(index)) { path class="band" d=(band(&line.points, line.shape, &x, &y)) {} }
        }
        @for (index, line) in plot.lines.iter().enumerate() {
            (stroke(plot, index, line, &x, &y))
        }
        @if direct {
            @for ((index, end_x, end_y), place) in ends.iter().zip(places) {
                @if (place - end_y).abs() > 3.0 || right - end_x > 12.0 {
                    path class="leader"
                        d=(format!("M{} {}L{} {}", px(end_x + 5.0), px(*end_y), px(right + 5.0), px(place))) {}
                }
                text x=(px(right + 8.0)) y=(px(place + 4.0)) { (plot.lines[*index].name) }
            }
        }
    };
    Drawing { height: bottom + frame::BELOW, content }
}

fn stroke(plot: &LinePlot, index: usize, line: &Line, x: &Map, y: &Map) -> Markup {
    let vertices: Vec<(f64, f64)> =
        line.points.iter().map(|point| (x.at(point.x), y.at(point.y))).collect();
    let stride = line.points.len().div_ceil(HOVERED).max(1);
    let marked = line.points.len() <= MARKED;
    html! {
        g class=(style::class(index)) {
            path class="line" d=(path(&vertices, line.shape))
                stroke-dasharray=[Some(style::dash(index)).filter(|dash| !dash.is_empty())] {}
            @for (place, (point, (px_x, px_y))) in line.points.iter().zip(&vertices).enumerate() {
                @let last = place + 1 == vertices.len();
                @if last || place.is_multiple_of(stride) {
                    g {
                        title {
                            (line.name) ": " (ticks::exact(&plot.y, point.y, point.band))
                            " at " (plot.x.title) " " (ticks::exact(&plot.x, point.x, None))
                        }
                        @if marked || last { (style::marker(index, *px_x, *px_y)) }
                        circle class="target" cx=(px(*px_x)) cy=(px(*px_y)) r="8" {}
                    }
                }
            }
        }
    }
}

/// References across the panel; their names are in the legend, since lines may run anywhere.
fn references(plot: &LinePlot, y: &Map, panel: Panel) -> Markup {
    html! {
        @for each in &plot.references {
            g {
                title { (each.label) ": " (ticks::exact(&plot.y, each.value, None)) }
                path class="reference"
                    d=(format!("M{} {}H{}", px(panel.left), px(y.at(each.value)), px(panel.right))) {}
            }
        }
    }
}
