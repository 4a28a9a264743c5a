//! RQ1: best accuracy so far against trials and joules, and wasted energy.

use record::{SamplerKind, TuningSpace};

use super::{
    not_run,
    race::{self, Target},
};
use crate::{
    claim::{
        Estimate, Question, Search, Sums, TrialRow, distinct, estimate, mean, origin_of, searches,
    },
    document::{Cell, Column, Section, Table},
    insight::TuningInsight,
    plot::{Axis, Figure, Line, LinePlot, LinePoint, Plot, Shape},
};

pub(super) fn section(trials: &[TrialRow], target: Target, insights: &[TuningInsight]) -> Section {
    let mut section = not_run(
        "rq1",
        "RQ1: tuning",
        "Which search strategy finds good hyper-parameters with few joules?",
        Question::Tuning,
    );
    let all = searches(trials);
    let Some(origin) =
        origin_of(trials.iter().filter_map(|trial| trial.energy).map(|energy| energy.origin))
    else {
        return section;
    };
    for (data, space) in distinct(all.iter().map(|search| (search.data, search.space))) {
        let of: Vec<&Search<'_>> =
            all.iter().filter(|search| search.data == data && search.space == space).collect();
        let progress = progress(&of);
        let networks = distinct(of.iter().map(|search| search.network.paper_name())).join(", ");
        let name = space.title();
        let axes = [
            (
                "trials",
                Axis::new("trials", ""),
                format!("Best accuracy so far against trials ({data}, {name})"),
            ),
            (
                "joules",
                Axis::energy("energy of the search so far", "J", origin),
                format!("Best accuracy so far against joules ({data}, {name})"),
            ),
        ];
        for (kind, x, title) in axes {
            section.figures.push(Figure {
                id: format!("rq1-{kind}-{data}-{space:?}").to_lowercase(),
                title: title.clone(),
                caption: format!(
                    "Test accuracy of the configuration with the best validation accuracy so far: \
                     mean over {networks} and their repetitions. The band is a 95 % bootstrap \
                     interval over searches, if there are at least five."
                ),
                alt: format!("Lines, one per strategy. {}", summary(&of)),
                plot: Plot::Lines(LinePlot {
                    x,
                    y: Axis::new("test accuracy", "%"),
                    lines: lines(&progress, kind == "joules"),
                    references: Vec::new(),
                }),
            });
        }
        let id = format!("{data}-{space:?}").to_lowercase();
        let (strategies, name_of) = (samplers(&of), format!("{data}, {name}"));
        section.figures.push(race::wasted(&of, &strategies, &id, &name_of));
        section.figures.extend(race::survival(&of, &strategies, &id, &name_of, origin, target));
        section.figures.extend(race::ranks(&of, &strategies, &id, &name_of));
        section.tables.push(table(&of, data, name, space));
        let mut words: Vec<String> = Vec::new();
        for insight in
            insights.iter().filter(|insight| insight.data == data && insight.space == space)
        {
            words.extend(insight.insight.in_words());
            section.figures.extend(insight.insight.figures());
            section.tables.extend(insight.insight.table());
        }
        if !words.is_empty() {
            section.paragraphs.push(format!("On {data} ({name}): {}", words.join(" ")));
        }
    }
    section
}

fn samplers(of: &[&Search<'_>]) -> Vec<SamplerKind> {
    let mut samplers = distinct(of.iter().map(|search| search.sampler));
    samplers.sort_unstable();
    samplers
}

/// The mean of the best so far, strategy by strategy.
struct Progress {
    sampler: SamplerKind,
    /// After each trial, in [0, 1].
    best: Vec<Estimate>,
    /// Mean joules up to each trial.
    joules: Vec<f64>,
}

fn progress(of: &[&Search<'_>]) -> Vec<Progress> {
    let one = |sampler: SamplerKind| {
        let runs = || of.iter().filter(|search| search.sampler == sampler);
        let length = runs().map(|search| search.trials.len()).min().unwrap_or(0);
        let mut columns = Vec::new();
        for run in runs() {
            columns.extend_from_slice(&run.best_so_far()[..length]);
        }
        let mut spent = vec![0.0; length];
        for run in runs() {
            spent.iter_mut().zip(run.joules_so_far()).for_each(|(sum, joules)| *sum += joules);
        }
        let count = runs().count() as f64;
        let sums = (length > 0).then(|| Sums::of(&columns, length));
        Progress {
            sampler,
            best: (0..length).filter_map(|trial| sums.as_ref()?.mean(trial)).collect(),
            joules: spent.into_iter().map(|joules| joules / count).collect(),
        }
    };
    samplers(of).into_iter().map(one).collect()
}

fn lines(progress: &[Progress], against_joules: bool) -> Vec<Line> {
    let line = |of: &Progress| {
        let points = of.best.iter().zip(&of.joules).enumerate().map(|(trial, (best, joules))| {
            let x = if against_joules { *joules } else { (trial + 1) as f64 };
            let band = best.ci95.map(|ends| ends.map(|end| end * 100.0));
            LinePoint { x, y: best.value * 100.0, band }
        });
        let name = of.sampler.title().to_owned();
        Line { name, shape: Shape::Step, points: points.collect() }
    };
    progress.iter().map(line).collect()
}

fn summary(of: &[&Search<'_>]) -> String {
    let best = |sampler| {
        mean(of.iter().filter(|search| search.sampler == sampler).map(|search| search.best()))
    };
    let parts = samplers(of).into_iter().filter_map(|sampler| {
        Some(format!("{} ends at {:.1} %", sampler.title(), best(sampler)? * 100.0))
    });
    parts.collect::<Vec<_>>().join("; ")
}

fn table(of: &[&Search<'_>], data: &str, name: &str, space: TuningSpace) -> Table {
    let mut table = Table::new(
        format!("rq1-{data}-{space:?}").to_lowercase(),
        format!(
            "Searches on {data} ({name}): means over networks and repetitions, with 95 % bootstrap intervals \
             over searches. Wasted energy is the training energy of trials that were not better than the \
             best before them."
        ),
        [
            Column::text("strategy"),
            Column::number("searches", ""),
            Column::number("best accuracy", "%"),
            Column::number("mean accuracy of a trial", "%"),
            Column::number("diverged trials", "%"),
            Column::energy("energy of a search", "J"),
            Column::number("wasted energy", "%"),
        ],
    );
    for sampler in samplers(of) {
        let runs: Vec<&&Search<'_>> =
            of.iter().filter(|search| search.sampler == sampler).collect();
        let over = |value: &dyn Fn(&Search<'_>) -> Option<f64>| {
            let values: Option<Vec<f64>> = runs.iter().map(|search| value(search)).collect();
            let values = values?;
            estimate(values.len(), |units| mean(units.iter().map(|unit| values[*unit])))
        };
        let percent = |value: &dyn Fn(&Search<'_>) -> Option<f64>| {
            Cell::or_missing(over(value).map(|estimate| {
                Cell::interval(
                    estimate.value * 100.0,
                    estimate.ci95.map(|ends| ends.map(|end| end * 100.0)),
                    3,
                )
            }))
        };
        let diverged = |search: &Search<'_>| {
            mean(search.trials.iter().map(|trial| f64::from(u8::from(trial.diverged))))
        };
        let origin = origin_of(
            runs.iter()
                .flat_map(|search| &search.trials)
                .filter_map(|trial| trial.energy)
                .map(|energy| energy.origin),
        );
        let energy = over(&|search| search.joules_so_far().last().copied());
        table.push([
            Cell::text(sampler.title()),
            Cell::Integer(runs.len() as i64),
            percent(&|search| Some(search.best())),
            percent(&|search| Some(search.mean_accuracy())),
            percent(&diverged),
            Cell::or_missing(
                energy
                    .zip(origin)
                    .map(|(energy, origin)| Cell::energy(energy.value, energy.ci95, 3, origin)),
            ),
            percent(&|search| search.wasted_share()),
        ]);
    }
    table
}
