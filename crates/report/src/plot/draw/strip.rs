//! Every observation of a group as a cloud of dots in front of a box of quartiles.

use maud::{Markup, html};

use super::{
    categories::Rows,
    shapes::{above, vertical_references},
};
use crate::plot::{
    StripPlot,
    frame::{self, Drawing, Map, Panel, Width, px},
    style, ticks,
};

/// Height of the marks of a group.
const LANE: f64 = 30.0;
const GAP: f64 = 12.0;

pub(super) fn draw(plot: &StripPlot, width: Width) -> Drawing {
    let total = width.pixels();
    let rows = Rows::new(plot.groups.iter().map(|group| group.name.as_str()), total);
    let height = rows.head() + GAP + LANE;
    let top = above(&plot.references) + 2.0;
    let bottom = top + height * plot.groups.len().max(1) as f64;
    let values = plot
        .groups
        .iter()
        .flat_map(|group| group.values.iter().copied())
        .chain(plot.references.iter().map(|reference| reference.value));
    let panel = Panel { left: rows.left, top, right: total - 14.0, bottom };
    let map = Map::new(&plot.value, values, (panel.left, panel.right), width.ticks());

    let content = html! {
        (frame::horizontal_axis(&plot.value, &map, panel))
        (vertical_references(&plot.references, &map, panel))
        @for (index, group) in plot.groups.iter().enumerate() {
            @let head = top + index as f64 * height + GAP / 2.0 + rows.head();
            (rows.name(&group.name, head, head + LANE, total))
            g class=(style::class(0)) {
                @if let Some(quartiles) = quartiles(&group.values) {
                    title {
                        (group.name) ": median " (ticks::exact(&plot.value, quartiles[1], None))
                        ", quartiles " (ticks::exact(&plot.value, quartiles[0], None))
                        " and " (ticks::exact(&plot.value, quartiles[2], None))
                        ", n = " (group.values.len())
                    }
                    @if group.values.len() > 4 { (quartile_box(quartiles, &map, head)) }
                }
                path class="cloud" d=(cloud(&group.values, &map, head)) {}
            }
        }
    };
    Drawing { height: bottom + frame::BELOW, content }
}

fn quartile_box([lower, median, upper]: [f64; 3], map: &Map, top: f64) -> Markup {
    let (left, right) = (map.at(lower), map.at(upper));
    html! {
        rect class="box" x=(px(left)) y=(px(top)) width=(px(right - left)) height=(px(LANE)) {}
        path class="median" d=(format!("M{} {}v{}", px(map.at(median)), px(top), px(LANE))) {}
    }
}

/// One dot per observation (a line of zero length), spread across the row so that equal values are
/// distinguishable.
fn cloud(values: &[f64], map: &Map, top: f64) -> String {
    /// The fractional part of the golden ratio: its multiples, modulo 1, are evenly spread.
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let mut data = String::new();
    for (index, value) in values.iter().enumerate() {
        let share = if values.len() == 1 { 0.5 } else { (0.5 + index as f64 * GOLDEN).fract() };
        let y = top + 4.0 + share * (LANE - 8.0);
        data.push_str(&format!("M{} {}h0", px(map.at(*value)), px(y)));
    }
    data
}

/// Lower quartile, median and upper quartile by linear interpolation (type 7 of Hyndman and Fan,
/// 1996); `None` without values.
fn quartiles(values: &[f64]) -> Option<[f64; 3]> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some([0.25, 0.5, 0.75].map(|share| {
        let place = share * last as f64;
        let (low, above) = (place.floor() as usize, place.fract());
        sorted[low] + above * (sorted[(low + 1).min(last)] - sorted[low])
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_interpolate() {
        assert_eq!(quartiles(&[4.0, 1.0, 3.0, 2.0]), Some([1.75, 2.5, 3.25]));
        assert_eq!(quartiles(&[7.0]), Some([7.0; 3]));
        assert_eq!(quartiles(&[]), None);
    }
}
