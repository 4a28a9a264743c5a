//! RQ2 and RQ3: the energy of layers, and the energy and accuracy of smaller networks.

use record::StudyNetwork;

use super::{
    frontier::{Gain, frontier},
    not_run,
};
use crate::{
    claim::{Block, Factorial, LayerRow, Question, Response, origin_of},
    document::{Cell, Column, Section, Table},
    number::significant,
    plot::{Axis, CategoryPlot, Figure, Mark, Plot, Point},
    stats,
};

pub(super) fn costs(rows: &[LayerRow], sets: &[Factorial<'_>]) -> Section {
    let mut section = not_run(
        "rq2",
        "RQ2: layers",
        "How much training energy do convolutional layers, linear layers and ReLU use?",
        Question::Layers,
    );
    let Some(origin) = origin_of(rows.iter().map(|row| row.energy.origin)) else { return section };
    for set in sets {
        let (data, blocks, cells) = (set.data, &set.blocks, &set.cells);
        let marks = cells.iter().map(|cell| {
            let energy = set.cell_mean(*cell, Response::Energy)?;
            Some(Mark { value: energy.value, interval: energy.ci95 })
        });
        section.figures.push(Figure {
            id: format!("rq2-cells-{data}"),
            title: format!("Energy of a training by its layers ({data})"),
            caption: format!(
                "Mean over {} blocks (a block is one seed and one optimizer setting) with a 95 % \
                 bootstrap interval over blocks.",
                blocks.len()
            ),
            alt: "Bars: energy of each cell of the factorial.".to_owned(),
            plot: Plot::Bars(CategoryPlot {
                value: Axis::energy("energy of a training", "J", origin).from_zero(),
                categories: cells.iter().map(|cell| title(*cell)).collect(),
                series: vec![("energy".to_owned(), marks.collect())],
                references: Vec::new(),
            }),
        });
        section.tables.push(cell_table(set));
        section.tables.extend(anova_table(blocks, data));
        section.tables.extend(mixed_table(set));
    }
    section
}

pub(super) fn complexity(rows: &[LayerRow], sets: &[Factorial<'_>]) -> Section {
    let mut section = not_run(
        "rq3",
        "RQ3: complexity",
        "How much energy does a smaller network save, and how much accuracy does it lose?",
        Question::Complexity,
    );
    let Some(origin) = origin_of(rows.iter().map(|row| row.energy.origin)) else { return section };
    let mut table = Table::new(
        "rq3-contrasts",
        "Change from the most to the fewest convolution blocks, averaged over the other factors, with \
         95 % bootstrap intervals over blocks. The study saved 48.8 % for 0.74 points of accuracy \
         (Fashion-MNIST) and 39.9 % for 6.67 points (CIFAR-10).",
        [
            Column::text("data"),
            Column::text("change"),
            Column::number("energy saved", "%"),
            Column::number("accuracy lost", "points"),
            Column::number("elasticity of accuracy", ""),
        ],
    );
    for set in sets {
        let (data, blocks) = (set.data, &set.blocks);
        let points = set.cells.iter().filter_map(|&cell| {
            let energy = set.cell_mean(cell, Response::Energy)?;
            let accuracy = set.cell_mean(cell, Response::Accuracy)?;
            Some(Point {
                x: energy.value,
                y: accuracy.value * 100.0,
                x_interval: energy.ci95,
                y_interval: accuracy.ci95.map(|ends| ends.map(|end| end * 100.0)),
                label: title(cell),
            })
        });
        let gain = Gain {
            axis: Axis::new("test accuracy", "%"),
            name: "test accuracy",
            unit: "%",
            price: "J/point",
            falling: false,
        };
        let (figure, prices) = frontier(
            &format!("rq3-accuracy-{data}"),
            &format!("Accuracy against energy of a training ({data})"),
            &format!(
                "A point is a cell of the factorial: the mean over {} blocks, with 95 % bootstrap intervals.",
                blocks.len()
            ),
            (Axis::energy("energy of a training", "J", origin), "J", origin),
            &gain,
            points.collect(),
        );
        section.figures.push(figure);
        section.tables.push(prices);
        if let Some(it) = set.contrast() {
            let scaled = |estimate: crate::Estimate| {
                Cell::interval(
                    estimate.value * 100.0,
                    estimate.ci95.map(|ends| ends.map(|end| end * 100.0)),
                    3,
                )
            };
            table.push([
                Cell::text(data),
                Cell::text(format!("conv {} → {}", it.conv.1, it.conv.0)),
                scaled(it.saving),
                scaled(it.accuracy_cost),
                Cell::or_missing(
                    it.elasticity.map(|size| Cell::interval(size.value, size.ci95, 2)),
                ),
            ]);
        }
    }
    section.tables.push(table);
    section
}

fn title(cell: StudyNetwork) -> String {
    let relu = if cell.relu { "ReLU" } else { "no ReLU" };
    format!("{} conv, {} linear, {relu}", cell.conv, cell.linear)
}

fn cell_table(set: &Factorial<'_>) -> Table {
    let data = set.data;
    let mut table = Table::new(
        format!("rq2-cells-{data}"),
        format!("Cells of the factorial on {data}, with 95 % bootstrap intervals over blocks."),
        [
            Column::number("conv blocks", ""),
            Column::number("linear layers", ""),
            Column::text("ReLU"),
            Column::number("trainings", ""),
            Column::energy("energy", "J"),
            Column::number("test accuracy", "%"),
        ],
    );
    for &cell in &set.cells {
        let energy = set.cell_mean(cell, Response::Energy);
        let accuracy = set.cell_mean(cell, Response::Accuracy);
        let of = || set.blocks.iter().flatten().filter(|row| row.network == cell);
        let origin = origin_of(of().map(|row| row.energy.origin));
        table.push([
            Cell::Integer(i64::from(cell.conv)),
            Cell::Integer(i64::from(cell.linear)),
            Cell::text(if cell.relu { "yes" } else { "no" }),
            Cell::Integer(of().count() as i64),
            Cell::or_missing(
                energy
                    .zip(origin)
                    .map(|(energy, origin)| Cell::energy(energy.value, energy.ci95, 4, origin)),
            ),
            Cell::or_missing(accuracy.map(|accuracy| {
                Cell::interval(
                    accuracy.value * 100.0,
                    accuracy.ci95.map(|ends| ends.map(|end| end * 100.0)),
                    3,
                )
            })),
        ]);
    }
    table
}

fn anova_table(blocks: &[Block<'_>], data: &str) -> Option<Table> {
    let rows: Vec<&LayerRow> = blocks.iter().flatten().copied().collect();
    let response: Vec<f64> = rows.iter().map(|row| row.energy.joules.0).collect();
    let factor = |name, level: fn(&LayerRow) -> String| {
        stats::Factor::new(name, rows.iter().map(|row| level(row)))
    };
    let factors = [
        factor("conv", |row| row.network.conv.to_string()),
        factor("linear", |row| row.network.linear.to_string()),
        factor("ReLU", |row| row.network.relu.to_string()),
    ];
    let anova = stats::anova(&response, &factors, stats::SumsOfSquares::TypeIII).ok()?;
    let mut table = Table::new(
        format!("rq2-anova-{data}"),
        format!(
            "Type III ANOVA of training energy on {data}: {} trainings, {} residual degrees of freedom, \
             95 % intervals from the noncentral F distribution. This is the study's analysis: it takes all \
             trainings for independent. The rows of a block are not, so the verdict is based on the \
             bootstrap over blocks and not on these p-values and intervals.",
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
            Column::number("ω²", ""),
        ],
    );
    for (at, term) in anova.terms.iter().enumerate() {
        let intervals = anova.effect_intervals(at, 0.95).ok().flatten();
        let size = |value, interval: Option<stats::Interval>| {
            Cell::interval(value, interval.map(|interval| [interval.low, interval.high]), 3)
        };
        table.push([
            Cell::text(&term.term),
            Cell::Integer(term.df as i64),
            Cell::number(term.f, 4),
            Cell::PValue(term.p),
            size(term.eta_sq, intervals.map(|sizes| sizes.eta_sq)),
            size(term.partial_eta_sq, intervals.map(|sizes| sizes.partial_eta_sq)),
            size(term.omega_sq, intervals.map(|sizes| sizes.omega_sq)),
        ]);
    }
    Some(table)
}

/// Most trainings for which the mixed model is fitted.
const MOST_MIXED: usize = 20_000;

/// The same analysis with blocks as random effects, and what that changes.
fn mixed_table(set: &Factorial<'_>) -> Option<Table> {
    let rows: Vec<(usize, &LayerRow)> = set
        .blocks
        .iter()
        .enumerate()
        .flat_map(|(at, block)| block.iter().map(move |row| (at, *row)))
        .collect();
    if set.blocks.len() < 3 || rows.len() > MOST_MIXED {
        return None;
    }
    let origin = origin_of(rows.iter().map(|(_, row)| row.energy.origin))?;
    let response: Vec<f64> = rows.iter().map(|(_, row)| row.energy.joules.0).collect();
    let factor = |name, level: &dyn Fn(&(usize, &LayerRow)) -> String| {
        stats::Variable::Factor(stats::Factor::new(name, rows.iter().map(level)))
    };
    let variables = [
        factor("conv", &|(_, row)| row.network.conv.to_string()),
        factor("linear", &|(_, row)| row.network.linear.to_string()),
        factor("ReLU", &|(_, row)| row.network.relu.to_string()),
        factor("block", &|(block, _)| block.to_string()),
    ];
    let mixed = "energy ~ conv*linear*ReLU + (1|block)".parse().ok()?;
    let mixed = stats::mixed_model(&mixed, &response, &variables).ok()?;
    let fixed = "energy ~ conv*linear*ReLU".parse().ok()?;
    let kind = stats::SumsOfSquares::TypeIII;
    let fixed = stats::anova_by_formula(&fixed, &response, &variables, kind).ok()?;
    let pairs = || mixed.terms.iter().zip(&fixed.terms);
    let changed: Vec<&str> = pairs()
        .filter(|(mixed, fixed)| (mixed.p < LEVEL) != (fixed.p < LEVEL))
        .map(|(mixed, _)| mixed.term.as_str())
        .collect();
    let change = match changed.as_slice() {
        [] => "At 5 %, both analyses find the same effects".to_owned(),
        terms => format!("At 5 %, the analyses disagree about {}", terms.join(" and ")),
    };
    let blocks = mixed.random.first().map_or(0.0, |random| random.sd[0]);
    let mut table = Table::new(
        format!("rq2-mixed-{}", set.data),
        format!(
            "The same trainings of {} in a mixed model, which takes repeats for repeats: {} blocks are random \
             (standard deviation {} J between blocks and {} J within, {}), with Satterthwaite's degrees of \
             freedom. {change}.",
            set.data,
            set.blocks.len(),
            significant(blocks, 3),
            significant(mixed.residual_sd, 3),
            origin.word(),
        ),
        [
            Column::text("term"),
            Column::number("degrees of freedom", ""),
            Column::number("of the error", ""),
            Column::number("F", ""),
            Column::number("p", ""),
            Column::number("p, all independent", ""),
        ],
    );
    for (mixed, fixed) in pairs() {
        table.push([
            Cell::text(&mixed.term),
            Cell::Integer(mixed.df as i64),
            Cell::number(mixed.den_df, 4),
            Cell::number(mixed.f, 4),
            Cell::PValue(mixed.p),
            Cell::PValue(fixed.p),
        ]);
    }
    Some(table)
}

/// Significance level of the comparison.
const LEVEL: f64 = 0.05;
