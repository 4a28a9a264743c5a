//! Parallel coordinates: axes side by side, or one below the other where there is little room.

use maud::{Markup, html};

use crate::plot::{
    Axis, AxisUnit, Coordinate, CoordinatePlot, Trace,
    frame::{self, Drawing, LINE, Map, Width, fitted, px},
    ticks,
};

/// Axes that fit side by side.
const SIDE_BY_SIDE: usize = 8;
/// Length of a vertical axis, and distance between horizontal axes, in pixels.
const STANDING: f64 = 280.0;
const APART: f64 = 84.0;
/// Largest number of choices of an axis that are all labeled.
const NAMED: usize = 12;

pub(super) fn draw(plot: &CoordinatePlot, width: Width) -> Drawing {
    if width == Width::Wide && plot.axes.len() <= SIDE_BY_SIDE {
        standing(plot, width.pixels())
    } else {
        lying(plot, width)
    }
}

/// The places of an axis's values between two pixels, its ends among them.
fn map(plot: &CoordinatePlot, at: usize, ends: (f64, f64), about: usize) -> Map {
    let it = &plot.axes[at];
    let values = plot.traces.iter().filter_map(|trace| trace.values.get(at).copied().flatten());
    let mut axis = it.axis.clone();
    if !it.choices.is_empty() {
        let every = it.choices.len().div_ceil(NAMED);
        axis = axis.naming((0..it.choices.len()).step_by(every).map(|index| index as f64));
    }
    Map::new(&axis, values.chain(it.ends.into_iter().flatten()), ends, about)
}

fn standing(plot: &CoordinatePlot, total: f64) -> Drawing {
    let top = 2.0 * LINE + 12.0;
    let bottom = top + STANDING;
    let maps: Vec<Map> = (0..plot.axes.len()).map(|at| map(plot, at, (bottom, top), 5)).collect();
    // Titles are centered on their axes: half of the outer ones needs room beside these.
    let half = |at: Option<&Coordinate>| {
        at.map_or(0.0, |coordinate| 0.5 * frame::text_width(&coordinate.axis.title) + 4.0)
    };
    let names = plot.axes.first().zip(maps.first()).map_or(0.0, |(axis, map)| room(axis, map));
    let left = half(plot.axes.first()).max(names).min(0.15 * total);
    let right = total - half(plot.axes.last()).clamp(14.0, 0.12 * total);
    let step = (right - left) / plot.axes.len().saturating_sub(1).max(1) as f64;
    let x = |at: usize| left + step * at as f64;
    let content = html! {
        @for trace in &plot.traces {
            (line(plot, trace, |at, value| (x(at), maps[at].at(value))))
        }
        @for (at, (it, map)) in plot.axes.iter().zip(&maps).enumerate() {
            path class="spine" d=(format!("M{} {}V{}", px(x(at)), px(top), px(bottom))) {}
            @let wide = (step - 10.0).min(2.0 * x(at)).min(2.0 * (total - x(at)));
            text x=(px(x(at))) y=(px(LINE)) text-anchor="middle" { (fitted(&it.axis.title, wide)) }
            (unit(&it.axis, x(at), 2.0 * LINE))
            @for tick in &map.range.ticks {
                @let y = map.at(tick.value);
                path class="spine" d=(format!("M{} {}h4", px(x(at) - 4.0), px(y))) {}
                text class="muted halo" x=(px(x(at) - 7.0)) y=(px(y + 4.0)) text-anchor="end" {
                    (fitted(name(it, tick), 0.8 * step.min(if at == 0 { left } else { step })))
                }
            }
        }
    };
    Drawing { height: bottom + 10.0, content }
}

fn lying(plot: &CoordinatePlot, width: Width) -> Drawing {
    let total = width.pixels();
    let (left, right) = (6.0, total - 6.0);
    let y = |at: usize| LINE + 14.0 + APART * at as f64;
    let maps: Vec<Map> =
        (0..plot.axes.len()).map(|at| map(plot, at, (left, right), width.ticks())).collect();
    let content = html! {
        @for trace in &plot.traces {
            (line(plot, trace, |at, value| (maps[at].at(value), y(at))))
        }
        @for (at, (it, map)) in plot.axes.iter().zip(&maps).enumerate() {
            path class="spine" d=(format!("M{} {}H{}", px(left), px(y(at)), px(right))) {}
            g class="halo" { (frame::heading(&it.axis, left, y(at) - 9.0, "start")) }
            @for (place, label) in labels(it, map, total) {
                text class="muted halo" x=(px(place)) y=(px(y(at) + LINE)) text-anchor="middle" { (label) }
            }
            @for tick in &map.range.ticks {
                path class="spine" d=(format!("M{} {}v4", px(map.at(tick.value)), px(y(at)))) {}
            }
        }
    };
    Drawing { height: y(plot.axes.len().saturating_sub(1)) + LINE + 10.0, content }
}

/// Labels of ticks that do not overlap the one before, within the drawing.
fn labels<'a>(of: &'a Coordinate, map: &'a Map, total: f64) -> Vec<(f64, String)> {
    let mut labels = Vec::new();
    let mut free_from = 0.0;
    for tick in &map.range.ticks {
        let label = fitted(name(of, tick), total / 2.0);
        let half = frame::text_width(&label) / 2.0;
        let x = map.at(tick.value).min(total - half).max(half);
        if x - half >= free_from {
            labels.push((x, label));
            free_from = x + half + 6.0;
        }
    }
    labels
}

fn line(plot: &CoordinatePlot, trace: &Trace, place: impl Fn(usize, f64) -> (f64, f64)) -> Markup {
    let (mut data, mut drawing) = (String::new(), false);
    for (at, value) in trace.values.iter().enumerate() {
        let Some(value) = value else {
            drawing = false;
            continue;
        };
        let (x, y) = place(at, *value);
        data.push_str(&format!("{}{} {}", if drawing { 'L' } else { 'M' }, px(x), px(y)));
        drawing = true;
    }
    let last = plot.axes.last().zip(trace.values.get(plot.axes.len().saturating_sub(1)));
    let last = last.and_then(|(axis, value)| Some((axis, (*value)?)));
    html! {
        g class="s0" {
            title {
                (trace.name)
                @if let Some((axis, value)) = last {
                    ": " (axis.axis.title) " " (ticks::of_coordinate(axis, value))
                }
            }
            path class="trace" d=(data) stroke-width=(format!("{:.2}", 0.6 + 1.2 * trace.weight.powi(4)))
                stroke-opacity=(format!("{:.2}", 0.1 + 0.8 * trace.weight.powi(4))) {}
        }
    }
}

/// The label of a tick.
fn name<'a>(of: &'a Coordinate, tick: &'a ticks::Tick) -> &'a str {
    let choice = of.choices.get(tick.value as usize).filter(|_| tick.value >= 0.0);
    choice.map_or(&tick.label, |choice| choice)
}

/// Room to the left of an axis for the names of its ticks.
fn room(of: &Coordinate, map: &Map) -> f64 {
    let widths = map.range.ticks.iter().map(|tick| frame::text_width(name(of, tick)));
    widths.fold(0.0, f64::max) + 14.0
}

/// The unit below a title, with the origin of its joules in bold.
fn unit(axis: &Axis, x: f64, y: f64) -> Markup {
    html! {
        @match &axis.unit {
            AxisUnit::Plain { unit } if unit.is_empty() => {}
            AxisUnit::Plain { unit } => {
                text class="muted" x=(px(x)) y=(px(y)) text-anchor="middle" { "(" (unit) ")" }
            }
            AxisUnit::Energy { unit, origin } => {
                text class="muted" x=(px(x)) y=(px(y)) text-anchor="middle" {
                    "(" (unit) ", " tspan class="origin" { (origin.word()) } ")"
                }
            }
        }
    }
}
