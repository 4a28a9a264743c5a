//! Parallel coordinates: an axis a parameter, a line a trial.

use std::fmt::Write as _;

use super::Insight;
use crate::command::tune::open::Open;

const HEIGHT: f64 = 320.0;
const GAP: f64 = 130.0;
const MARGIN: (f64, f64) = (70.0, 40.0);

/// The better a trial, the darker and the later drawn its line. The last axis is the value.
pub(super) fn svg(open: &Open, insight: &Insight) -> String {
    let axes = insight.names.len() + 1;
    let (width, height) = (MARGIN.0 * 2.0 + GAP * (axes - 1) as f64, HEIGHT + MARGIN.1 * 2.0);
    let x = |axis: usize| MARGIN.0 + GAP * axis as f64;
    let y = |place: f64| MARGIN.1 + HEIGHT * (1.0 - place);
    let values: Vec<f64> = insight.trials.iter().filter_map(super::Seen::first).collect();
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\">\n<title>Parallel coordinates of {} \
         trials</title>\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        values.len()
    );
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    if open.minimizes() {
        order.reverse();
    }
    for (rank, index) in order.iter().enumerate() {
        let trial = &insight.trials[*index];
        let mut places = open.space().places(&trial.parameters);
        places.push((values[*index] - low) / (high - low).max(f64::MIN_POSITIVE));
        let points: Vec<String> = places
            .iter()
            .enumerate()
            .map(|(axis, place)| format!("{:.1},{:.1}", x(axis), y(*place)))
            .collect();
        let good = (rank + 1) as f64 / order.len() as f64;
        _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"#0b4f8a\" stroke-width=\"{:.2}\" \
             stroke-opacity=\"{:.3}\"><title>trial {}</title></polyline>",
            points.join(" "),
            0.6 + good * good,
            0.08 + 0.82 * good.powi(3),
            trial.trial
        );
    }
    for axis in 0..axes {
        let (name, bottom, top) = match open.space().parameters().get(axis) {
            Some(it) => {
                let end = |value: f64| match open.spec.space[axis].value(value) {
                    serde_json::Value::String(text) => text,
                    other => other.to_string(),
                };
                (insight.names[axis].as_str(), end(it.at(0.0)), end(it.at(1.0)))
            }
            None => ("value", format!("{low:.4}"), format!("{high:.4}")),
        };
        let at = x(axis);
        _ = writeln!(
            svg,
            "<line x1=\"{at}\" x2=\"{at}\" y1=\"{}\" y2=\"{}\" stroke=\"#444\"/>",
            y(0.0),
            y(1.0)
        );
        for (text, place, weight) in [
            (name, y(1.0) - 22.0, "bold"),
            (top.as_str(), y(1.0) - 7.0, "normal"),
            (bottom.as_str(), y(0.0) + 16.0, "normal"),
        ] {
            _ = writeln!(
                svg,
                "<text x=\"{at}\" y=\"{place}\" text-anchor=\"middle\" font-weight=\"{weight}\">{}</text>",
                escaped(text)
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
