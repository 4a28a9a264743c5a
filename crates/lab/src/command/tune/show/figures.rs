//! Figures of a study.

use std::{fs, path::Path};

use anyhow::Context;
use report::{Axis, CategoryPlot, Figure, Line, LinePlot, LinePoint, Mark, Plot, Reference, Shape};

use super::{Insight, coordinates};
use crate::{command::tune::open::Open, output::write_whole};

/// Writes them all.
pub(super) fn write(open: &Open, insight: &Insight, folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    fs::create_dir_all(folder).with_context(|| format!("failed to make `{shown}`"))?;
    let mut figures = vec![history(open, insight, false)];
    if insight.progress.iter().any(|it| it.cost > 0.0) {
        figures.push(history(open, insight, true));
    }
    figures.extend(importance(insight));
    figures.extend(dependence(open, insight));
    for figure in &figures {
        let path = folder.join(format!("{}.svg", figure.id));
        write_whole(&path, report::svg(figure).as_bytes())
            .with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    let path = folder.join("parallel-coordinates.svg");
    write_whole(&path, coordinates::svg(open, insight).as_bytes())
        .with_context(|| format!("failed to write `{}`", path.display()))
}

/// The best value so far against trials, or against what they cost.
fn history(open: &Open, insight: &Insight, by_cost: bool) -> Figure {
    let points = insight.progress.iter().enumerate().filter_map(|(index, it)| {
        let x = if by_cost { it.cost } else { (index + 1) as f64 };
        Some(LinePoint { x, y: it.best?, band: None })
    });
    let (x, id, title) = if by_cost {
        let axis = match open.cost_origin() {
            Some(origin) if !open.counts_seconds() => {
                Axis::energy("energy of all trials so far", "J", origin)
            }
            _ if open.counts_seconds() => Axis::new("time of all trials so far", "s"),
            // The client said joules, and not how it knows.
            _ => Axis::new("cost of all trials so far, as told", "J"),
        };
        (axis, "history-cost", "Best value against cost")
    } else {
        (Axis::new("trials", ""), "history", "Best value against trials")
    };
    Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: "The best value so far; failed and stopped trials count.".to_owned(),
        alt: format!("{title}, a line in steps."),
        plot: Plot::Lines(LinePlot {
            x: x.from_zero(),
            y: Axis::new("best value", ""),
            lines: vec![Line {
                name: "best so far".to_owned(),
                shape: Shape::Step,
                points: points.collect(),
            }],
            references: Vec::new(),
        }),
    }
}

fn importance(insight: &Insight) -> Option<Figure> {
    let importance = insight.importance.as_ref()?;
    let mark = |it: &hpo::Share| {
        Some(Mark {
            value: 100.0 * it.mean,
            interval: Some([
                100.0 * (it.mean - it.deviation).max(0.0),
                100.0 * (it.mean + it.deviation),
            ]),
        })
    };
    Some(Figure {
        id: "importance".to_owned(),
        title: "Which parameters matter".to_owned(),
        caption:
            "Share of the variance over the whole space that each parameter has alone (fANOVA); \
                  intervals are one deviation between trees."
                .to_owned(),
        alt: "A bar for each parameter.".to_owned(),
        plot: Plot::Bars(CategoryPlot {
            value: Axis::new("share of the variance", "%").from_zero(),
            categories: insight.names.clone(),
            series: vec![("alone".to_owned(), importance.alone.iter().map(mark).collect())],
            references: Vec::new(),
        }),
    })
}

fn dependence<'a>(open: &'a Open, insight: &'a Insight) -> impl Iterator<Item = Figure> + 'a {
    let best = open.best().ok().and_then(|it| it.values.first().copied());
    insight.dependence.iter().enumerate().map(move |(at, it)| {
        let name = &insight.names[at];
        let points = it.at.iter().zip(&it.mean).zip(&it.deviation).map(|((x, mean), deviation)| {
            let band = Some([mean - 1.96 * deviation, mean + 1.96 * deviation]);
            LinePoint { x: *x, y: *mean, band }
        });
        let parameter = &open.space().parameters()[at];
        let axis = match parameter.scale {
            hpo::Scale::Log => Axis::new(name.as_str(), "").log(),
            hpo::Scale::Linear => Axis::new(name.as_str(), ""),
        };
        let references = best.map(|value| Reference { value, label: "best trial".to_owned() });
        Figure {
            id: format!("dependence-{at}"),
            title: format!("What depends on {name}"),
            caption:
                "Expected value, the other parameters averaged over the space, with a 95 % band \
                      of the Gaussian process. Choices are numbered in their order."
                    .to_owned(),
            alt: format!("Expected value against {name}."),
            plot: Plot::Lines(LinePlot {
                x: axis,
                y: Axis::new("expected value", ""),
                lines: vec![Line {
                    name: "expected".to_owned(),
                    shape: Shape::Straight,
                    points: points.collect(),
                }],
                references: references.into_iter().collect(),
            }),
        }
    })
}
