//! RQ2 for networks of the user: cells of the factorial, and the analysis of variance.

use crate::{
    claim::{OwnFactorial, OwnRow, Response, origin_of, own_factorials},
    document::{Cell, Column, Section, Table},
    plot::{Axis, CategoryPlot, Figure, Mark, Plot},
    stats,
};

/// Adds the factorials of networks of the user to the section of RQ2.
pub(super) fn add(section: &mut Section, rows: &[OwnRow]) {
    for (at, set) in own_factorials(rows).iter().enumerate() {
        let Some(origin) = origin_of(set.blocks.iter().flatten().map(|row| row.energy.origin))
        else {
            continue;
        };
        let marks = (0..set.cells.len()).map(|cell| {
            let energy = set.cell_mean(cell, Response::Energy)?;
            Some(Mark { value: energy.value, interval: energy.ci95 })
        });
        section.figures.push(Figure {
            id: format!("rq2-own-{at}"),
            title: format!("Energy of a training of `{}` by its values ({})", set.file, set.data),
            caption: format!(
                "Mean over {} blocks (a block is one seed and one optimizer setting) with a 95 % bootstrap \
                 interval over blocks.",
                set.blocks.len()
            ),
            alt: "Bars: energy of each cell of the factorial.".to_owned(),
            plot: Plot::Bars(CategoryPlot {
                value: Axis::energy("energy of a training", "J", origin).from_zero(),
                categories: set.cells.iter().map(|cell| title(set, cell)).collect(),
                series: vec![("energy".to_owned(), marks.collect())],
                references: Vec::new(),
            }),
        });
        section.tables.push(cells(at, set));
        section.tables.extend(anova(at, set));
    }
}

fn title(set: &OwnFactorial<'_>, cell: &[&str]) -> String {
    let parts = set.factors.iter().zip(cell);
    parts.map(|(factor, level)| format!("{factor} = {level}")).collect::<Vec<_>>().join(", ")
}

fn cells(at: usize, set: &OwnFactorial<'_>) -> Table {
    let mut table = Table::new(
        format!("rq2-own-cells-{at}"),
        format!(
            "Cells of the factorial of `{}` on {}, with 95 % bootstrap intervals over blocks.",
            set.file, set.data
        ),
        [
            Column::text("values"),
            Column::number("trainings", ""),
            Column::energy("energy", "J"),
            Column::number("test accuracy", "%"),
        ],
    );
    for (index, cell) in set.cells.iter().enumerate() {
        let origin = origin_of(set.blocks.iter().map(|block| block[index].energy.origin));
        let energy = set.cell_mean(index, Response::Energy).zip(origin);
        let accuracy = set.cell_mean(index, Response::Accuracy);
        table.push([
            Cell::text(title(set, cell)),
            Cell::Integer(set.blocks.len() as i64),
            Cell::or_missing(energy.map(|(of, origin)| Cell::energy(of.value, of.ci95, 4, origin))),
            Cell::or_missing(accuracy.map(|of| {
                let ends = of.ci95.map(|ends| ends.map(|end| end * 100.0));
                Cell::interval(of.value * 100.0, ends, 3)
            })),
        ]);
    }
    table
}

fn anova(at: usize, set: &OwnFactorial<'_>) -> Option<Table> {
    let rows: Vec<&OwnRow> = set.blocks.iter().flatten().copied().collect();
    let response: Vec<f64> = rows.iter().map(|row| row.energy.joules.0).collect();
    let factor = |(index, name): (usize, &&str)| {
        stats::Factor::new(name, rows.iter().map(|row| row.levels[index].1.clone()))
    };
    let factors: Vec<stats::Factor> = set.factors.iter().enumerate().map(factor).collect();
    let anova = stats::anova(&response, &factors, stats::SumsOfSquares::TypeIII).ok()?;
    let mut table = Table::new(
        format!("rq2-own-anova-{at}"),
        format!(
            "Type III ANOVA of training energy of `{}` on {}: {} trainings, {} residual degrees of freedom. The \
             rows of a block are not independent.",
            set.file,
            set.data,
            rows.len(),
            anova.residual.df
        ),
        [
            Column::text("term"),
            Column::number("degrees of freedom", ""),
            Column::number("F", ""),
            Column::number("p", ""),
            Column::number("η²", ""),
            Column::number("partial η²", ""),
        ],
    );
    for term in &anova.terms {
        table.push([
            Cell::text(&term.term),
            Cell::Integer(term.df as i64),
            Cell::number(term.f, 4),
            Cell::PValue(term.p),
            Cell::number(term.eta_sq, 3),
            Cell::number(term.partial_eta_sq, 3),
        ]);
    }
    Some(table)
}
