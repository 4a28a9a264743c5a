//! Figures of a study.

use std::{fs, path::Path};

use anyhow::Context;
use report::{Axis, Figure, Line, LinePlot, LinePoint, Plot, Shape};
use tuner::OpenStudy;

use super::trials;
use crate::{
    insight::{Learned, cost},
    output::write_whole,
};

/// Writes all figures into a folder.
pub(super) fn write(study: &OpenStudy, learned: &Learned<'_>, folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    fs::create_dir_all(folder).with_context(|| format!("failed to create `{shown}`"))?;
    let mut figures = histories(study, learned);
    figures.extend(trials::figures(study));
    figures.extend(learned.insight.figures());
    for figure in &figures {
        let path = folder.join(format!("{}.svg", figure.id));
        write_whole(&path, report::svg(figure).as_bytes())
            .with_context(|| format!("failed to write `{}`", path.display()))?;
    }
    Ok(())
}

/// The best value so far against the number of trials and, if costs are known, against the cost.
pub(super) fn histories(study: &OpenStudy, learned: &Learned<'_>) -> Vec<Figure> {
    let mut figures = vec![history(study, learned, false)];
    if learned.progress.iter().any(|point| point.cost > 0.0) {
        figures.push(history(study, learned, true));
    }
    figures
}

/// The best value so far against the number of trials, or against their cost.
fn history(study: &OpenStudy, learned: &Learned<'_>, by_cost: bool) -> Figure {
    let points = learned.progress.iter().enumerate().filter_map(|(index, point)| {
        let x = if by_cost { point.cost } else { (index + 1) as f64 };
        Some(LinePoint { x, y: point.best?, band: None })
    });
    let (x, id, title) = if by_cost {
        (cost(study, "all trials so far"), "history-cost", "Best value against cost")
    } else {
        (Axis::new("trials", ""), "history", "Best value against trials")
    };
    Figure {
        id: id.to_owned(),
        title: title.to_owned(),
        caption: "The best value so far; failed and stopped trials are counted.".to_owned(),
        alt: format!("{title}, as a step line."),
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
