//! Shapes that several kinds of plots draw.

use maud::{Markup, html};

use crate::plot::{
    LinePoint, Reference, Shape,
    frame::{Map, Panel, fitted, px, text_width},
};

/// The path of a line through some vertices.
pub(super) fn path(vertices: &[(f64, f64)], shape: Shape) -> String {
    let mut data = String::new();
    for (index, (x, y)) in vertices.iter().enumerate() {
        match (index, shape) {
            (0, _) => data.push_str(&format!("M{} {}", px(*x), px(*y))),
            (_, Shape::Straight) => data.push_str(&format!("L{} {}", px(*x), px(*y))),
            (_, Shape::Step) => data.push_str(&format!("H{}V{}", px(*x), px(*y))),
        }
    }
    data
}

/// The outline of the bands of a line; empty if none of its points has one.
pub(super) fn band(points: &[LinePoint], shape: Shape, x: &Map, y: &Map) -> String {
    let mut data = String::new();
    // A point without a band interrupts the band.
    for stretch in points.split(|point| point.band.is_none()) {
        let edge = |side: usize| -> Vec<(f64, f64)> {
            let ends = stretch
                .iter()
                .filter_map(|stretch| Some((x.at(stretch.x), y.at(stretch.band?[side]))));
            match shape {
                Shape::Straight => ends.collect(),
                Shape::Step => stepped(&ends.collect::<Vec<_>>()),
            }
        };
        let (low, high) = (edge(0), edge(1));
        if low.len() > 1 {
            let around: Vec<(f64, f64)> = high.into_iter().chain(low.into_iter().rev()).collect();
            data.push_str(&path(&around, Shape::Straight));
            data.push('Z');
        }
    }
    data
}

/// The corners of a step line.
fn stepped(vertices: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut corners = Vec::new();
    for (x, y) in vertices {
        if let Some((_, before)) = corners.last() {
            corners.push((*x, *before));
        }
        corners.push((*x, *y));
    }
    corners
}

/// Values that the vertical axis of some lines must hold.
pub(super) fn heights(points: &[LinePoint]) -> impl Iterator<Item = f64> + '_ {
    points.iter().flat_map(|point| point.band.into_iter().flatten().chain([point.y]))
}

/// References across a plot with a horizontal value axis, with their names above.
pub(super) fn vertical_references(references: &[Reference], map: &Map, panel: Panel) -> Markup {
    html! {
        @for (index, each) in references.iter().enumerate() {
            @let x = map.at(each.value);
            @let y = panel.top - 5.0 - 14.0 * index as f64;
            @let label = fitted(&each.label, panel.right - panel.left);
            @let half = text_width(&label) / 2.0;
            @let middle = x.min(panel.right - half).max(panel.left + half);
            path class="reference" d=(format!("M{} {}V{}", px(x), px(y + 3.0), px(panel.bottom))) {}
            text class="muted halo" x=(px(middle)) y=(px(y)) text-anchor="middle" { (label) }
        }
    }
}

/// Room above a panel for [`vertical_references`].
pub(super) fn above(references: &[Reference]) -> f64 {
    if references.is_empty() { 4.0 } else { 8.0 + 14.0 * references.len() as f64 }
}
