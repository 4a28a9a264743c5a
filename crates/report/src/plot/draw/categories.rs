//! Dots or bars with intervals, a row for each category.

use maud::{Markup, html};

use super::shapes::{above, vertical_references};
use crate::{
    number::{decimals_for, fixed},
    plot::{
        Axis, CategoryPlot, Mark,
        frame::{self, Drawing, LINE, Map, Panel, Width, fitted, px, text_width},
        legend::{Entry, Sample, legend},
        style, ticks,
    },
};

/// How a value is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Dots,
    Bars,
}

impl Style {
    /// Height of one mark.
    fn lane(self) -> f64 {
        match self {
            Self::Dots => 15.0,
            Self::Bars => 18.0,
        }
    }
}

/// Names of rows to the left of the panel, or above each row where they would take too much room.
pub(super) struct Rows {
    pub(super) left: f64,
    stacked: bool,
}

impl Rows {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>, total: f64) -> Self {
        let longest = names.map(text_width).fold(0.0, f64::max);
        let stacked = longest > 0.32 * total;
        Self { left: if stacked { 4.0 } else { longest + 12.0 }, stacked }
    }

    /// Room above the marks of a row.
    pub(super) fn head(&self) -> f64 {
        if self.stacked { LINE + 4.0 } else { 0.0 }
    }

    /// The name of a row whose marks are between two heights.
    pub(super) fn name(&self, name: &str, top: f64, bottom: f64, total: f64) -> Markup {
        html! {
            @if self.stacked {
                text class="halo" x=(px(self.left + 5.0)) y=(px(top - 3.0)) { (fitted(name, total - self.left - 5.0)) }
            } @else {
                text x=(px(self.left - 10.0)) y=(px((top + bottom) / 2.0 + 4.0)) text-anchor="end" { (name) }
            }
        }
    }
}

pub(super) fn draw(plot: &CategoryPlot, style: Style, width: Width) -> Drawing {
    let total = width.pixels();
    let sample = if style == Style::Dots { Sample::Marker } else { Sample::Bar };
    let mut entries: Vec<Entry<'_>> = Vec::new();
    if plot.series.len() > 1 {
        let series = plot.series.iter().enumerate();
        entries.extend(series.map(|(index, (name, _))| (sample, index, name.as_str())));
    }
    let (legend, legend_height) = legend(&entries, total);
    let rows = Rows::new(plot.categories.iter().map(String::as_str), total);
    let gap = 12.0;
    let height = rows.head() + gap + style.lane() * plot.series.len().max(1) as f64;
    let top = legend_height + above(&plot.references) + 2.0;
    let bottom = top + height * plot.categories.len().max(1) as f64;

    let axis =
        if style == Style::Bars { plot.value.clone().from_zero() } else { plot.value.clone() };
    let marks = || plot.series.iter().flat_map(|(_, marks)| marks.iter().flatten());
    let values = marks()
        .flat_map(|mark| mark.interval.into_iter().flatten().chain([mark.value]))
        .chain(plot.references.iter().map(|reference| reference.value));
    let written = style == Style::Bars;
    let largest = marks().map(|mark| mark.value.abs()).fold(0.0, f64::max);
    let decimals = decimals_for(largest, 3);
    let right = total - if written { 62.0 } else { 14.0 };
    let panel = Panel { left: rows.left, top, right, bottom };
    let map = Map::new(&axis, values, (panel.left, panel.right), width.ticks());

    let content = html! {
        (legend)
        (frame::horizontal_axis(&axis, &map, panel))
        (vertical_references(&plot.references, &map, panel))
        @for (row, category) in plot.categories.iter().enumerate() {
            @if row > 0 {
                path class="grid" d=(format!("M0 {}H{}", px(top + row as f64 * height), px(panel.right))) {}
            }
            @let head = top + row as f64 * height + gap / 2.0 + rows.head();
            (rows.name(category, head, head + height - gap - rows.head(), total))
            @for (index, (name, marks)) in plot.series.iter().enumerate() {
                @let middle = head + (index as f64 + 0.5) * style.lane();
                @if let Some(Some(mark)) = marks.get(row) {
                    g class=(style::class(index)) {
                        title {
                            (category)
                            @if !name.is_empty() { ", " (name) }
                            ": " (ticks::exact(&axis, mark.value, mark.interval))
                        }
                        @match style {
                            Style::Dots => (dot(index, mark, &map, middle)),
                            Style::Bars => (bar(mark, &map, middle, style.lane())),
                        }
                    }
                    @if written { (value(&axis, mark, decimals, &map, middle)) }
                }
            }
        }
    };
    Drawing { height: bottom + frame::BELOW, content }
}

fn dot(look: usize, mark: &Mark, map: &Map, y: f64) -> Markup {
    html! {
        @if let Some([low, high]) = mark.interval {
            path class="whisker" d=(format!("M{} {}H{}", px(map.at(low)), px(y), px(map.at(high)))) {}
        }
        (style::marker(look, map.at(mark.value), y))
    }
}

fn bar(mark: &Mark, map: &Map, y: f64, lane: f64) -> Markup {
    let (base, end) = (map.base(), map.at(mark.value));
    html! {
        rect class="bar" x=(px(base.min(end))) y=(px(y - lane / 2.0 + 2.0))
            width=(px((end - base).abs())) height=(px(lane - 4.0)) {}
        @if let Some([low, high]) = mark.interval {
            path class="whisker over"
                d=(format!("M{} {}H{}M{} {}v6M{} {}v6", px(map.at(low)), px(y), px(map.at(high)),
                    px(map.at(low)), px(y - 3.0), px(map.at(high)), px(y - 3.0))) {}
        }
    }
}

/// The value in digits after the end of its bar.
fn value(axis: &Axis, mark: &Mark, decimals: usize, map: &Map, y: f64) -> Markup {
    let ends = mark.interval.into_iter().flatten().chain([mark.value]).map(|value| map.at(value));
    let end = ends.chain([map.base()]).fold(f64::NEG_INFINITY, f64::max);
    let unit = match &axis.unit {
        crate::plot::AxisUnit::Plain { unit } if unit == "%" => "\u{202f}%",
        _ => "",
    };
    html! {
        text class="muted" x=(px(end + 6.0)) y=(px(y + 4.0)) { (fixed(mark.value, decimals)) (unit) }
    }
}
