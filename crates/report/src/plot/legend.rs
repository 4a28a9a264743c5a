//! The legend, for series whose names are not beside their marks.

use maud::{Markup, html};

use super::{
    frame::{LINE, fitted, px, text_width},
    style,
};

/// How a series looks in the legend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    Marker,
    Line,
    Bar,
    Reference,
}

/// An entry: kind of sample, index of the series, name.
pub(super) type Entry<'a> = (Sample, usize, &'a str);

/// The legend at the top of a drawing, and its height in pixels.
pub(super) fn legend(entries: &[Entry<'_>], width: f64) -> (Markup, f64) {
    const SAMPLE: f64 = 28.0;
    let (mut x, mut y) = (0.0, 12.0);
    let mut placed = Vec::new();
    for (sample, index, name) in entries {
        let name = fitted(name, width - SAMPLE);
        let needed = SAMPLE + text_width(&name);
        if x > 0.0 && x + needed > width {
            (x, y) = (0.0, y + LINE + 2.0);
        }
        placed.push((*sample, *index, name, x, y));
        x += needed + 18.0;
    }
    let height = if entries.is_empty() { 0.0 } else { y + LINE };
    let markup = html! {
        @for (sample, index, name, x, y) in &placed {
            g class=(style::class(*index)) { (swatch(*sample, *index, *x, y - 4.0)) }
            text x=(px(x + SAMPLE - 6.0)) y=(px(*y)) { (name) }
        }
    };
    (markup, height)
}

fn swatch(sample: Sample, index: usize, x: f64, y: f64) -> Markup {
    match sample {
        Sample::Marker => style::marker(index, x + 11.0, y),
        Sample::Line => html! {
            path class="line" stroke-dasharray=[Some(style::dash(index)).filter(|dash| !dash.is_empty())]
                d=(format!("M{} {}h18", px(x), px(y))) {}
        },
        Sample::Reference => html! {
            path class="reference" d=(format!("M{} {}h18", px(x), px(y))) {}
        },
        Sample::Bar => html! {
            rect class="bar" x=(px(x + 3.0)) y=(px(y - 5.0)) width="14" height="10" {}
        },
    }
}
