//! What the engine costs: time and energy of an epoch with each engine.

use record::Engine;

use super::not_run;
use crate::{
    Estimate,
    claim::{EngineComparison, EngineRow, Question, engine_comparisons, origin_of},
    document::{Cell, Column, Section, Table},
    plot::{Axis, CategoryPlot, Figure, Mark, Plot},
};

const ENGINES: [Engine; 2] = [Engine::Fused, Engine::Candle];

/// The section; `None` unless there are pairs of trainings with both engines.
pub(super) fn section(rows: &[EngineRow]) -> Option<Section> {
    let comparisons = engine_comparisons(rows);
    let origin = origin_of(comparisons.iter().filter_map(|one| one.origin(Engine::Candle)))?;
    let mut section = not_run(
        "engines",
        "What does the engine cost?",
        "How much time and energy does an epoch take with our kernels and with plain candle, at equal losses?",
        Question::Engines,
    );
    section.paragraphs.push(
        "Each pair of trainings starts from the same weights and uses the same batches in the same order. The \
         engine `fused` computes them with our kernels, `candle` with candle-nn's layers, loss and optimizer and \
         candle's autograd."
            .to_owned(),
    );
    let series = ENGINES.map(|engine| {
        let marks = comparisons.iter().map(|one| {
            let energy = one.per_epoch(engine, joules)?;
            Some(Mark { value: energy.value, interval: energy.ci95 })
        });
        (engine.title().to_owned(), marks.collect())
    });
    section.figures.push(Figure {
        id: "engines-energy".to_owned(),
        title: "Energy of an epoch with each engine".to_owned(),
        caption: "Mean over pairs of trainings, with a 95 % bootstrap interval if there are at least five pairs."
            .to_owned(),
        alt: "Bars: energy of an epoch with each engine, for each network.".to_owned(),
        plot: Plot::Bars(CategoryPlot {
            value: Axis::energy("energy of an epoch", "J", origin).from_zero(),
            categories: comparisons.iter().map(category).collect(),
            series: series.into(),
            references: Vec::new(),
        }),
    });
    section.tables.push(epochs(&comparisons));
    section.tables.push(ratios(&comparisons));
    Some(section)
}

fn joules(row: &EngineRow) -> f64 {
    row.energy.joules.0
}

fn category(comparison: &EngineComparison<'_>) -> String {
    format!("{}, {}", comparison.data, comparison.title())
}

fn number(estimate: Option<Estimate>, digits: usize) -> Cell {
    Cell::or_missing(estimate.map(|of| Cell::interval(of.value, of.ci95, digits)))
}

fn epochs(comparisons: &[EngineComparison<'_>]) -> Table {
    let mut table = Table::new(
        "engines-epochs",
        "Time and energy of an epoch, and the loss of the last epoch: means over pairs of trainings, with 95 % \
         bootstrap intervals if there are at least five pairs.",
        [
            Column::text("network"),
            Column::text("engine"),
            Column::number("trainings", ""),
            Column::number("time of an epoch", "s"),
            Column::energy("energy of an epoch", "J"),
            Column::number("loss", "nats"),
            Column::number("test accuracy", "%"),
        ],
    );
    for comparison in comparisons {
        for engine in ENGINES {
            let energy = comparison.per_epoch(engine, joules).zip(comparison.origin(engine));
            let rows = || comparison.pairs.iter().map(|pair| pair.of(engine));
            let losses: Option<Vec<f64>> = rows().map(|row| row.loss).collect();
            let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
            table.push([
                Cell::text(category(comparison)),
                Cell::text(engine.title()),
                Cell::Integer(comparison.pairs.len() as i64),
                number(comparison.per_epoch(engine, |row| row.seconds), 3),
                Cell::or_missing(
                    energy.map(|(of, origin)| Cell::energy(of.value, of.ci95, 3, origin)),
                ),
                Cell::or_missing(losses.map(|losses| Cell::number(mean(losses), 5))),
                Cell::number(mean(rows().map(|row| row.accuracy * 100.0).collect()), 4),
            ]);
        }
    }
    table
}

fn ratios(comparisons: &[EngineComparison<'_>]) -> Table {
    let mut table = Table::new(
        "engines-ratios",
        "Candle divided by our kernels, with 95 % bootstrap intervals over pairs, and the largest difference \
         between the losses of the last epochs of a pair.",
        [
            Column::text("network"),
            Column::number("energy, candle / fused", ""),
            Column::number("time, candle / fused", ""),
            Column::number("largest difference of losses", "%"),
        ],
    );
    for comparison in comparisons {
        table.push([
            Cell::text(category(comparison)),
            number(comparison.ratio(joules), 3),
            number(comparison.ratio(|row| row.seconds), 3),
            Cell::or_missing(
                comparison.loss_difference().map(|share| Cell::number(share * 100.0, 2)),
            ),
        ]);
    }
    table
}
