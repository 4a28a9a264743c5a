//! Figures of the trials themselves: the Pareto front, learning curves and slices.

use std::collections::BTreeSet;

use hpo::{ParameterKind, Scale, Trial};
use report::{
    Axis, Figure, Line, LinePlot, LinePoint, Plot, Point, PointPlot, PointSeries, Shape,
    StripGroup, StripPlot,
};
use serde_json::Value;
use tuner::OpenStudy;

use super::states::{STATES, objectives, word};

/// At most this many learning curves are drawn, besides the median.
const CURVES: usize = 6;
/// More choices than this are not drawn one by one.
const CHOICES: u64 = 30;

/// All figures of the trials.
pub(super) fn figures(study: &OpenStudy) -> Vec<Figure> {
    let mut figures: Vec<Figure> = pareto(study).into_iter().chain(curves(study)).collect();
    figures.extend((0..study.spec().space.len()).filter_map(|index| slice(study, index)));
    figures
}

/// The first two objectives of all completed trials, with the front.
fn pareto(study: &OpenStudy) -> Option<Figure> {
    if study.objectives() < 2 {
        return None;
    }
    let front: BTreeSet<u32> = study.pareto().iter().map(|trial| trial.number).collect();
    let points = |of_front: bool| -> Vec<Point> {
        let completed = study.trials().filter(|trial| front.contains(&trial.number) == of_front);
        let point = |trial: &Trial| {
            let values = study.values_of(trial)?;
            // Numbers of dominated trials would cover the front.
            let label = if of_front { trial.number.to_string() } else { String::new() };
            Some(Point { x: *values.first()?, y: *values.get(1)?, label, ..Point::default() })
        };
        completed.filter_map(point).collect()
    };
    let (best, others) = (points(true), points(false));
    if best.is_empty() {
        return None;
    }
    let names = objectives(study);
    let beyond = match study.objectives() {
        2 => "",
        _ => {
            " The study has more than two objectives; the first two are drawn, so a member of the \
              front may seem dominated."
        }
    };
    Some(Figure {
        id: "pareto".to_owned(),
        title: "Pareto front".to_owned(),
        caption: format!(
            "Completed trials; those of the front with their numbers. No other trial is better than one of the front in \
             one objective and as good in the others.{beyond}"
        ),
        alt: format!("{} of {} trials are on the front.", best.len(), best.len() + others.len()),
        plot: Plot::Points(PointPlot {
            x: Axis::new(names[0].clone(), ""),
            y: Axis::new(names[1].clone(), ""),
            series: vec![
                PointSeries { name: "front".to_owned(), points: best, faded: false },
                PointSeries { name: "dominated".to_owned(), points: others, faded: true },
            ],
            trends: Vec::new(),
        }),
    })
}

/// The first objective of a trial after each step, in the client's sign.
pub(super) fn curve(study: &OpenStudy, trial: &Trial) -> Vec<f64> {
    let first = |row: &Vec<f64>| study.signed_values(row.clone()).first().copied();
    trial.values.iter().filter_map(first).collect()
}

/// The learning curves of the best trials, and the median of all.
fn curves(study: &OpenStudy) -> Option<Figure> {
    if !study.is_pruned() {
        return None;
    }
    let better = |a: f64, b: f64| if study.minimizes() { a.total_cmp(&b) } else { b.total_cmp(&a) };
    let mut all: Vec<(&Trial, Vec<f64>)> =
        study.trials().map(|trial| (trial, curve(study, trial))).collect();
    all.retain(|(_, curve)| !curve.is_empty());
    let longest = all.iter().map(|(_, curve)| curve.len()).max()?;
    let median = (0..longest).filter_map(|step| {
        let mut values: Vec<f64> =
            all.iter().filter_map(|(_, curve)| curve.get(step).copied()).collect();
        values.sort_by(f64::total_cmp);
        let y = *values.get(values.len() / 2)?;
        Some(LinePoint { x: (step + 1) as f64, y, band: None })
    });
    let median: Vec<LinePoint> = median.collect();
    let count = all.len();
    // Those that came farthest first; among them the best.
    all.sort_by(|a, b| {
        let last = |curve: &[f64]| curve.last().copied().unwrap_or(f64::NAN);
        b.1.len().cmp(&a.1.len()).then(better(last(&a.1), last(&b.1)))
    });
    let points = |curve: &[f64]| -> Vec<LinePoint> {
        let steps = curve.iter().enumerate();
        steps.map(|(step, y)| LinePoint { x: (step + 1) as f64, y: *y, band: None }).collect()
    };
    let line = |(trial, curve): &(&Trial, Vec<f64>)| Line {
        name: format!("trial {}", trial.number),
        shape: Shape::Straight,
        points: points(curve),
    };
    let mut lines: Vec<Line> = all.iter().take(CURVES).map(line).collect();
    lines.push(Line { name: "median".to_owned(), shape: Shape::Straight, points: median });
    Some(Figure {
        id: "curves".to_owned(),
        title: "Learning curves".to_owned(),
        caption: format!(
            "The value after each step of the {} trials that came farthest, the best of them first, \
             and the median of all {count} trials that came as far.",
            count.min(CURVES)
        ),
        alt: "A line per trial, and one of the median.".to_owned(),
        plot: Plot::Lines(LinePlot {
            x: Axis::new("step", ""),
            y: Axis::new(objectives(study).swap_remove(0), ""),
            lines,
            references: Vec::new(),
        }),
    })
}

/// The last value of every trial against one of its parameters.
fn slice(study: &OpenStudy, index: usize) -> Option<Figure> {
    let (spec, parameter) = (&study.spec().space[index], &study.space().parameters()[index]);
    let is_active = |trial: &Trial| study.space().active(&trial.parameters)[index];
    let active: Vec<(&Trial, Option<f64>)> = study
        .trials()
        .filter(|trial| is_active(trial))
        .map(|trial| (trial, curve(study, trial).last().copied()))
        .collect();
    let values = || active.iter().filter_map(|(_, value)| *value);
    // Failed trials have no value; they are drawn at the worst one.
    let worst =
        if study.minimizes() { values().reduce(f64::max)? } else { values().reduce(f64::min)? };
    let (name, value) = (&spec.name, objectives(study).swap_remove(0));
    let plot = if parameter.kind == ParameterKind::Categorical {
        let choices = parameter.cells().filter(|cells| *cells <= CHOICES)?;
        let group = |choice: u64| {
            let of_it = active.iter().filter(|(trial, _)| trial.parameters[index] == choice as f64);
            let name = match spec.value(choice as f64) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            StripGroup { name, values: of_it.filter_map(|(_, value)| *value).collect() }
        };
        Plot::Strip(StripPlot {
            value: Axis::new(value, ""),
            groups: (0..choices).map(group).collect(),
            references: Vec::new(),
        })
    } else {
        let series = |state: &str| PointSeries {
            name: state.to_owned(),
            points: active
                .iter()
                .filter(|(trial, _)| word(trial) == state)
                .filter_map(|(trial, value)| {
                    let y = if trial.has_failed() { worst } else { (*value)? };
                    Some(Point { x: trial.parameters[index], y, ..Point::default() })
                })
                .collect(),
            faded: state != STATES[0],
        };
        let axis = Axis::new(name.clone(), "");
        let mut series: Vec<PointSeries> = STATES.into_iter().map(series).collect();
        series.retain(|series| !series.points.is_empty());
        Plot::Points(PointPlot {
            x: if matches!(parameter.scale, Scale::Log) { axis.log() } else { axis },
            y: Axis::new(value, ""),
            series,
            trends: Vec::new(),
        })
    };
    Some(Figure {
        id: format!("slice-{index}"),
        title: format!("Trials along {name}"),
        caption: format!(
            "The last value of each trial against {name}. Failed trials have no value; where they are \
             drawn, they stand at the worst value of the others."
        ),
        alt: format!("A point per trial in which {name} is active."),
        plot,
    })
}
