//! Figures of a study.

use std::{fs, path::Path};

use anyhow::Context;
use report::{Axis, Figure, Line, LinePlot, LinePoint, Plot, Shape};

use super::Insight;
use crate::{command::tune::open::Open, output::write_whole};

/// Writes them all.
pub(super) fn write(open: &Open, insight: &Insight, folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    fs::create_dir_all(folder).with_context(|| format!("failed to make `{shown}`"))?;
    let mut figures = vec![history(open, insight, false)];
    if insight.progress.iter().any(|it| it.cost > 0.0) {
        figures.push(history(open, insight, true));
    }
    figures.extend(insight.landscape.figures());
    for figure in &figures {
        let path = folder.join(format!("{}.svg", figure.id));
        write_whole(&path, report::svg(figure).as_bytes())
            .with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(())
}

/// An axis of what one trial, or all so far, cost.
pub(super) fn cost(open: &Open, of: &str) -> Axis {
    match open.cost_origin() {
        Some(origin) if !open.counts_seconds() => {
            Axis::energy(format!("energy of {of}"), "J", origin)
        }
        _ if open.counts_seconds() => Axis::new(format!("time of {of}"), "s"),
        // The client said joules, and not how it knows.
        _ => Axis::new(format!("cost of {of}, as told"), "J"),
    }
}

/// The best value so far against trials, or against what they cost.
fn history(open: &Open, insight: &Insight, by_cost: bool) -> Figure {
    let points = insight.progress.iter().enumerate().filter_map(|(index, it)| {
        let x = if by_cost { it.cost } else { (index + 1) as f64 };
        Some(LinePoint { x, y: it.best?, band: None })
    });
    let (x, id, title) = if by_cost {
        (cost(open, "all trials so far"), "history-cost", "Best value against cost")
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
