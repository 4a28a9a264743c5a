//! Layout of a drawing: text sizes, mapping of values to pixels, axes and their titles.

use maud::{Markup, html};

use super::{
    Axis, AxisScale, AxisUnit,
    ticks::{self, Range},
};

/// Height of a line of text, in pixels.
pub(super) const LINE: f64 = 16.0;
/// Distance of the outermost values from the ends of their axis, so that marks are not cut off.
const INSET: f64 = 8.0;

/// Width for which a figure is drawn; text keeps its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// A page or a file.
    Wide,
    /// A phone.
    Narrow,
}

impl Width {
    /// In pixels.
    pub(super) fn pixels(self) -> f64 {
        match self {
            Self::Wide => 720.0,
            Self::Narrow => 360.0,
        }
    }

    /// How many ticks fit a horizontal axis.
    pub(super) fn ticks(self) -> usize {
        match self {
            Self::Wide => 7,
            Self::Narrow => 4,
        }
    }
}

/// A drawing and its height in pixels.
pub(super) struct Drawing {
    pub(super) height: f64,
    pub(super) content: Markup,
}

/// A coordinate with one decimal: the same text on every machine.
pub(super) fn px(value: f64) -> String {
    debug_assert!(value.is_finite(), "only finite values reach the drawing");
    let text = format!("{value:.1}");
    match text.strip_suffix(".0").unwrap_or(&text) {
        "-0" => "0".to_owned(),
        short => short.to_owned(),
    }
}

/// Approximate width of a text in a sans-serif font, in pixels.
pub(super) fn text_width(text: &str) -> f64 {
    let em: f64 = text
        .chars()
        .map(|letter| match letter {
            'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | ' ' | '.' | ',' | ':' | ';' | '\'' | '|'
            | '(' | ')' | '[' | ']' | '-' | '/' => 0.36,
            'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.9,
            'A'..='Z' => 0.7,
            _ => 0.58,
        })
        .sum();
    em * 12.3
}

/// A text cut to a width, with an ellipsis.
pub(super) fn fitted(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        if text_width(&kept) + text_width(&letter.to_string()) + 8.0 > width {
            break;
        }
        kept.push(letter);
    }
    format!("{}…", kept.trim_end())
}

/// Maps values of an axis to pixels.
pub(super) struct Map {
    pub(super) range: Range,
    pub(super) start: f64,
    pub(super) end: f64,
    scale: AxisScale,
}

impl Map {
    /// Maps the range of some values to a range of pixels, with an inset at both ends.
    pub(super) fn new(
        axis: &Axis,
        values: impl IntoIterator<Item = f64>,
        (start, end): (f64, f64),
        about: usize,
    ) -> Self {
        let range = ticks::range(axis, values, about);
        Self { range, start, end, scale: axis.scale }
    }

    /// The pixel of a value; values outside the range are mapped to its ends.
    pub(super) fn at(&self, value: f64) -> f64 {
        let along = |value: f64| match self.scale {
            AxisScale::Linear => value,
            AxisScale::Log => value.max(f64::MIN_POSITIVE).ln(),
        };
        // Halved, because the range of a very wide axis may overflow.
        let (low, high) = (along(self.range.low) / 2.0, along(self.range.high) / 2.0);
        let share = ((along(value) / 2.0 - low) / (high - low)).clamp(0.0, 1.0);
        let inset = INSET.copysign(self.end - self.start);
        let (start, end) = (self.start + inset, self.end - inset);
        start + share * (end - start)
    }

    /// Pixel where bars begin: at zero, or at the low end of a logarithmic axis.
    pub(super) fn base(&self) -> f64 {
        match self.scale {
            AxisScale::Linear => self.at(0.0),
            AxisScale::Log => self.start,
        }
    }
}

/// The title of an axis, with the origin of its joules in bold.
pub(super) fn heading(axis: &Axis, x: f64, y: f64, anchor: &str) -> Markup {
    let (before, origin) = match &axis.unit {
        AxisUnit::Plain { .. } => (axis.heading(), None),
        AxisUnit::Energy { unit, origin } => {
            (format!("{} ({unit}, ", axis.title), Some(origin.word()))
        }
    };
    html! {
        text x=(px(x)) y=(px(y)) text-anchor=(anchor) {
            (before)
            @if let Some(origin) = origin { tspan class="origin" { (origin) } ")" }
        }
    }
}

/// The rectangle that marks are drawn in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Panel {
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) right: f64,
    pub(super) bottom: f64,
}

/// Vertical grid lines with their values below, and the title of the axis under these.
pub(super) fn horizontal_axis(axis: &Axis, map: &Map, panel: Panel) -> Markup {
    html! {
        @for tick in &map.range.ticks {
            path class=(if tick.value == 0.0 { "zero" } else { "grid" })
                d=(format!("M{} {}V{}", px(map.at(tick.value)), px(panel.top), px(panel.bottom))) {}
        }
        @for (x, label) in spaced(map) {
            text class="muted" x=(px(x)) y=(px(panel.bottom + LINE)) text-anchor="middle" {
                (label)
            }
        }
        (heading(axis, (panel.left + panel.right) / 2.0, panel.bottom + 2.2 * LINE, "middle"))
    }
}

/// The tick labels that do not overlap the one before, with their positions.
fn spaced(map: &Map) -> Vec<(f64, &str)> {
    let mut labels: Vec<(f64, &str)> = Vec::new();
    let mut free_from = f64::NEG_INFINITY;
    for tick in &map.range.ticks {
        let (x, half) = (map.at(tick.value), text_width(&tick.label) / 2.0);
        if x - half > free_from {
            labels.push((x, &tick.label));
            free_from = x + half + 6.0;
        }
    }
    labels
}

/// Room below a panel for [`horizontal_axis`].
pub(super) const BELOW: f64 = 2.2 * LINE + 8.0;

/// Horizontal grid lines with their values to the left, and the title of the axis above them.
pub(super) fn vertical_axis(axis: &Axis, map: &Map, panel: Panel) -> Markup {
    html! {
        @for tick in &map.range.ticks {
            @let y = map.at(tick.value);
            path class=(if tick.value == 0.0 { "zero" } else { "grid" })
                d=(format!("M{} {}H{}", px(panel.left), px(y), px(panel.right))) {}
            text class="muted" x=(px(panel.left - 6.0)) y=(px(y + 4.0)) text-anchor="end" {
                (tick.label)
            }
        }
        (heading(axis, 0.0, panel.top - 9.0, "start"))
    }
}

/// Room to the left of a panel for the values of [`vertical_axis`].
pub(super) fn left_of(range: &Range) -> f64 {
    range.ticks.iter().map(|tick| text_width(&tick.label)).fold(0.0, f64::max) + 12.0
}
