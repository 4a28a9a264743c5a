//! Points with intervals in both directions, trends behind them, names beside them.

use maud::{Markup, html};

use super::shapes::{band, heights, path};
use crate::plot::{
    Point, PointPlot,
    frame::{self, Drawing, LINE, Map, Panel, Width, fitted, px},
    labels::{self, Taken},
    legend::{Entry, Sample, legend},
    style, ticks,
};

pub(super) fn draw(plot: &PointPlot, width: Width) -> Drawing {
    let total = width.pixels();
    let first_trend = if plot.series.len() > 1 { plot.series.len() } else { 1 };
    let mut entries: Vec<Entry<'_>> = Vec::new();
    if plot.series.len() > 1 {
        let named = plot.series.iter().enumerate();
        entries.extend(named.map(|(index, series)| (Sample::Marker, index, series.name.as_str())));
    }
    let trends = plot.trends.iter().enumerate();
    entries.extend(
        trends.map(|(index, trend)| (Sample::Line, first_trend + index, trend.name.as_str())),
    );
    let (legend, legend_height) = legend(&entries, total);

    let top = legend_height + LINE + 14.0;
    let bottom = top + if width == Width::Wide { 320.0 } else { 260.0 };
    let all = || plot.series.iter().flat_map(|series| &series.points);
    let ys = all()
        .flat_map(|point| point.y_interval.into_iter().flatten().chain([point.y]))
        .chain(plot.trends.iter().flat_map(|trend| heights(&trend.points)));
    let y = Map::new(&plot.y, ys, (bottom, top), 5);
    let panel = Panel { left: frame::left_of(&y.range), top, right: total - 10.0, bottom };
    let xs = all()
        .flat_map(|point| point.x_interval.into_iter().flatten().chain([point.x]))
        .chain(plot.trends.iter().flat_map(|trend| &trend.points).map(|point| point.x));
    let x = Map::new(&plot.x, xs, (panel.left, panel.right), width.ticks());

    let longest = if width == Width::Wide { 180.0 } else { 110.0 };
    let names: Vec<(f64, f64, String)> =
        all().map(|point| (x.at(point.x), y.at(point.y), fitted(&point.label, longest))).collect();
    let names: Vec<(f64, f64, &str)> =
        names.iter().map(|(x, y, name)| (*x, *y, name.as_str())).collect();
    let whiskers = all().filter_map(|point| {
        let ([low, high], x) = (point.y_interval?, x.at(point.x));
        Some(Taken(x - 2.0, y.at(high), x + 2.0, y.at(low)))
    });
    let lines = plot.trends.iter().flat_map(|line| {
        let vertices: Vec<_> =
            line.points.iter().map(|point| (x.at(point.x), y.at(point.y))).collect();
        labels::along(&vertices)
    });
    let room = Panel { top: top - 6.0, right: total, ..panel };
    let placed = labels::beside(&names, whiskers.chain(lines).collect(), room);

    let content = html! {
        (legend)
        (frame::vertical_axis(&plot.y, &y, panel))
        (frame::horizontal_axis(&plot.x, &x, panel))
        @for (index, line) in plot.trends.iter().enumerate() {
            @let vertices: Vec<_> = line.points.iter().map(|point| (x.at(point.x), y.at(point.y))).collect();
            @let look = first_trend + index;
            g class=(style::class(look)) {
                path class="band" d=(band(&line.points, line.shape, &x, &y)) {}
                path class="trend" d=(path(&vertices, line.shape))
                    stroke-dasharray=[Some(style::dash(look)).filter(|dash| !dash.is_empty())] {}
            }
        }
        @for (index, series) in plot.series.iter().enumerate() {
            g class=(style::class(index)) opacity=[series.faded.then_some("0.5")] {
                @for point in &series.points { (mark(plot, index, point, &x, &y)) }
            }
        }
        @for ((_, _, name), place) in names.iter().zip(placed) {
            @if let Some(place) = place {
                text class="halo" x=(px(place.x)) y=(px(place.y)) text-anchor=(place.anchor) { (name) }
            }
        }
    };
    Drawing { height: bottom + frame::BELOW, content }
}

fn mark(plot: &PointPlot, look: usize, point: &Point, x: &Map, y: &Map) -> Markup {
    let (px_x, px_y) = (x.at(point.x), y.at(point.y));
    html! {
        g {
            title {
                @if !point.label.is_empty() { (point.label) ": " }
                (plot.y.title) " " (ticks::exact(&plot.y, point.y, point.y_interval)) "; "
                (plot.x.title) " " (ticks::exact(&plot.x, point.x, point.x_interval))
            }
            @if let Some([low, high]) = point.x_interval {
                path class="whisker" d=(format!("M{} {}H{}", px(x.at(low)), px(px_y), px(x.at(high)))) {}
            }
            @if let Some([low, high]) = point.y_interval {
                path class="whisker" d=(format!("M{} {}V{}", px(px_x), px(y.at(low)), px(y.at(high)))) {}
            }
            (style::marker(look, px_x, px_y))
        }
    }
}
