//! Drawings of any data have finite coordinates, well-formed markup, and axes with origins.

use proptest::prelude::*;
use record::Origin;
use wattlab_report::{
    Axis, CategoryPlot, Coordinate, CoordinatePlot, Figure, Line, LinePlot, LinePoint, Mark, Plot,
    Point, PointPlot, PointSeries, Shape, StripGroup, StripPlot, Trace, svg,
};

use crate::{fixture, markup};

fn figure(plot: Plot) -> Figure {
    Figure {
        id: "f".into(),
        title: "Title".into(),
        caption: "Caption.".into(),
        alt: "In words.".into(),
        plot,
    }
}

/// Draws a figure and reads the drawing: every coordinate must be a number.
fn check(plot: Plot) -> String {
    let svg = svg(&figure(plot));
    // Many programs ignore it, and then draw the outline of a label over the label.
    assert!(!svg.contains("paint-order"), "{svg}");
    let elements = markup::elements(&svg).expect("a drawing is well formed");
    for element in &elements {
        for (name, value) in &element.attributes {
            let is_number = match name.as_str() {
                "x" | "y" | "cx" | "cy" | "r" | "width" | "height" if !value.ends_with('%') => {
                    value.parse::<f64>().is_ok_and(f64::is_finite)
                }
                "d" | "transform" => !value.contains("NaN") && !value.contains("inf"),
                _ => true,
            };
            assert!(is_number, "`{name}` of a `{}` is `{value}`", element.name);
        }
    }
    svg
}

#[test]
fn every_kind_of_plot_is_drawn_and_counts_omitted_values() {
    let omitted: Vec<usize> = fixture::plots().iter().map(Plot::omitted).collect();
    assert_eq!(omitted, [4, 4, 1, 1, 1, 1]);
    for plot in fixture::plots() {
        let svg = check(plot);
        assert!(svg.contains("<title id=\"title\">Title</title>"), "{svg}");
        assert!(svg.contains("<desc id=\"desc\">In words. The figure shows "), "{svg}");
    }
}

#[test]
fn the_title_of_an_energy_axis_has_the_origin() {
    for (origin, word) in
        [(Origin::Measured, "measured"), (Origin::Estimated, "estimated"), (Origin::Mixed, "mixed")]
    {
        let axis = Axis::energy("energy of a request", "J/request", origin);
        assert_eq!(axis.heading(), format!("energy of a request (J/request, {word})"));
        let svg = check(Plot::Strip(StripPlot {
            value: axis,
            groups: vec![StripGroup { name: "a".into(), values: vec![1.0, 2.0] }],
            references: Vec::new(),
        }));
        assert!(svg.contains(&format!("<tspan class=\"origin\">{word}</tspan>")), "{svg}");
        assert!(svg.contains(&format!("J/request, {word}")), "hovering says it too: {svg}");
    }
}

#[test]
fn an_interval_is_drawn_and_described_exactly() {
    let svg = check(Plot::Dots(CategoryPlot {
        value: Axis::energy("energy", "J", Origin::Estimated),
        categories: vec!["4 conv".into()],
        series: vec![(
            "".into(),
            vec![Some(Mark { value: 1674.2, interval: Some([1690.0, 1650.0]) })],
        )],
        references: Vec::new(),
    }));
    assert!(svg.contains("4 conv: 1,674\u{a0}J [1,650 to 1,690], estimated"), "{svg}");
    assert_eq!(svg.matches("class=\"whisker\"").count(), 1);
}

#[test]
fn best_so_far_is_a_step_line() {
    let svg = check(Plot::Lines(LinePlot {
        x: Axis::new("trial", ""),
        y: Axis::new("best", "%"),
        lines: vec![Line {
            name: "random".into(),
            shape: Shape::Step,
            points: [(1.0, 50.0), (2.0, 60.0), (3.0, 60.0)]
                .map(|(x, y)| LinePoint { x, y, band: None })
                .to_vec(),
        }],
        references: Vec::new(),
    }));
    let path = markup::elements(&svg)
        .unwrap()
        .iter()
        .find(|element| element.attribute("class") == Some("line"))
        .and_then(|element| element.attribute("d").map(str::to_owned))
        .unwrap();
    assert!(path.starts_with('M') && !path.contains('L'), "{path}");
    assert_eq!(path.matches('H').count(), 2, "{path}");
}

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![
        8 => -1e4..1e4_f64,
        2 => (-1.0..1.0_f64, -300..300_i32).prop_map(|(m, e)| m * 10f64.powi(e)),
        1 => prop::sample::select(vec![0.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, 5e-324]),
    ]
}

fn any_interval() -> impl Strategy<Value = Option<[f64; 2]>> {
    prop::option::of([any_value(), any_value()])
}

fn any_axis() -> impl Strategy<Value = Axis> {
    (any::<bool>(), any::<bool>(), prop::collection::vec(any_value(), 0..4)).prop_map(
        |(log, zero, named)| {
            let axis = Axis::new("value", "s").naming(named);
            let axis = if log { axis.log() } else { axis };
            if zero { axis.from_zero() } else { axis }
        },
    )
}

fn any_line() -> impl Strategy<Value = Line> {
    let point = (any_value(), any_value(), any_interval());
    (any::<bool>(), prop::collection::vec(point, 0..20)).prop_map(|(step, points)| Line {
        name: "a line".into(),
        shape: if step { Shape::Step } else { Shape::Straight },
        points: points.into_iter().map(|(x, y, band)| LinePoint { x, y, band }).collect(),
    })
}

fn any_point() -> impl Strategy<Value = Point> {
    (any_value(), any_value(), any_interval(), any_interval()).prop_map(
        |(x, y, x_interval, y_interval)| Point { x, y, x_interval, y_interval, label: "p".into() },
    )
}

fn any_plot() -> impl Strategy<Value = Plot> {
    let lines = (any_axis(), any_axis(), prop::collection::vec(any_line(), 0..10))
        .prop_map(|(x, y, lines)| Plot::Lines(LinePlot { x, y, lines, references: Vec::new() }));
    let points = prop::collection::vec(any_point(), 0..20);
    let points = (any_axis(), any_axis(), points, any_line()).prop_map(|(x, y, points, trend)| {
        let series = vec![PointSeries { name: "s".into(), points, faded: false }];
        Plot::Points(PointPlot { x, y, series, trends: vec![trend] })
    });
    let mark = prop::option::of((any_value(), any_interval()))
        .prop_map(|mark| mark.map(|(value, interval)| Mark { value, interval }));
    let series = prop::collection::vec(prop::collection::vec(mark, 0..4), 0..9);
    let categories = (any_axis(), series, any::<bool>()).prop_map(|(value, series, bars)| {
        let plot = CategoryPlot {
            value,
            categories: vec!["a".into(), "b".into(), "c".into()],
            series: series.into_iter().map(|marks| ("s".to_owned(), marks)).collect(),
            references: Vec::new(),
        };
        if bars { Plot::Bars(plot) } else { Plot::Dots(plot) }
    });
    let groups = prop::collection::vec(prop::collection::vec(any_value(), 0..30), 0..5);
    let strip = (any_axis(), groups).prop_map(|(value, groups)| {
        let groups =
            groups.into_iter().map(|values| StripGroup { name: "g".into(), values }).collect();
        Plot::Strip(StripPlot { value, groups, references: Vec::new() })
    });
    let ends = prop::option::of([any_value(), any_value()]);
    let axes = prop::collection::vec((any_axis(), ends, 0..30_usize), 0..12);
    let trace = (prop::collection::vec(prop::option::of(any_value()), 0..14), any_value());
    let traces = prop::collection::vec(trace, 0..10);
    let coordinates = (axes, traces).prop_map(|(axes, traces)| {
        let axes = axes.into_iter().map(|(axis, ends, choices)| Coordinate {
            axis,
            choices: (0..choices).map(|index| format!("choice {index}")).collect(),
            ends,
        });
        let traces =
            traces.into_iter().map(|(values, weight)| Trace { name: "t".into(), values, weight });
        Plot::Coordinates(CoordinatePlot { axes: axes.collect(), traces: traces.collect() })
    });
    prop_oneof![lines, points, categories, strip, coordinates]
}

proptest! {
    #[test]
    fn no_data_give_a_coordinate_that_is_not_finite(plot in any_plot()) {
        check(plot);
    }
}
