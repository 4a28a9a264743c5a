//! A document that contains every kind of part, with names that would break unescaped markup.

use record::{ClaimId, Evidence, Finding, Origin, Verdict};
use wattlab_report::{
    AssessedClaim, Axis, Banner, CategoryPlot, Cell, ClaimEffect, Column, Coordinate,
    CoordinatePlot, Document, Figure, KeyFigure, Line, LinePlot, LinePoint, Mark, Plot, Point,
    PointPlot, PointSeries, Reference, Section, Shape, ShortAnswer, StripGroup, StripPlot, Table,
    Trace, Unit,
};

/// A name that would run a script or close an attribute or a cell if it were not escaped.
pub(crate) const EVIL: &str = "</script><script>alert(1)</script>\"'&|*`x`";

pub(crate) fn document() -> Document {
    Document {
        answers: vec![ShortAnswer {
            heading: "Batching <b>".to_owned(),
            text: "Serve in batches of 16: 0.34× the joules per request.".to_owned(),
            section: "rq1 \"onclick=".to_owned(),
            origin: Some(Origin::Estimated),
        }],
        title: format!("Report {EVIL}"),
        lead: vec![format!("Lead {EVIL}.")],
        banner: Some(Banner { headline: EVIL.into(), text: EVIL.into() }),
        findings: vec![
            finding(ClaimId::new("rq1-bayesian-dominates")),
            finding(ClaimId::new("rq5-energy-rises")),
        ],
        facts: vec![("machine".into(), EVIL.into())],
        sections: vec![
            Section {
                id: "rq1 \"onclick=".into(),
                heading: format!("RQ1 {EVIL}"),
                question: EVIL.into(),
                claims: vec![ClaimId::new("rq1-bayesian-dominates")],
                paragraphs: vec!["Energy of `fit` only.".into(), EVIL.into()],
                figures: plots()
                    .into_iter()
                    .enumerate()
                    .map(|(index, plot)| Figure {
                        id: format!("figure {index}"),
                        title: EVIL.into(),
                        caption: EVIL.into(),
                        alt: EVIL.into(),
                        plot,
                    })
                    .collect(),
                tables: vec![table()],
                caveats: vec![EVIL.into()],
            },
            Section { id: "empty".into(), heading: "Nothing yet".into(), ..Section::default() },
        ],
    }
}

fn finding(id: ClaimId) -> AssessedClaim {
    let figure = |label: &str, unit, published, measured| KeyFigure {
        label: label.to_owned(),
        unit,
        published,
        measured,
    };
    AssessedClaim {
        figures: vec![
            figure("saving", Unit::Share, Some(0.488), Some(0.5131)),
            figure(EVIL, Unit::None, None, Some(f64::NAN)),
            figure("energy", Unit::Joules, None, None),
        ],
        effect: Some(ClaimEffect {
            label: EVIL.to_owned(),
            unit: Unit::Share,
            value: 0.5131,
            interval: Some([0.44, 0.58]),
        }),
        finding: Finding {
            id,
            statement: format!("Claim {EVIL}"),
            criterion: EVIL.into(),
            published: [("saving_share".to_owned(), 0.488)].into(),
            measured: [("saving_share".to_owned(), Some(0.5131))].into(),
            verdict: Verdict::Supported,
            reason: EVIL.into(),
            evidence: Evidence {
                test: EVIL.into(),
                statistic: Some(4.3),
                p: Some(1e-9),
                effect: Some(0.5131),
                effect_name: format!("{EVIL} (share)"),
                ci95: Some([0.44, 0.58]),
                n: 3_072,
            },
            energy_origin: Some(Origin::Estimated),
            data: EVIL.into(),
            caveats: vec![EVIL.into()],
        },
    }
}

/// A plot of each kind, with values that cannot be drawn.
pub(crate) fn plots() -> Vec<Plot> {
    let energy = || Axis::energy(EVIL, "J", Origin::Measured);
    let line = |shape, offset: f64| Line {
        name: format!("{offset} {EVIL}"),
        shape,
        points: (0..40)
            .map(|index| f64::from(index) + offset)
            .map(|x| LinePoint { x, y: x.sqrt(), band: Some([x.sqrt() - 1.0, x.sqrt() + 1.0]) })
            .chain([LinePoint { x: f64::NAN, y: 1.0, band: None }])
            .chain([LinePoint { x: 1.0, y: 1.0, band: Some([f64::NEG_INFINITY, 2.0]) }])
            .collect(),
    };
    let mark = |value: f64| Some(Mark { value, interval: Some([value - 1.0, value + 1.0]) });
    let categories = CategoryPlot {
        value: energy(),
        categories: vec![EVIL.into(), "b".into()],
        series: vec![(EVIL.into(), vec![mark(3.0), mark(f64::NAN)]), ("short".into(), vec![None])],
        references: vec![Reference { value: 2.0, label: EVIL.into() }],
    };
    vec![
        Plot::Lines(LinePlot {
            x: Axis::new(EVIL, "s"),
            y: energy(),
            lines: vec![line(Shape::Step, 0.0), line(Shape::Straight, 5.0)],
            references: vec![Reference { value: 3.0, label: EVIL.into() }],
        }),
        Plot::Points(PointPlot {
            x: Axis::new("year", ""),
            y: energy().log(),
            series: vec![PointSeries {
                name: EVIL.into(),
                faded: true,
                points: [1.0, 10.0, 0.0, f64::INFINITY]
                    .map(|y| Point {
                        x: 2012.0 + y,
                        y,
                        x_interval: None,
                        y_interval: Some([-y, 2.0 * y]),
                        label: EVIL.into(),
                    })
                    .to_vec(),
            }],
            trends: vec![line(Shape::Straight, 1.0)],
        }),
        Plot::Dots(categories.clone()),
        Plot::Bars(categories),
        Plot::Strip(StripPlot {
            value: energy(),
            groups: vec![
                StripGroup { name: EVIL.into(), values: vec![1.0, 2.0, 3.0, 2.5, f64::NAN, 9.0] },
                StripGroup::default(),
            ],
            references: Vec::new(),
        }),
        Plot::Coordinates(CoordinatePlot {
            axes: vec![
                Coordinate { axis: energy().log(), choices: Vec::new(), ends: Some([1.0, 1e3]) },
                Coordinate {
                    axis: Axis::new(EVIL, ""),
                    choices: vec![EVIL.into(), "b".into()],
                    ends: None,
                },
                Coordinate { axis: energy(), choices: Vec::new(), ends: Some([0.0, f64::NAN]) },
            ],
            traces: [(2.0, 0.0), (-3.0, 1.0), (4.0, 7.0)]
                .map(|(energy, choice)| Trace {
                    name: EVIL.into(),
                    values: vec![Some(energy), Some(choice), None, Some(1.0)],
                    weight: energy,
                })
                .to_vec(),
        }),
    ]
}

pub(crate) fn table() -> Table {
    let mut table = Table::new(
        "rq1/strategies",
        "Searches by strategy.",
        [
            Column::text("strategy"),
            Column::number("trials", ""),
            Column::number("best accuracy", "%"),
            Column::energy("energy of a request", "J/request"),
            Column::number("p", ""),
        ],
    );
    table.push([
        Cell::text("bayesian, \"gp\""),
        Cell::Integer(-1_234),
        Cell::interval(84.7, Some([83.9, 85.6]), 3),
        Cell::energy(1674.25, Some([1650.0, 1690.0]), 3, Origin::Estimated),
        Cell::PValue(1e-9),
    ]);
    table.push([
        Cell::text(EVIL),
        Cell::Missing,
        Cell::number(-0.0462, 2),
        Cell::energy(0.310_7, None, 3, Origin::Measured),
        Cell::PValue(0.0491),
    ]);
    table.push([
        Cell::text("simple_cnn"),
        Cell::Missing,
        Cell::number(f64::NAN, 3),
        Cell::Missing,
        Cell::Missing,
    ]);
    table
}
